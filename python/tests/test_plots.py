"""Plots: each panel is drawn where it is asked for, names its axes and shows what the report holds."""

from collections.abc import Iterator
from pathlib import Path

import churn_model as cm
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"
PANELS = ["roc", "precision_recall", "calibration", "gains", "lift", "profit", "importance"]


@pytest.fixture(scope="module")
def model() -> cm.Model:
    return cm.Model.load(GOLDEN / "forest.safetensors")


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    random = np.random.default_rng(5)
    columns = [random.normal(10, 12, 800), random.integers(0, 2, 800), random.integers(0, 3, 800)]
    return np.stack(columns, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def report(model: cm.Model, x: np.ndarray) -> cm.EvaluationReport:
    return cm.evaluate(model, x, np.random.default_rng(6).random(800) < model.score(x))


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_is_drawn_on_the_axes_it_is_given(report: cm.EvaluationReport, panel: str) -> None:
    figure, ax = plt.subplots()
    assert getattr(report, f"plot_{panel}")(ax=ax) is ax
    assert ax.get_title(loc="left") and ax.get_xlabel()
    assert ax.lines or ax.patches
    figure.canvas.draw()
    assert getattr(report, f"plot_{panel}")().figure is not figure


def test_a_curve_holds_the_numbers_of_the_report(report: cm.EvaluationReport) -> None:
    line = next(line for line in report.plot_roc().lines if "ROC-AUC" in str(line.get_label()))
    np.testing.assert_array_equal(line.get_xdata(), report.curves["roc"]["false_positive_rate"])
    np.testing.assert_array_equal(line.get_ydata(), report.curves["roc"]["true_positive_rate"])
    x, y = line.get_data()
    assert np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) == pytest.approx(report.metrics["roc_auc"])


def test_the_threshold_is_marked_on_its_curve(report: cm.EvaluationReport) -> None:
    (dot,) = (line for line in report.plot_gains().lines if str(line.get_label()).startswith("threshold"))
    found = report.confusion
    contacted = (found["true_positives"] + found["false_positives"]) / report.metrics["n"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (contacted, found["recall"])


def test_all_panels_fit_in_one_figure(report: cm.EvaluationReport) -> None:
    figure = report.plot()
    assert len(figure.axes) == 7
    figure.canvas.draw()


def test_scores_alone_have_no_importance_to_draw(report: cm.EvaluationReport) -> None:
    bare = cm.evaluate([0.9, 0.2, 0.4, 0.8], y=[1, 0, 0, 1])
    assert len(bare.plot().axes) == 6
    with pytest.raises(cm.ChurnError, match="importance was not measured"):
        bare.plot_importance()


def test_a_waterfall_leads_from_the_base_value_to_the_raw_score(model: cm.Model, x: np.ndarray) -> None:
    explanation = model.explain(x)
    ax = explanation.plot_waterfall(3, max_features=2)
    bars = ax.patches
    assert len(bars) == 3  # two features and the others
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert explanation.base_value in (pytest.approx(ends[0][0]), pytest.approx(ends[0][1]))
    assert explanation.raw_scores[3] in (pytest.approx(ends[-1][0]), pytest.approx(ends[-1][1]))
    assert ax.get_yticklabels()[0].get_text() == "1 other feature"
    assert model.explain(x)[3].plot_waterfall(ax=plt.subplots()[1]).patches


def test_a_beeswarm_has_a_dot_per_row_and_feature_largest_on_top(model: cm.Model, x: np.ndarray) -> None:
    explanation = model.explain(x)
    ax = explanation.plot_beeswarm()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(explanation.importance())[::-1]
    for name, dots in zip(names, ax.collections, strict=True):
        column = model.feature_names.index(name)
        np.testing.assert_allclose(dots.get_offsets()[:, 0], explanation.values[:, column])
    ax.figure.canvas.draw()


def test_rows_that_say_nothing_and_no_rows_do_not_break_plots(model: cm.Model) -> None:
    nothing = model.explain(np.full((3, 3), np.nan, dtype=np.float32))
    nothing.plot_beeswarm().figure.canvas.draw()
    nothing.plot_waterfall().figure.canvas.draw()
    with pytest.raises(cm.ChurnError, match="no rows"):
        nothing[:0].plot_beeswarm()
