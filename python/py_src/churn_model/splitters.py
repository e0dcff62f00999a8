"""Splits that do not leak, as scikit-learn takes them for `cv=`; scikit-learn itself is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from churn_model import _native
from churn_model._days import day_numbers
from churn_model._fit_arguments import group_numbers, label_flags
from churn_model._numbers import MOST_SEED, whole
from churn_model.metrics import as_labels
from churn_model.plan import ObservationPlan

if TYPE_CHECKING:
    import numpy.typing as npt

    Rows = npt.NDArray[np.int64]


class TimeSplit:
    """What `time_split` returns: splits by time, for `cv=`."""

    def __init__(
        self, days: npt.NDArray[np.int32], plan: ObservationPlan, tests: list[tuple[int, int]] | None, test_share: float
    ) -> None:
        self._days, self._plan, self._tests, self._test_share = days, plan, tests, test_share

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many splits there are."""
        return 1 if self._tests is None else len(self._tests)

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """The row numbers to fit on and to test with, split by split.

        Raises
        ------
        EventError
            When `X` has another number of rows than there are dates, a part is left without rows, or, where `y` says
            who churned, a part has only one label.
        """
        _check_rows(X, len(self._days))
        for fit, _, test in self._cut(_labels(y), 0.0):
            yield fit, test

    def parts(self, y: Any = None, *, calibration_share: float = 0.2) -> tuple[Rows, Rows, Rows]:
        """The row numbers to fit on, to calibrate with and to test with, of the last split.

        Parameters
        ----------
        y : array-like, optional
            Who churned: parts of only one label are refused then.
        calibration_share : float
            Share of all rows that the part before the test part has at least; an embargo lies around it.
        """
        return self._cut(_labels(y), calibration_share)[-1]

    def _cut(self, labels: npt.NDArray[np.bool_] | None, calibration_share: float) -> list[tuple[Rows, Rows, Rows]]:
        plan = self._plan._json()
        return _native.time_splits(self._days, labels, plan, self._test_share, calibration_share, self._tests)

    def __repr__(self) -> str:
        return (
            f"TimeSplit({len(self._days)} rows, {self.get_n_splits()} splits, embargo {self._plan.embargo_days} days)"
        )


class GroupedFolds:
    """What `grouped_folds` returns: folds of whole groups, for `cv=`."""

    def __init__(self, folds: npt.NDArray[np.uint32], n_splits: int) -> None:
        self._folds, self._n_splits = folds, n_splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many folds there are."""
        return self._n_splits

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """The row numbers to fit on and to test with, fold by fold.

        Raises
        ------
        EventError
            When `X` has another number of rows than were dealt.
        """
        _check_rows(X, len(self._folds))
        for fold in range(self._n_splits):
            is_test = self._folds == fold
            yield np.flatnonzero(~is_test), np.flatnonzero(is_test)

    def __repr__(self) -> str:
        return f"GroupedFolds({len(self._folds)} rows, {self._n_splits} folds)"


def time_split(
    dates: Any, plan: ObservationPlan | None = None, *, test_share: float = 0.25, n_splits: int = 1
) -> TimeSplit:
    """Splits by time: what is fitted on was known, with its labels, before the first date that is tested with.

    Between the two lies the embargo of gap and label horizon; its rows are in neither.

    Parameters
    ----------
    dates : array-like of shape (n_rows,)
        The observation date of each row.
    plan : ObservationPlan, optional
        What the rows were observed by; the usual plan without it.
    test_share : float
        Share of the rows that the latest dates have at least, which are tested with.
    n_splits : int
        Into how many runs of as many dates those are cut, each of which is tested with by a model fitted on what was
        known before it.

    Returns
    -------
    TimeSplit
        A splitter for scikit-learn's `cv=`, with `split` and `get_n_splits`; `parts` also gives a calibration part.

    Raises
    ------
    EventError
        When a date is missing or none, or there are fewer dates to test with than splits.

    Examples
    --------
    >>> dates = np.repeat(np.arange("2024-01-04", "2025-01-04", 28, dtype="datetime64[D]"), 10)
    >>> for fit, test in time_split(dates, n_splits=2).split():
    ...     print(dates[fit].max(), dates[test].min(), len(fit), len(test))
    2024-07-18 2024-10-10 80 20
    2024-09-12 2024-12-05 100 20
    """
    plan, days = plan or ObservationPlan(), day_numbers(dates)
    n_splits = whole("n_splits", n_splits)
    if n_splits == 1:
        return TimeSplit(days, plan, None, test_share)
    of_test = days[_native.time_splits(days, None, plan._json(), test_share, 0.0, None)[0][2]]
    tested = np.unique(of_test)
    if not 1 <= n_splits <= len(tested):
        raise _native.EventError(f"{n_splits} splits of {len(tested)} dates to test with; expected 1 to {len(tested)}")
    runs = np.array_split(tested, n_splits)
    return TimeSplit(days, plan, [(int(run[0]), int(run[-1]) + 1) for run in runs], test_share)


def grouped_folds(groups: Any, y: Any, *, n_splits: int = 5, seed: int = 0) -> GroupedFolds:
    """Folds that keep the rows of a group together, with about as many rows of each label in every fold.

    The rows of one tenant resemble each other; a model that has seen one of them has seen the others.

    Parameters
    ----------
    groups : array-like of shape (n_rows,), or None
        The tenant of each row; rows are dealt one by one without.
    y : array-like of shape (n_rows,)
        Who churned: 0 and 1, booleans, or two classes as `fit` takes them.
    n_splits : int
        How many folds.
    seed : int
        Another one deals otherwise. The order of the rows does not matter where there are groups.

    Returns
    -------
    GroupedFolds
        A splitter for scikit-learn's `cv=`, with `split` and `get_n_splits`.

    Raises
    ------
    FitError
        When there are fewer groups than folds, not one group per row, or a label or group is missing.

    Examples
    --------
    >>> tenants, churned = ["a", "a", "b", "c", "d", "d"], [0, 1, 0, 1, 0, 1]
    >>> [test.tolist() for _, test in grouped_folds(tenants, churned, n_splits=2).split()]
    [[3, 4, 5], [0, 1, 2]]
    """
    churned = _labels(y)
    if churned is None:
        raise _native.FitError("y is missing; expected a label per row")
    numbers = None if groups is None else group_numbers(groups, len(churned))
    n_splits = whole("n_splits", n_splits)
    return GroupedFolds(_native.folds(churned, numbers, n_splits, whole("seed", seed, most=MOST_SEED)), n_splits)


def _labels(y: Any) -> npt.NDArray[np.bool_] | None:
    if y is None:
        return None
    array = np.asarray(y)
    if array.ndim != 1:
        raise _native.FitError(f"y has shape {array.shape}; expected one label per row")
    if array.dtype.kind in "biuf" and np.isin(array, (0, 1)).all():
        return as_labels(array)
    return label_flags(array, len(array))[1]


def _check_rows(X: Any, n_rows: int) -> None:
    if X is None:
        return
    shape = getattr(X, "shape", None)
    found = shape[0] if shape else len(X)
    if found != n_rows:
        raise _native.EventError(f"found {found} rows to split; expected the {n_rows} that this was made for")
