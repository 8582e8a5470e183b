"""
Writes a CLIP that open_clip has trained as a model folder of gleaner.

    python export_onnx.py --model ViT-B-32 --checkpoint logs/NAME/checkpoints/epoch_32.pt --out my-clip
    npx gleaner embed photos --input-format files --no-text --model my-clip --out embeddings

The folder is what open_clip's models are published as for ONNX: config.json (the model configuration),
visual/{model.onnx, preprocess_cfg.json}, textual/{model.onnx, vocab.json, merges.txt}.
"""

import argparse
import json
import os
import warnings

import open_clip
import torch

from shards import fail

# What gleaner knows the ends of a caption by (CLIP's vocab.json); open_clip calls them otherwise.
SPECIAL = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}


class Half(torch.nn.Module):
    """One of the two encoders as a network of its own."""

    def __init__(self, model, encode):
        super().__init__()
        self.model = model
        self.encode = encode

    def forward(self, x):
        return getattr(self.model, self.encode)(x, normalize=True)


def export(model, encode, example, name, path):
    """[batch, ...] → [batch, dimension], with any number of rows."""
    rows = {0: "batch"}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.onnx.export(
        Half(model, encode),
        (example,),
        path,
        input_names=[name],
        output_names=["embedding"],
        dynamic_axes={name: rows, "embedding": rows},
        opset_version=17,
        dynamo=False,
    )


def write_tokenizer(tokenizer, folder):
    """open_clip's byte-pair encoding in CLIP's own pair of files."""
    if not isinstance(tokenizer, open_clip.SimpleTokenizer):
        fail(f"the tokenizer is a {type(tokenizer).__name__}: copy its tokenizer.json and tokenizer_config.json to {folder}")
    ids = {SPECIAL.get(token, token): i for token, i in tokenizer.encoder.items()}
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as file:
        json.dump(ids, file, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in tokenizer.bpe_ranks))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-32", help="open_clip's name, or a .json file")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    if not os.path.isfile(args.checkpoint):
        fail(f"{args.checkpoint}: no such file; checkpoints are in logs/NAME/checkpoints")
    if args.model.endswith(".json"):
        open_clip.add_model_config(args.model)
        args.model = os.path.basename(args.model)[: -len(".json")]
    model = open_clip.create_model(args.model, pretrained=args.checkpoint).eval()
    broken = [name for name, value in model.state_dict().items() if not torch.isfinite(value).all() and name != "attn_mask"]
    if broken:
        fail(f"{args.checkpoint}: {broken[0]} is not finite; take an earlier checkpoint")
    # Of a caption's end, found by argmax: no index that may be negative.
    warnings.filterwarnings("ignore", message="Exporting aten::index operator")
    # A fused kernel that ONNX has no name for.
    torch.backends.mha.set_fastpath_enabled(False)
    tokenizer = open_clip.get_tokenizer(args.model)
    size = model.visual.preprocess_cfg["size"]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.no_grad():
        visual, textual = (os.path.join(args.out, half, "model.onnx") for half in ("visual", "textual"))
        export(model, "encode_image", torch.zeros(2, 3, height, width), "image", visual)
        export(model, "encode_text", tokenizer(["a cat", "a dog"]), "text", textual)
    write_tokenizer(tokenizer, os.path.dirname(textual))
    for path, value in (
        ("config.json", open_clip.get_model_config(args.model)),
        ("visual/preprocess_cfg.json", model.visual.preprocess_cfg),
    ):
        with open(os.path.join(args.out, path), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
    print(f"{args.out}: {args.model}, {open_clip.get_model_config(args.model)['embed_dim']} numbers an embedding")


if __name__ == "__main__":
    main()
