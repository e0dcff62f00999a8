"""Models fitted by LightGBM and XGBoost score the same here, by the names and levels of the frame they were fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import churn_model as cm
import numpy as np
import pytest

pd = pytest.importorskip("pandas")

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "import"


def frame(*, industries: tuple[str, ...] = ("IT", "energy", "retail")) -> tuple[Any, Any]:
    dice = np.random.default_rng(0)
    n = 800
    table = pd.DataFrame(
        {
            "job30": np.float32(dice.normal(size=n)),
            "industry": pd.Categorical(dice.choice(industries, n)),
            "plan": pd.Categorical(dice.choice([3, 1, 10], n)),
            "trial": dice.random(n) < 0.5,
        }
    )
    y = ((table["job30"] > 0) ^ (table["industry"] == industries[0]) ^ (table["plan"] == 10)).astype(int)
    table.loc[::7, "job30"] = np.nan
    table.loc[::9, "industry"] = np.nan
    return table, y


def shuffled(table: Any) -> Any:
    """The same rows with columns and categories in another order, which must make no difference."""
    table = table[["trial", "plan", "job30", "industry"]].copy()
    table["industry"] = table["industry"].cat.reorder_categories(sorted(table["industry"].cat.categories, reverse=True))
    return table.assign(plan=table["plan"].astype("int64"))


@pytest.mark.parametrize(
    "options", [{}, {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1}, {"max_cat_to_onehot": 1}]
)
def test_a_lightgbm_classifier_scores_the_same_by_name_and_level(options: dict[str, Any]) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    table, y = frame(industries=("Énergie", "IT", 'retail, "other"'))
    classifier = lightgbm.LGBMClassifier(n_estimators=30, min_child_samples=5, verbose=-1, **options).fit(table, y)
    model = cm.Model.from_lightgbm(classifier, threshold=0.3, x=table)
    assert model.feature_names == ["job30", "industry", "plan", "trial"] and model.threshold == 0.3
    assert model.schema[1]["levels"] == ["IT", 'retail, "other"', "Énergie"]
    assert model.schema[2]["levels"] == ["1", "3", "10"]
    expected = classifier.predict_proba(table)[:, 1]
    np.testing.assert_allclose(model.score(table), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.score(shuffled(table)), expected, rtol=0, atol=1e-6)
    strange = table.assign(industry=pd.Categorical(["unheard of"] * len(table)))
    with pytest.warns(UserWarning, match="unheard of"):
        scores = model.score(strange)
    np.testing.assert_allclose(scores, classifier.predict_proba(strange)[:, 1], rtol=0, atol=1e-6)


def test_a_lightgbm_model_is_read_from_booster_text_bytes_and_path(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    table, y = frame()
    booster = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(table, y).booster_
    text = booster.model_to_string()
    booster.save_model(tmp_path / "m.txt")
    for source in (booster, text, text.encode(), tmp_path / "m.txt", str(tmp_path / "m.txt")):
        assert cm.Model.from_lightgbm(source) == cm.Model.from_lightgbm(text)


@pytest.mark.parametrize("options", [{}, {"booster": "dart"}, {"max_cat_to_onehot": 1}, {"num_parallel_tree": 3}])
def test_an_xgboost_classifier_scores_the_same_by_name_and_level(options: dict[str, Any]) -> None:
    xgboost = pytest.importorskip("xgboost", minversion="3.1")
    table, y = frame()
    classifier = xgboost.XGBClassifier(n_estimators=20, enable_categorical=True, max_depth=4, **options).fit(table, y)
    model = cm.Model.from_xgboost(classifier, threshold=0.3, x=table)
    assert model.feature_names == ["job30", "industry", "plan", "trial"] and model.threshold == 0.3
    assert model.schema[1]["levels"] == ["IT", "energy", "retail"]
    expected = classifier.predict_proba(table)[:, 1]
    np.testing.assert_allclose(model.score(table), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.score(shuffled(table)), expected, rtol=0, atol=1e-6)


def test_an_xgboost_model_is_read_from_booster_json_bytes_and_path(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost", minversion="3.1")
    table, y = frame()
    booster = xgboost.XGBClassifier(n_estimators=3, enable_categorical=True).fit(table, y).get_booster()
    text = bytes(booster.save_raw("json"))
    booster.save_model(tmp_path / "m.json")
    for source in (booster, text, text.decode(), tmp_path / "m.json"):
        assert cm.Model.from_xgboost(source) == cm.Model.from_xgboost(text)


def test_levels_that_a_model_does_not_hold_can_be_given() -> None:
    xgboost = pytest.importorskip("xgboost", minversion="3.1")
    table, y = frame(industries=("Énergie", "IT", "retail"))  # XGBoost damages names outside ASCII
    classifier = xgboost.XGBClassifier(n_estimators=20, enable_categorical=True).fit(table, y)
    model = cm.Model.from_xgboost(classifier, levels={"industry": table["industry"].cat.categories})
    np.testing.assert_allclose(model.score(shuffled(table)), classifier.predict_proba(table)[:, 1], rtol=0, atol=1e-6)
    with pytest.raises(cm.ChurnError, match="'job30'.*no category"):
        cm.Model.from_xgboost(classifier, levels={"job30": ["a"]})


@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("*/*.refused.*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_cannot_be_read_is_refused(path: Path) -> None:
    read = cm.Model.from_lightgbm if path.suffix == ".txt" else cm.Model.from_xgboost
    with pytest.raises(cm.ChurnError):
        read(path)


def test_anything_else_is_refused_with_its_type() -> None:
    with pytest.raises(cm.ChurnError, match="list is no fitted model"):
        cm.Model.from_lightgbm([])
    with pytest.raises(cm.ChurnError, match="dict is no fitted model"):
        cm.Model.from_xgboost({})
