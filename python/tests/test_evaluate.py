"""Evaluations: numbers equal to scikit-learn's, decisions, segments, importance, leaks."""

import json
import pickle
import time
from pathlib import Path

import churn_model as cm
import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray]:
    """Labels and informative scores, calibrated by construction and with ties."""
    random = np.random.default_rng(3)
    scores = np.round(random.beta(1.2, 8, 3000), 3)
    return random.random(3000) < scores, scores


@pytest.fixture(scope="module")
def model() -> cm.Model:
    return cm.Model.load(GOLDEN / "forest.safetensors")


@pytest.fixture(scope="module")
def observations(model: cm.Model) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the golden model whose labels are drawn by its own scores."""
    random = np.random.default_rng(5)
    x = np.stack([random.normal(10, 12, 4000), random.integers(0, 2, 4000), random.integers(0, 3, 4000)], axis=1)
    x = x.astype(np.float32)
    return x, random.random(4000) < model.score(x)


def test_metrics_and_curves_equal_those_of_scikit_learn(world: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, scores = world
    report = cm.evaluate(scores, y=y)
    m = report.metrics
    assert m["n"] == 3000 and m["n_churned"] == y.sum()
    assert m["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, scores), abs=1e-12)
    assert m["pr_auc"] == pytest.approx(metrics.average_precision_score(y, scores), abs=1e-12)
    assert m["brier"] == pytest.approx(metrics.brier_score_loss(y, scores), abs=1e-12)
    assert m["log_loss"] == pytest.approx(metrics.log_loss(y, scores), abs=1e-12)
    assert m["roc_auc_low"] < m["roc_auc"] < m["roc_auc_high"]

    false_rate, true_rate, thresholds = metrics.roc_curve(y, scores, drop_intermediate=False)
    roc = report.curves["roc"]
    np.testing.assert_allclose(roc["false_positive_rate"], false_rate, atol=1e-12)
    np.testing.assert_allclose(roc["true_positive_rate"], true_rate, atol=1e-12)
    np.testing.assert_array_equal(roc["threshold"], thresholds)

    precision, recall, thresholds = metrics.precision_recall_curve(y, scores)
    ours = report.curves["precision_recall"]
    np.testing.assert_allclose(ours["precision"][::-1], precision[:-1], atol=1e-12)
    np.testing.assert_allclose(ours["recall"][::-1], recall[:-1], atol=1e-12)
    np.testing.assert_array_equal(ours["threshold"][::-1], thresholds)


def test_the_calibration_curve_equals_that_of_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    random = np.random.default_rng(11)
    scores = random.permutation((np.arange(2000) + 0.5) / 2000)
    y = random.random(2000) < scores
    bins = cm.evaluate(scores, y=y).curves["calibration"]
    share, mean_score = calibration.calibration_curve(y, scores, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(bins["churned_share"], share, atol=1e-12)
    np.testing.assert_allclose(bins["mean_score"], mean_score, atol=1e-12)
    low, high = cm.evaluate(scores, y=y).calibration_interval()
    assert (low <= share).all() and (share <= high).all() and (low >= 0).all() and (high <= 1).all()


def test_decisions_at_the_threshold_equal_those_of_scikit_learn(world: tuple[np.ndarray, np.ndarray]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y, scores = world
    confusion = cm.evaluate(scores, y=y, threshold=0.2).confusion
    decided = scores >= 0.2
    (tn, fp), (fn, tp) = metrics.confusion_matrix(y, decided)
    found = [confusion[f"{name}s"] for name in ("true_negative", "false_positive", "false_negative", "true_positive")]
    assert found == [tn, fp, fn, tp]
    assert confusion["precision"] == pytest.approx(metrics.precision_score(y, decided))
    assert confusion["recall"] == pytest.approx(metrics.recall_score(y, decided))
    assert confusion["f1"] == pytest.approx(metrics.f1_score(y, decided))


def test_nobody_above_the_threshold_is_no_precision_and_not_zero(world: tuple[np.ndarray, np.ndarray]) -> None:
    y, scores = world
    report = cm.evaluate(scores, y=y, threshold=2.0)
    assert report.confusion["precision"] is None
    assert "precision -" in repr(report)
    assert "<svg" in report._repr_html_()


def test_profit_is_that_of_the_campaign_counted_by_hand(world: tuple[np.ndarray, np.ndarray]) -> None:
    y, scores = world
    campaign = cm.Campaign(lifetime_value=500.0, offer=20.0, contact=2.0)
    report = cm.evaluate(scores, y=y, campaign=campaign)
    curve = report.curves["profit"]
    at = 40
    contacted = scores >= curve["threshold"][at]
    gain = campaign.mean_acceptance * (500 - 20) - 2
    by_hand = ((contacted & y).sum() * gain - (contacted & ~y).sum() * (20 + 2)) / len(y)
    assert curve["profit_per_tenant"][at] == pytest.approx(by_hand)
    assert report.threshold == campaign.break_even == pytest.approx(22 / (0.3 * 480 + 20))
    assert report.metrics["empc"] == pytest.approx(cm.expected_maximum_profit(y, scores, campaign))


def test_lift_counts_ties_by_expectation() -> None:
    assert cm.lift_at([1, 0, 0, 0], [0.9, 0.9, 0.1, 0.1], 0.25) == 2.0
    assert cm.lift_at([1, 0, 0, 0], [0.9, 0.5, 0.1, 0.1], count=1) == 4.0
    with pytest.raises(cm.ChurnError, match="one of share and count"):
        cm.lift_at([1, 0], [0.9, 0.5], 0.5, count=1)


def test_thresholds_follow_their_rule(world: tuple[np.ndarray, np.ndarray]) -> None:
    y, scores = world
    capacity = cm.choose_threshold(y, scores, capacity=0.05)
    assert 0.03 < (scores >= capacity).mean() <= 0.05
    precise = cm.choose_threshold(y, scores, precision=0.3)
    assert y[scores >= precise].mean() >= 0.3
    assert cm.choose_threshold(y, scores, campaign=cm.Campaign()) == cm.Campaign().break_even
    for rules in ({}, {"capacity": 0.1, "precision": 0.5}):
        with pytest.raises(cm.ChurnError, match="exactly one"):
            cm.choose_threshold(y, scores, **rules)


def test_metrics_work_as_scorers_of_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import make_scorer
    from sklearn.model_selection import cross_val_score

    x, y = make_classification(400, weights=[0.8], random_state=0)
    empc = make_scorer(cm.expected_maximum_profit, response_method="predict_proba", campaign=cm.Campaign(contact=0.5))
    lift = make_scorer(cm.lift_at, response_method="predict_proba", share=0.1)
    for scorer in (empc, lift):
        found = cross_val_score(LogisticRegression(), x, y, scoring=scorer, cv=3)
        assert (found > 1).all()


def test_classifiers_of_scikit_learn_are_evaluated_with_their_own_labels() -> None:
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    x = random.normal(size=(500, 3))
    y = np.where(x[:, 0] + random.normal(size=500) > 1, "stay", "leave")
    y = np.where(y == "stay", "z_churned", "a_stayed")
    classifier = LogisticRegression().fit(x, y)
    report = cm.evaluate(classifier, x, y)
    assert report.metrics["n_churned"] == (y == "z_churned").sum()
    assert report.metrics["roc_auc"] == pytest.approx(roc_auc_score(y, classifier.predict_proba(x)[:, 1]))
    assert report.importance is None


def test_labels_that_are_neither_class_are_refused_by_row() -> None:
    x, y = np.arange(40.0).reshape(-1, 1), np.array(["no", "yes"] * 20, dtype=object)
    model = cm.DecisionTreeClassifier(calibration="none").fit(x, y)
    assert cm.evaluate(model, x, y).metrics["n_churned"] == 20
    y[7] = "Yes"
    with pytest.raises(cm.ChurnError, match="y holds 'Yes' in row 7; the model was fitted on 'yes' for churned"):
        cm.evaluate(model, x, y)
    with pytest.raises(cm.ChurnError, match="y holds 'maybe' in row 2"):
        cm.evaluate([0.1, 0.2, 0.3], y=[0, 1, "maybe"])
    signs = cm.DecisionTreeClassifier(calibration="none").fit(x, [-1, 1] * 20)
    assert cm.evaluate(signs, x, [-1, 1] * 20).metrics["n_churned"] == 20


def test_models_bring_their_threshold_and_importance(
    model: cm.Model, observations: tuple[np.ndarray, np.ndarray]
) -> None:
    x, y = observations
    report = cm.evaluate(model, x, y, segments={"industry": x[:, 2], "days": x[:, 0]})
    assert report.threshold == model.threshold and model.threshold_rule in report.threshold_origin
    assert report.importance is not None
    assert {entry["name"] for entry in report.importance} == set(model.feature_names)
    assert report.importance[0]["log_loss_increase"] > 0.01
    assert report.campaign == cm.Campaign.of(model) is not None
    assert cm.Campaign.of(cm.Model.load(GOLDEN / "linear.safetensors")) is None
    again = cm.evaluate(model, x, y, n_jobs=1)
    assert again.importance == report.importance
    assert cm.evaluate(model, x, y, n_repeats=0).importance is None


def test_importance_is_what_shuffling_a_column_costs(
    model: cm.Model, observations: tuple[np.ndarray, np.ndarray]
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, y = observations[0][:2000], observations[1][:2000]
    found = {entry["name"]: entry for entry in cm.evaluate(model, x, y, n_repeats=20).importance or []}
    random = np.random.default_rng(1)
    for column, name in enumerate(model.feature_names):
        changes = []
        for _ in range(20):
            shuffled = x.copy()
            shuffled[:, column] = random.permutation(x[:, column])
            changes.append(metrics.log_loss(y, model.score(shuffled)) - metrics.log_loss(y, model.score(x)))
        spread = np.std(changes) + found[name]["log_loss_increase_sd"]
        assert found[name]["log_loss_increase"] == pytest.approx(np.mean(changes), abs=spread)


def test_segments_hold_every_row_once(model: cm.Model, observations: tuple[np.ndarray, np.ndarray]) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = observations
    frame = pandas.DataFrame(x, columns=model.feature_names)
    frame["industry"] = pandas.Series(["Énergie", 'retail, "other"', "IT", None]).iloc[x[:, 2].astype(int)].to_numpy()
    frame.loc[:9, "industry"] = None
    frame.loc[:4, "days_since_login"] = np.nan
    report = cm.evaluate(model, frame, y, segments=["industry", "days_since_login"], n_repeats=0)
    for name in ("industry", "days_since_login"):
        parts = [part for part in report.segments if part["segment"] == name]
        assert sum(part["n"] for part in parts) == len(y)
        assert sum(part["n_churned"] for part in parts) == y.sum()
    by_part = {(part["segment"], part["part"]): part for part in report.segments}
    assert by_part["industry", "missing"]["n"] == 10 and by_part["days_since_login", "missing"]["n"] == 5
    is_it = frame["industry"].to_numpy() == "IT"
    part = by_part["industry", "IT"]
    scores = model.score(frame)
    assert part["n"] == is_it.sum() and part["mean_score"] == pytest.approx(scores[is_it].mean())
    assert part["decided_share"] == pytest.approx((scores[is_it] >= model.threshold).mean())
    with pytest.raises(cm.ChurnError, match="'nowhere'"):
        cm.evaluate(model, frame, y, segments="nowhere")


def test_a_split_that_leaks_is_refused_with_the_reason(world: tuple[np.ndarray, np.ndarray]) -> None:
    y, scores = world
    tenants = np.arange(3000) % 500
    days = np.full(3000, np.datetime64("2025-06-01"))

    def check(**keys: object) -> cm.EvaluationReport:
        return cm.evaluate(scores, y=y, **keys)

    with pytest.raises(cm.ChurnError, match="500 tenants were fitted on and are tested with, such as 0"):
        check(groups=tenants, fit_groups=tenants)
    with pytest.raises(cm.ChurnError, match=r"label horizon of 2025-05-01, .* ends on 2025-07-14, after .* 2025-06-01"):
        check(dates=days, fit_dates=days - 31)
    with pytest.raises(cm.ChurnError, match="not before the first test date"):
        check(dates=days, fit_dates=days)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(cm.ChurnError, match="not before the first test date"):
        check(dates=pandas.Series(days).dt.tz_localize("UTC"), fit_dates=["2025-06-01"])
    with pytest.raises(cm.ChurnError, match='dates: the date is "soon"'):
        check(dates=["soon"], fit_dates=days)
    with pytest.raises(cm.ChurnError, match="groups without fit_groups"):
        check(groups=tenants)
    with pytest.raises(cm.ChurnError, match="fit_dates without dates"):
        check(fit_dates=days)
    # Honest designs: dealt by tenant whatever the dates; cut by time with the horizons over, tenants on both sides.
    check(groups=tenants, fit_groups=tenants + 500, dates=days, fit_dates=days)
    check(groups=tenants, fit_groups=tenants, dates=days, fit_dates=days - 74)
    check(dates=days, fit_dates=days - 31, plan=cm.ObservationPlan(gap_days=1, horizon_days=30))


def test_what_cannot_be_measured_is_refused(world: tuple[np.ndarray, np.ndarray], model: cm.Model) -> None:
    y, scores = world
    for message, arguments in {
        "labels has 2999 entries": (scores, None, y[1:]),
        "both kinds": (scores, None, np.zeros(3000)),
        "no probability": (scores * 100, None, y),
        "y holds 2.0 in row 0": (scores, None, np.full(3000, 2.0)),
        "expected 1 or True": (scores, None, np.full(3000, "yes")),
        "two columns": (np.stack([1 - scores, scores], axis=1), None, y),
        "y is missing": (scores, None, None),
        "x is missing": (model, None, y),
    }.items():
        with pytest.raises(cm.ChurnError, match=message):
            cm.evaluate(*arguments)


def test_reports_are_ready_for_json(model: cm.Model, observations: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = observations
    report = cm.evaluate(model, x, y, segments={"industry": x[:, 2]}, n_repeats=1)
    read = json.loads(report.to_json())
    assert read == report.to_dict()
    assert read["metrics"] == report.metrics
    assert read["curves"]["roc"]["threshold"][0] is None
    assert "curves" not in report.to_dict(curves=False)


def test_notebook_pages_stand_alone(model: cm.Model, observations: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = observations
    page = cm.evaluate(model, x, y, segments={"<b>": np.where(x[:, 1] > 0, "a & b", "c")}, n_repeats=1)._repr_html_()
    assert page.count("<svg") == 6
    for foreign in ("<script", "http", "<link", "url(", "<b>a", "&lt;b&gt;a"):
        assert foreign not in page
    assert "&lt;b&gt;" in page and "a &amp; b" in page
    assert len(page) < 200_000


def test_a_page_of_very_many_scores_is_small_and_soon_there() -> None:
    random = np.random.default_rng(2)
    scores = random.random(200_000)
    few = cm.evaluate(scores[:5000], y=random.random(5000) < scores[:5000])
    many = cm.evaluate(scores, y=random.random(200_000) < scores)
    start = time.perf_counter()
    page = many._repr_html_()
    assert time.perf_counter() - start < 1.0
    assert len(page) < 1.3 * len(few._repr_html_())
    assert "nan" not in page.replace("tenant", "")


def test_terminals_show_the_numbers_that_matter(world: tuple[np.ndarray, np.ndarray]) -> None:
    y, scores = world
    text = repr(cm.evaluate(scores, y=y, threshold=0.2))
    assert f"{y.sum():,} churned" in text
    for words in ("ROC-AUC", "95 % interval", "lift at 10 %", "At the threshold 0.2000 (given)", "precision"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100


def test_campaigns_are_checked_compared_and_pickled() -> None:
    campaign = cm.Campaign(lifetime_value=1000.0)
    assert campaign == pickle.loads(pickle.dumps(campaign)) != cm.Campaign()
    assert eval(repr(campaign), {"Campaign": cm.Campaign}) == campaign
    with pytest.raises(cm.ChurnError, match="lifetime value > offer"):
        cm.Campaign(offer=500.0)
