"""Reads what gleaner download left, as its readers do. argv: folder of tars, folder of Parquet files with images."""
import glob, io, json, sys

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import webdataset as wds

tars, parquet = sys.argv[1:3]

# webdataset, as open_clip reads its training data: decoded, renamed, filtered, as tuples.
shards = sorted(glob.glob(tars + "/*.tar"))
pipeline = (
    wds.WebDataset(shards, shardshuffle=False, nodesplitter=None)
    .select(lambda sample: "txt" in sample and any(e in sample for e in ("jpg", "png", "jpeg", "webp")))
    .rename(image="jpg;png;jpeg;webp", text="txt")
    .to_tuple("image", "text", "json", "__key__")
)
samples = list(pipeline)
for image, text, meta, key in samples:
    meta = json.loads(meta)
    assert image[:3] == b"\xff\xd8\xff" and meta["key"] == key and meta["status"] == "success"
    assert (meta["caption"] or "") == text.decode()

# pyarrow: each file, and the folder as a data set, which passes over what begins with '_'.
names = "caption url key status error_message width height original_width original_height exif sha256".split()
types = ["string"] * 5 + ["int32"] * 4 + ["string"] * 2
rows = 0
for path in sorted(glob.glob(tars + "/*.parquet")):
    table = pq.read_table(path)
    got = [(f.name, str(f.type)) for f in table.schema][: len(names)]
    assert got == list(zip(names, types)), got
    rows += table.num_rows
assert ds.dataset(sorted(glob.glob(tars + "/*.parquet"))).count_rows() == rows
kept = ds.dataset(tars + "/", format="parquet", exclude_invalid_files=True).to_table(filter=ds.field("status") == "success")
assert kept.num_rows == len(samples)

# clip-retrieval: keys of the tar are those of the metadata.
assert set(kept.column("key").to_pylist()) == {key for _, _, _, key in samples}

# Images within Parquet files.
import numpy, cv2
images = 0
for path in sorted(glob.glob(parquet + "/*.parquet")):
    for jpg in pq.read_table(path, columns=["jpg"]).column("jpg").to_pylist():
        if jpg is not None:
            assert cv2.imdecode(numpy.frombuffer(jpg, numpy.uint8), cv2.IMREAD_COLOR).shape == (256, 256, 3)
            images += 1
assert images == len(samples)
print(f"webdataset {wds.__version__}, pyarrow {pq.__name__ and __import__('pyarrow').__version__}: {len(samples)} samples of {rows} rows, as tars and in Parquet")
