"""What raw scores are made of, and in words."""

import json
import signal
import threading
import time
from pathlib import Path

import churn_model as cm
import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"
KINDS = ["forest", "ensemble", "linear", "linear-log"]
ROW = {"days_since_login": 3.0, "is_trial": True, "industry": "IT"}


def load(kind: str) -> cm.Model:
    return cm.Model.load(GOLDEN / f"{kind}.safetensors")


def rows(model: cm.Model, n: int) -> np.ndarray:
    """Random rows of a golden model, a fifth of the values missing."""
    random = np.random.default_rng(7)
    columns = [
        random.integers(0, len(feature["levels"]), n)
        if feature["kind"] == "category"
        else random.integers(0, 2, n)
        if feature["kind"] == "boolean"
        else random.normal(10, 12, n)
        for feature in model.schema
    ]
    matrix = np.stack(columns, axis=1).astype(np.float32)
    matrix[random.random(matrix.shape) < 0.2] = np.nan
    return matrix


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_base_value_and_contributions_add_up_to_the_raw_score(kind: str, exact: bool) -> None:
    model = load(kind)
    x = rows(model, 200)
    explanation = model.explain(x, exact=exact)
    assert explanation.values.shape == x.shape and explanation.values.dtype == np.float64
    assert np.ptp(explanation.values) > 0
    np.testing.assert_allclose(
        explanation.base_value + explanation.values.sum(axis=1), explanation.raw_scores, atol=1e-9
    )
    np.testing.assert_array_equal(explanation.scores, model.score(x))
    np.testing.assert_array_equal(explanation.data, x)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_scores_are_those_of_the_golden_file(kind: str) -> None:
    import csv

    model = load(kind)
    with (GOLDEN / "scores.csv").open() as file:
        expected = [row for row in csv.DictReader(file) if row["model"] == kind]
    x = np.array([[float(row[name]) for name in model.feature_names] for row in expected], dtype=np.float32)
    explanation = model.explain(x)
    np.testing.assert_array_equal(explanation.raw_scores, [float(row["raw_score"]) for row in expected])
    np.testing.assert_allclose(explanation.scores, [float(row["score"]) for row in expected], atol=1e-12)


def test_a_linear_contribution_depends_on_its_own_feature_alone() -> None:
    model = load("linear")
    x = np.repeat(np.array([[5.0, 1.0, 1.0]], dtype=np.float32), 2, axis=0)
    x[1, 0] = 30.0
    explanation = model.explain(x)
    np.testing.assert_array_equal(explanation.values[0, 1:], explanation.values[1, 1:])
    change = explanation.values[1, 0] - explanation.values[0, 0]
    assert change == pytest.approx(np.diff(explanation.raw_scores)[0]) and change != 0


def test_any_number_of_threads_and_one_row_at_a_time_give_the_same_bits() -> None:
    model = load("forest")
    x = rows(model, 100)
    together = model.explain(x, n_jobs=1)
    np.testing.assert_array_equal(together.values, model.explain(x, n_jobs=3).values)
    for row, one in zip(x, together, strict=True):
        np.testing.assert_array_equal(model.explain(row).values[0], one.values)


def test_a_row_lists_its_contributions_largest_first_with_levels_by_name() -> None:
    one = load("forest").explain(ROW)[0]
    sizes = [abs(c.value) for c in one.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert {c.feature: c.data for c in one.contributions} == ROW
    assert one.base_value + sum(c.value for c in one.contributions) == pytest.approx(one.raw_score, abs=1e-12)
    for c in one.contributions[:3]:
        assert f"{c.feature:<24} {c.value:+.3f}".startswith(c.feature)
    assert "industry = IT" in repr(one) and "is_trial = yes" in repr(one)


def test_explanations_are_sequences() -> None:
    model = load("forest")
    x = rows(model, 10)
    explanation = model.explain(x)
    assert len(explanation) == 10 and len(list(explanation)) == 10
    np.testing.assert_array_equal(explanation[-1].values, explanation.values[9])
    np.testing.assert_array_equal(explanation[2:5].values, explanation.values[2:5])
    with pytest.raises(IndexError, match="row 10 of 10"):
        explanation[10]


def test_importance_is_the_mean_size_of_contributions_largest_first() -> None:
    model = load("forest")
    explanation = model.explain(rows(model, 50))
    importance = explanation.importance()
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    means = dict(zip(model.feature_names, np.abs(explanation.values).mean(axis=0), strict=True))
    assert importance == pytest.approx(means)


def test_no_rows_give_an_empty_explanation() -> None:
    model = load("forest")
    explanation = model.explain(np.empty((0, 3), dtype=np.float32))
    assert len(explanation) == 0 and explanation.values.shape == (0, 3)
    assert model.reasons(np.empty((0, 3), dtype=np.float32)) == []


def test_reasons_are_the_largest_contributions_in_words() -> None:
    model = load("forest")
    reasons = model.reasons(ROW, k=2)
    largest = model.explain(ROW)[0].contributions[:2]
    assert [(r.feature, r.value, r.contribution) for r in reasons] == [(c.feature, c.data, c.value) for c in largest]
    first = reasons[0]
    assert str(first) == "days since login: 3 days, peers' median 7 days; lowers the raw score by 0.158"
    assert first.text == str(first) and first.unit == "days" and first.peers_median == 7.0
    assert json.loads(json.dumps(first.to_dict()))["wording"] == "days since login"


def test_many_rows_give_a_list_of_reasons_each() -> None:
    model = load("forest")
    x = rows(model, 40)
    found = model.reasons(x, k=3)
    assert len(found) == 40
    for row, reasons in zip(x, found, strict=True):
        assert [str(reason) for reason in reasons] == [str(reason) for reason in model.reasons(row, k=3)]
    assert isinstance(model.reasons(x[:1])[0], list)


def test_a_missing_value_is_shown_as_missing() -> None:
    model = load("forest")
    one = model.explain(np.array([[np.nan, np.nan, np.nan]], dtype=np.float32))[0]
    assert [c.data for c in one.contributions] == [None, None, None]
    assert "missing" in one._repr_html_()
    assert all(reason.value is None for reason in model.reasons([None, None, None]))


def test_everything_is_ready_for_json() -> None:
    model = load("ensemble")
    x = rows(model, 3)
    explanation = model.explain(x)
    read = json.loads(json.dumps(explanation.to_dict()))
    assert len(read["rows"]) == 3 and read["raw_scale"] == "log_odds"
    for row, one in zip(read["rows"], explanation, strict=True):
        total = read["base_value"] + sum(c["value"] for c in row["contributions"])
        assert total == pytest.approx(one.raw_score, abs=1e-9)


def test_notebook_pages_have_no_script_and_escape_names() -> None:
    model = load("forest")
    for explanation in (model.explain(ROW), model.explain(rows(model, 20))):
        page = explanation._repr_html_()
        assert "<script" not in page and "http" not in page and "<table" in page
    x = np.array([[1.0, 0.0, 1.0]], dtype=np.float32)
    assert "retail, &quot;other&quot;" in model.explain(x)._repr_html_()


def test_wrong_widths_are_refused() -> None:
    with pytest.raises(cm.ChurnError, match="3"):
        load("forest").explain(np.zeros((4, 2), dtype=np.float32))


def test_shap_plots_take_our_explanations() -> None:
    shap = pytest.importorskip("shap")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    model = load("forest")
    x = rows(model, 60)
    explanation = model.explain(x)
    theirs = explanation.to_shap()
    assert isinstance(theirs, shap.Explanation)
    np.testing.assert_array_equal(theirs.values, explanation.values)
    np.testing.assert_array_equal(theirs.base_values, explanation.base_values)
    np.testing.assert_array_equal(theirs.data, x)
    assert theirs.feature_names == model.feature_names
    category = model.feature_names.index("industry")
    assert set(theirs.display_data[:, category]) == {"Énergie", 'retail, "other"', "IT", "missing"}
    shap.plots.waterfall(explanation[0].to_shap(), show=False)
    shap.plots.waterfall(theirs[1], show=False)
    shap.plots.beeswarm(theirs, show=False)
    shap.plots.bar(theirs, show=False)
    plt.close("all")


def test_an_interrupt_ends_a_long_explanation_soon() -> None:
    model = load("ensemble")
    matrix = np.ascontiguousarray(np.tile(rows(model, 1000), (2000, 1)))
    sent = 0.0

    def interrupt() -> None:
        nonlocal sent
        sent = time.perf_counter()
        signal.raise_signal(signal.SIGINT)

    timer = threading.Timer(0.2, interrupt)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            while True:
                cm._native.contributions(model, matrix)
    finally:
        ended = time.perf_counter()
        timer.join()
    # Generous for a machine that does other things meanwhile.
    assert ended - sent < 0.5


def test_a_model_fitted_on_features_of_the_catalogue_speaks_in_their_units_and_trends() -> None:
    random = np.random.default_rng(7)
    job90 = random.integers(60, 300, 400)
    job30 = (job90 * random.uniform(0.0, 0.9, 400)).astype(int)
    model = cm.LinearClassifier().fit({"job30": job30, "job90": job90}, job30 < 40).model_

    reason = next(r for r in model.reasons({"job30": 3, "job90": 63}) if r.feature == "job30")
    assert reason.text.startswith("job, last 30 days: 3 jobs, peers' median ")
    assert "down 90 % per day in the last 30 days against the 60 before" in reason.text
