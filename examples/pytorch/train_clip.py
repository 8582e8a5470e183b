"""
Trains a CLIP from scratch on a release of gleaner, with open_clip's own training program and data code.

    python train_clip.py --train out/train --val out/validation --model ViT-B-32 --batch-size 1024 --epochs 32

Finds the shards and how many samples they hold, prints the open_clip command that this comes to, and runs it. What else
is given goes to open_clip as it is: --workers, --lr, --warmup, --precision, --resume latest... --model may be a file with
a model configuration, as tiny.json is. Several GPUs: torchrun --nproc_per_node 8 train_clip.py ...

It ends with status 1 and one line where the loss is no number; checkpoints of earlier epochs are kept.
"""

import argparse
import os
import shlex
import sys

import open_clip
import torch
from open_clip_train import data as open_clip_data
from open_clip_train import main as open_clip_main

from shards import braces, fail, fit_webdataset, shards_of


def command_of(args, rest):
    """Arguments of open_clip_train.main."""
    tars, samples = shards_of(args.train)
    command = ["--dataset-type", "webdataset", "--train-data", braces(tars), "--train-num-samples", str(samples)]
    if args.val:
        tars, samples = shards_of(args.val)
        command += ["--val-data", braces(tars), "--val-num-samples", str(samples)]
    command += ["--model", args.model, "--device", args.device, "--precision", args.precision]
    return command + rest


def stop_at_nonsense(create_loss):
    """A loss whose value is looked at in each step: open_clip would go on with a broken model and save it."""

    def check(_module, _given, losses):
        value = sum(losses.values()) if isinstance(losses, dict) else losses
        if not torch.isfinite(value):
            fail(f"the loss is {value.item()}; go on from an earlier checkpoint (--resume FILE) with a lower --lr")

    def create(args):
        loss = create_loss(args)
        loss.register_forward_hook(check)
        return loss

    return create


def main():
    as_it_is = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_it_is, allow_abbrev=False)
    has_gpu = torch.cuda.is_available()
    parser.add_argument("--train", required=True, help="release, or folder of a run or a subset")
    parser.add_argument("--val", help="the same, to measure with after each epoch")
    parser.add_argument("--model", default="ViT-B-32", help="open_clip's name, or a .json file")
    parser.add_argument("--device", default="cuda" if has_gpu else "cpu")
    parser.add_argument("--precision", default="amp_bf16" if has_gpu else "fp32")
    args, rest = parser.parse_known_args()
    if args.model.endswith(".json"):
        open_clip.add_model_config(args.model)
        args.model = os.path.basename(args.model)[: -len(".json")]
    command = command_of(args, rest)
    print("python -m open_clip_train.main", shlex.join(command), flush=True)
    fit_webdataset(open_clip_data)
    open_clip_main.create_loss = stop_at_nonsense(open_clip_main.create_loss)
    # It returns -1 where a run of this name is there already, and has said so.
    sys.exit(1 if open_clip_main.main(command) == -1 else 0)


if __name__ == "__main__":
    main()
