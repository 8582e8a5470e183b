"""Reads tars as PyTorch's users do: webdataset, Pillow, torch's DataLoader. argv: pattern, size, workers, batch, epochs."""
import sys, warnings

warnings.filterwarnings("ignore")
import numpy as np
import torch
import webdataset as wds
from PIL import Image

tars, size, workers, batch, epochs = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(1)


def square(image):
    """torchvision's Resize and CenterCrop as open_clip's, on Pillow, without its conversion to floats."""
    width, height = image.size
    if width <= height:
        scaled = size, int(size * height / width)
    else:
        scaled = int(size * width / height), size
    image = image.resize(scaled, Image.BICUBIC)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    image = image.crop((left, top, left + size, top + size))
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def main():
    data = (
        wds.WebDataset(tars, shardshuffle=100, nodesplitter=None, workersplitter=wds.split_by_worker, seed=1)
        .shuffle(1000)
        .decode("pilrgb")
        .to_tuple("jpg;png;webp", "txt", "__key__")
        .map_tuple(square, lambda text: text, lambda key: key)
        .batched(batch, collation_fn=lambda some: (torch.stack([s[0] for s in some]), [s[1] for s in some], [s[2] for s in some]))
    )
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=workers, persistent_workers=workers > 0)
    samples = 0
    for _ in range(epochs):
        for images, texts, keys in loader:
            assert images.shape[1:] == (3, size, size) and images.dtype == torch.uint8
            samples += len(keys)
    print(samples, file=sys.stderr)


if __name__ == "__main__":
    main()
