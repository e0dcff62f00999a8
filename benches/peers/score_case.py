"""Scores the same rows with one library, in a process of its own, and prints what that took as one line of JSON.

``score.py`` runs it. Each library fits a forest of the same shape (``fit_case.py``); those that only score get the forest
of another one. Batches and native calls count processor time on one thread, calls from Python the clock on the wall.
"""

import argparse
import inspect
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fit_case
import numpy as np
import score_native

FIT_THREADS = 2
N_CALLS = 2_000  # from Python
MAX_SECONDS = 10.0  # no further call or batch once a measurement has taken this long


@dataclass
class Case:
    """What all libraries are given."""

    folder: Path
    seed: int
    features: np.ndarray
    labels: np.ndarray
    rows: np.ndarray

    def fitted(self, engine: str):
        """The model of a library that fits, and the nodes of its trees."""
        score = fit_case.ENGINES[engine](FIT_THREADS, self.seed)(self.features, self.labels)
        model = getattr(score, "__self__", None) or inspect.getclosurevars(score).nonlocals["model"]
        return model, N_NODES[engine](model)


N_NODES = {
    "lightgbm": lambda model: sum(2 * tree["num_leaves"] - 1 for tree in model.dump_model()["tree_info"]),
    "scikit-learn": lambda model: sum(tree.tree_.node_count for tree in model.estimators_),
    "xgboost": lambda model: sum(dump.count("\n") for dump in model.get_dump()),
    "ydf": lambda model: model.num_nodes(),
}


def from_python(score: Callable[[np.ndarray], object], rows: np.ndarray) -> tuple[dict, np.ndarray]:
    """Times of one row and of a batch, and the scores."""
    score(rows[:1000])  # what is made ready once
    calls, batches, end = [], [], time.perf_counter() + MAX_SECONDS
    for row in range(N_CALLS):
        start = time.perf_counter()
        score(rows[row : row + 1])
        calls.append(time.perf_counter() - start)
        if start > end:
            break
    end = time.perf_counter() + MAX_SECONDS
    for _ in range(3):
        start = time.process_time()
        scores = score(rows)
        batches.append(time.process_time() - start)
        if time.perf_counter() > end:
            break
    times = {"python_us": statistics.median(calls) * 1e6, "batch_us": statistics.median(batches) / len(rows) * 1e6}
    return times, np.asarray(scores).reshape(len(rows), -1)[:, -1]


def lightgbm(case: Case) -> dict:
    model, nodes = case.fitted("lightgbm")
    times, scores = from_python(lambda rows: model.predict(rows, num_threads=1), case.rows)
    return {"nodes": nodes} | times | score_native.lightgbm(case.folder, model, case.rows, scores)


def lleaves(case: Case) -> dict:
    """LightGBM's forest, compiled by LLVM; what was compiled stays for another run with the same model."""
    import hashlib

    from lleaves import Model

    fitted, nodes = case.fitted("lightgbm")
    text = fitted.model_to_string()
    name = f"lleaves-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    model_file, compiled = case.folder / f"{name}.txt", case.folder / f"{name}.o"
    model_file.write_text(text)
    model = Model(model_file=str(model_file))
    # Inlining takes 13 times as long to compile for a fifth less time a row (20 trees of depth 10), and far from done
    # after seven minutes for 100 of depth 12.
    model.compile(cache=str(compiled), finline=False)
    times, scores = from_python(lambda rows: model.predict(rows, n_jobs=1), case.rows)
    return {"nodes": nodes} | times | score_native.lleaves(case.folder, compiled, case.rows, scores)


def onnxruntime(case: Case) -> dict:
    """scikit-learn's forest, converted by skl2onnx."""
    from onnxruntime import InferenceSession, SessionOptions
    from skl2onnx import to_onnx

    model, nodes = case.fitted("scikit-learn")
    onnx = to_onnx(model, case.rows[:1], options={id(model): {"zipmap": False}})
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = InferenceSession(onnx.SerializeToString(), options, providers=["CPUExecutionProvider"])
    times, scores = from_python(lambda rows: session.run(None, {"X": rows})[1], case.rows)
    score_native.check_mean(scores.mean(), model.predict_proba(case.rows)[:, 1])
    return {"nodes": nodes} | times


def scikit_learn(case: Case) -> dict:
    model, nodes = case.fitted("scikit-learn")
    model.n_jobs = 1
    return {"nodes": nodes} | from_python(model.predict_proba, case.rows)[0]


def tl2cgen(case: Case) -> dict:
    """XGBoost's forest as C code in a file for every five trees."""
    import shutil

    import tl2cgen
    import treelite

    fitted, nodes = case.fitted("xgboost")
    sources = case.folder / "tl2cgen"
    shutil.rmtree(sources, ignore_errors=True)
    params = {"parallel_comp": fit_case.N_TREES // 5}
    tl2cgen.generate_c_code(treelite.frontend.from_xgboost(fitted), dirpath=sources, params=params)
    scores = fitted.inplace_predict(case.rows)
    native, library = score_native.tl2cgen(case.folder, sources, case.rows, scores)
    model = tl2cgen.Predictor(library, nthread=1)
    times, _ = from_python(lambda rows: model.predict(tl2cgen.DMatrix(rows, dtype="float32")), case.rows)
    return {"nodes": nodes} | times | native


def treelite(case: Case) -> dict:
    """XGBoost's forest in treelite's own engine, GTIL."""
    from treelite import frontend, gtil

    fitted, nodes = case.fitted("xgboost")
    model = frontend.from_xgboost(fitted)
    times, scores = from_python(lambda rows: gtil.predict(model, rows, nthread=1), case.rows)
    score_native.check_mean(scores.mean(), fitted.inplace_predict(case.rows))
    return {"nodes": nodes} | times


def xgboost(case: Case) -> dict:
    model, nodes = case.fitted("xgboost")
    model.set_param({"nthread": 1})
    return {"nodes": nodes} | from_python(model.inplace_predict, case.rows)[0]


def ydf(case: Case) -> dict:
    model, nodes = case.fitted("ydf")
    width = case.rows.shape[1]

    def score(rows: np.ndarray) -> np.ndarray:
        return model.predict({f"f{column}": rows[:, column] for column in range(width)}, num_threads=1)

    times, scores = from_python(score, case.rows)
    return {"nodes": nodes} | times | score_native.ydf(case.folder, model, case.rows, scores)


PEERS = {
    "ydf": ydf,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "scikit-learn": scikit_learn,
    "onnxruntime": onnxruntime,
    "treelite": treelite,
    "tl2cgen": tl2cgen,
    "lleaves": lleaves,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--folder", type=Path, required=True, help="folder with the table, as `score_case` writes it")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=12, help="0 for no limit")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    fit_case.N_TREES, fit_case.MAX_DEPTH = args.trees, args.depth or None
    table = (np.load(args.folder / f"{part}.npy") for part in ("fit_features", "fit_labels", "test_features"))
    print(json.dumps(PEERS[args.peer](Case(args.folder, args.seed, *table))))


if __name__ == "__main__":
    main()
