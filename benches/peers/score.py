"""Scores the same rows with us, YDF, LightGBM, XGBoost and scikit-learn, and prints one table.

Each library fits a forest of the same shape on the same table; a column tells its nodes. One row at a time, what counts is
native code: the C++ that YDF writes, compiled for this machine, and LightGBM's C interface for single rows. Batches go
through Python. Times are processor time per row on one thread, which a busy machine spoils least.
"""

import argparse
import ctypes
import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import fit_case
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
N_SINGLE_ROWS = 20_000
COLUMNS = ["engine", "single row us", "x ours", "batch us", "x ours", "nodes"]

HARNESS = """
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <vector>
#include "model.h"

static double cpu() { timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return t.tv_sec * 1e6 + t.tv_nsec * 1e-3; }

int main() {
  const int n_rows = @ROWS@, round = 1000;
  std::vector<float> rows(static_cast<size_t>(n_rows) * @FEATURES@);
  FILE* file = std::fopen("@FILE@", "rb");
  if (!file || std::fread(rows.data(), 4, rows.size(), file) != rows.size()) return 1;
  std::vector<double> rounds;
  volatile float sum = 0;
  for (int first = 0; first + round <= n_rows; first += round) {
    const double start = cpu();
    for (int r = first; r < first + round; r++) {
      const float* x = &rows[static_cast<size_t>(r) * @FEATURES@];
      sum = sum + ydf_model::Predict(ydf_model::Instance{@FIELDS@});
    }
    rounds.push_back((cpu() - start) / round);
  }
  std::sort(rounds.begin(), rounds.end());
  std::printf("%f\\n", rounds[rounds.size() / 2]);
}
"""


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def batch_us(score: Callable[[np.ndarray], object], rows: np.ndarray) -> float:
    score(rows[:1000])  # what is made ready once
    seconds = []
    for _ in range(3):
        start = time.process_time()
        score(rows)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds) / len(rows) * 1e6


def ydf_native_us(model, rows: np.ndarray, folder: Path) -> float:
    """One row at a time by the C++ that YDF writes."""
    source = model.to_standalone_cc(name="ydf_model", algorithm="ROUTING", classification_output="SCORE")
    if isinstance(source, dict):
        for name, content in source.items():
            (folder / name).write_bytes(content)
        source = next(content for name, content in source.items() if name.endswith(".h")).decode()
    (folder / "model.h").write_text(source)
    rows[:N_SINGLE_ROWS].tofile(folder / "rows.f32")
    names = re.findall(r"Numerical (f\d+)", source.split("struct Instance")[1].split("};")[0])
    fields = ", ".join(f".{name} = x[{name[1:]}]" for name in names)
    harness = HARNESS.replace("@ROWS@", str(min(N_SINGLE_ROWS, len(rows)))).replace("@FEATURES@", str(rows.shape[1]))
    (folder / "main.cc").write_text(harness.replace("@FILE@", str(folder / "rows.f32")).replace("@FIELDS@", fields))
    command = ["g++", "-std=c++20", "-O3", "-march=native", "-o", folder / "ydf", folder / "main.cc"]
    subprocess.run(command, check=True)
    return float(subprocess.run([folder / "ydf"], check=True, stdout=subprocess.PIPE, text=True).stdout)


def lightgbm_native_us(booster, rows: np.ndarray) -> float:
    """One row at a time by LightGBM's C interface; a call from Python costs about 0.5 us of it."""
    from lightgbm.libpath import _find_lib_path

    library = ctypes.CDLL(_find_lib_path()[0])
    fast, n_out, out = ctypes.c_void_p(), ctypes.c_int64(), ctypes.c_double()
    raw, width, float32 = 1, rows.shape[1], 0
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, raw, 0, -1, float32, width, ctypes.c_char_p(b"num_threads=1"), ctypes.byref(fast)
    )
    predict = library.LGBM_BoosterPredictForMatSingleRowFast
    results = ctypes.byref(n_out), ctypes.byref(out)
    rows = np.ascontiguousarray(rows[:N_SINGLE_ROWS])
    address, stride = rows.ctypes.data, rows.strides[0]
    pointers = [ctypes.c_void_p(address + row * stride) for row in range(len(rows))]
    start = time.process_time()
    for pointer in pointers:
        predict(fast, pointer, *results)
    return (time.process_time() - start) / len(rows) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=12, help="255 for no limit")
    parser.add_argument("--rows", type=int, default=100_000, help="observations to fit on")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    fit_case.N_TREES, fit_case.MAX_DEPTH = args.trees, args.depth

    cargo("build", "--release", "-p", "churn-benches", "--bin", "score_case")
    target = Path(json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["target_directory"])
    folder = target / "peers" / f"score-{args.trees}-{args.depth}"
    options = {"folder": folder, "trees": args.trees, "depth": args.depth, "rows": args.rows, "seed": args.seed}
    command = [str(target / "release" / "score_case")]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]

    def ours() -> dict:
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)

    before = ours()
    features, labels = np.load(folder / "fit_features.npy"), np.load(folder / "fit_labels.npy")
    rows = np.load(folder / "test_features.npy")
    peers = []

    ydf = fit_case.ydf(2, args.seed)(features, labels).__closure__
    ydf_model = next(cell.cell_contents for cell in ydf if hasattr(cell.cell_contents, "to_standalone_cc"))
    native = ydf_native_us(ydf_model, rows, folder)
    columns = {f"f{column}": rows[:, column] for column in range(rows.shape[1])}
    batch = batch_us(lambda _: ydf_model.predict(columns, num_threads=1), rows)
    peers.append(("YDF", native, batch, ydf_model.num_nodes()))

    booster = fit_case.lightgbm(2, args.seed)(features, labels).__self__
    nodes = sum(2 * tree["num_leaves"] - 1 for tree in booster.dump_model()["tree_info"])
    batch = batch_us(lambda rows: booster.predict(rows, num_threads=1), rows)
    peers.append(("LightGBM", lightgbm_native_us(booster, rows), batch, nodes))

    xgboost = fit_case.xgboost(2, args.seed)(features, labels).__self__
    xgboost.set_param({"nthread": 1})
    nodes = sum(dump.count("\n") for dump in xgboost.get_dump())
    peers.append(("XGBoost", None, batch_us(xgboost.inplace_predict, rows), nodes))

    forest = fit_case.scikit_learn(2, args.seed)(features, labels).__closure__
    forest = next(cell.cell_contents for cell in forest if hasattr(cell.cell_contents, "estimators_"))
    forest.n_jobs = 1
    nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
    peers.append(("scikit-learn", None, batch_us(forest.predict_proba, rows), nodes))

    reports = [before, ours()]  # before and after the others, as the machine may have changed

    def mean(kernel: str, key: str) -> float:
        return statistics.mean(report["kernels"][kernel][key] for report in reports)

    best = "avx512" if "avx512" in before["kernels"] else "portable"
    single, batch = mean(best, "single_us"), mean(best, "batch_us")
    kernels = [
        (f"churn-model, {kernel}", mean(kernel, "single_us"), mean(kernel, "batch_us")) for kernel in before["kernels"]
    ]
    lines = [COLUMNS, ["---", *["--:"] * (len(COLUMNS) - 1)]]
    for name, one, many, n_nodes in [*((*times, before["n_nodes"]) for times in kernels), *peers]:
        one = [f"{one:.2f}", f"{one / single:.1f}"] if one is not None else ["", ""]
        lines.append([name, *one, f"{many:.2f}", f"{many / batch:.1f}", str(n_nodes)])
    print(f"{args.trees} trees of depth {args.depth}, one thread\n")
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    print()
    for key in ("cold_us", "decide_us", "batch_2_wall_us"):
        print(f"{key}: " + ", ".join(f"{kernel} {mean(kernel, key):.2f}" for kernel in before["kernels"]))
    for key in ("plain_us", "read_ms", "make_ms", "asked", "model_bytes_per_node", "scorer_bytes_per_node"):
        print(f"{key}: {statistics.mean(report[key] for report in reports):.3g}")


if __name__ == "__main__":
    main()
