"""Asks `gleaner serve` and clip-retrieval's own back the same things, by clip-retrieval's own client, unchanged.

argv: URL of gleaner, folder of its run, folder to work in, a picture of the release, port that serves it.
Prints what was compared; ends with status 1 at the first difference.
"""
import glob, io, json, os, sys, threading, time, urllib.request

import faiss
import numpy as np
import pandas as pd

gleaner, run, work, picture, pictures_port = sys.argv[1:6]
release = run + "/release"


def whole(kind):
    parts = [np.load(f).astype("float32") for f in sorted(glob.glob(f"{release}/{kind}/*.npy"))]
    return np.concatenate([p for p in parts if len(p)])


# The peer: faiss, exact, on the very vectors of the release, and its columns under the names that it returns.
vectors = {"image": whole("img_emb"), "text": whole("text_emb")}
folder = work + "/back"
os.makedirs(folder + "/metadata")
for kind, rows in vectors.items():
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    faiss.write_index(index, f"{folder}/{kind}.index")
table = pd.concat(pd.read_parquet(f) for f in sorted(glob.glob(release + "/metadata/*.parquet"))).sort_values("SAMPLE_ID")
table = table.rename(columns={"URL": "url", "TEXT": "caption"})[["url", "caption", "NSFW"]]
table.to_parquet(folder + "/metadata/metadata_0.parquet")
name = os.path.basename(run)
json.dump({name: folder}, open(folder + "/indices.json", "w"))

import all_clip, flask, logging, socket  # noqa: E402

all_clip.load_clip = lambda *a, **k: (None, None, None)  # embedding_input needs no model
flask_run = flask.Flask.run
flask.Flask.run = lambda self, host=None, port=None, **options: flask_run(self, host="127.0.0.1", port=port, **options)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
from clip_retrieval.clip_back import clip_back  # noqa: E402
from clip_retrieval.clip_client import ClipClient, Modality  # noqa: E402

options = dict(indices_paths=folder + "/indices.json", port=port, enable_mclip_option=False, provide_aesthetic_embeddings=False)
threading.Thread(target=lambda: clip_back(**options), daemon=True).start()
back = f"http://127.0.0.1:{port}/"


def get(base, path):
    return urllib.request.urlopen(base + path, timeout=60).read().decode()


for _ in range(300):
    try:
        get(back, "indices-list")
        break
    except OSError:
        time.sleep(0.2)

asked = forced = 0


def same(ours, theirs, scores, what):
    """Rows that are equally near may stand for one another; everything else is the same."""
    global asked, forced
    asked += 1
    assert isinstance(ours, list), (what, ours)
    assert len(ours) == len(theirs), (what, len(ours), len(theirs))
    for a, b in zip(ours, theirs):
        assert set(b) <= set(a), (what, set(b) - set(a))
        assert abs(a["similarity"] - b["similarity"]) < 1e-3, (what, a, b)
        for key, value in b.items():
            assert type(a[key]) is type(value), (what, key, a[key], value)
        for key in ("url", "caption", "NSFW"):
            assert a[key] == table[key].iloc[a["id"]], (what, key)
        if (np.abs(scores - b["similarity"]) < 1e-3).sum() == 1:
            forced += 1
            assert a["id"] == b["id"], (what, a, b)


safe = set(np.flatnonzero(table["NSFW"].to_numpy() == "UNLIKELY"))
for modality in Modality:
    for num_images in (1, 7, 40):
        for deduplicate in (False, True):
            for extra in ({}, dict(use_mclip=True), dict(aesthetic_score=5, aesthetic_weight=0.1), dict(use_violence_detector=False)):
                settings = dict(indice_name=name, modality=modality, num_images=num_images, deduplicate=deduplicate, use_safety_model=False)
                if extra.get("use_mclip"):
                    settings["use_mclip"] = True
                settings |= extra
                clients = [ClipClient(url=base + "knn-service", **settings) for base in (gleaner, back)]
                for row in (0, 3, len(vectors["image"]) - 1):
                    vector = vectors["image"][row]
                    query = vector.tolist()
                    answers = [client.query(embedding_input=query) for client in clients]
                    same(*answers, vectors[modality.value] @ vector, (settings, row))
                safely = ClipClient(url=gleaner + "knn-service", **(settings | {"use_safety_model": True}))
                assert all(hit["id"] in safe for hit in safely.query(embedding_input=query)), settings
assert forced > asked
print(f"embedding_input: {asked} answers beside clip_back's: same fields, types and order, similarity within 0.001; {forced} rows that nothing ties with are the same")

client = ClipClient(url=gleaner + "knn-service", indice_name=name, deduplicate=False, use_safety_model=False)
by_file = client.query(image=picture)
by_url = client.query(image=f"http://127.0.0.1:{pictures_port}/picture.jpg")
assert by_file == by_url and len(by_file) > 0 and by_file[0]["similarity"] > 0.9, by_file[:1]
caption = by_file[0]["caption"]
by_text = client.query(text=caption)
assert len(by_text) == len(by_file) and all(set(hit) == set(by_file[0]) for hit in by_text)
order = [hit["similarity"] for hit in by_text]
assert order == sorted(order, reverse=True)
texts = ClipClient(url=gleaner + "knn-service", indice_name=name, modality=Modality.TEXT, deduplicate=False, use_safety_model=False)
first = texts.query(text=caption)[0]
assert first["caption"] == caption and first["similarity"] > 0.99, first
print(f"text, picture, address of a picture: {len(by_text)} rows each, best {by_file[0]['similarity']:.3f} by the picture itself")


def post(base, path, body):
    request = urllib.request.Request(base + path, json.dumps(body).encode())
    return json.loads(urllib.request.urlopen(request, timeout=60).read())


asks = {"ids": [hit["id"] for hit in by_text[:5]], "indice_name": name}
for a, b in zip(post(gleaner, "metadata", asks), post(back, "metadata", asks)):
    assert a["id"] == b["id"] and set(b["metadata"]) <= set(a["metadata"])
    assert all(a["metadata"][key] == value for key, value in b["metadata"].items())
assert post(gleaner, "metadata", {"ids": [], "indice_name": name}) == post(back, "metadata", {"ids": [], "indice_name": name}) == []
assert json.loads(get(gleaner, "indices-list")) == json.loads(get(back, "indices-list")) == [name]


def metrics(base):
    return {line.split()[2] for line in get(base, "metrics").splitlines() if line.startswith("# TYPE")}


lacking = sorted(m for m in metrics(back) - metrics(gleaner) if not m.endswith("_created"))
print("/metadata, /indices-list: the same;", "/metrics: all of its names" if not lacking else f"/metrics lacks {', '.join(lacking)}")
os._exit(0)
