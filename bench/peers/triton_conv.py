"""Times the authors' Triton kernels of dynamic short convolutions, by the method of `dynconv bench conv --device cuda`.

Takes a checkout of their repository; the rows are those that both have. bfloat16, inputs random normal and rotated so
that they never sit in the L2 cache, a CUDA graph of many calls, the median of many replays. Their low-rank kernels need
a power of two of ranks, the static part counted as one: rank 15 + static stands beside our rank 16 + static.

    git clone https://github.com/OliverSieberling/dynamic-conv1d
    python3 bench/peers/triton_conv.py --repo dynamic-conv1d --json triton.json
    python3 bench/peers/triton_conv.py --repo dynamic-conv1d --configs triton.json   # no tuning: that file's choices

Their autotuning compiles some 350 kernels: all cores do so first, then each row is tuned and timed.
"""

import argparse
import collections
import dataclasses
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import time

import torch
import triton
from triton.runtime.autotuner import Autotuner

BATCH, TIME, WIDTH = 4, 4096, 4
CALLS = 20
REPLAYS = 30


@dataclasses.dataclass(frozen=True)
class Row:
    op: str
    channels: int
    rank: int = 0
    head_size: int = 0
    static: bool = False

    def __str__(self):
        kind = f"low-rank {self.rank}" if self.rank else f"head-wise {self.head_size}"
        return f"{kind}{' + static' if self.static else ''}, D={self.channels}"


ROWS = [
    Row("lowrank", 2048, rank=15, static=True),
    Row("lowrank", 2048, rank=31, static=True),
    Row("headwise", 2048, head_size=16, static=True),
    Row("headwise", 2048, head_size=4),
    Row("headwise", 2048, head_size=1),
    Row("lowrank", 1024, rank=15, static=True),
]


def row_of(entry):
    return str(Row(**{field.name: entry[field.name] for field in dataclasses.fields(Row)}))


def make_inputs(row):
    """x, the kind's own filters, the static part; the gradient of y comes last."""
    x = BATCH, TIME, row.channels
    own = [(BATCH, TIME, row.rank), (row.rank, WIDTH * row.channels)] if row.rank else [
        (BATCH, TIME, row.channels // row.head_size, WIDTH)]
    shapes = [x, *own, *([(WIDTH, row.channels)] if row.static else [])]
    leaves = [torch.randn(s, device="cuda", dtype=torch.bfloat16).requires_grad_() for s in shapes]
    return leaves, torch.randn(x, device="cuda", dtype=torch.bfloat16)


def forward_of(repo, row):
    sys.path.insert(0, repo)
    if row.op == "lowrank":
        from lowrank import lowrank_dynamic_convolution as convolve
    else:
        from headwise import headwise_dynamic_convolution as convolve
    return convolve


def forward_backward(convolve, leaves, dy):
    y = convolve(*leaves)
    return y, *torch.autograd.grad(y, leaves, dy)


def reference(row, leaves):
    """The formula in float32, for the first sequence."""
    x, *filters = [t[:1].float() if t.shape[0] == BATCH and t.dim() > 2 else t.float() for t in leaves]
    static = filters.pop() if row.static else torch.zeros(WIDTH, row.channels, device="cuda")
    if row.rank:
        taps = (filters[0] @ filters[1]).view(1, TIME, WIDTH, row.channels)
    else:
        taps = filters[0].repeat_interleave(row.head_size, 2).transpose(2, 3)
    padded = torch.nn.functional.pad(x, (0, 0, WIDTH - 1, 0))
    return sum((taps[:, :, w] + static[w]) * padded[:, WIDTH - 1 - w:WIDTH - 1 - w + TIME] for w in range(WIDTH))


def compile_share(repo, rows, worker, workers):
    """Compiles every so-manieth configuration into Triton's cache on disk; launches nothing."""
    turn = itertools.count()

    def compile_only(self, *args, **kwargs):
        self.nargs = dict(zip(self.arg_names, args))
        for config in self.configs:
            if next(turn) % workers == worker:
                try:
                    self.fn.run(*args, **{**kwargs, "warmup": True}, **config.all_kwargs())
                except Exception:
                    # One that does not fit the row or the card; the tuning drops it for the same reason.
                    pass

    Autotuner.run = compile_only
    for row in rows:
        forward_backward(forward_of(repo, row), *make_inputs(row))

    # Threads that Triton leaves behind abort an ordinary end.
    os._exit(0)


def compile_all(args, rows):
    workers = args.jobs or os.cpu_count()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=compile_share, args=(args.repo, rows, i, workers)) for i in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit("A compiling process failed; its message stands above.")


def tune_briefly(call, quantiles):
    return triton.testing.do_bench(call, warmup=5, rep=25, quantiles=quantiles)


def as_dict(config):
    return {**config.kwargs, "num_warps": config.num_warps, "num_stages": config.num_stages}


def tuners(row, repo):
    module = sys.modules[forward_of(repo, row).__module__]
    found = {}
    for name, value in vars(module).items():
        while value is not None and not isinstance(value, Autotuner):
            value = getattr(value, "fn", None)
        if value is not None:
            found[name] = value
    return found


def pin(configs):
    """Leaves the autotuners one configuration: what an earlier run chose for the row that comes next."""
    def apply(row, repo):
        chosen = configs[str(row)]
        for name, tuner in tuners(row, repo).items():
            if not hasattr(tuner, "all_configs"):
                tuner.all_configs = tuner.configs
            tuner.configs = [c for c in tuner.all_configs if as_dict(c) == chosen[name]]
            tuner.cache.clear()
    return apply


def median_us(call, sets):
    """Median time of one call, from a graph of calls that take the sets in turn and keep as many results."""
    calls = -(-CALLS // len(sets)) * len(sets)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        call(*sets[0])
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    kept = collections.deque(maxlen=len(sets))
    with torch.cuda.graph(graph):
        for i in range(calls):
            kept.append(call(*sets[i % len(sets)]))
    for _ in range(3):
        graph.replay()
    times = []
    for _ in range(REPLAYS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1000 / calls)
    return statistics.median(times)


def copy_gb_per_s():
    source = torch.randn(1 << 28, device="cuda", dtype=torch.bfloat16)
    sets = [(source, torch.empty_like(source)) for _ in range(2)]
    return 2 * source.nbytes / median_us(lambda s, d: d.copy_(s), sets) / 1e3


def measure(repo, row):
    torch.manual_seed(1)
    convolve = forward_of(repo, row)
    leaves, dy = make_inputs(row)
    read = sum(t.nbytes for t in leaves)
    count = max(4, -(-3 * torch.cuda.get_device_properties(0).L2_cache_size // read))
    sets = [(leaves, dy), *(make_inputs(row) for _ in range(count - 1))]
    with torch.no_grad():
        expected = reference(row, leaves)
        error = ((convolve(*leaves)[:1] - expected).abs().max() / expected.abs().max()).item()
        if not error < 1e-2:
            sys.exit(f"{row}: y is off by {error:.1e} of its largest value; no time is taken of a wrong result.")
    del expected
    forward_backward(convolve, leaves, dy)
    chosen = {name: as_dict(tuner.best_config) for name, tuner in tuners(row, repo).items()}
    with torch.no_grad():
        forward = median_us(lambda inputs, _: convolve(*inputs), sets)
    both = median_us(lambda inputs, d: forward_backward(convolve, inputs, d), sets)
    return dict(
        op=row.op, device=torch.cuda.get_device_name(0), dtype="bfloat16", batch=BATCH, time=TIME,
        channels=row.channels, width=WIDTH, rank=row.rank, head_size=row.head_size, static=row.static, residual=False,
        forward_us=forward, forward_backward_us=both, configs=chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", required=True, help="folder with their headwise.py and lowrank.py")
    parser.add_argument("--json", help="also write the rows to this file")
    parser.add_argument("--configs", help="a file that --json wrote: take its configurations instead of tuning")
    parser.add_argument("--rows", default="", help="only rows whose name contains this, as in head-wise")
    parser.add_argument("--jobs", type=int, help="processes that compile; all cores if not given")
    args = parser.parse_args()
    args.repo = os.path.abspath(args.repo)
    rows = [row for row in ROWS if args.rows in str(row)]

    start = time.perf_counter()
    pin_row = None
    if args.configs:
        with open(args.configs) as file:
            pin_row = pin({row_of(entry): entry["configs"] for entry in json.load(file)})
    else:
        compile_all(args, rows)
        print(f"compiled in {time.perf_counter() - start:.0f} s", flush=True)

    print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}, Triton {triton.__version__}; "
          f"B={BATCH} T={TIME} W={WIDTH} bfloat16; copy {copy_gb_per_s():.0f} GB/s")
    print(f"{'':<28}{'forward us':>11}{'fwd+bwd us':>11}", flush=True)
    results = []
    for row in rows:
        if pin_row:
            pin_row(row, args.repo)
        else:
            for tuner in tuners(row, args.repo).values():
                tuner.do_bench = tune_briefly
        results.append(measure(args.repo, row))
        print(f"{str(row):<28}{results[-1]['forward_us']:>11.1f}{results[-1]['forward_backward_us']:>11.1f}", flush=True)
        torch.cuda.empty_cache()
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
