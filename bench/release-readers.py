"""Reads a release as its readers do. argv: the folder of the release, a folder for img2dataset to download to."""
import collections, glob, importlib, importlib.metadata, importlib.util, json, os, sys, warnings

warnings.filterwarnings("ignore")
release, again = (sys.argv + ["", ""])[1:3]
LAION = [
    ("SAMPLE_ID", "int64"), ("URL", "string"), ("TEXT", "string"), ("HEIGHT", "int32"), ("WIDTH", "int32"),
    ("LICENSE", "string"), ("NSFW", "string"), ("similarity", "double"),
]
parts = sorted(glob.glob(release + "/metadata/*.parquet"))


def read(package, how):
    """Runs one reader, or says that it is not there."""
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError:
        print(f"{package}: skipped, it is not installed")
        return None
    said = how(module)
    print(f"{package} {importlib.metadata.version(package)}: {said}", flush=True)


def pyarrow(_):
    global rows
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    for path in parts:
        assert [(f.name, str(f.type)) for f in pq.read_schema(path)][:8] == LAION, path
        group = pq.ParquetFile(path).metadata.row_group(0)
        assert all(group.column(c).compression == "SNAPPY" for c in range(group.num_columns))
    table = ds.dataset(parts).to_table()
    rows = table.to_pylist()
    assert [row["SAMPLE_ID"] for row in rows] == list(range(len(rows)))
    assert pq.read_table(release + "/metadata").num_rows == len(rows)
    kept = ds.dataset(release + "/metadata/", format="parquet").to_table(filter=ds.field("WIDTH") >= 400)
    assert 0 < kept.num_rows < len(rows) and min(kept.column("WIDTH").to_pylist()) >= 400
    return f"{len(rows)} rows in {len(parts)} files, snappy, {len(table.schema)} columns, LAION-400M's eight first"


def numpy(np):
    at = 0
    for image, text in zip(*(sorted(glob.glob(f"{release}/{kind}/*.npy")) for kind in ("img_emb", "text_emb"))):
        image, text = np.load(image, mmap_mode="r"), np.load(text, mmap_mode="r")
        assert image.dtype == text.dtype == np.float16 and image.shape == text.shape
        cosine = (image.astype("f4") * text.astype("f4")).sum(axis=1)
        wanted = np.array([row["similarity"] for row in rows[at : at + len(cosine)]])
        assert np.abs(cosine - wanted).max() < 2e-3, "a row of embeddings is not that of its metadata"
        at += len(cosine)
    assert at == len(rows)
    return f"{at} rows of {image.shape[1]} float16; image times text is each row's similarity within 0.002"


def webdataset(wds):
    shards = sorted(glob.glob(release + "/images/*.tar"))
    pictures = importlib.util.find_spec("PIL") is not None
    pipeline = wds.WebDataset(shards, shardshuffle=False, nodesplitter=None)
    pipeline = pipeline.decode("pil") if pictures else pipeline.decode(only=["json", "txt"])
    samples = list(pipeline.to_tuple("__key__", "jpg", "json", "txt"))
    assert [sample[0] for sample in samples] == [row["key"] for row in rows]
    for (key, image, meta, text), row in zip(samples, rows):
        assert (meta["key"], meta["url"], meta["sha256"]) == (key, row["URL"], row["sha256"])
        assert text == meta["caption"] == row["TEXT"]
        assert (meta["width"], meta["height"]) == (row["stored_width"], row["stored_height"])
        assert image.size == (meta["width"], meta["height"]) if pictures else image[:2] == b"\xff\xd8"
        assert (meta["original_width"], meta["original_height"]) == (row["WIDTH"], row["HEIGHT"])
    return f"{len(samples)} samples of {len(shards)} tars, keys, texts and sizes those of the metadata{', decoded' if pictures else ''}"


def embedding_reader(package):
    at = 0
    reader = package.EmbeddingReader(
        embeddings_folder=release + "/img_emb", metadata_folder=release + "/metadata",
        file_format="parquet_npy", meta_columns=["SAMPLE_ID", "URL"],
    )
    for embeddings, meta in reader(batch_size=50, show_progress=False):
        assert list(meta["URL"]) == [row["URL"] for row in rows[at : at + len(embeddings)]]
        at += len(embeddings)
    assert at == reader.count == len(rows)
    return f"{at} embeddings of {reader.dimension}, each with its URL"


def duckdb(db):
    query = "SELECT count(*), count(DISTINCT key), min(WIDTH), max(try_cast(harvested_at AS TIMESTAMP)) FROM '{}'"
    count, keys, width, last = db.sql(query.format(release + "/metadata/*.parquet")).fetchall()[0]
    assert count == keys == len(rows) and width == min(row["WIDTH"] for row in rows) and last is not None
    why = db.sql(f"SELECT reason, count(*) FROM '{release}/dropped/*.parquet' GROUP BY ALL").fetchall()
    return f"{count} rows, the last harvested at {last}; dropped: {dict(why)}"


def img2dataset(package):
    # It and its processes tell of their progress.
    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    package.download(
        url_list=release + "/metadata", input_format="parquet", url_col="URL", caption_col="TEXT",
        output_folder=again, output_format="webdataset", processes_count=1, thread_count=8,
        compute_hash="sha256", verify_hash=["sha256", "sha256"], save_additional_columns=["SAMPLE_ID", "similarity"],
        enable_wandb=False, resize_mode="no",
    )
    os.dup2(stdout, 1)
    status = collections.Counter()
    for path in glob.glob(again + "/*_stats.json"):
        status.update(json.load(open(path))["status_dict"])
    assert status == {"success": len(rows)}, status
    return f"downloaded {status['success']} of {len(rows)} from the metadata, SHA-256 of each that of its row"


# img2dataset's processes import this file again.
if __name__ == "__main__":
    if importlib.util.find_spec("pyarrow") is None:
        print("skipped: no pyarrow, with which the others are compared")
        sys.exit()
    for package, how in [
        ("pyarrow", pyarrow), ("numpy", numpy), ("webdataset", webdataset), ("embedding-reader", embedding_reader),
        ("duckdb", duckdb), ("img2dataset", img2dataset),
    ]:
        read(package, how)
