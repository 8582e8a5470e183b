"""The shards of a release of gleaner, as PyTorch's loaders want them."""

import functools
import glob
import inspect
import json
import os
import sys


def fail(what):
    """Ends the program with one line: a user's mistake needs no stack trace."""
    sys.exit(f"{os.path.basename(sys.argv[0])}: {what}")


def release_of(directory):
    """The release's own folder, of a run's folder or of itself."""
    inner = os.path.join(directory, "release")
    release = inner if os.path.isdir(inner) else directory
    if not os.path.isfile(os.path.join(release, "stats.json")):
        fail(f"{directory}: no stats.json there or in release/; give what gleaner run or gleaner subset has made")
    return release


def shards_of(directory):
    """
    The tars and how many samples they hold together.

    The count is the release's own (`rows` of stats.json): open_clip wants it beforehand, and counting by reading would cost
    a pass over all pictures.
    """
    release = release_of(directory)
    with open(os.path.join(release, "stats.json"), encoding="utf-8") as file:
        samples = json.load(file)["rows"]
    tars = sorted(glob.glob(os.path.join(release, "images", "*.tar")))
    if samples == 0 or not tars:
        fail(f"{release}: no samples; deal other --shares to gleaner split, or take a larger release")
    return tars, samples


def braces(tars):
    """One pattern for all tars, since parts are numbered without gaps: images/{00000..00031}.tar."""
    first, last = (os.path.basename(tar)[: -len(".tar")] for tar in (tars[0], tars[-1]))
    if int(last) - int(first) + 1 != len(tars):
        fail(f"{os.path.dirname(tars[0])}: {len(tars)} tars from {first} to {last}; gleaner verify says what is missing")
    return tars[0] if first == last else os.path.join(os.path.dirname(tars[0]), f"{{{first}..{last}}}.tar")


def fit_webdataset(data):
    """
    Makes open_clip_train.data work with webdataset from 0.2.96 on, which gives it the end of a shard as a sample without a
    name: KeyError 'fname' (mlfoundations/open_clip, issue 935). open_clip itself asks for 0.2.86 at most.
    """
    if "eof_value" in inspect.signature(data.tar_file_expander).parameters:
        data.tar_file_expander = functools.partial(data.tar_file_expander, eof_value=None)
