"""Times a training step of the model that `dynconv train` trains, in PyTorch eager on the CPU.

The same shapes as `dynconv train --preset micro`: Llama blocks, byte vocabulary, AdamW, gradient clipping, float32.
Prints tokens a second without convolutions and with low-rank ones on q, k and v.

    apt-get install python3-torch libopenblas0-pthread
    python3 bench/peers/torch_step.py --threads 2
"""

import argparse
import math
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class RmsNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class LowRankConvolution(nn.Module):
    """y[t] = x[t] + sum over w of (z[t] U + s)[w] * x[t - w], with z = u A^T."""

    def __init__(self, inputs, channels, width, rank):
        super().__init__()
        self.width = width
        self.generator_in = nn.Linear(inputs, rank, bias=False)
        self.generator_out = nn.Parameter(torch.zeros(rank, width * channels))
        self.static_weight = nn.Parameter(torch.empty(width, channels).uniform_(-1, 1) / math.sqrt(width))

    def forward(self, x, u):
        batch, time_, channels = x.shape
        filters = (self.generator_in(u) @ self.generator_out).view(batch, time_, self.width, channels)
        filters = filters + self.static_weight
        padded = F.pad(x, (0, 0, self.width - 1, 0))
        y = x
        for tap in range(self.width):
            start = self.width - 1 - tap
            y = y + filters[:, :, tap] * padded[:, start:start + time_]
        return y


class Block(nn.Module):
    def __init__(self, args, convolved):
        super().__init__()
        d, ffn = args.hidden, args.hidden * 43 // 16
        self.heads = args.heads
        self.norm1, self.norm2 = RmsNorm(d), RmsNorm(d)
        self.qkv = nn.ModuleList(nn.Linear(d, d, bias=False) for _ in range(3))
        self.conv = nn.ModuleList(LowRankConvolution(d, d, 4, 16) for _ in range(3)) if convolved else None
        self.o = nn.Linear(d, d, bias=False)
        self.gate, self.up = nn.Linear(d, ffn, bias=False), nn.Linear(d, ffn, bias=False)
        self.down = nn.Linear(ffn, d, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, time_, d = x.shape
        a = self.norm1(x)
        q, k, v = (linear(a) for linear in self.qkv)
        if self.conv is not None:
            q, k, v = (conv(y, a) for conv, y in zip(self.conv, (q, k, v)))
        q, k, v = (y.view(batch, time_, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, time_, d)
        x = x + self.o(mixed)
        a = self.norm2(x)
        return x + self.down(F.silu(self.gate(a)) * self.up(a))


def rotate(x, cos, sin):
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin


class Model(nn.Module):
    def __init__(self, args, convolved):
        super().__init__()
        self.embed = nn.Embedding(args.vocabulary, args.hidden)
        self.blocks = nn.ModuleList(Block(args, convolved) for _ in range(args.layers))
        self.norm = RmsNorm(args.hidden)
        size = args.hidden // args.heads
        angles = torch.arange(args.context)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)[None]
        self.register_buffer("cos", torch.cat((angles.cos(), angles.cos()), -1))
        self.register_buffer("sin", torch.cat((angles.sin(), angles.sin()), -1))
        self.register_buffer("mask", torch.full((args.context, args.context), -math.inf).triu(1))

    def forward(self, ids, targets):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin, self.mask)
        logits = self.norm(x) @ self.embed.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def measure(args, convolved):
    torch.manual_seed(0)
    model = Model(args, convolved)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    times = []
    for step in range(args.warmup + args.steps):
        ids = torch.randint(args.vocabulary, (args.batch, args.context + 1))
        start = time.perf_counter()
        loss = model(ids[:, :-1], ids[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step >= args.warmup:
            times.append(time.perf_counter() - start)
    return args.batch * args.context / statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in dict(layers=6, hidden=384, heads=6, context=256, batch=12, vocabulary=257, threads=2,
                              warmup=2, steps=7).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"PyTorch {torch.__version__}, {args.threads} threads, median of {args.steps} steps")
    plain = measure(args, convolved=False)
    print(f"no convolutions       {plain:8.0f} tokens/s")
    low_rank = measure(args, convolved=True)
    print(f"low-rank on q, k, v   {low_rank:8.0f} tokens/s ({low_rank / plain:.2f} of plain)")


if __name__ == "__main__":
    main()
