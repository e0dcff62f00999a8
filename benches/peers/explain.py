"""Explains the same rows with us, shap, LightGBM and XGBoost, and prints one table.

shap is given our own forest, node by node, and must find the same contributions. LightGBM and XGBoost explain a forest of
the same shape that they fitted on the same table; a column tells its nodes. Times are processor time per row on one thread,
which a busy machine spoils least.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import fit_case
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
N_PEER_ROWS = 10  # they take tens of milliseconds a row
COLUMNS = ["engine", "us per row", "x ours", "nodes", "ns per node"]


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def us_per_row(explain: Callable[[np.ndarray], object], rows: np.ndarray) -> float:
    explain(rows[:1])  # what is made ready once
    start = time.process_time()
    explain(rows)
    return (time.process_time() - start) / len(rows) * 1e6


def shap_explainer(forest: np.ndarray):
    """Our forest for shap, which sends ``value <= threshold`` left: the next float32 below says the same."""
    import shap

    def tree(nodes: np.ndarray, n_trees: int) -> dict:
        return {
            "children_left": nodes[:, 1].astype(np.int32),
            "children_right": nodes[:, 2].astype(np.int32),
            "children_default": nodes[:, 1].astype(np.int32),  # no value is missing
            "features": nodes[:, 3].astype(np.int32),
            "thresholds": np.nextafter(nodes[:, 4].astype(np.float32), np.float32(-np.inf)).astype(np.float64),
            "values": nodes[:, 5:6] / n_trees,
            "node_sample_weight": nodes[:, 6],
        }

    numbers = forest[:, 0].astype(int)
    n_trees = numbers[-1] + 1
    trees = [tree(forest[numbers == number], n_trees) for number in range(n_trees)]
    return shap.TreeExplainer({"trees": trees, "internal_dtype": np.float64, "input_dtype": np.float32})


def lightgbm(features: np.ndarray, labels: np.ndarray, seed: int) -> tuple[Callable, int]:
    booster = fit_case.lightgbm(1, seed)(features, labels).__self__
    n_nodes = len(booster.trees_to_dataframe())
    return lambda rows: booster.predict(rows, pred_contrib=True, num_threads=1), n_nodes


def xgboost(features: np.ndarray, labels: np.ndarray, seed: int) -> tuple[Callable, int]:
    import xgboost as xgb

    booster = fit_case.xgboost(1, seed)(features, labels).__self__
    n_nodes = len(booster.trees_to_dataframe())
    return lambda rows: booster.predict(xgb.DMatrix(rows, nthread=1), pred_contribs=True), n_nodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--rows", type=int, default=100_000, help="observations to fit on")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    fit_case.N_TREES, fit_case.MAX_DEPTH = args.trees, args.depth

    cargo("build", "--release", "-p", "churn-benches", "--bin", "explain_case")
    target = Path(json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["target_directory"])
    folder = target / "peers" / f"explain-{args.trees}-{args.depth}"
    options = {"folder": folder, "trees": args.trees, "depth": args.depth, "rows": args.rows, "seed": args.seed}
    command = [str(target / "release" / "explain_case")]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]

    def ours() -> dict:
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    before = ours()
    features, labels = np.load(folder / "fit_features.npy"), np.load(folder / "fit_labels.npy")
    rows = np.load(folder / "test_features.npy")[:N_PEER_ROWS]
    explainer = shap_explainer(np.load(folder / "forest.npy"))
    times = [("shap", us_per_row(explainer.shap_values, rows), before["n_nodes"])]
    difference = np.abs(
        np.squeeze(explainer.shap_values(rows)) - np.load(folder / "contributions.npy")[:N_PEER_ROWS]
    ).max()
    for name, fit in {"lightgbm": lightgbm, "xgboost": xgboost}.items():
        explain, n_nodes = fit(features, labels, args.seed)
        times.append((name, us_per_row(explain, rows), n_nodes))
    reports = [before, ours()]  # before and after the others, as the machine may have changed

    def mean(key: str) -> float:
        return sum(report[key] for report in reports) / len(reports)

    for name, key in [
        ("ours, row by row", "exact_us"),
        ("ours, batch", "batch_us"),
        ("ours, approximate", "approximate_us"),
    ]:
        times.append((name, mean(key), before["n_nodes"]))
    print(f"{args.trees} trees of depth {args.depth}, one thread; shap differs from us by at most {difference:.1e},")
    print(f"base value and contributions from raw scores by at most {before['largest_gap']:.1e}\n")
    lines = [COLUMNS, ["---", *["--:"] * (len(COLUMNS) - 1)]]
    for name, us, n_nodes in times:
        lines.append([name, f"{us:.1f}", f"{us / mean('exact_us'):.2g}", str(n_nodes), f"{us / n_nodes * 1e3:.2f}"])
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))


if __name__ == "__main__":
    main()
