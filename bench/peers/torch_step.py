"""Times a training step of the model that `dynconv train --preset micro` trains, in PyTorch on the CPU.

The same shapes: Llama blocks, byte vocabulary, AdamW, gradient clipping, float32; with PyTorch's own fused attention, RMSNorm
and AdamW, and with one product for q, k and v and one for gate and up. Prints tokens a second without convolutions and with
low-rank ones on q, k and v, eager and by torch.compile, which needs a C++ compiler.

    pip install torch
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
        return F.rms_norm(x, self.weight.shape, self.weight, 1e-5)


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
        d = args.hidden
        self.ffn = d * 43 // 16
        self.heads = args.heads
        self.norm1, self.norm2 = RmsNorm(d), RmsNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.conv = nn.ModuleList(LowRankConvolution(d, d, 4, 16) for _ in range(3)) if convolved else None
        self.o = nn.Linear(d, d, bias=False)
        self.gate_up = nn.Linear(d, 2 * self.ffn, bias=False)
        self.down = nn.Linear(self.ffn, d, bias=False)

    def forward(self, x, cos, sin):
        batch, time_, d = x.shape
        a = self.norm1(x)
        q, k, v = self.qkv(a).split(d, -1)
        if self.conv is not None:
            q, k, v = (conv(y, a) for conv, y in zip(self.conv, (q, k, v)))
        q, k, v = (y.view(batch, time_, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        mixed = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, time_, d))
        gate, up = self.gate_up(self.norm2(x)).split(self.ffn, -1)
        return x + self.down(F.silu(gate) * up)


def rotate(x, cos, sin):
    left, right = x.chunk(2, -1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)


class Model(nn.Module):
    def __init__(self, args, convolved):
        super().__init__()
        self.embed = nn.Embedding(args.vocabulary, args.hidden)
        self.blocks = nn.ModuleList(Block(args, convolved) for _ in range(args.layers))
        self.norm = RmsNorm(args.hidden)
        size = args.hidden // args.heads
        angles = torch.arange(args.context)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)[None]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids, targets):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = self.norm(x) @ self.embed.weight.T
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def measure(args, convolved, compiled):
    torch.manual_seed(0)
    model = Model(args, convolved)
    step_of = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    times = []
    for step in range(args.warmup + args.steps):
        ids = torch.randint(args.vocabulary, (args.batch, args.context + 1))
        start = time.perf_counter()
        loss = step_of(ids[:, :-1], ids[:, 1:])
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
                              warmup=3, steps=9).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--ways", default="eager,compiled", help="how: eager, compiled, or both with a comma")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"PyTorch {torch.__version__}, {args.threads} threads, median of {args.steps} steps")
    for way in args.ways.split(","):
        for name, convolved in (("no convolutions", False), ("low-rank on q, k, v", True)):
            print(f"{way:9}{name:22}{measure(args, convolved, way == 'compiled'):8.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
