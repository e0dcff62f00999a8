"""Model files: load, score, explain, save."""

from __future__ import annotations

from typing import Any

from churn_model import _native
from churn_model.explanation import Explanation
from churn_model.explanation import explain as _explain
from churn_model.explanation import reasons as _reasons


class Model(_native.Model):
    """A fitted model with its feature schema, calibrator and threshold."""

    __slots__ = ()

    def explain(self, x: Any, *, exact: bool = True, n_jobs: int | None = None) -> Explanation:
        """Says what each raw score is made of: base value + contributions = raw score, to 1e-9.

        Parameters
        ----------
        x
            One row or many, as ``score`` takes them.
        exact
            Shapley values (path-dependent TreeSHAP for forests, the terms of linear models). Otherwise each step
            down a tree is credited to the feature it asks for, hundreds of times sooner; it adds up as well.
        n_jobs
            Threads, all cores when left out.

        Returns
        -------
        The contributions with names; ``explanation[i].contributions`` lists one row's, largest first.

        Raises
        ------
        ColumnError
            When a feature is missing or is not what the model reads.
        """
        return _explain(self, x, exact=exact, n_jobs=n_jobs)

    def reasons(self, x: Any, *, k: int = 3, n_jobs: int | None = None) -> Any:
        """Puts the ``k`` largest contributions to each raw score into words for people.

        Parameters
        ----------
        x
            One row or many, as ``score`` takes them.
        k
            How many reasons at most; features that contribute nothing give none.
        n_jobs
            Threads, all cores when left out.

        Returns
        -------
        A list of :class:`Reason` for one row, otherwise a list of them per row. ``str(reason)`` is the sentence.

        Raises
        ------
        ColumnError
            When a feature is missing or is not what the model reads.
        """
        return _reasons(self, x, k=k, n_jobs=n_jobs)
