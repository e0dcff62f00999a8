"""Splits do not leak, and scikit-learn takes them."""

from __future__ import annotations

import datetime as dt

import churn_model as cm
import numpy as np
import pytest

DATES = np.repeat(np.arange("2023-01-05", "2025-01-05", 28, dtype="datetime64[D]"), 20)
TENANTS = np.array([f"t{i % 20}" for i in range(len(DATES))])
CHURNED = np.random.default_rng(1).random(len(DATES)) < 0.3


@pytest.mark.parametrize("n_splits", [1, 3, 5])
def test_labels_of_what_is_fitted_on_are_known_before_what_is_tested_with(n_splits):
    plan = cm.ObservationPlan(gap_days=7, horizon_days=30)
    splitter = cm.time_split(DATES, plan, n_splits=n_splits)
    splits = list(splitter.split(DATES, CHURNED))
    assert len(splits) == splitter.get_n_splits() == n_splits
    for fit, test in splits:
        assert DATES[fit].max() + np.timedelta64(37, "D") <= DATES[test].min()
        # Nothing that could be fitted on is left out.
        known = DATES + np.timedelta64(37, "D") <= DATES[test].min()
        assert fit.tolist() == np.flatnonzero(known).tolist()
    tested = np.concatenate([test for _, test in splits])
    assert len(tested) == len(set(tested)) and len(tested) >= 0.25 * len(DATES)
    assert tested.max() == len(DATES) - 1


def test_dates_may_come_as_dates_texts_or_columns_of_frames():
    expected = [test.tolist() for _, test in cm.time_split(DATES).split()]
    as_dates = DATES.astype(object).tolist()
    for dates in (as_dates, [d.isoformat() for d in as_dates], DATES.astype("datetime64[ns]")):
        assert [test.tolist() for _, test in cm.time_split(dates).split()] == expected
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    for dates in (pl.Series(as_dates), pd.Series(DATES)):
        assert [test.tolist() for _, test in cm.time_split(dates).split()] == expected
    with pytest.raises(cm.EventError, match="missing"):
        cm.time_split(np.array(["2024-01-01", "NaT"], dtype="datetime64[D]"))
    with pytest.raises(TypeError, match="found int"):
        cm.time_split([1, 2, 3])


def test_a_calibration_part_lies_between_two_embargoes():
    fit, calibration, test = cm.time_split(DATES).parts(CHURNED, calibration_share=0.2)
    embargo = np.timedelta64(74, "D")
    assert DATES[fit].max() + embargo <= DATES[calibration].min()
    assert DATES[calibration].max() + embargo <= DATES[test].min()


def test_what_cannot_be_split_is_refused_with_what_helps():
    with pytest.raises(cm.EventError, match="74"):
        list(cm.time_split(DATES[:40]).split())
    with pytest.raises(cm.EventError, match="rows to split"):
        list(cm.time_split(DATES).split(DATES[:-1]))
    with pytest.raises(cm.EventError, match="labels for"):
        list(cm.time_split(DATES).split(y=CHURNED[:-1]))
    with pytest.raises(cm.EventError, match="stayed"):
        list(cm.time_split(DATES).split(y=np.zeros(len(DATES))))
    with pytest.raises(cm.EventError, match="splits of"):
        cm.time_split(DATES, n_splits=50)
    with pytest.raises(cm.EventError, match="test share"):
        cm.time_split(DATES, test_share=1.0, n_splits=2)


def test_folds_keep_tenants_together_and_labels_even():
    folds = cm.grouped_folds(TENANTS, CHURNED, n_splits=4, seed=1)
    tested = []
    for fit, test in folds.split(DATES):
        assert not set(TENANTS[fit]) & set(TENANTS[test])
        assert len(fit) + len(test) == len(DATES)
        assert abs(CHURNED[test].sum() - CHURNED.sum() / 4) <= 5
        tested += test.tolist()
    assert sorted(tested) == list(range(len(DATES)))


def test_folds_depend_on_the_seed_and_not_on_the_order_of_rows():
    def fold_of_tenant(order, seed):
        splits = cm.grouped_folds(TENANTS[order], CHURNED[order], n_splits=4, seed=seed).split()
        return {tenant: fold for fold, (_, test) in enumerate(splits) for tenant in TENANTS[order][test]}

    order = np.arange(len(DATES))
    assert fold_of_tenant(order, 1) == fold_of_tenant(order[::-1], 1) != fold_of_tenant(order, 2)


def test_folds_that_cannot_be_are_refused():
    with pytest.raises(cm.FitError, match="20 groups"):
        cm.grouped_folds(TENANTS, CHURNED, n_splits=21)
    with pytest.raises(cm.FitError, match="groups has shape"):
        cm.grouped_folds(TENANTS[:-1], CHURNED)
    with pytest.raises(cm.FitError, match="multiclass"):
        cm.grouped_folds(TENANTS, np.arange(len(DATES)))
    with pytest.raises(cm.FitError, match="groups holds missing values"):
        cm.grouped_folds([None, *TENANTS[1:]], CHURNED)


def test_scikit_learn_takes_both_for_cv():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score

    X = np.random.default_rng(1).normal(size=(len(DATES), 3)) + CHURNED[:, None]
    words = np.where(CHURNED, "yes", "no")
    by_word = cm.grouped_folds(TENANTS, words, n_splits=3)
    by_flag = cm.grouped_folds(TENANTS, CHURNED, n_splits=3)
    assert [test.tolist() for _, test in by_word.split()] == [test.tolist() for _, test in by_flag.split()]
    assert cross_val_score(LogisticRegression(), X, words, cv=cm.time_split(DATES, n_splits=2)).min() > 0.5
    for cv in (cm.time_split(DATES, n_splits=3), cm.grouped_folds(TENANTS, CHURNED, n_splits=3)):
        assert cross_val_score(LogisticRegression(), X, CHURNED, cv=cv, scoring="roc_auc").mean() > 0.7
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=cv).fit(X, CHURNED)
        assert search.n_splits_ == 3


def test_observations_are_split_by_their_own_columns():
    store = cm.FeatureStore()
    store.ingest(cm.simulate(tenants=60, days=400, seed=4))
    table = store.observations()
    fit, test = next(cm.time_split(table.column("observation_date")).split(table, table.column("churned")))
    dates = table.column("observation_date")
    assert dates[fit].max() + np.timedelta64(74, "D") <= dates[test].min()
    assert isinstance(dates[0].item(), dt.date)


def test_each_row_is_tested_with_once_and_fitted_on_in_all_other_folds():
    groups = np.arange(600) // 3
    folds = list(cm.grouped_folds(groups, np.arange(600) % 7 == 0, n_splits=5).split())
    tested = np.concatenate([test for _, test in folds])
    assert len(tested) == 600 and set(tested) == set(range(600))
    assert all(len(fit) == 600 - len(test) and len(fit) > 3 * len(test) for fit, test in folds)
