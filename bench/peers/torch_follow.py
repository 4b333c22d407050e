"""Trains the same model on the same batches as a DynConv run, with Hugging Face transformers, and compares the losses.

    dynconv train --data text.txt --preset micro --steps 1 --out base
    dynconv train --data text.txt --valid other.txt --init base --steps 200 --out run
    python3 bench/peers/torch_follow.py run --init base
    python3 bench/peers/torch_follow.py run --init base --dtype float32

Weights come from --init, which transformers loads as a Llama; ids from the run's encoded data; their order and the learning
rate of each step as the run has them. bfloat16 as DynConv computes: float32 weights and moments, their rounded copies in the
products, activations in bfloat16. Prints the losses of some steps and the largest and the mean difference of all.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

MASK = (1 << 64) - 1


def mix(value):
    """The finalizer of SplitMix64, as RandomPermutation.cs has it."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def place(count, key, index):
    """The number at a place of the order that RandomPermutation.cs computes."""
    bits = max(1, ((count - 1).bit_length() + 1) // 2)
    mask, value = (1 << bits) - 1, index
    while True:
        left, right = value >> bits, value & mask
        for step in range(6):
            left, right = right, left ^ (mix(key ^ mix((right * 6 + step) & MASK)) & mask)
        value = left << bits | right
        if value < count:
            return value


def window(tokens, context, seed, sample):
    """Where a sample begins, as BatchSampler.cs has it."""
    samples = max(1, (tokens - context) // context)
    epoch, index = divmod(sample, samples)
    key = mix(seed ^ mix(epoch))
    return mix(key) % (tokens - samples * context) + place(samples, key, index) * context


def read_ids(run):
    manifests = [json.loads(path.read_text()) | {"folder": path.parent} for path in run.rglob("manifest.json")]
    data = next(m for m in manifests if "shard_tokens" in m and "valid" not in m["folder"].name)
    kind = {2: "<u2", 4: "<i4"}[data["bytes_per_token"]]
    return np.concatenate([np.fromfile(data["folder"] / shard["name"], kind) for shard in data["shards"]]).astype(np.int64)


def settings_of(run):
    """The settings of run.yaml that count here; all are plain `key: value` lines."""
    lines = (line.split("#")[0] for line in (run / "run.yaml").read_text().splitlines())
    pairs = (line.split(":", 1) for line in lines if ":" in line and not line.startswith(" "))
    return {key.strip(): value.strip() for key, value in pairs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path, help="folder of a run without convolutions")
    parser.add_argument("--init", type=pathlib.Path, required=True, help="the model that it began with")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    settings = settings_of(args.run)
    number = lambda key, default: float(settings.get(key) or default)
    context, batch, seed = int(number("context", 0)), int(number("batch", 0)), int(number("seed", 0))
    rows = [json.loads(line) for line in (args.run / "metrics.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "learning_rate" in row]
    ids = read_ids(args.run)

    master = AutoModelForCausalLM.from_pretrained(args.init, dtype=torch.float32).to(args.device)
    model = AutoModelForCausalLM.from_pretrained(args.init, dtype=getattr(torch, args.dtype)).to(args.device)
    pairs = list(zip(master.parameters(), model.parameters()))
    groups = [dict(params=[p for p, _ in pairs if (p.ndim > 1) == decays], weight_decay=number("weight_decay", 0.1) * decays) for decays in (True, False)]
    optimizer = torch.optim.AdamW(
        groups, betas=(number("beta1", 0.9), number("beta2", 0.95)), eps=number("epsilon", 1e-8), fused=args.device != "cpu")
    differences = []
    for row in rows:
        step = row["step"]
        starts = [window(len(ids), context, seed, (step - 1) * batch + i) for i in range(batch)]
        tokens = torch.from_numpy(np.stack([ids[start:start + context + 1] for start in starts])).to(args.device)
        logits = model(tokens[:, :-1]).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        for wide, narrow in pairs:
            wide.grad, narrow.grad = narrow.grad.float(), None
        torch.nn.utils.clip_grad_norm_(master.parameters(), number("clip_norm", 1.0))
        for group in optimizer.param_groups:
            group["lr"] = row["learning_rate"]
        optimizer.step()
        with torch.no_grad():
            for wide, narrow in pairs:
                narrow.copy_(wide)
        differences.append(row["loss"] - loss.item())
        if step in (1, 2, 5, 10, 20, 50) or step % 100 == 0:
            print(f"step {step:5}  DynConv {row['loss']:.6f}  {args.dtype} transformers {loss.item():.6f}  difference {differences[-1]:+.6f}")
    sizes = np.abs(differences)
    print(f"{len(sizes)} steps: largest difference {sizes.max():.6f} (step {rows[int(sizes.argmax())]['step']}), mean {sizes.mean():.6f}, with sign {np.mean(differences):+.6f}")


if __name__ == "__main__":
    main()
