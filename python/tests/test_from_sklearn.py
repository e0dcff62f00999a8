"""Models fitted by scikit-learn score the same here, at split values and with missing values and unseen levels too."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import churn_model as cm
import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

N = 600


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads of OpenMP that wait for each other take minutes where cores are busy."""
    with threadpool_limits(1):
        yield


def numbers(seed: int = 0, *, missing: float = 0.0) -> tuple[Any, Any]:
    """A matrix with ties, both signs and large values, and labels."""
    dice = np.random.default_rng(seed)
    x = (
        np.column_stack(
            [
                dice.integers(0, 8, N),
                dice.normal(size=N),
                np.exp(4 * dice.normal(size=N)),
                np.round(dice.normal(size=N), 1) * 1e-3,
            ]
        )
        .astype(np.float32)
        .astype(np.float64)
    )
    y = (x[:, 0] + x[:, 1] + np.log(x[:, 2]) + dice.normal(size=N) > 4).astype(int)
    x[dice.random(x.shape) < missing] = np.nan
    return x, y


def frame(seed: int = 0) -> tuple[Any, Any]:
    """A data frame with two categories, and labels."""
    x, _ = numbers(seed)
    dice = np.random.default_rng(seed + 1)
    table = pd.DataFrame(
        {
            "job30": x[:, 0],
            "industry": dice.choice(["IT", "energy", "retail"], N),
            "load": x[:, 2].astype(np.float32).astype(np.float64),
        }
    )
    table["plan"] = dice.choice([1, 2, 10], N)
    y = ((table["job30"] > 3) ^ (table["industry"] == "IT") ^ (dice.random(N) < 0.2)).astype(int)
    return table, y


def beside(x: Any, trees: Any, scaler: Any = None) -> Any:
    """Rows at the split values of the trees, and one float32 to both sides of them."""
    rows = [x]
    for tree in trees:
        for feature, split_value in zip(tree.feature, tree.threshold, strict=True):
            if feature < 0 or np.isinf(split_value):  # infinite: missing values against all others
                continue
            if scaler is not None:
                split_value = split_value * scaler.scale_[feature] + scaler.mean_[feature]
            at = np.float32(split_value)
            for value in (np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf))):
                row = x[:1].copy()
                row[0, feature] = value
                rows.append(row)
    return np.vstack(rows)


def equal(estimator: Any, model: cm.Model, x: Any, *, within: float = 1e-7) -> None:
    if isinstance(x, np.ndarray):
        x = x.astype(np.float32).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = estimator.predict_proba(x)[:, 1]
    np.testing.assert_allclose(model.score(x, unseen="ignore"), expected, rtol=0, atol=within)


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(
    "classifier",
    [
        DecisionTreeClassifier(max_depth=6, random_state=1),
        RandomForestClassifier(15, max_depth=7, random_state=1),
        RandomForestClassifier(5, class_weight="balanced", random_state=1),
        ExtraTreesClassifier(15, random_state=1),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_trees_score_the_same_at_and_beside_every_split_value(classifier: Any, missing: float) -> None:
    x, y = numbers(missing=missing)
    classifier.fit(x, y)
    model = cm.Model.from_sklearn(classifier)
    trees = [tree.tree_ for tree in getattr(classifier, "estimators_", [classifier])]
    rows = beside(x, trees)
    equal(classifier, model, rows)
    holes = rows[::3].copy()
    holes[np.random.default_rng(3).random(holes.shape) < 0.3] = np.nan
    if missing or isinstance(classifier, RandomForestClassifier | DecisionTreeClassifier):
        equal(classifier, model, holes)


@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
@pytest.mark.parametrize("init", [None, "zero"])
def test_gradient_boosting_scores_the_same(loss: str, init: Any) -> None:
    x, y = numbers()
    classifier = GradientBoostingClassifier(n_estimators=20, loss=loss, init=init).fit(x, y)
    equal(classifier, cm.Model.from_sklearn(classifier), beside(x, [t.tree_ for t in classifier.estimators_[:, 0]]))


def test_histogram_boosting_scores_the_same_with_missing_values_and_categories() -> None:
    table, y = frame()
    table["industry"] = table["industry"].astype("category")
    table.loc[::7, "job30"] = np.nan
    table.loc[::9, "industry"] = np.nan
    classifier = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=30).fit(table, y)
    model = cm.Model.from_sklearn(classifier)
    assert model.schema[1] == {"name": "industry", "kind": "category", "levels": ["IT", "energy", "retail"]}
    equal(classifier, model, table, within=1e-6)
    splits = [node["num_threshold"] for (tree,) in classifier._predictors for node in tree.nodes if not node["is_leaf"]]
    near = table.iloc[np.arange(len(splits)) % N].reset_index(drop=True)
    for side in (-np.inf, np.inf):
        near["load"] = np.nextafter(np.float32(splits), np.float32(side)).astype(np.float64)
        equal(classifier, model, near[np.isfinite(near["load"])], within=1e-6)
    near["industry"] = pd.Categorical(["unheard of"] * len(near))
    equal(classifier, model, near[np.isfinite(near["load"])], within=1e-6)


def test_histogram_boosting_of_codes_has_them_for_levels() -> None:
    x, y = numbers()
    classifier = HistGradientBoostingClassifier(categorical_features=[0], max_iter=20).fit(x, y)
    model = cm.Model.from_sklearn(classifier)
    assert model.schema[0]["levels"] == [str(code) for code in range(8)]
    equal(classifier, model, x, within=1e-6)  # codes are positions


def test_codes_of_an_ordinal_encoder_may_be_categories_of_histogram_boosting() -> None:
    table, y = frame()
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), ["industry", "plan"]),
        remainder="passthrough",
    )
    classifier = make_pipeline(encode, HistGradientBoostingClassifier(categorical_features=[0, 1], max_iter=20))
    classifier.fit(table, y)
    model = cm.Model.from_sklearn(classifier)
    equal(classifier, model, table, within=1e-6)
    equal(classifier, model, table.assign(plan=77), within=1e-6)


@pytest.mark.parametrize("scaler", [StandardScaler(), RobustScaler(), MinMaxScaler(), MaxAbsScaler(), SimpleImputer()])
@pytest.mark.parametrize(
    "classifier", [DecisionTreeClassifier(), LogisticRegression(), SGDClassifier(loss="log_loss", random_state=2)]
)
def test_scales_go_into_split_values_and_weights(scaler: Any, classifier: Any) -> None:
    x, y = numbers()
    x[:, 2] = np.log(x[:, 2])
    pipeline = make_pipeline(scaler, classifier).fit(x, y)
    model = cm.Model.from_sklearn(pipeline)
    equal(pipeline, model, x)
    if isinstance(scaler, SimpleImputer):
        x[::2, 1] = np.nan
        equal(pipeline, model, x)
    if isinstance(classifier, DecisionTreeClassifier) and isinstance(scaler, StandardScaler):
        equal(pipeline, model, beside(x, [pipeline[-1].tree_], scaler))


@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(10, max_depth=8, random_state=1),
        ExtraTreesClassifier(10, random_state=1),
        LogisticRegression(),
        GradientBoostingClassifier(n_estimators=10),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(drop="first"),
        OneHotEncoder(drop="if_binary", sparse_output=False),
        OneHotEncoder(min_frequency=0.33, handle_unknown="infrequent_if_exist"),
        OneHotEncoder(max_categories=2, handle_unknown="ignore", drop="first"),
        OrdinalEncoder(),
        OrdinalEncoder(max_categories=2),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ],
    ids=str,
)
def test_encoded_columns_become_one_category_again(encoder: Any, classifier: Any) -> None:
    table, y = frame()
    transformer = ColumnTransformer(
        [
            ("scale", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["load"]),
            ("encode", encoder, ["plan", "industry"]),
        ],
        remainder="passthrough",
    )
    pipeline = make_pipeline(transformer, classifier).fit(table, y)
    model = cm.Model.from_sklearn(pipeline)
    assert model.feature_names == ["job30", "industry", "load", "plan"]
    assert model.schema[1]["levels"] == ["IT", "energy", "retail"]
    assert model.schema[3]["levels"] == ["1", "2", "10"]
    equal(pipeline, model, table)
    if encoder.handle_unknown != "error":
        equal(pipeline, model, table.assign(industry="unheard of"))
        equal(pipeline, model, table.assign(plan=7, industry=None))
    holes = table.assign(load=np.where(table["load"] > 1, np.nan, table["load"]))
    equal(pipeline, model, holes)


def test_missing_levels_that_were_seen_are_missing_here() -> None:
    table, y = frame()
    table.loc[::5, "industry"] = None
    encode = make_column_transformer((OneHotEncoder(), ["industry"]), ("passthrough", ["job30"]))
    pipeline = make_pipeline(encode, RandomForestClassifier(10, random_state=0)).fit(table, y)
    model = cm.Model.from_sklearn(pipeline)
    assert model.feature_names == ["job30", "industry"]  # what goes nowhere is no feature
    np.testing.assert_allclose(
        model.score(table[["job30", "industry"]]), pipeline.predict_proba(table)[:, 1], rtol=0, atol=1e-7
    )


def test_columns_may_be_selected_by_type_position_slice_and_support() -> None:
    table, y = frame()
    by_type = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(), make_column_selector(dtype_exclude=np.number)),
    )
    by_position = make_column_transformer(
        (OneHotEncoder(), [1]), (MinMaxScaler(), slice(2, 4)), remainder=RobustScaler()
    )
    by_name = make_column_transformer((OneHotEncoder(), ["industry"]), (MinMaxScaler(), slice("load", "plan")))
    selected = make_pipeline(by_type, SelectKBest(k=4))
    for transformer in (by_type, by_position, by_name, selected):
        for classifier in (LogisticRegression(), DecisionTreeClassifier(max_depth=5)):
            pipeline = make_pipeline(transformer, classifier).fit(table, y)
            model = cm.Model.from_sklearn(pipeline)
            scores = model.score(table[model.feature_names])
            np.testing.assert_allclose(scores, pipeline.predict_proba(table)[:, 1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
@pytest.mark.parametrize(
    "classifier",
    [
        RandomForestClassifier(20, max_depth=5, random_state=0),
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=10),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
def test_calibrators_come_along(classifier: Any, method: str) -> None:
    x, y = numbers()
    x = x.astype(np.float32).astype(np.float64)
    x[:, 2] = np.float32(np.log(x[:, 2]))
    calibrated = CalibratedClassifierCV(make_pipeline(StandardScaler(), classifier), method=method, ensemble=False)
    calibrated.fit(x, y)
    if method == "sigmoid" and isinstance(classifier, RandomForestClassifier):
        with pytest.raises(cm.ChurnError, match="method='isotonic'"):
            cm.Model.from_sklearn(calibrated)
        return
    model = cm.Model.from_sklearn(calibrated)
    assert model.calibrator == {"isotonic": "isotonic", "sigmoid": "logistic"}[method]
    equal(calibrated, model, x, within=1e-6)


def test_what_was_fitted_on_is_known_afterwards() -> None:
    x, y = numbers()
    classifier = LogisticRegression(C=0.5).fit(x, y)
    model = cm.Model.from_sklearn(classifier, feature_names=["a", "b", "c", "d"], threshold=0.3, x=x)
    assert model.feature_names == ["a", "b", "c", "d"] and model.threshold == 0.3
    assert model.card["hyperparameters"]["C"] == 0.5 and model.card["n_observations"] == N
    assert cm.Model.from_bytes(model.to_bytes()) == model
    tuned = FixedThresholdClassifier(classifier, threshold=0.7).fit(x, y)
    assert cm.Model.from_sklearn(tuned).threshold == 0.7


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KNeighborsClassifier(), "KNeighborsClassifier.*imported are.*LogisticRegression"),
        (SVC(), "SVC"),
        (SGDClassifier(loss="hinge"), "SGDClassifier"),
        (make_pipeline(PolynomialFeatures(), LogisticRegression()), "PolynomialFeatures"),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression()), "MinMaxScaler"),
        (GradientBoostingClassifier(init=LogisticRegression()), "init="),
    ],
)
def test_what_cannot_be_said_exactly_is_refused_by_name(estimator: Any, message: str) -> None:
    x, y = numbers()
    with pytest.raises(cm.ChurnError, match=message):
        cm.Model.from_sklearn(estimator.fit(x, y))


def test_other_refusals_name_the_feature_too() -> None:
    x, y = numbers()
    with pytest.raises(cm.ChurnError, match="ensemble=False"):
        cm.Model.from_sklearn(CalibratedClassifierCV(DecisionTreeClassifier(), ensemble=True).fit(x, y))
    with pytest.raises(cm.ChurnError, match="3 classes"):
        cm.Model.from_sklearn(DecisionTreeClassifier().fit(x, x[:, 0] % 3))
    with pytest.raises(cm.ChurnError, match="4 columns"):
        cm.Model.from_sklearn(DecisionTreeClassifier().fit(x, y), feature_names=["a"])
    table, y = frame()
    table.loc[::5, "industry"] = None
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["industry"]))
    with pytest.raises(cm.ChurnError, match="'industry'.*tells missing values from unknown levels"):
        cm.Model.from_sklearn(make_pipeline(encode, LogisticRegression()).fit(table, y))
    twice = make_column_transformer((OneHotEncoder(), ["plan"]), ("passthrough", ["plan"]))
    with pytest.raises(cm.ChurnError, match="'plan' is encoded in two ways"):
        cm.Model.from_sklearn(make_pipeline(twice, LogisticRegression()).fit(table, y))


def test_histogram_boosting_on_values_that_are_no_float32_reaches_the_same_leaves() -> None:
    random = np.random.default_rng(5)
    # Prices in cents: more than 255 of them, so that split values are values of the data.
    x = np.column_stack([np.round(random.uniform(18, 120, 3_000), 2), np.round(random.uniform(0, 9_000, 3_000), 2)])
    y = random.random(3_000) < 1 / (1 + np.exp(-(x[:, 0] - 70) / 15))
    classifier = HistGradientBoostingClassifier(max_iter=60).fit(x, y)
    model = cm.Model.from_sklearn(classifier)
    np.testing.assert_allclose(model.score(x), classifier.predict_proba(x)[:, 1], atol=1e-6)


def test_a_threshold_outside_0_and_1_is_refused():
    tree = DecisionTreeClassifier(max_depth=2).fit([[0.0], [1.0]] * 20, [0, 1] * 20)
    for threshold in (-0.1, 7.0, float("nan")):
        with pytest.raises(cm.ChurnError, match="expected a score from 0 to 1"):
            cm.Model.from_sklearn(tree, threshold=threshold)
    assert cm.Model.from_sklearn(tree, threshold=0.25).threshold == 0.25
