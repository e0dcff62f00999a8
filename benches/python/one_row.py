"""What a call from Python adds to the time that the Rust scorer takes for one row.

    make one-row-python

Builds `score_case`, which fits a forest, times the scorer and leaves the model file and its rows; then the same rows are
scored from Python, one call each, in the same way: rounds of 1,000 different rows with hot caches, processor time, the
median of all rounds. The time that Python takes to loop over them stays within ours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import churn_model as cm
import numpy as np
from peers import what_is_measured

ROOT = Path(__file__).resolve().parents[2]
ROUND = 1_000
ROUNDS = 50


def row_us(score: Callable[[Any], Any], rows: list[Any]) -> float:
    times = []
    for first in range(0, ROUND * ROUNDS, ROUND):
        some = rows[first : first + ROUND]
        start = time.process_time()
        for row in some:
            score(row)
        times.append(time.process_time() - start)
    return 1e6 * statistics.median(times) / ROUND


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "one-row")
    parser.add_argument("--program", type=Path, help="a `score_case` that has been built already")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=12)
    args = parser.parse_args()
    build = ["cargo", "run", "--release", "-p", "churn-benches", "--bin", "score_case", "--"]
    program = [str(args.program)] if args.program else build
    options = ["--folder", str(args.folder.absolute()), "--trees", str(args.trees), "--depth", str(args.depth)]
    done = subprocess.run([*program, *options], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    native = min(kernel["single_us"] for kernel in json.loads(done.stdout)["kernels"].values())

    model = cm.Model.load(args.folder / "model.safetensors")
    matrix = np.load(args.folder / "test_features.npy")[: ROUND * ROUNDS]
    assert matrix.dtype == np.float32
    names = model.feature_names
    lists = matrix.tolist()
    made = {
        "NumPy row": list(matrix),
        "list": lists,
        "dict": [dict(zip(names, row, strict=True)) for row in lists],
    }
    print(what_is_measured())
    print(f"{args.trees} trees of depth {args.depth}, the Rust scorer by itself: {native:.3f} us\n")
    print("| one row | us | beyond Rust, us |\n| --- | --: | --: |")
    for form, rows in made.items():
        found = row_us(model.score, rows)
        print(f"| {form} | {found:.3f} | {found - native:.3f} |")


if __name__ == "__main__":
    main()
