"""Fits small models with XGBoost and LightGBM, saves them, and writes down what they predict on tricky rows.

    python make_golden.py FOLDER        # into FOLDER/xgboost-<version> and FOLDER/lightgbm-<version>

Each model NAME.json or NAME.txt has a NAME.csv beside it: one feature vector per line, then the library's raw score
(its margin, without averaging for LightGBM's random forests) and its prediction, all in the fewest digits that give back
the same number. NAME.refused.* are models that cannot be imported. README.md says which versions were installed how.
"""

import json
import re
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

LEVELS = ["energy", "retail", "bäckerei", "health", "public", "media"]
rng = np.random.default_rng(7)
N = 600


def observations(n):
    """Two plain numbers, one with many zeros, two categories; a tenth of all is missing."""
    table = rng.normal(size=(n, 5)).astype(np.float32)
    table[:, 1] = np.round(table[:, 1] * 4) / 4  # values on which thresholds fall exactly
    table[:, 2] *= rng.random(n) < 0.5
    table[:, 3] = rng.integers(0, len(LEVELS), n)
    table[:, 4] = rng.integers(0, 40, n)
    table[rng.random((n, 5)) < 0.1] = np.nan
    return table


def labels(table):
    wanted = np.nan_to_num(table[:, 0]) + (table[:, 2] == 0) - np.isin(table[:, 3], [1, 4]) + (table[:, 4] % 7 > 4)
    return (wanted + rng.normal(size=len(table)) > 0.5).astype(np.float32)


def tricky_rows(split_values, known_levels_only, without_categories):
    """Rows of values at and beside split values, zeros of all kinds, levels never seen, and nothing at all."""
    rows = observations(120)
    dice = np.random.default_rng(1)
    special = np.float32(
        [0, -0.0, 1e-35, -1e-35, 2e-35, -2e-35, 1e-40, -1e-40, np.nan, np.inf, -np.inf, 3.4e38, -3.4e38]
    )
    for feature in range(3 if not without_categories else 5):
        at = np.float32(sorted(set(split_values.get(feature, [])))[:40] or [0])
        beside = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
        replaced = dice.random(len(rows)) < 0.7
        choices = np.concatenate([special, beside, special])
        rows[replaced, feature] = dice.choice(choices, len(rows))[replaced]
    if not without_categories and not known_levels_only:
        rows[:40, 3] = dice.choice(np.float32([6, 7, 31, 32, 63, 64, 200, 253, np.nan, -0.0]), 40)
        rows[20:60, 4] = dice.choice(np.float32([40, 41, 63, 64, 100, 253, np.nan]), 40)
    rows[0] = np.nan
    return rows


def write(path, rows, raw, predicted):
    assert len(rows) == len(raw) == len(predicted)
    with path.with_suffix(".csv").open("w") as file:
        for row, *outputs in zip(rows, raw, predicted, strict=True):
            file.write(",".join([str(value) for value in row] + [str(output) for output in outputs]) + "\n")


TABLE = observations(N)
LABELS = labels(TABLE)


# XGBoost


def xgboost_models(folder):
    folder.mkdir(parents=True, exist_ok=True)
    numbers = ["q"] * 5
    kinds = ["q", "q", "float", "c", "c"]
    few = {"max_depth": 3, "tree_method": "hist", "seed": 1, "nthread": 1}
    logistic = {"objective": "binary:logistic", **few}
    cases = {
        "logistic": (logistic, numbers, 6),
        "base_score": ({**logistic, "base_score": 0.2}, numbers, 2),
        "logitraw": ({**few, "objective": "binary:logitraw", "base_score": 0.3}, numbers, 3),
        "reg_logistic": ({**few, "objective": "reg:logistic"}, numbers, 2),
        "squarederror": ({**few, "objective": "reg:squarederror"}, numbers, 4),
        "forest": (
            {**logistic, "num_parallel_tree": 5, "subsample": 0.6, "colsample_bynode": 0.6, "learning_rate": 1},
            numbers,
            1,
        ),
        "dart": ({**logistic, "booster": "dart", "rate_drop": 0.5, "one_drop": 1}, numbers, 6),
        "one_hot": ({**logistic, "max_cat_to_onehot": 100}, kinds, 5),
        "partition": ({**logistic, "max_cat_to_onehot": 1, "max_depth": 4}, kinds, 5),
        "single_leaf": ({**logistic, "gamma": 1e9}, numbers, 2),
        "pruned": ({**logistic, "gamma": 6, "max_depth": 4, "tree_method": "exact"}, numbers, 4),
    }
    for name, (parameters, types, rounds) in cases.items():
        matrix = xgb.DMatrix(TABLE, LABELS, feature_types=types, enable_categorical=True)
        save_xgboost(folder / f"{name}.json", xgb.train(parameters, matrix, rounds), types)

    frame = pd.DataFrame(TABLE[:, :3], columns=["job30", "job60 mean", "zeros"])
    codes = np.nan_to_num(TABLE[:, 3], nan=-1).astype(int)
    # XGBoost 3.2 writes names outside ASCII in a way that cannot be read back.
    levels = [level.replace("ä", "a") for level in LEVELS]
    frame["industry"] = pd.Categorical.from_codes(codes, levels)
    matrix = xgb.DMatrix(frame, LABELS, enable_categorical=True)
    booster = xgb.train({**logistic, "max_cat_to_onehot": 2}, matrix, 5)
    path = folder / "data_frame.json"
    booster.save_model(path)
    rows = tricky_rows(xgboost_split_values(path), True, False)[:, :4]
    rows[np.isinf(rows)] = np.nan
    asked = pd.DataFrame(rows[:, :3], columns=frame.columns[:3])
    asked["industry"] = pd.Categorical.from_codes(np.nan_to_num(rows[:, 3], nan=-1).astype(int), levels)
    asked = xgb.DMatrix(asked, enable_categorical=True)
    write(path, rows, booster.predict(asked, output_margin=True), booster.predict(asked))

    stump = {**few, "max_depth": 1}
    refused = {
        "classes": {**stump, "objective": "multi:softprob", "num_class": 3},
        "linear": {"objective": "binary:logistic", "booster": "gblinear"},
        "poisson": {**stump, "objective": "count:poisson"},
        "ranking": {**stump, "objective": "rank:pairwise"},
        "hinge": {**stump, "objective": "binary:hinge"},
    }
    matrix = xgb.DMatrix(TABLE, LABELS)
    for name, parameters in refused.items():
        xgb.train(parameters, matrix, 1).save_model(folder / f"{name}.refused.json")
    if xgb.__version__ >= "2":
        both = xgb.DMatrix(TABLE, np.stack([LABELS, 1 - LABELS], axis=1))
        several = {**stump, "multi_strategy": "multi_output_tree"}
        xgb.train(several, both, 1).save_model(folder / "targets.refused.json")
    xgb.train(stump, matrix, 1).save_model(folder / "binary.refused.ubj")


def xgboost_split_values(path):
    booster = json.loads(path.read_text().replace("NaN", "0"))["learner"]["gradient_booster"]
    split_values = {}
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        for feature, value, left in zip(tree["split_indices"], tree["split_conditions"], tree["left_children"]):
            if left >= 0:
                split_values.setdefault(feature, []).append(value)
    return split_values


def save_xgboost(path, booster, types):
    booster.save_model(path)
    rows = tricky_rows(xgboost_split_values(path), False, "c" not in types)
    # A DMatrix takes no infinities; XGBoost's other way to predict does, and walks the same trees. For DART the two add
    # up in different orders.
    if "dart" in path.name:
        rows[np.isinf(rows)] = np.nan
    finite = ~np.isinf(rows).any(axis=1)
    matrix = xgb.DMatrix(rows[finite], feature_types=types, enable_categorical=True)
    raw, predicted = booster.predict(matrix, output_margin=True), booster.predict(matrix)
    if not finite.all():
        of_finite = raw, predicted
        raw, predicted = booster.inplace_predict(rows, predict_type="margin"), booster.inplace_predict(rows)
        assert np.array_equal(of_finite, (raw[finite], predicted[finite])), path
    write(path, rows, raw, predicted)


# LightGBM


def lightgbm_models(folder):
    folder.mkdir(parents=True, exist_ok=True)
    few = {"num_leaves": 7, "min_data_in_leaf": 10, "num_threads": 1, "verbose": -1, "seed": 1, "learning_rate": 0.3}
    by_level = {"min_data_per_group": 5, "cat_smooth": 1, "cat_l2": 1, "max_cat_threshold": 32}
    binary = {"objective": "binary", **few}
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    whole = np.nan_to_num(TABLE)
    cases = {
        "binary": (binary, TABLE, [], 6),
        "sigmoid": ({**binary, "sigmoid": 2.5}, TABLE, [], 4),
        "regression": ({**few, "objective": "regression"}, TABLE, [], 5),
        "huber": ({**few, "objective": "huber"}, TABLE, [], 2),
        "cross_entropy": ({**few, "objective": "cross_entropy"}, TABLE, [], 2),
        "forest": ({**binary, **forest}, TABLE, [], 7),
        "regression_forest": ({**few, **forest, "objective": "regression"}, TABLE, [], 3),
        "dart": ({**binary, "boosting": "dart", "drop_rate": 0.5, "skip_drop": 0.0}, TABLE, [], 6),
        "no_missing": (binary, whole, [], 4),
        "ignore_missing": ({**binary, "use_missing": False}, TABLE, [], 4),
        "zero_as_missing": ({**binary, "zero_as_missing": True, "num_leaves": 15}, TABLE, [], 6),
        "categories": ({**binary, **by_level, "max_cat_to_onehot": 1}, TABLE, [3, 4], 6),
        "one_hot": ({**binary, **by_level, "max_cat_to_onehot": 64}, TABLE, [3, 4], 4),
        "whole_categories": ({**binary, **by_level}, whole, [3, 4], 3),
        "single_leaf": ({**binary, "min_gain_to_split": 1e9}, TABLE, [], 2),
        "missing_or_not": (binary, TABLE, [], 2),  # has split values of infinity
    }
    for name, (parameters, table, categories, rounds) in cases.items():
        wanted = np.isnan(TABLE[:, 0]) ^ np.isnan(TABLE[:, 1]) if name == "missing_or_not" else LABELS
        data = lgb.Dataset(table, wanted, categorical_feature=categories)
        save_lightgbm(folder / f"{name}.txt", lgb.train(parameters, data, rounds), bool(categories))

    frame = pd.DataFrame(TABLE[:, :3], columns=["job30", "job60 mean", "zeros"])
    codes = np.nan_to_num(TABLE[:, 3], nan=-1).astype(int)
    frame["industry"] = pd.Categorical.from_codes(codes, LEVELS)
    booster = lgb.train({**binary, **by_level}, lgb.Dataset(frame, LABELS), 5)
    path = folder / "data_frame.txt"
    booster.save_model(path)
    rows = tricky_rows(lightgbm_split_values(path), True, False)[:, :4]
    asked = pd.DataFrame(rows[:, :3], columns=frame.columns[:3])
    asked["industry"] = pd.Categorical.from_codes(np.nan_to_num(rows[:, 3], nan=-1).astype(int), LEVELS)
    write(path, rows, booster.predict(asked, raw_score=True), booster.predict(asked))

    stump = {**few, "num_leaves": 2}
    refused = {
        "classes": {**stump, "objective": "multiclass", "num_class": 2},
        "linear_tree": {**few, "objective": "regression", "linear_tree": True},
        "poisson": {**stump, "objective": "poisson"},
        "square_root": {**stump, "objective": "regression", "reg_sqrt": True},
    }
    for name, parameters in refused.items():
        lgb.train(parameters, lgb.Dataset(TABLE, LABELS), 1).save_model(folder / f"{name}.refused.txt")


def lightgbm_split_values(path):
    split_values = {}
    for block in path.read_text().split("Tree=")[1:]:
        columns = dict(re.findall(r"^(split_feature|threshold|decision_type)=(.*)$", block, re.MULTILINE))
        for feature, value, kind in zip(
            *(columns[key].split() for key in ("split_feature", "threshold", "decision_type"))
        ):
            if int(kind) & 1 == 0:
                split_values.setdefault(int(feature), []).append(float(value))
    return split_values


def save_lightgbm(path, booster, has_categories):
    booster.save_model(path)
    rows = tricky_rows(lightgbm_split_values(path), False, not has_categories)
    write(path, rows, booster.predict(rows, raw_score=True), booster.predict(rows))


folder = Path(sys.argv[1])
xgboost_models(folder / f"xgboost-{xgb.__version__}")
lightgbm_models(folder / f"lightgbm-{lgb.__version__}")
