"""Times the training step of `dynconv bench train --device cuda` in PyTorch with torch.compile.

The same shapes: the presets' Llama blocks, vocabulary and context, tied embeddings, float32 weights, moments and sums,
products in bfloat16. What makes PyTorch fast: one product for q, k and v and one for gate and up, each with the rows that
make its filters; attention by cuDNN or FlashAttention, whichever is faster at this shape; norms, RoPE, SwiGLU and
cross-entropy compiled into few kernels; fused AdamW. The convolutions are the authors' Triton kernels, from a checkout of
their repository; rank 15 + static stands beside our rank 16 + static, as they need a power of two.

    git clone https://github.com/OliverSieberling/dynamic-conv1d
    python3 bench/peers/torch_train.py --preset 300m --repo dynamic-conv1d
    python3 bench/peers/torch_train.py --preset 300m --conv none --mode max-autotune-no-cudagraphs
"""

import argparse
import gc
import json
import math
import multiprocessing
import os
import statistics
import sys
import time
import types

import torch
import torch.nn.functional as F
import triton_conv
from torch import Tensor, library, nn

VOCABULARY, WIDTH, EPSILON = 100_352, 4, 1e-5
PEAK_TFLOPS = 989
PRESETS = {
    # Layers, channels, channels of a head, sequences of a step.
    "150m": (12, 768, 64, 8),
    "300m": (16, 1024, 64, 4),
    "600m": (24, 1280, 64, 4),
    "1b": (30, 1536, 128, 2),
    "2b": (32, 2048, 128, 2),
}
CONVS = ["none", "headwise", "lowrank", "lowrank-all"]
BACKENDS = ["cudnn", "flash"]


class Saved(types.SimpleNamespace):
    """What their functions keep between forward and backward."""

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors


# As operators the kernels take part in a compiled graph and are not looked into: one graph for the whole model.
@library.custom_op("authors::lowrank", mutates_args=())
def lowrank(x: Tensor, z: Tensor, filters: Tensor) -> Tensor:
    return sys.modules["lowrank"]._LowrankDynamicConvolutionFn.forward(Saved(), x, z, filters, None, True)


@lowrank.register_fake
def _(x, z, filters):
    return torch.empty_like(x)


@library.custom_op("authors::lowrank_backward", mutates_args=())
def lowrank_backward(dy: Tensor, x: Tensor, z: Tensor, filters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    saved = Saved(saved_tensors=(x, z, filters), has_static=False, R_dyn=z.shape[-1], W=WIDTH, residual=True)
    return sys.modules["lowrank"]._LowrankDynamicConvolutionFn.backward(saved, dy)[:3]


@lowrank_backward.register_fake
def _(dy, x, z, filters):
    return torch.empty_like(x), torch.empty_like(z), torch.empty_like(filters)


@library.custom_op("authors::headwise", mutates_args=())
def headwise(x: Tensor, filters: Tensor, static: Tensor) -> Tensor:
    return sys.modules["headwise"]._HeadwiseDynamicConvolutionFn.forward(Saved(), x, filters, static, True)


@headwise.register_fake
def _(x, filters, static):
    return torch.empty_like(x)


@library.custom_op("authors::headwise_backward", mutates_args=())
def headwise_backward(dy: Tensor, x: Tensor, filters: Tensor, static: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    saved = Saved(
        saved_tensors=(x, filters, static), head_size=x.shape[-1] // filters.shape[2], has_static=True, residual=True)
    return sys.modules["headwise"]._HeadwiseDynamicConvolutionFn.backward(saved, dy)[:3]


@headwise_backward.register_fake
def _(dy, x, filters, static):
    return torch.empty_like(x), torch.empty_like(filters), torch.empty_like(static)


def keep_inputs(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


lowrank.register_autograd(
    lambda ctx, dy: lowrank_backward(dy.contiguous(), *ctx.saved_tensors), setup_context=keep_inputs)
headwise.register_autograd(
    lambda ctx, dy: headwise_backward(dy.contiguous(), *ctx.saved_tensors), setup_context=keep_inputs)


def half(tensor):
    return tensor.to(torch.bfloat16)


class RmsNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        wide = x.float()
        return half(wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + EPSILON) * self.weight)


class LowRankConvolution(nn.Module):
    """Their kernel's last rank is the static filter: its z is one."""

    def __init__(self, channels, args):
        super().__init__()
        self.features = args.rank + 1
        self.filters = nn.Parameter(torch.zeros(self.features, WIDTH * channels))
        nn.init.uniform_(self.filters[-1:], -1 / math.sqrt(WIDTH), 1 / math.sqrt(WIDTH))

    def forward(self, x, features):
        z = torch.cat((features[..., :-1], torch.ones_like(features[..., -1:])), -1)
        return lowrank(x.contiguous(), z.contiguous(), half(self.filters))


class HeadWiseConvolution(nn.Module):
    def __init__(self, channels, args):
        super().__init__()
        self.heads = channels // args.head_size
        self.features = self.heads * WIDTH
        self.static = nn.Parameter(torch.empty(WIDTH, channels).uniform_(-1, 1) / math.sqrt(WIDTH))

    def forward(self, x, features):
        filters = features.reshape(*features.shape[:2], self.heads, WIDTH)
        return headwise(x.contiguous(), filters.contiguous(), half(self.static))


class ConvolvedLinear(nn.Module):
    """Linear layers of one input and what makes their filters, in one product; then the convolutions, if there are any."""

    def __init__(self, inputs, outputs, args, convolution):
        super().__init__()
        self.convolutions = nn.ModuleList(convolution(size, args) for size in outputs) if convolution else None
        features = [c.features for c in self.convolutions] if convolution else []
        self.sizes = [*outputs, *features]
        self.weight = nn.Parameter(torch.randn(sum(self.sizes), inputs) * 0.02)
        if convolution is HeadWiseConvolution:
            nn.init.zeros_(self.weight[sum(outputs):])

    def forward(self, x):
        parts = F.linear(x, half(self.weight)).split(self.sizes, -1)
        if self.convolutions is None:
            return parts
        count = len(self.convolutions)
        return [c(y, u) for c, y, u in zip(self.convolutions, parts[:count], parts[count:])]


class Block(nn.Module):
    def __init__(self, args, convolution, everywhere):
        super().__init__()
        d, ffn = args.hidden, args.ffn
        other = convolution if everywhere else None
        self.heads = args.heads
        self.norm1, self.norm2 = RmsNorm(d), RmsNorm(d)
        self.qkv = ConvolvedLinear(d, [d, d, d], args, convolution)
        self.o = ConvolvedLinear(d, [d], args, other)
        self.gate_up = ConvolvedLinear(d, [ffn, ffn], args, other)
        self.down = ConvolvedLinear(ffn, [d], args, other)

    def forward(self, x, cos, sin):
        batch, time_, d = x.shape
        q, k, v = (y.reshape(batch, time_, self.heads, -1) for y in self.qkv(self.norm1(x)))
        q, k, v = (y.transpose(1, 2) for y in (rotate(q, cos, sin), rotate(k, cos, sin), v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, time_, d))[0]
        gate, up = self.gate_up(self.norm2(x))
        return x + self.down(F.silu(gate) * up)[0]


def rotate(x, cos, sin):
    left, right = x.float().chunk(2, -1)
    return half(torch.cat((left * cos - right * sin, right * cos + left * sin), -1))


class Model(nn.Module):
    def __init__(self, args, conv):
        super().__init__()
        convolution = dict(none=None, headwise=HeadWiseConvolution).get(conv, LowRankConvolution)
        self.embed = nn.Parameter(torch.randn(args.vocabulary, args.hidden) * 0.02)
        self.blocks = nn.ModuleList(Block(args, convolution, conv.endswith("-all")) for _ in range(args.layers))
        self.norm = RmsNorm(args.hidden)
        size = args.head_dim
        angles = torch.arange(args.context)[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)[None]
        self.register_buffer("cos", angles.cos()[:, None])
        self.register_buffer("sin", angles.sin()[:, None])

    def forward(self, ids, targets):
        x = half(F.embedding(ids, self.embed))
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return self.loss(x, targets)

    def loss(self, x, targets):
        logits = F.linear(self.norm(x), half(self.embed))
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def compile_parts(model, args):
    how = dict(dynamic=False, fullgraph=True, mode=None if args.mode == "default" else args.mode)
    if args.mode == "eager":
        return model
    if not args.regional:
        return torch.compile(model, **how)
    for block in model.blocks:
        block.compile(**how)
    model.loss = torch.compile(model.loss, **how)
    return model


def use_attention(backend):
    torch.backends.cuda.enable_cudnn_sdp(backend == "cudnn")
    torch.backends.cuda.enable_flash_sdp(backend == "flash")
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_math_sdp(False)


def attention_ms(args, backend):
    """Forward and backward of one layer's attention; infinite where the backend does not take the shape."""
    use_attention(backend)
    shape = args.batch, args.context, args.heads, args.head_dim
    q, k, v, dy = (
        torch.randn(shape, device="cuda", dtype=torch.bfloat16).transpose(1, 2).requires_grad_() for _ in range(4))

    def both():
        return torch.autograd.grad(F.scaled_dot_product_attention(q, k, v, is_causal=True), (q, k, v), dy.detach())

    try:
        both()
    except RuntimeError as error:
        print(f"attention by {backend}: {str(error).splitlines()[0]}", flush=True)
        return math.inf
    return triton_conv.triton.testing.do_bench(both, warmup=50, rep=200, return_mode="median")


def choose_attention(args):
    times = {backend: attention_ms(args, backend) for backend in args.attention.split(",")}
    best = min(times, key=times.get)
    if math.isinf(times[best]):
        sys.exit("No backend takes this attention.")
    described = ", ".join(f"{backend} {ms * 1e3:.0f} us" for backend, ms in times.items())
    print(f"attention, forward + backward of a layer: {described}; {best} is taken", flush=True)
    use_attention(best)
    return best


def conv_rows(args, conv):
    """The shapes of the authors' kernels that a model has, in the terms of triton_conv.py."""
    if conv == "none":
        return []
    if conv == "headwise":
        return [triton_conv.Row("headwise", args.hidden, head_size=args.head_size, static=True)]
    channels = [args.hidden, args.ffn] if conv == "lowrank-all" else [args.hidden]
    return [triton_conv.Row("lowrank", d, rank=args.rank, static=True) for d in channels]


def obstacle(args, conv):
    """Why the authors' kernels do not take a shape; none if they do."""
    for row in conv_rows(args, conv):
        if row.op == "lowrank" and (row.channels % 64 or args.context % 128 or args.rank + 1 not in (16, 32, 64)):
            return f"their low-rank kernels take channels in 64s, tokens in 128s and ranks 15, 31, 63; this is {row}"
        if row.op == "headwise" and (row.channels % row.head_size or 128 % row.head_size):
            return f"their head-wise kernel takes head sizes that divide 128 and the channels; this is {row}"
    return None


def prepare_kernels(args):
    """Sets triton_conv.py's functions to this model's size and to the residual sum."""
    triton_conv.BATCH, triton_conv.TIME = args.batch, args.context
    plain = triton_conv.forward_of

    def with_residual(repo, row):
        convolve = plain(repo, row)

        def residual(*inputs):
            return convolve(*inputs, residual=True)

        residual.__module__ = convolve.__module__
        return residual

    triton_conv.forward_of = with_residual


def compile_share(args, rows, worker, workers):
    prepare_kernels(args)
    triton_conv.compile_share(args.repo, rows, worker, workers)


def compile_kernels(args, rows):
    """Their tuning compiles dozens of kernels one after the other: all cores do so first, into Triton's cache."""
    start = time.perf_counter()
    workers = args.jobs or os.cpu_count()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=compile_share, args=(args, rows, i, workers)) for i in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit("A compiling process failed; its message stands above.")
    prepare_kernels(args)
    for row in rows:
        for tuner in triton_conv.tuners(row, args.repo).values():
            tuner.do_bench = triton_conv.tune_briefly
    print(f"the authors' kernels compiled in {time.perf_counter() - start:.0f} s", flush=True)


def flops_of_token(args):
    """As DynConv counts the plain model: three times the forward pass, half of the attention's square."""
    linear = 4 * args.hidden ** 2 + 3 * args.hidden * args.ffn
    forward = args.layers * (2 * linear + 2 * args.context * args.hidden) + 2 * args.hidden * args.vocabulary
    return 3 * forward


def measure(args, conv):
    torch.manual_seed(0)
    torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()
    with torch.device("cuda"):
        model = Model(args, conv)
    step_of = compile_parts(model, args)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    texts = torch.randint(args.vocabulary, (4, args.batch, args.context + 1), device="cuda")
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(args.steps + 1)]
    start = time.perf_counter()
    for step in range(args.warmup + args.steps):
        if step == args.warmup:
            torch.cuda.synchronize()
            compiled = time.perf_counter() - start
            torch.cuda.reset_peak_memory_stats()
            marks[0].record()
        ids = texts[step % len(texts)]
        torch.compiler.cudagraph_mark_step_begin()
        loss = step_of(ids[:, :-1], ids[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step == 0 and not abs(loss.item() - math.log(args.vocabulary)) < 1:
            sys.exit(f"{conv}: the first loss is {loss.item():.2f}; no time is taken of a wrong result.")
        if step >= args.warmup:
            marks[step - args.warmup + 1].record()
    torch.cuda.synchronize()
    step_ms = statistics.median(a.elapsed_time(b) for a, b in zip(marks, marks[1:]))
    if not math.isfinite(loss.item()):
        sys.exit(f"{conv}: the last loss is {loss.item()}; no time is taken of a wrong result.")
    rate = args.batch * args.context / step_ms * 1e3
    return dict(
        preset=args.preset, conv=conv, device=torch.cuda.get_device_name(0), torch=torch.__version__, mode=args.mode,
        regional=args.regional, attention=args.chosen, batch=args.batch, context=args.context,
        parameters=sum(p.numel() for p in model.parameters()), step_ms=step_ms, tokens_per_second=rate,
        plain_mfu=rate * flops_of_token(args) / PEAK_TFLOPS / 1e12,
        peak_gib=torch.cuda.max_memory_allocated() / 2**30, reserved_gib=torch.cuda.max_memory_reserved() / 2**30,
        last_loss=loss.item(), warmup_s=compiled)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="300m", choices=PRESETS)
    parser.add_argument("--conv", default=",".join(CONVS), help=f"some of {','.join(CONVS)}; all if not given")
    parser.add_argument("--repo", help="folder with the authors' headwise.py and lowrank.py")
    parser.add_argument("--mode", default="default", choices=[
        "default", "max-autotune-no-cudagraphs", "reduce-overhead", "max-autotune", "eager"], help="torch.compile's mode")
    parser.add_argument("--regional", action="store_true", help="compile one block and the loss: sooner done, a bit slower")
    parser.add_argument("--attention", default=",".join(BACKENDS), help="backends to choose from; cudnn,flash if not given")
    parser.add_argument("--batch", type=int, help="sequences of a step; the preset's if not given")
    for name, default in dict(context=4096, vocabulary=VOCABULARY, rank=15, warmup=8, steps=20).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--head-size", type=int, default=32, help="of head-wise convolutions")
    parser.add_argument("--jobs", type=int, help="processes that compile the authors' kernels; all cores if not given")
    parser.add_argument("--json", help="also write the rows to this file")
    args = parser.parse_args()
    args.layers, args.hidden, args.head_dim, batch = PRESETS[args.preset]
    args.batch = args.batch or batch
    args.heads, args.ffn = args.hidden // args.head_dim, args.hidden * 43 // 16
    args.conv = args.conv.split(",")
    for value, known in [*((conv, CONVS) for conv in args.conv), *((b, BACKENDS) for b in args.attention.split(","))]:
        if value not in known:
            parser.error(f"'{value}' is none of {', '.join(known)}")
    if args.conv != ["none"] and not args.repo:
        parser.error("convolutions need --repo")
    args.repo = args.repo and os.path.abspath(args.repo)
    return args


def main():
    args = parse_arguments()
    torch.set_float32_matmul_precision("high")
    obstacles = {conv: obstacle(args, conv) for conv in args.conv}
    rows = list(dict.fromkeys(row for conv in args.conv if not obstacles[conv] for row in conv_rows(args, conv)))
    if rows:
        compile_kernels(args, rows)
    print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}, Triton {triton_conv.triton.__version__}, "
          f"{args.mode}{', by blocks' if args.regional else ''}; {args.preset}, {args.batch} x {args.context} tokens, "
          f"bfloat16; median of {args.steps} steps")
    args.chosen = choose_attention(args)
    print(f"{'':<14}{'ms':>8}{'tokens/s':>11}{'of plain':>9}{'peak GiB':>10}{'reserved':>10}{'MFU':>7}", flush=True)
    results = []
    for conv in args.conv:
        if obstacles[conv]:
            print(f"{conv:<14}{'-':>8}  {obstacles[conv]}", flush=True)
            continue
        row = measure(args, conv)
        results.append(row)
        plain = next((r["tokens_per_second"] for r in results if r["conv"] == "none"), math.nan)
        mfu = f"{row['plain_mfu']:7.1%}" if conv == "none" else f"{'-':>7}"
        print(f"{conv:<14}{row['step_ms']:>8.2f}{row['tokens_per_second']:>11,.0f}{row['tokens_per_second'] / plain:>9.3f}"
              f"{row['peak_gib']:>10.1f}{row['reserved_gib']:>10.1f}{mfu}  (warm-up {row['warmup_s']:.0f} s)", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
