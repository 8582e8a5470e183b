"""
Trains a DALL-E on a release of gleaner, with the models of DALLE-pytorch.

    python train_dalle.py --train out/train --val out/validation --out dalle --prompt "a drawing of a red apple"

First the discrete VAE, which makes 8 x 8 tokens of a picture (64 pixels, 3 layers); then the transformer over a caption's
tokens and the picture's. Leaves OUT/vae.pt and OUT/dalle.pt, as DALLE-pytorch's train_vae.py and train_dalle.py do, and
a row of samples for each --prompt in OUT/samples.png. Started again, it goes on behind the epochs that are done.
"""

import argparse
import contextlib
import io
import math
import os
import random
import tarfile

import torch
import webdataset as wds
from torchvision import transforms as T
from torchvision.utils import save_image

from shards import fail, shards_of

with contextlib.redirect_stderr(io.StringIO()):  # the pytorch-lightning that it needs warns of its own age
    from dalle_pytorch import DALLE, DiscreteVAE, __version__
    from dalle_pytorch.tokenizer import HugTokenizer
    from dalle_pytorch.tokenizer import tokenizer as clip_tokenizer



def batches(tars, args, tokens_of, rng=None):
    """
    (captions [batch, text_length] int64, pictures [batch, 3, size, size] in 0..1) of one pass over the shards: shuffled and
    cropped at random where there is an `rng`, else in order, the last batch included.
    """
    size = args.image_size
    if rng:
        pixels = T.Compose([T.RandomResizedCrop(size, scale=(0.75, 1), ratio=(1, 1), antialias=True), T.ToTensor()])
        tars = rng.sample(tars, len(tars))
    else:
        pixels = T.Compose([T.Resize(size, antialias=True), T.CenterCrop(size), T.ToTensor()])
    samples = wds.WebDataset(tars, shardshuffle=False)
    if rng:
        samples = samples.shuffle(args.shuffle, rng=rng)
    pairs = samples.decode("pil").to_tuple("txt", "jpg;jpeg;png;webp")
    ready = pairs.map_tuple(tokens_of, lambda picture: pixels(picture.convert("RGB")))
    return ready.batched(args.batch_size, partial=rng is None)


def train(model, loss_of, args, name, tars, tokens_of, checkpoint, epochs):
    """Passes over the shards, each with a checkpoint at its end: what `checkpoint` says of an epoch, and all state."""
    path = os.path.join(args.out, f"{name}.pt")
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=args.lr)
    first, step, loss = 0, 0, torch.tensor(0.0)
    if os.path.exists(path):
        saved = torch.load(path, map_location=args.device, weights_only=True)
        if saved["hparams"] != checkpoint(0)["hparams"]:
            fail(f"{path}: of other options; give another --out, or the same options")
        model.load_state_dict(saved["weights"])
        optimizer.load_state_dict(saved["opt_state"])
        first, step = saved["epoch"] + 1, saved["step"]
    for epoch in range(first, epochs):
        torch.manual_seed(args.seed + epoch)
        before = step
        for captions, pictures in batches(tars, args, tokens_of, random.Random(args.seed + epoch)):
            loss = loss_of(captions.to(args.device), pictures.to(args.device), step)
            if not torch.isfinite(loss):
                fail(f"{name}: the loss is {loss.item()} at step {step}; lower --lr, {path} has epoch {epoch - 1}")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            if step % args.log_every == 0:
                print(f"{name} epoch {epoch} step {step} loss {loss.item():.4f}", flush=True)
            step += 1
        if step == before:
            fail(f"{args.train}: fewer samples than --batch-size {args.batch_size}")
        print(f"{name} epoch {epoch} done, step {step} loss {loss.item():.4f}", flush=True)
        state = {"weights": model.state_dict(), "opt_state": optimizer.state_dict(), "scheduler_state": None}
        torch.save({**checkpoint(epoch), **state, "step": step}, f"{path}.part")
        os.replace(f"{path}.part", path)


@torch.no_grad()
def image_loss(dalle, args, tars, tokens_of, roll):
    """
    Mean negative log-likelihood of a picture's token, in nats; `roll` gives each picture the caption of another one.
    The model's loss is a mean of text and image by weight, so that a great weight leaves the image's.
    """
    dalle.eval()
    weight, dalle.loss_img_weight = dalle.loss_img_weight, 1e9
    total, count = 0.0, 0
    for captions, pictures in batches(tars, args, tokens_of):
        captions = captions.roll(roll, 0)
        total += dalle(captions.to(args.device), pictures.to(args.device), return_loss=True).item() * len(pictures)
        count += len(pictures)
    dalle.loss_img_weight = weight
    dalle.train()
    return total / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True, help="release, or folder of a run or a subset")
    parser.add_argument("--val", help="the same, to measure with at the end")
    parser.add_argument("--out", default="dalle")
    parser.add_argument("--bpe", help="a tokenizer.json in place of CLIP's 49,408 tokens: a small release has fewer words")
    parser.add_argument("--image-size", type=int, default=64, help="a power of 2")
    parser.add_argument("--text-length", type=int, default=32, help="tokens; longer captions are cut")
    parser.add_argument("--layers", type=int, default=3, help="of the VAE: each halves the picture's sides")
    parser.add_argument("--codes", type=int, default=512, help="different tokens of pictures")
    parser.add_argument("--hidden", type=int, default=64, help="channels of the VAE")
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--vae-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--shuffle", type=int, default=1000, help="samples of the shuffle buffer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=50, help="steps")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--prompt", action="append", default=[], help="a caption to draw; may be given again")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    tars, samples = shards_of(args.train)
    print(f"{args.train}: {samples} samples in {len(tars)} shards", flush=True)
    words = HugTokenizer(args.bpe) if args.bpe else clip_tokenizer

    def tokens_of(caption):
        return words.tokenize([caption], args.text_length, truncate_text=True).squeeze(0)

    sizes = {"image_size": args.image_size, "num_layers": args.layers, "num_tokens": args.codes}
    vae_params = {**sizes, "codebook_dim": args.hidden, "hidden_dim": args.hidden, "num_resnet_blocks": 1}
    # Straight-through samples and a temperature that falls to 1/16: as in the DALL-E paper, appendix A.2 (arXiv:2102.12092).
    vae = DiscreteVAE(**vae_params).to(args.device)
    vae_steps = max(1, args.vae_epochs * (samples // args.batch_size))

    def vae_loss(_captions, pictures, step):
        return vae(pictures, return_loss=True, temp=max(1 / 16, math.exp(-math.log(16) * step / vae_steps)))

    def vae_checkpoint(epoch):
        return {"hparams": vae_params, "epoch": epoch}

    train(vae, vae_loss, args, "vae", tars, tokens_of, vae_checkpoint, args.vae_epochs)

    texts = {"num_text_tokens": words.vocab_size, "text_seq_len": args.text_length}
    dalle_params = {**texts, "dim": args.dim, "depth": args.depth, "heads": args.heads}
    dalle = DALLE(vae=vae, **dalle_params).to(args.device)

    def dalle_loss(captions, pictures, _step):
        return dalle(captions, pictures, return_loss=True)

    def dalle_checkpoint(epoch):
        kind = {"version": __version__, "vae_class_name": "DiscreteVAE"}
        return {"hparams": dalle_params, "vae_params": vae_params, "epoch": epoch, **kind}

    train(dalle, dalle_loss, args, "dalle", tars, tokens_of, dalle_checkpoint, args.epochs)

    if args.val:
        held_out, _ = shards_of(args.val)
        matched, shuffled = (image_loss(dalle, args, held_out, tokens_of, roll) for roll in (0, 1))
        print(f"{args.val}: {matched:.4f} nats an image token with its caption, {shuffled:.4f} with another's")
    if args.prompt:
        drawn = [dalle.generate_images(tokens_of(p).expand(8, -1).to(args.device), filter_thres=0.9) for p in args.prompt]
        save_image((torch.cat(drawn) * 0.5 + 0.5).clamp(0, 1), os.path.join(args.out, "samples.png"), nrow=8)
        print(f"{os.path.join(args.out, 'samples.png')}: 8 samples of {len(args.prompt)} captions")


if __name__ == "__main__":
    try:
        main()
    except tarfile.TarError as error:
        fail(f"{error.args[-1]}: {error.args[0]}; copy this shard again, gleaner verify tells whether it is whole")
