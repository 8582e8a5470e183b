"""
What webdataset, open_clip's data code and a trained CLIP make of a release: JSON in a file, for the test to compare.

    read_shards.py RELEASE MODEL.json CHECKPOINT OUT.json
"""

import json
import os
import sys
from argparse import Namespace

import numpy as np
import open_clip
import torch
import webdataset as wds
from open_clip_train import data as open_clip_data

from shards import braces, fit_webdataset, shards_of

release, config, checkpoint, out = sys.argv[1:]
tars, samples = shards_of(release)
fit_webdataset(open_clip_data)
open_clip.add_model_config(config)
name = os.path.basename(config)[: -len(".json")]
model, crop_at_random, preprocess = open_clip.create_model_and_transforms(name, pretrained=checkpoint)
model.eval()
tokenizer = open_clip.get_tokenizer(name)

read = []
for key, caption, fields, picture in (
    wds.WebDataset(tars, shardshuffle=False).decode("rgb8").to_tuple("__key__", "txt", "json", "jpg;png;webp")
):
    height, width, _ = picture.shape
    colour = np.asarray(picture, dtype=np.float64).mean(axis=(0, 1)).tolist()
    read.append({"key": key, "caption": caption, "fields": fields, "width": width, "height": height, "colour": colour})


def batches(train):
    """Of open_clip's data code, with the options that its main gives it."""
    options = {"train_data": braces(tars), "val_data": braces(tars), "train_num_samples": samples, "seed": 0}
    more = {"val_num_samples": samples, "train_data_upsampling_factors": None, "workers": 0, "world_size": 1}
    args = Namespace(**options, **more, batch_size=8, dataset_resampled=False)
    transform = crop_at_random if train else preprocess
    loader = open_clip_data.get_wds_dataset(args, transform, is_train=train, tokenizer=tokenizer).dataloader
    for pictures, tokens in loader:
        yield pictures, tokens


shapes, captions, images, texts = [], [], [], []
for pictures, tokens in batches(train=False):
    shapes.append(list(pictures.shape))
    captions += [tokenizer.decode([t for t in row if t not in (0, *tokenizer.all_special_ids)]) for row in tokens.tolist()]
    with torch.no_grad():
        images += model.encode_image(pictures, normalize=True).tolist()
        texts += model.encode_text(tokens, normalize=True).tolist()
shuffled = [tokens.tolist() for _, tokens in batches(train=True)]
known = {tuple(row): caption for row, caption in zip(tokenizer(captions).tolist(), captions)}
trained = [known.get(tuple(row)) for rows in shuffled for row in rows]

with open(out, "w", encoding="utf-8") as file:
    json.dump(
        {"samples": read, "shapes": shapes, "captions": captions, "trained": trained, "images": images, "texts": texts},
        file,
    )
