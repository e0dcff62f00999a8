"""Wrote the files in this folder: observations, and their log-odds by scikit-learn's logistic regression.

    python make_golden.py          # needs numpy and scikit-learn; versions used are in golden.json

The columns that the linear learner expands features into are spelled out here a second time: every number
standardised by the population standard deviation of what is known, its signed logarithm likewise (unless it takes two
values only), each level and being missing as columns of 0 and 1; a missing number stands at its mean.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

HERE = pathlib.Path(__file__).parent
LEVELS = ["energy", "retail", "media", "health"]
N = 300

# penalty per unit of weight, share of it on absolute weights, whether rows are weighted
CASES = [
    (1e-1, 0.0, False),
    (1e-2, 0.0, False),
    (1e-2, 0.0, True),
    (1e-3, 0.0, True),
    (1e-5, 0.0, False),
    (1e-2, 0.5, False),
    (2e-2, 1.0, True),
]


def observations():
    rng = np.random.default_rng(4711)
    amount = rng.lognormal(3.0, 1.5, N).astype(np.float32)
    change = rng.normal(0.0, 40.0, N).astype(np.float32)
    count = rng.poisson(4.0, N).astype(np.float32)
    flag = rng.integers(0, 2, N).astype(np.float32)
    industry = rng.integers(0, len(LEVELS), N).astype(np.float32)
    log_odds = 0.7 * np.log(amount) - 0.02 * change - 0.3 * count + flag + (industry == 2) - 2.0
    churned = (rng.random(N) < 1.0 / (1.0 + np.exp(-log_odds))).astype(int)
    for column, share in ((amount, 0.1), (count, 0.05), (flag, 0.1), (industry, 0.08)):
        column[rng.random(N) < share] = np.nan
    weight = rng.integers(0, 4, N)
    return [amount, change, count, flag, industry], churned, weight


def standardised(column, weight):
    known = ~np.isnan(column)
    mean = np.average(column[known], weights=weight[known])
    sd = np.sqrt(np.average((column[known] - mean) ** 2, weights=weight[known]))
    return np.where(known, (column - mean) / sd, 0.0)


def expanded(features, weight):
    columns = []
    for position, values in enumerate(features):
        values = values.astype(np.float64)
        if position == 4:
            columns += [(values == code).astype(float) for code in range(len(LEVELS))]
        else:
            columns.append(standardised(values, weight))
            counted = values[~np.isnan(values) & (weight > 0)]
            if len(np.unique(counted)) > 2:
                columns.append(standardised(np.sign(values) * np.log1p(np.abs(values)), weight))
        columns.append(np.isnan(values).astype(float))
    return np.column_stack([column for column in columns if column.any()])


def log_odds(features, churned, weight, penalty, l1_ratio):
    x = expanded(features, weight)
    strength = {"C": 1.0 / (penalty * weight.sum()), "tol": 1e-12}
    if l1_ratio == 0.0:
        model = LogisticRegression(solver="newton-cholesky", max_iter=1000, **strength)
    else:
        model = LogisticRegression(solver="saga", l1_ratio=l1_ratio, max_iter=1_000_000, random_state=0, **strength)
        if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 8):
            model.set_params(penalty="elasticnet")
    model.fit(x, churned, sample_weight=weight)
    return model.decision_function(x)


def main():
    features, churned, weight = observations()
    lines = ["amount,change,count,flag,industry,weight,churned"]
    for row in range(N):
        values = ["" if np.isnan(column[row]) else str(column[row]) for column in features]
        lines.append(",".join([*values, str(weight[row]), str(churned[row])]))
    (HERE / "observations.csv").write_text("\n".join(lines) + "\n")
    cases = []
    for penalty, l1_ratio, is_weighted in CASES:
        w = weight.astype(float) if is_weighted else np.ones(N)
        found = log_odds(features, churned, w, penalty, l1_ratio)
        cases.append({"penalty": penalty, "l1_ratio": l1_ratio, "is_weighted": is_weighted, "log_odds": found.tolist()})
    out = {"made_with": {m.__name__: m.__version__ for m in (np, sklearn)}, "levels": LEVELS, "cases": cases}
    (HERE / "golden.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
