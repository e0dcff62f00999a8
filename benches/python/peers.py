"""Times churn_model from Python beside scikit-learn, LightGBM, XGBoost and YDF, and prints one table.

    make peers-python

runs it in an environment of its own; by hand, it takes whatever is installed. All fit the same forest (100 trees, depth
12, the settings of `benches/peers/fit_case.py`) on the same table, each in processes of its own, in turn, so that a slow
minute of the machine does not fall on one of them. One row is timed with one thread. Peers take matrices: what else a row
comes as is made one in the shortest way known, within the time that is measured.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benches" / "peers"))
from fit import BUSY
from fit_case import ENGINES, FEATURES_PER_SPLIT, MAX_DEPTH, MIN_LEAF, N_TREES

OURS = "churn-model"
N_FEATURES = 20
NAMES = [f"f{column}" for column in range(N_FEATURES)]

#: What a program that fits has to import first, and one that only scores.
IMPORTS = {
    OURS: ("from churn_model import RandomForestClassifier", "from churn_model import Model"),
    "scikit-learn": ("from sklearn.ensemble import RandomForestClassifier",) * 2,
    "lightgbm": ("import lightgbm",) * 2,
    "xgboost": ("import xgboost",) * 2,
    "ydf": ("import ydf",) * 2,
}

FORMS = ["list", "NumPy row", "dict", "pandas", "polars"]
ONE_ROW_SECONDS = 2.0  # per form, at most
WHEEL_BYTES = 10 << 20  # a compiled half larger than this is not one of `make wheels`


def table(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of very different spread; churn follows from few of them, not linearly, and half of it from none."""
    random = np.random.default_rng(seed)
    x = (random.standard_normal((n_rows, N_FEATURES)) * np.logspace(-2, 3, N_FEATURES)).astype(np.float32)
    z = x / np.logspace(-2, 3, N_FEATURES)
    log_odds = 1.2 * z[:, 0] - z[:, 1] * (z[:, 2] > 0) + np.abs(z[:, 3]) + 0.5 * z[:, 4] * z[:, 5] - 2.0
    return x, random.random(n_rows) < 1 / (1 + np.exp(-log_odds))


def our_forest(n_threads: int, seed: int) -> Any:
    from churn_model import RandomForestClassifier

    return RandomForestClassifier(
        n_trees=N_TREES,
        max_depth=MAX_DEPTH or 64,
        min_leaf=MIN_LEAF,
        features_per_split=FEATURES_PER_SPLIT,
        calibration="none",
        threshold=0.5,
        seed=seed,
        n_jobs=n_threads,
    )


def fitted(engine: str, n_threads: int, x: np.ndarray, y: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """What scores a matrix."""
    if engine != OURS:
        return ENGINES[engine](n_threads, seed)(x, y)
    model = our_forest(n_threads, seed).fit(x, y).model_
    return lambda rows: model.score(rows, n_jobs=n_threads)


def batch(engine: str, args: argparse.Namespace) -> dict[str, float]:
    """Seconds that fitting and scoring take, and how good the scores are."""
    x, y = table(args.rows, args.seed)
    other_x, other_y = table(args.rows, args.seed + 1)
    fitted(engine, args.threads, x[:2_000], y[:2_000], args.seed)  # what is loaded and started once
    start = time.perf_counter()
    score = fitted(engine, args.threads, x, y, args.seed)
    fit_s = time.perf_counter() - start
    times = []
    for _ in range(5):
        start = time.perf_counter()
        scores = score(other_x)
        times.append(time.perf_counter() - start)
    return {"fit_s": fit_s, "score_s": statistics.median(times), "roc_auc": roc_auc(np.asarray(scores), other_y)}


def roc_auc(scores: np.ndarray, labels: np.ndarray) -> float:
    levels, level_of = np.unique(scores, return_inverse=True)
    churned = np.bincount(level_of, labels, len(levels))
    stayed = np.bincount(level_of, ~labels, len(levels))
    below = np.cumsum(stayed) - stayed
    return float((churned * (below + stayed / 2)).sum() / (churned.sum() * stayed.sum()))


def one_row(engine: str, args: argparse.Namespace) -> dict[str, float]:
    """Microseconds that one row takes in each form: the median of single calls on different rows."""
    import pandas as pd
    import polars as pl

    x, y = table(args.rows, args.seed)
    names = NAMES
    if engine == OURS:
        import churn_model

        # A model with names reads every form as it is.
        model = our_forest(1, args.seed).fit(churn_model.Table(pl.DataFrame(x, schema=names)), y).model_
        scorers: dict[str, Callable[[Any], Any]] = dict.fromkeys(FORMS, model.score)
    else:
        score = fitted(engine, 1, x, y, args.seed)
        scorers = {
            "list": lambda row: score(np.array([row], np.float32)),
            "NumPy row": lambda row: score(row[np.newaxis]),
            "dict": lambda row: score(np.array([[row[name] for name in names]], np.float32)),
            "pandas": lambda row: score(row.to_numpy(np.float32)),
            "polars": lambda row: score(row.to_numpy()),
        }
    rows = table(1_000, args.seed + 2)[0]
    made: dict[str, list[Any]] = {
        "list": rows.tolist(),
        "NumPy row": list(rows),
        "dict": [dict(zip(names, row, strict=True)) for row in rows.tolist()],
        "pandas": [pd.DataFrame([row], columns=names) for row in rows],
        "polars": [pl.DataFrame(row[np.newaxis], schema=names) for row in rows],
    }
    return {form: median_us(scorers[form], made[form]) for form in FORMS}


def median_us(score: Callable[[Any], Any], rows: list[Any]) -> float:
    times = []
    end = time.perf_counter() + ONE_ROW_SECONDS
    while len(times) < 20_000 and (not times or time.perf_counter() < end):
        for row in rows:
            start = time.perf_counter_ns()
            score(row)
            times.append(time.perf_counter_ns() - start)
            if time.perf_counter() > end:
                break
    return statistics.median(times) / 1e3


def import_ms(statement: str, repeats: int) -> float:
    """Milliseconds beyond those of NumPy, the least of several fresh processes."""
    program = f"import numpy, time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    run = [sys.executable, "-c", program]
    return min(1e3 * float(subprocess.run(run, check=True, capture_output=True).stdout) for _ in range(repeats + 1))


def dependencies(package: str) -> set[str]:
    """The package and everything installed that it needs, NumPy left out."""
    found: set[str] = set()
    todo = [package]
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name == "numpy" or name in found:
            continue
        found.add(name)
        needed = [line for line in distribution.requires or [] if "extra ==" not in line]
        todo += [match.group() for match in (re.match(r"[\w.-]+", line) for line in needed) if match]
    return found


def installed_mb(package: str) -> float:
    files = importlib.metadata.files(package) or []
    return sum(file.size or 0 for file in files) / 1e6


def wheel_mb(engine: str, folders: list[Path]) -> float | None:
    """What is downloaded, where one of the folders has the wheel."""
    wheels = [wheel for folder in folders for wheel in folder.glob("*.whl")]
    wheels = [wheel for wheel in wheels if wheel.name.split("-")[0].replace("_", "-").lower() == engine]
    sizes = [wheel.stat().st_size / 1e6 for wheel in wheels if "abi3" not in wheel.name or engine != OURS]
    return min(sizes, default=None)


def what_is_measured() -> str:
    """Version and build of what is installed, so that a debug build is not taken for the one that ships."""
    from churn_model import _native

    file = Path(_native.__file__)
    size = file.stat().st_size
    found = f"churn_model {_native.__version__}, {file.name}, {size / 1e6:.1f} MB"
    return found + (": NOT a wheel of `make wheels`, do not quote these figures" if size > WHEEL_BYTES else "")


def case(engine: str, part: str, args: argparse.Namespace) -> dict[str, float]:
    arguments = ["--case", engine, part, "--rows", str(args.rows), "--threads", str(args.threads)]
    command = [sys.executable, __file__, *arguments, "--seed", str(args.seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="to fit on, and as many others to score")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", nargs="+", choices=list(IMPORTS), default=list(IMPORTS))
    wheels = [ROOT / "target" / "wheels", ROOT / "target" / "peer-wheels"]
    parser.add_argument("--wheels", type=Path, nargs="*", default=wheels, help="folders with wheels to be weighed")
    parser.add_argument("--case", nargs=2, metavar=("ENGINE", "PART"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        engine, part = args.case
        print(json.dumps({"batch": batch, "one-row": one_row}[part](engine, args)))
        return

    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"something else is running (load {load:.1f}): do not quote these figures", file=sys.stderr)
    engines = [
        engine for engine in args.engines if importlib.util.find_spec(IMPORTS[engine][0].split()[1].split(".")[0])
    ]
    for engine in set(args.engines) - set(engines):
        print(f"{engine} is not installed: left out", file=sys.stderr)
    found: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    for turn in range(args.repeat):
        for engine in engines:
            found[engine].append(case(engine, "batch", args) | case(engine, "one-row", args))
            print(
                f"{turn + 1}/{args.repeat} {engine}: fit {found[engine][-1]['fit_s']:.2f} s",
                file=sys.stderr,
                flush=True,
            )

    print(what_is_measured())
    print(", ".join(f"{e} {importlib.metadata.version(e)}" for e in [*engines, "numpy"] if e != OURS))
    print(f"{args.rows} rows of {N_FEATURES}, {args.threads} threads, medians of {args.repeat}\n")
    columns = ["", "fit s", "score s", "ROC-AUC", *(f"one row, {form}, us" for form in FORMS)]
    columns += ["import to fit, ms", "to score, ms", "wheel MB", "installed MB", "with what it needs MB"]
    print(line(columns))
    print(line(["---"] + ["--:"] * (len(columns) - 1)))
    for engine, cases in found.items():
        median = {key: statistics.median(one[key] for one in cases) for key in cases[0]}
        cells = [engine, f"{median['fit_s']:.2f}", f"{median['score_s']:.3f}", f"{median['roc_auc']:.4f}"]
        cells += [f"{median[form]:.4g}" for form in FORMS]
        cells += [f"{import_ms(statement, 5):.1f}" for statement in IMPORTS[engine]]
        wheel = wheel_mb(engine, args.wheels)
        cells.append("" if wheel is None else f"{wheel:.1f}")
        try:
            cells.append(f"{installed_mb(engine):.1f}")
            cells.append(f"{sum(map(installed_mb, dependencies(engine))):.0f}")
        except importlib.metadata.PackageNotFoundError:  # it runs from a checkout
            cells += ["", ""]
        print(line(cells))


if __name__ == "__main__":
    main()
