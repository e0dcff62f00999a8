"""Fits one forest with one library, in a process of its own, and prints what that took as one line of JSON.

The twin of ``benches/src/bin/fit_case.rs``: same forest, same files, same figures. ``fit.py`` runs both.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

N_TREES = 100
MAX_DEPTH: int | None = 12  # splits between a root and its leaves, at most; None for no limit
MIN_LEAF = 5  # observations in each leaf, at least
FEATURES_PER_SPLIT = 4
IN_BAG = 0.632  # what a bootstrap holds of the observations, for libraries that draw each of them once
SURE = 1e-6  # scores are kept this far from 0 and 1 before the log loss is taken

Score = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray, np.ndarray], Score]
"""Takes features (float32, one row per observation) and labels (bool); returns what gives churn probabilities."""


def scikit_learn(n_threads: int, seed: int) -> Fit:
    """Exact splits; a bootstrap with replacement."""
    from sklearn.ensemble import RandomForestClassifier

    learner = RandomForestClassifier(
        n_estimators=N_TREES,
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_LEAF,
        max_features=FEATURES_PER_SPLIT,
        n_jobs=n_threads,
        random_state=seed,
    )

    def fit(features: np.ndarray, labels: np.ndarray) -> Score:
        model = learner.fit(features, labels)
        return lambda rows: model.predict_proba(rows)[:, 1]

    return fit


def lightgbm(n_threads: int, seed: int) -> Fit:
    """Histograms of 255 bins; its forest mode. Its default way of waiting (OMP_WAIT_POLICY) is the fast one."""
    import lightgbm as lgb

    parameters = {
        "objective": "binary",
        "boosting": "rf",
        "bagging_freq": 1,
        "bagging_fraction": IN_BAG,
        "max_depth": MAX_DEPTH or -1,
        "num_leaves": 2 ** min(MAX_DEPTH or 17, 17),  # it takes no more than 2^17
        "min_data_in_leaf": MIN_LEAF,
        "num_threads": n_threads,
        "seed": seed,
        "verbose": -1,
    }

    def fit(features: np.ndarray, labels: np.ndarray) -> Score:
        share = {"feature_fraction_bynode": FEATURES_PER_SPLIT / features.shape[1]}
        model = lgb.train(parameters | share, lgb.Dataset(features, labels), num_boost_round=N_TREES)
        return model.predict

    return fit


def xgboost(n_threads: int, seed: int) -> Fit:
    """Histograms of 256 bins; one round of as many parallel trees as the forest has."""
    import xgboost as xgb

    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "num_parallel_tree": N_TREES,
        "learning_rate": 1.0,
        "subsample": IN_BAG,
        "max_depth": MAX_DEPTH or 0,
        "reg_lambda": 1e-5,  # as its own XGBRFClassifier
        "nthread": n_threads,
        "seed": seed,
    }

    def fit(features: np.ndarray, labels: np.ndarray) -> Score:
        rate = float(labels.mean())
        of_data = {
            "base_score": rate,
            "min_child_weight": MIN_LEAF * rate * (1.0 - rate),  # an observation weighs its second derivative
            "colsample_bynode": FEATURES_PER_SPLIT / features.shape[1],
        }
        table = xgb.QuantileDMatrix(features, labels, nthread=n_threads)
        model = xgb.train(parameters | of_data, table, num_boost_round=1)
        return model.inplace_predict

    return fit


def ydf(n_threads: int, seed: int) -> Fit:
    """Exact splits on columns sorted beforehand; a bootstrap with replacement."""
    import ydf as yggdrasil

    yggdrasil.verbose(0)
    learner = yggdrasil.RandomForestLearner(
        label="churned",
        num_trees=N_TREES,
        max_depth=MAX_DEPTH + 1 if MAX_DEPTH else -1,  # it counts levels: a tree that is only a root has depth 1
        min_examples=MIN_LEAF,
        num_candidate_attributes=FEATURES_PER_SPLIT,
        winner_take_all=False,
        compute_oob_performances=False,
        num_threads=n_threads,
        random_seed=seed,
    )

    def columns(features: np.ndarray) -> dict[str, np.ndarray]:
        return {f"f{column}": features[:, column] for column in range(features.shape[1])}

    def fit(features: np.ndarray, labels: np.ndarray) -> Score:
        model = learner.train(columns(features) | {"churned": labels})
        return lambda rows: model.predict(columns(rows))

    return fit


ENGINES = {"scikit-learn": scikit_learn, "lightgbm": lightgbm, "xgboost": xgboost, "ydf": ydf}


def status_mib(field: str) -> float | None:
    """A line of /proc/self/status in MiB: VmRSS is resident now, VmHWM was the most."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        return None
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def run(engine: str, data_dir: Path, n_threads: int, seed: int) -> dict:
    """Fits on the ``fit`` part of the table and judges by the ``test`` part, read once memory was looked at."""
    from sklearn.metrics import log_loss, roc_auc_score

    fit = ENGINES[engine](n_threads, seed)
    features, labels = (np.load(data_dir / f"fit_{what}.npy") for what in ("features", "labels"))
    before_mib = status_mib("VmRSS")
    cpu_before, start = time.process_time(), time.perf_counter()  # processor time of all threads
    score = fit(features, labels)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_before
    peak_mib = status_mib("VmHWM")

    features, labels = (np.load(data_dir / f"test_{what}.npy") for what in ("features", "labels"))
    scores = np.asarray(score(features), dtype=np.float64)
    return {
        "engine": engine,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "before_mib": before_mib,
        "peak_mib": peak_mib,
        "roc_auc": roc_auc_score(labels, scores),
        "log_loss": log_loss(labels, scores.clip(SURE, 1.0 - SURE)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder that `fit_case --prepare` has written")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(json.dumps(run(args.engine, args.data_dir, args.threads, args.seed)))


if __name__ == "__main__":
    main()
