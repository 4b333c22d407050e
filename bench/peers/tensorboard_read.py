"""Reads a run's TensorBoard event files with TensorBoard's own reader, and compares every figure with metrics.jsonl.

    pip install tensorboard
    dynconv train --data docs --preset nano --steps 100 --tensorboard --out runs/board
    python3 bench/peers/tensorboard_read.py runs/board

Needs nothing of TensorFlow. Exits with 1 and the first difference if TensorBoard would show something else.
"""

import argparse
import json
import math
import pathlib

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ALL = {"scalars": 0}
FLOAT32 = 1e-6  # event files hold float32
ROUNDING = {"tokens_per_second": 0.051}  # metrics.jsonl has one digit after the point
FIELDS = {
    "loss/train": "loss",
    "loss/valid": "valid_loss",
    "learning_rate": "learning_rate",
    "gradient_norm": "gradient_norm",
    "tokens_per_second": "tokens_per_second",
}


def written(run):
    """{tag: {step: value}} as metrics.jsonl has it."""
    out = {tag: {} for tag in FIELDS}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for tag, field in FIELDS.items():
            if field in record:
                out[tag][record["step"]] = record[field]
    return {tag: values for tag, values in out.items() if values}


def shown(run):
    """{tag: [(step, value), …]} as TensorBoard shows it."""
    events = EventAccumulator(str(run), size_guidance=ALL)
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="folder of a run that was trained with --tensorboard")
    run = parser.parse_args().run

    expected, actual = written(run), shown(run)
    if set(expected) != set(actual):
        raise SystemExit(f"metrics.jsonl has {sorted(expected)}, TensorBoard shows {sorted(actual)}")
    for tag, values in expected.items():
        if [step for step, _ in actual[tag]] != sorted(values):
            raise SystemExit(f"{tag}: TensorBoard shows other steps than metrics.jsonl has")
        for step, value in actual[tag]:
            if not math.isclose(value, values[step], rel_tol=FLOAT32, abs_tol=ROUNDING.get(tag, 0)):
                raise SystemExit(f"{tag}, step {step}: {values[step]} in metrics.jsonl, {value} in TensorBoard")
        print(f"{tag:20} {len(values):7,} values equal")


if __name__ == "__main__":
    main()
