"""Completes a made ViT-B/32 to a model folder as the hub lays it out: CLIP's tokenizer.json from the merges in open_clip_torch.

    python clip-tokenizer.py DIR
"""
import gzip
import json
import os
import sys

import open_clip
from transformers import CLIPTokenizerFast

folder = sys.argv[1]
path = os.path.join(os.path.dirname(open_clip.__file__), 'bpe_simple_vocab_16e6.txt.gz')
# The file has a line of its version first, and more merges than CLIP uses (open_clip/tokenizer.py, SimpleTokenizer).
lines = gzip.open(path).read().decode().split('\n')
merges = lines[1:49152 - 256 - 2 + 1]
letters = list(open_clip.tokenizer.bytes_to_unicode().values())
words = letters + [letter + '</w>' for letter in letters] + [m.replace(' ', '') for m in merges] + ['<|startoftext|>', '<|endoftext|>']
with open(os.path.join(folder, 'vocab.json'), 'w') as f:
    json.dump({word: i for i, word in enumerate(words)}, f)
with open(os.path.join(folder, 'merges.txt'), 'w') as f:
    f.write('\n'.join(['#version: 0.2', *merges]))
CLIPTokenizerFast(os.path.join(folder, 'vocab.json'), os.path.join(folder, 'merges.txt')).save_pretrained(folder)
