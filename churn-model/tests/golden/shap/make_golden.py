"""Writes golden.json: small forests of scikit-learn and XGBoost, and their contributions by shap.TreeExplainer.

pip install numpy==2.4.6 scikit-learn==1.9.1 shap==0.51.0 xgboost==3.2.0
python make_golden.py
"""

import json
from pathlib import Path

import numpy as np
import shap
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree._tree import Tree

N_FEATURES = 6
N_ROWS = 20


def table(n: int, seed: int, missing: float) -> tuple[np.ndarray, np.ndarray]:
    """Features that work together; some unknown."""
    dice = np.random.default_rng(seed)
    features = dice.normal(size=(n, N_FEATURES)).round(2).astype(np.float32)
    labels = features[:, 0] + features[:, 1] * features[:, 2] + dice.normal(size=n) > 0
    features[dice.random(features.shape) < missing] = np.nan
    return features, labels


def of_scikit_learn(tree: Tree) -> list[list]:
    """Nodes as [feature, split value, missing left, left child, right child, leaf value, cover]; a leaf's feature is -1.

    scikit-learn sends ``value <= threshold`` left, in doubles; the next float32 above says the same with ``<``. Where only
    missing values go right it holds infinity, which JSON has no word for.
    """
    above = np.nextafter(tree.threshold.astype(np.float32), np.float32(np.inf))
    exact = tree.threshold.astype(np.float32)
    split_values = np.where(exact.astype(np.float64) > tree.threshold, exact, above)
    split_values = np.minimum(split_values, np.finfo(np.float32).max)
    return [
        [
            max(int(tree.feature[at]), -1),
            float(split_values[at]),
            bool(tree.missing_go_to_left[at]),
            int(tree.children_left[at]),
            int(tree.children_right[at]),
            float(np.float32(tree.value[at, 0, 1])),
            float(tree.weighted_n_node_samples[at]),
        ]
        for at in range(tree.node_count)
    ]


def of_xgboost(tree: dict) -> list[list]:
    """The same of an XGBoost tree; what its file calls a leaf's split condition is the value."""
    left, right = tree["left_children"], tree["right_children"]
    return [
        [
            -1 if left[at] < 0 else tree["split_indices"][at],
            tree["split_conditions"][at],
            bool(tree["default_left"][at]),
            left[at],
            right[at],
            tree["split_conditions"][at] if left[at] < 0 else 0.0,
            tree["sum_hessian"][at],
        ]
        for at in range(len(left))
    ]


def scikit_learn() -> dict:
    features, labels = table(400, seed=1, missing=0.1)
    model = RandomForestClassifier(n_estimators=5, max_depth=6, min_samples_leaf=3, random_state=1).fit(
        features, labels
    )
    rows, _ = table(N_ROWS, seed=2, missing=0.1)
    explainer = shap.TreeExplainer(model)
    return {
        "combine": "mean",
        "base": 0.0,
        "trees": [of_scikit_learn(estimator.tree_) for estimator in model.estimators_],
        "rows": rows,
        "base_value": float(explainer.expected_value[1]),
        "contributions": explainer.shap_values(rows)[:, :, 1],
        "tolerance": 1e-6,
    }


def xgb() -> dict:
    features, labels = table(400, seed=3, missing=0.2)
    parameters = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.3, "base_score": 0.5, "seed": 1}
    model = xgboost.train(parameters, xgboost.DMatrix(features, labels), num_boost_round=8)
    trees = json.loads(bytes(model.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]
    rows, _ = table(N_ROWS, seed=4, missing=0.2)
    explainer = shap.TreeExplainer(model)
    contributions = explainer.shap_values(rows)  # sets the base value too
    return {
        "combine": "sum",
        "base": 0.0,  # log-odds of base_score
        "trees": [of_xgboost(tree) for tree in trees],
        "rows": rows,
        "base_value": float(np.ravel(explainer.expected_value)[0]),
        "contributions": contributions,
        "tolerance": 1e-6,  # XGBoost sums contributions as float32
    }


def numbers(value: object) -> object:
    """Arrays as lists, with null for what is unknown."""
    if isinstance(value, np.ndarray):
        return [numbers(part) for part in value]
    return None if np.isnan(value) else float(value)


def main() -> None:
    cases = {"scikit-learn": scikit_learn(), "xgboost": xgb()}
    for case in cases.values():
        for key in ("rows", "contributions"):
            case[key] = numbers(case[key])
    versions = {"shap": shap.__version__, "xgboost": xgboost.__version__}
    Path(__file__).with_name("golden.json").write_text(
        json.dumps({"versions": versions, "cases": cases}, allow_nan=False) + "\n"
    )


if __name__ == "__main__":
    main()
