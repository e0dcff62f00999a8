"""Model files: load, score, explain, save."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from churn_model import _native
from churn_model._numbers import threshold_score
from churn_model.explanation import Explanation
from churn_model.explanation import explain as _explain
from churn_model.explanation import reasons as _reasons

if TYPE_CHECKING:
    from typing import Self

    import onnx


class Model(_native.Model):
    """A fitted model with its feature schema, calibrator and threshold."""

    __slots__ = ()

    @classmethod
    def from_sklearn(
        cls,
        estimator: Any,
        *,
        feature_names: Sequence[str] | None = None,
        threshold: float | None = None,
        x: Any = None,
    ) -> Self:
        """A classifier of two classes that scikit-learn has fitted, alone or at the end of a pipeline.

        Trees, forests, gradient boosting and logistic regression are read, behind scalers, imputers, one-hot and ordinal
        encoders, column transformers and selections of columns. One-hot columns become one category again, and scales
        go into split values and weights, so that the model reads what the pipeline reads.

        Parameters
        ----------
        estimator
            Fitted; a score is its probability of `classes_[1]`. May be calibrated (`CalibratedClassifierCV` with
            `ensemble=False`) or have a threshold of its own (`TunedThresholdClassifierCV`).
        feature_names
            Names of the columns, where it was fitted on a matrix; `x0`, `x1` ... when None.
        threshold
            Score at or above which someone acts; 0.5 when None.
        x
            The observations that it was fitted on, shape (n, n_features): for reasons, and for telling drift.

        Returns
        -------
        Model
            Scores equal `predict_proba` to 1e-6 (leaf values are float32), and every row reaches the same leaves.

        Raises
        ------
        ChurnError
            For what cannot be said exactly here, by name.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> classifier = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
        >>> model = Model.from_sklearn(classifier, feature_names=["job30"])
        >>> round(model.score([1.5]), 3)  # what predict_proba says
        0.5
        """
        from churn_model._interop.sklearn import from_sklearn

        return from_sklearn(cls, estimator, feature_names=feature_names, threshold=threshold, x=x)

    @classmethod
    def from_lightgbm(
        cls,
        booster: Any,
        *,
        levels: Mapping[str, Sequence[Any]] | None = None,
        threshold: float | None = None,
        x: Any = None,
    ) -> Self:
        """A model that LightGBM has fitted.

        Parameters
        ----------
        booster
            A `Booster`, an `LGBMClassifier`, or the text, bytes or path of a saved model.
        levels
            Levels of its categories by feature, in the order of their codes, where the model does not hold them.
        threshold
            Score at or above which someone acts; 0.5 when None.
        x
            The observations that it was fitted on, shape (n, n_features): for reasons, and for telling drift.

        Returns
        -------
        Model
            With the names of the columns, and the levels of the categories of a data frame that it was fitted on.

        Raises
        ------
        ChurnError
            For what models here cannot be, such as several classes.
        """
        from churn_model._interop.boosters import from_lightgbm

        return from_lightgbm(cls, booster, levels=levels, threshold=threshold, x=x)

    @classmethod
    def from_xgboost(
        cls,
        booster: Any,
        *,
        levels: Mapping[str, Sequence[Any]] | None = None,
        threshold: float | None = None,
        x: Any = None,
    ) -> Self:
        """A model that XGBoost has fitted.

        Parameters
        ----------
        booster
            A `Booster`, an `XGBClassifier`, or the JSON text, bytes or path of a saved model.
        levels
            Levels of its categories by feature, in the order of their codes, where the model does not hold them.
        threshold
            Score at or above which someone acts; 0.5 when None.
        x
            The observations that it was fitted on, shape (n, n_features): for reasons, and for telling drift.

        Returns
        -------
        Model
            With the names of the columns, and the levels of the categories of a data frame that it was fitted on (from
            XGBoost 3.1 on, and only names in ASCII; give `levels` otherwise).

        Raises
        ------
        ChurnError
            For what models here cannot be, such as several classes.
        """
        from churn_model._interop.boosters import from_xgboost

        return from_xgboost(cls, booster, levels=levels, threshold=threshold, x=x)

    def to_onnx(self, path: str | os.PathLike[str] | None = None) -> onnx.ModelProto:
        """The model for ONNX runtimes, with equal scores.

        It reads `features`, float32 of shape (n, n_features): what `matrix` gives, with NaN for missing values and
        categories as positions in their levels; and gives `score`, float64 of shape (n,). It works in double precision,
        with operator sets 18 of ONNX and 5 of ai.onnx.ml, whose splits know sets of levels. Names, levels and threshold are
        in its metadata.

        Parameters
        ----------
        path
            Also written there, when given.

        Returns
        -------
        onnx.ModelProto
            The graph.

        Raises
        ------
        ImportError
            When the package `onnx` is not installed.
        """
        from churn_model._onnx import to_onnx

        graph = to_onnx(self)
        if path is not None:
            with open(path, "wb") as file:
                file.write(graph.SerializeToString())
        return graph

    def with_threshold(self, threshold: float) -> Self:
        """The same model, acting from another score on; `choose_threshold` finds one.

        Parameters
        ----------
        threshold
            Score at or above which `decide` says to act.

        Returns
        -------
        Model
            A new model; this one stays as it is.

        Raises
        ------
        ChurnError
            When it is outside [0, 1].
        """
        from churn_model._interop import completed

        return completed(self, threshold=threshold_score(threshold), x=None)

    def explain(self, x: Any, *, exact: bool = True, unseen: str = "warn", n_jobs: int | None = None) -> Explanation:
        """Says what each raw score is made of: base value + contributions = raw score, to 1e-9.

        Parameters
        ----------
        x
            One row or many, as ``score`` takes them.
        exact
            Shapley values (path-dependent TreeSHAP for forests, the terms of linear models). Otherwise each step
            down a tree is credited to the feature it asks for, hundreds of times sooner; it adds up as well.
        unseen
            What to do about levels that the model was not fitted on: "warn", "ignore" or "error".
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
        return _explain(self, x, exact=exact, unseen=unseen, n_jobs=n_jobs)

    def reasons(self, x: Any, *, k: int = 3, unseen: str = "warn", n_jobs: int | None = None) -> Any:
        """Puts the ``k`` largest contributions to each raw score into words for people.

        Parameters
        ----------
        x
            One row or many, as ``score`` takes them.
        k
            How many reasons at most; features that contribute nothing give none.
        unseen
            What to do about levels that the model was not fitted on: "warn", "ignore" or "error".
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
        return _reasons(self, x, k=k, unseen=unseen, n_jobs=n_jobs)
