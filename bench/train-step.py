"""The training step of bench/train-step.ts in PyTorch: `python train-step.py STEPS THREADS`. Prints JSON lines."""
import json
import os
import resource
import sys
import time

import torch
import torch.nn.functional as F

steps, threads = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(1)
shape = json.loads(os.environ["SHAPE"])
B, T, D, H, L, V = (shape[k] for k in ("batch", "tokens", "width", "heads", "layers", "vocabulary"))


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = torch.nn.LayerNorm(D), torch.nn.LayerNorm(D)
        self.qkv, self.out = torch.nn.Linear(D, 3 * D), torch.nn.Linear(D, D)
        self.up, self.down = torch.nn.Linear(D, 4 * D), torch.nn.Linear(4 * D, D)

    def forward(self, x):
        q, k, v = (
            part.view(B, T, H, D // H).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(D, -1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, D))
        up = self.up(self.norm2(x))
        return x + self.down(up * torch.sigmoid(1.702 * up))


class GPT(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.places = torch.nn.Embedding(V, D), torch.nn.Parameter(torch.randn(T, D) * 0.02)
        self.blocks = torch.nn.Sequential(*(Block() for _ in range(L)))
        self.norm, self.head = torch.nn.LayerNorm(D), torch.nn.Linear(D, V)

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.tokens(ids) + self.places)))


model = GPT()
i = torch.arange(B * T)
ids, labels = (i * 7919 % V).view(B, T), i * 104729 % V
for _ in range(steps):
    usage, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    model.zero_grad()
    loss = F.cross_entropy(model(ids).view(B * T, V), labels)
    loss.backward()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    print(json.dumps({"loss": loss.item(), "seconds": seconds, "cpuSeconds": cpu}), flush=True)
