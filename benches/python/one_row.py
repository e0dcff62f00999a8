"""What a call from Python adds to the time that the Rust scorer takes, for one row and for many.

    make one-row-python

Builds `score_case`, which fits a forest, times the scorer and leaves the model file and its rows; then the same rows are
scored from Python in the same way, one call each: rounds of 1,000 different rows with hot caches, processor time, the median
of 20 rounds. The time that Python takes to loop over them stays within ours. Of a batch, all rows of the table in one call,
it is the time on the wall that counts, and the median of five calls. Both take turns, five times, because the speed of a
machine wanders; what is told are the medians of the five, and the median of what each turn differs by.
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
ROUNDS = 20

#: How many threads score a batch, by the name that `score_case` has for the time it takes.
BATCHES = {"batch_1_wall_us": 1, "batch_2_wall_us": 2}


def row_us(score: Callable[[Any], Any], rows: list[Any]) -> float:
    times = []
    for first in range(0, ROUND * ROUNDS, ROUND):
        some = rows[first : first + ROUND]
        start = time.process_time()
        for row in some:
            score(row)
        times.append(time.process_time() - start)
    return 1e6 * statistics.median(times) / ROUND


def batch_us(model: cm.Model, matrix: np.ndarray, n_threads: int) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        model.score(matrix, n_jobs=n_threads)
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times) / len(matrix)


def native_us(program: list[str]) -> dict[str, float]:
    """What the fastest kernel takes by itself."""
    done = subprocess.run(program, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    kernels = json.loads(done.stdout)["kernels"].values()
    return {name: min(kernel[name] for kernel in kernels) for name in ("single_us", *BATCHES)}


def python_us(folder: Path) -> dict[str, float]:
    model = cm.Model.load(folder / "model.safetensors")
    table = np.load(folder / "test_features.npy")
    assert table.dtype == np.float32
    matrix = table[: ROUND * ROUNDS]
    lists = matrix.tolist()
    found = {"NumPy row": row_us(model.score, list(matrix)), "list": row_us(model.score, lists)}
    dicts = [dict(zip(model.feature_names, row, strict=True)) for row in lists]
    found["dict"] = row_us(model.score, dicts)
    return found | {name: batch_us(model, table, n_threads) for name, n_threads in BATCHES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "one-row")
    parser.add_argument("--program", type=Path, help="a `score_case` that has been built already")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    build = ["cargo", "run", "--release", "-p", "churn-benches", "--bin", "score_case", "--"]
    program = [str(args.program)] if args.program else build
    program += ["--folder", str(args.folder.absolute()), "--trees", str(args.trees), "--depth", str(args.depth)]
    turns = [(native_us(program), python_us(args.folder)) for _ in range(args.turns)]

    def median(value: Callable[[dict[str, float], dict[str, float]], float]) -> float:
        return statistics.median(value(rust, python) for rust, python in turns)

    print(what_is_measured())
    print(f"{args.trees} trees of depth {args.depth}, medians of {args.turns} turns\n")
    print("| one row | Rust, us | Python, us | beyond Rust, us |\n| --- | --: | --: | --: |")
    for form in ("list", "NumPy row", "dict"):
        told = median(lambda rust, _: rust["single_us"]), median(lambda _, python, form=form: python[form])
        beyond = median(lambda rust, python, form=form: python[form] - rust["single_us"])
        print(f"| {form} | {told[0]:.3f} | {told[1]:.3f} | {beyond:.3f} |")
    print("\n| 100,000 rows | Rust, us a row | Python, us a row | Python / Rust |\n| --- | --: | --: | --: |")
    for name, n_threads in BATCHES.items():
        told = median(lambda rust, _, name=name: rust[name]), median(lambda _, python, name=name: python[name])
        ratio = median(lambda rust, python, name=name: python[name] / rust[name])
        print(f"| {n_threads} thread{'s' * (n_threads > 1)} | {told[0]:.3f} | {told[1]:.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
