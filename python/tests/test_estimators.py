"""The estimators, as scikit-learn and its tools see them."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import churn_model as cm
import numpy as np
import pytest

ESTIMATORS = [
    cm.DecisionTreeClassifier(),
    cm.LinearClassifier(),
    cm.RandomForestClassifier(n_trees=30),
    cm.ChurnClassifier(n_trees=30),
]
IDS = [type(estimator).__name__ for estimator in ESTIMATORS]


def world(n_rows: int = 600, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n_rows, 5)).astype(np.float32)
    x[random.random(x.shape) < 0.05] = np.nan
    log_odds = 1.5 * np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 1]) - 0.5
    return x, random.random(n_rows) < 1 / (1 + np.exp(-log_odds))


def clone(estimator):
    return type(estimator)(**estimator.get_params())


@pytest.mark.parametrize(
    "kind", [cm.DecisionTreeClassifier, cm.LinearClassifier, cm.RandomForestClassifier, cm.ChurnClassifier]
)
def test_all_checks_of_scikit_learn_pass_and_none_is_expected_to_fail(kind):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = checks.check_estimator(kind(), on_fail=None)
    failed = {r["check_name"]: repr(r["exception"]) for r in results if r["status"] not in ("passed", "skipped")}
    assert failed == {}
    assert sum(r["status"] == "passed" for r in results) > 50
    # Only what needs an environment variable or a library that is not there may be skipped.
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {
        "check_array_api_input",
        "check_dataframe_column_names_consistency",
        "check_sample_weights_pandas_series",
    }


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_a_fitted_estimator_is_better_than_the_base_rate_on_rows_it_has_not_seen(estimator):
    x, y = world(4_000)
    fitted = clone(estimator).fit(x[:3_000], y[:3_000])
    scores = np.clip(fitted.predict_proba(x[3_000:])[:, 1], 1e-6, 1 - 1e-6)
    loss = -np.where(y[3_000:], np.log(scores), np.log(1 - scores)).mean()
    rate = y[:3_000].mean()
    at_base_rate = -np.where(y[3_000:], np.log(rate), np.log(1 - rate)).mean()
    assert loss < at_base_rate - 0.1
    assert fitted.honest_log_loss_ == pytest.approx(loss, abs=0.05)  # what it says of itself is honest


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_a_model_does_not_depend_on_threads_or_on_the_order_of_rows(estimator):
    x, y = world()
    one = clone(estimator).set_params(n_jobs=1).fit(x, y)
    assert clone(estimator).set_params(n_jobs=2).fit(x, y).model_.to_bytes() == one.model_.to_bytes()
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = clone(estimator).fit(x[order], y[order])
    np.testing.assert_allclose(shuffled.predict_proba(x), one.predict_proba(x), atol=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_a_whole_weight_counts_as_so_many_rows_and_zero_as_none(estimator):
    x, y = world(200)
    weights = np.random.default_rng(5).integers(0, 4, len(x))
    weighted = clone(estimator).fit(x, y, sample_weight=weights)
    repeated = clone(estimator).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict_proba(x), repeated.predict_proba(x), atol=1e-9)


def test_rows_of_one_group_stay_together_in_bootstraps():
    random = np.random.default_rng(1)
    # Each tenant is seen ten times, and its features are an id that says nothing about other tenants.
    tenants = np.repeat(np.arange(60), 10)
    y = (random.random(60) < 0.4)[tenants]
    x = np.column_stack([random.random(60)[tenants], random.random(600)]).astype(np.float32)
    forest = cm.RandomForestClassifier(n_trees=50, min_leaf=2)
    by_row = forest.fit(x, y).honest_log_loss_
    by_tenant = forest.fit(x, y, groups=tenants).honest_log_loss_
    assert by_row < 0.4
    assert by_tenant > 0.6
    named = forest.fit(x, y, groups=[f"comp_{tenant}" for tenant in tenants]).honest_log_loss_
    assert named > 0.6


def test_weights_of_classes_move_scores_as_weights_of_their_rows_do():
    x, y = world()
    by_class = cm.LinearClassifier(class_weight={True: 4.0, False: 1.0}).fit(x, y).predict_proba(x)
    by_row = cm.LinearClassifier().fit(x, y, sample_weight=np.where(y, 4.0, 1.0)).predict_proba(x)
    np.testing.assert_allclose(by_class, by_row, atol=1e-6)
    assert by_class[:, 1].mean() > cm.LinearClassifier().fit(x, y).predict_proba(x)[:, 1].mean() + 0.1


def test_the_tools_of_scikit_learn_take_the_estimators():
    pytest.importorskip("sklearn")
    import pandas as pd
    from sklearn import set_config
    from sklearn.base import clone as sklearn_clone
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import make_column_transformer
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = world()
    forest = cm.RandomForestClassifier(n_trees=20, min_leaf=10)
    assert sklearn_clone(forest).get_params() == forest.get_params()
    assert cross_val_score(forest, x, y, scoring="roc_auc", cv=3).mean() > 0.75
    search = GridSearchCV(forest, {"min_leaf": [5, 50]}, scoring="neg_log_loss", cv=3).fit(x, y)
    assert search.best_params_["min_leaf"] in (5, 50)
    assert hasattr(search.best_estimator_, "model_")
    calibrated = CalibratedClassifierCV(forest, cv=3).fit(x, y)
    assert calibrated.predict_proba(x).shape == (len(x), 2)
    frame = pd.DataFrame(x, columns=list("abcde"))
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["a", "b"]), remainder="passthrough", verbose_feature_names_out=False
        ),
        forest,
    ).set_output(transform="pandas")
    assert pipeline.fit(frame, y).score(frame, y) > 0.7
    assert list(pipeline[-1].feature_names_in_) == list("abcde")

    set_config(enable_metadata_routing=True)
    try:
        groups = np.arange(len(x)) // 3
        routed = forest.set_fit_request(groups=True, sample_weight=True).set_score_request(sample_weight=True)
        outcome = cross_val_score(routed, x, y, cv=3, params={"groups": groups, "sample_weight": np.ones(len(x))})
        assert len(outcome) == 3
    finally:
        set_config(enable_metadata_routing=False)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=IDS)
def test_an_estimator_comes_back_from_a_pickle_with_the_bytes_of_its_model_file(estimator):
    x, y = world(200)
    fitted = clone(estimator).fit(x, y)
    data = pickle.dumps(fitted)
    assert fitted.model_.to_bytes() in data
    back = pickle.loads(data)
    np.testing.assert_array_equal(back.predict_proba(x), fitted.predict_proba(x))
    assert back.model_ == fitted.model_


def test_labels_of_any_two_classes_come_back_and_the_greater_one_is_churn():
    x, y = world()
    words = np.where(y, "left", "kept")
    fitted = cm.DecisionTreeClassifier().fit(x, words)
    assert list(fitted.classes_) == ["kept", "left"]
    assert set(fitted.predict(x)) == {"kept", "left"}
    assert fitted.predict_proba(x[y])[:, 1].mean() > fitted.predict_proba(x[~y])[:, 1].mean()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2] * 20, "Only binary classification"),
        ([1] * 60, "one class only"),
        (np.linspace(0, 1, 60), "Unknown label type"),
        ([0, 1, None] * 20, "missing"),
        ([0.0, 1.0, np.nan] * 20, "NaN"),
        ([0, 1] * 10, "inconsistent numbers of samples"),
    ],
)
def test_labels_that_cannot_be_fitted_on_are_refused(labels, message):
    with pytest.raises(cm.FitError, match=message):
        cm.DecisionTreeClassifier().fit(world(60)[0], labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trees": 0}, "n_trees is 0"),
        ({"max_depth": 65}, "max_depth is 65"),
        ({"min_leaf": 0}, "min_leaf is 0"),
        ({"features_per_split": 9}, "features_per_split is 9"),
        ({"calibration": "platt"}, 'calibration is "platt"'),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"class_weight": "even"}, "class_weight is 'even'"),
        ({"class_weight": {7: 1.0}}, "names \\[7\\]"),
        ({"categories": ["age"]}, 'no column "age"'),
    ],
)
def test_parameters_that_cannot_be_used_are_refused_by_name(options, message):
    x, y = world(100)
    with pytest.raises(cm.ChurnError, match=message):
        cm.RandomForestClassifier(**{"n_trees": 3, **options}).fit(x, y)


def test_the_threshold_follows_from_the_campaign_and_not_from_one_half():
    x, y = world()
    cheap = cm.LinearClassifier(campaign=cm.Campaign(lifetime_value=10_000.0)).fit(x, y)
    dear = cm.LinearClassifier(campaign=cm.Campaign(lifetime_value=30.0)).fit(x, y)
    assert cheap.model_.threshold < dear.model_.threshold
    assert cheap.decide(x).sum() > dear.decide(x).sum()
    np.testing.assert_array_equal(cheap.decide(x), cheap.predict_proba(x)[:, 1] >= cheap.model_.threshold)
    assert cm.LinearClassifier(threshold=0.25).fit(x, y).model_.threshold == 0.25


def test_progress_is_told_from_the_first_to_the_last_tree():
    x, y = world(300)
    seen = []
    cm.RandomForestClassifier(n_trees=12, min_leaf=5, progress=lambda done, total: seen.append((done, total))).fit(x, y)
    assert seen == [(done, 12) for done in range(1, 13)]
    cm.RandomForestClassifier(n_trees=5, progress=True).fit(x, y)  # with or without tqdm


def test_an_exception_of_the_progress_function_ends_the_fit():
    x, y = world(300)

    def enough(done, total):
        if done == 3:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        cm.RandomForestClassifier(n_trees=500, min_leaf=5, progress=enough).fit(x, y)


def test_other_threads_run_while_a_forest_is_fitted():
    x, y = world(20_000)
    ticks, done = 0, threading.Event()

    def fit():
        cm.RandomForestClassifier(n_trees=100, min_leaf=5, n_jobs=1).fit(x, y)
        done.set()

    worker = threading.Thread(target=fit)
    worker.start()
    while not done.is_set():
        time.sleep(0.005)
        ticks += 1
    worker.join()
    assert ticks > 5


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import churn_model as cm
random = np.random.default_rng(0)
x = random.normal(size=(200_000, 20)).astype(np.float32)
y = random.random(200_000) < 0.3
model = cm.LinearClassifier(penalty=1.0).fit(x[:2000], y[:2000]).model_
big = np.tile(x, (20, 1))
def interrupt():
    time.sleep({after})
    global sent
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    while True:
        {call}
except KeyboardInterrupt:
    print(time.perf_counter() - sent)
"""


@pytest.mark.parametrize(
    "call",
    [
        "cm.RandomForestClassifier(n_trees=2000, min_leaf=1).fit(x, y)",
        "cm.DecisionTreeClassifier(max_depth=30).fit(x, y)",
        "cm.LinearClassifier().fit(x, y)",
        "model.score(big)",
        "model.explain(big)",
    ],
)
def test_an_interrupt_ends_a_long_call_soon(call):
    script = textwrap.dedent(INTERRUPTED).format(after=0.7, call=call)
    outcome = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 0, outcome.stderr
    # A tenth of a second on a quiet machine; this only tells whether it ends at all before it is done.
    assert float(outcome.stdout) < 5.0


def test_the_estimators_work_where_scikit_learn_is_not_installed():
    script = """
    import sys
    class Without:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("sklearn", "pandas", "pyarrow", "matplotlib"):
                raise ImportError(name)
    sys.meta_path.insert(0, Without())
    import numpy as np
    import churn_model as cm
    x = np.arange(200, dtype=np.float32).reshape(-1, 1)
    forest = cm.RandomForestClassifier(n_trees=10)
    try:
        forest.predict(x)
    except ValueError as error:
        assert "not fitted" in str(error)
    forest.fit(x, x[:, 0] > 100)
    assert forest.score(x, x[:, 0] > 100) > 0.95
    assert forest.set_params(n_trees=11).get_params()["n_trees"] == 11
    assert repr(forest) == "RandomForestClassifier(n_trees=11)"
    import pickle
    assert (pickle.loads(pickle.dumps(forest)).predict(x) == forest.predict(x)).all()
    """
    outcome = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trees": -1}, "n_trees is -1"),
        ({"n_trees": 10.0}, "n_trees is 10.0"),
        ({"max_depth": "deep"}, "max_depth is 'deep'"),
        ({"min_leaf": True}, "min_leaf is True"),
    ],
)
def test_a_parameter_of_another_type_is_refused_by_name(options, message):
    x, y = world(100)
    with pytest.raises(cm.FitError, match=message):
        cm.RandomForestClassifier(**options).fit(x, y)
    with pytest.raises(cm.FitError, match="l1_ratio is 'x'"):
        cm.LinearClassifier(l1_ratio="x").fit(x, y)


def test_groups_and_weights_that_say_nothing_are_refused():
    x, y = world(100)
    for groups, message in (([1] * 100, "one group only"), ([np.nan] * 100, "missing"), ([None] * 100, "missing")):
        with pytest.raises(cm.FitError, match=message):
            cm.DecisionTreeClassifier().fit(x, y, groups=groups)
    with pytest.raises(cm.FitError, match="negative"):
        cm.DecisionTreeClassifier().fit(x, y, sample_weight=-np.ones(100))


def test_labels_whose_order_may_mislead_are_said():
    x, y = world(100)
    with pytest.warns(UserWarning, match="'stayed' is taken for churn"):
        cm.DecisionTreeClassifier().fit(x, np.where(y, "churned", "stayed"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cm.DecisionTreeClassifier().fit(x, np.where(y, "yes", "no"))


def test_balanced_classes_weigh_the_same_whatever_the_labels_are_made_of():
    pd = pytest.importorskip("pandas")
    x, y = world()
    n_churned = y.sum()
    by_row = cm.LinearClassifier().fit(x, y, sample_weight=np.where(y, (~y).sum() / n_churned, 1.0)).predict_proba(x)
    words = np.where(y, "yes", "no")
    for labels, weight in (
        (y, "balanced"),
        (pd.Series(words), {"yes": (~y).sum() / n_churned, "no": 1.0}),
        (pd.Series(words, dtype="category"), {"yes": (~y).sum() / n_churned}),
        (words.astype(object), "balanced"),
    ):
        balanced = cm.LinearClassifier(class_weight=weight).fit(x, labels).predict_proba(x)
        np.testing.assert_allclose(balanced, by_row, atol=0.01)


def test_a_table_that_is_too_wide_for_the_linear_learner_ends_nothing():
    x = np.random.default_rng(0).normal(size=(60, 9_000)).astype(np.float32)
    y = x[:, 0] > 0
    with pytest.raises(cm.FitError, match="columns of the linear learner; at most 8192"):
        cm.LinearClassifier().fit(x, y)
    assert cm.ChurnClassifier(n_trees=3).fit(x, y).algorithm_ != "linear-learner"


def test_more_threads_than_are_of_use_are_not_started():
    x, y = world(100)
    before = threading.active_count()
    one = cm.RandomForestClassifier(n_trees=5, n_jobs=1).fit(x, y)
    assert cm.RandomForestClassifier(n_trees=5, n_jobs=10**6).fit(x, y).model_ == one.model_
    with open("/proc/self/status") as status:
        n_threads = int(next(line for line in status if line.startswith("Threads")).split()[1])
    assert n_threads < before + 500
