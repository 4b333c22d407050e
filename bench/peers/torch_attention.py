"""Times causal attention alone on a GPU in PyTorch: by cuDNN, FlashAttention-2 and, where it is installed, FlashAttention-3.

bfloat16, [B, T, H, K] as a model's products leave it, a CUDA graph of many calls, the median of many replays. The backward
pass is the difference between a graph of forward and backward and one of forward alone. Operations: forward
4 * B * H * K * T * (T + 1) / 2, backward 2.5 times that.

    python3 bench/peers/torch_attention.py --json attention.json
    python3 bench/peers/torch_attention.py --no-graph     # each call by itself, the backward pass timed directly
"""

import argparse
import dataclasses
import json
import sys

import torch
import torch.nn.functional as F
import triton
import triton_conv
from torch.nn.attention import SDPBackend, sdpa_kernel

try:
    import flash_attn_interface
except ImportError:
    flash_attn_interface = None


@dataclasses.dataclass(frozen=True)
class Shape:
    batch: int
    time: int
    heads: int
    key_heads: int
    size: int

    def __str__(self):
        groups = f" G={self.key_heads}" if self.key_heads != self.heads else ""
        return f"B={self.batch} T={self.time} H={self.heads}{groups} K={self.size}"

    @property
    def forward_flop(self):
        return 4 * self.batch * self.heads * self.size * self.time * (self.time + 1) // 2


SHAPES = [Shape(4, 4096, 16, 16, 64), Shape(4, 4096, 16, 16, 128), Shape(4, 4096, 16, 4, 128)]


def sdpa(backend):
    def attend(q, k, v):
        with sdpa_kernel(backend):
            y = F.scaled_dot_product_attention(
                *(x.transpose(1, 2) for x in (q, k, v)), is_causal=True, enable_gqa=q.shape[2] != k.shape[2])
        return y.transpose(1, 2)
    return attend


def flash3(deterministic):
    def attend(q, k, v):
        y = flash_attn_interface.flash_attn_func(q, k, v, causal=True, deterministic=deterministic)
        return y[0] if isinstance(y, tuple) else y
    return attend


def ways():
    found = {"cuDNN": sdpa(SDPBackend.CUDNN_ATTENTION), "FLASH (2)": sdpa(SDPBackend.FLASH_ATTENTION)}
    if flash_attn_interface:
        found |= {"FA3": flash3(False), "FA3 determ.": flash3(True)}
    return found


def make_inputs(shape):
    """q, k, v and the gradient of the mixture."""
    def random(heads):
        return torch.randn(shape.batch, shape.time, heads, shape.size, device="cuda", dtype=torch.bfloat16)
    q, k, v = random(shape.heads), random(shape.key_heads), random(shape.key_heads)
    return [x.requires_grad_() for x in (q, k, v)], random(shape.heads)


def forward_backward(attend, leaves, dy):
    y = attend(*leaves)
    return y, *torch.autograd.grad(y, leaves, dy)


def check(name, shape, attend, leaves, dy):
    """Holds the first sequence's mixture and gradients against the formula in float32."""
    results = [t[:1].float() for t in forward_backward(attend, leaves, dy)]
    inputs = [t[:1].detach().float().requires_grad_() for t in leaves]
    group = shape.heads // shape.key_heads
    q, k, v = inputs[0], *(x.repeat_interleave(group, 2) for x in inputs[1:])
    scores = torch.einsum("bthk,bshk->bhts", q, k) * shape.size ** -0.5
    later = torch.ones(shape.time, shape.time, device="cuda", dtype=torch.bool).triu(1)
    y = torch.einsum("bhts,bshk->bthk", scores.masked_fill(later, -torch.inf).softmax(-1), v)
    for tensor, result, expected in zip("y dq dk dv".split(), results, (y, *torch.autograd.grad(y, inputs, dy[:1].float()))):
        error = ((result - expected).norm() / expected.norm()).item()
        if not error < 2e-2:
            sys.exit(f"{shape}, {name}: {tensor} is off by {error:.1e}; no time is taken of a wrong result.")


def direct_us(call):
    return triton.testing.do_bench(call, warmup=50, rep=300, return_mode="median") * 1e3


def measure(args, shape, name, attend):
    torch.manual_seed(1)
    sets = [make_inputs(shape) for _ in range(3)]
    check(name, shape, attend, *sets[0])
    torch.cuda.empty_cache()
    leaves, dy = sets[0]
    if args.no_graph:
        forward = direct_us(lambda: attend(*leaves))
        y = attend(*leaves)
        backward = direct_us(lambda: torch.autograd.grad(y, leaves, dy, retain_graph=True))
    else:
        forward = triton_conv.median_us(lambda inputs, _: attend(*inputs), sets)
        backward = triton_conv.median_us(lambda inputs, d: forward_backward(attend, inputs, d), sets) - forward
    return dict(
        way=name, device=torch.cuda.get_device_name(0), torch=torch.__version__, dtype="bfloat16",
        **dataclasses.asdict(shape), forward_us=forward, backward_us=backward,
        forward_tflops=shape.forward_flop / forward / 1e6, backward_tflops=2.5 * shape.forward_flop / backward / 1e6)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-graph", action="store_true", help="time each call by itself instead of graphs of calls")
    parser.add_argument("--json", help="also write the rows to this file")
    args = parser.parse_args()
    torch.set_float32_matmul_precision("highest")
    print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}; "
          f"causal, bfloat16{'' if flash_attn_interface else '; FlashAttention-3 is not installed'}")
    print(f"{'':<26}{'':<13}{'forward us':>11}{'TFLOP/s':>9}{'backward us':>13}{'TFLOP/s':>9}", flush=True)
    results = []
    for shape in SHAPES:
        for name, attend in ways().items():
            try:
                row = measure(args, shape, name, attend)
            except RuntimeError as error:
                print(f"{str(shape):<26}{name:<13}{'-':>11}  {str(error).splitlines()[0]}", flush=True)
                continue
            results.append(row)
            print(f"{str(shape):<26}{name:<13}{row['forward_us']:>11.0f}{row['forward_tflops']:>9.0f}"
                  f"{row['backward_us']:>13.0f}{row['backward_tflops']:>9.0f}", flush=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
