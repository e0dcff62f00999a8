"""Learners as scikit-learn estimators; they work without scikit-learn too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from churn_model import _native
from churn_model._column_names import check_names, column_names, has_named_values
from churn_model._fit_arguments import group_numbers, label_flags, options, row_weights
from churn_model._native import Campaign, FitError
from churn_model._numbers import MOST_SEED, whole
from churn_model._progress import steps
from churn_model.model import Model

if TYPE_CHECKING:
    from typing_extensions import Self

    class _ClassifierMixin: ...

    class _BaseEstimator:
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Any: ...

else:
    try:
        from sklearn.base import BaseEstimator as _BaseEstimator
        from sklearn.base import ClassifierMixin as _ClassifierMixin
    except ImportError:
        from churn_model._without_sklearn import BaseEstimator as _BaseEstimator
        from churn_model._without_sklearn import ClassifierMixin as _ClassifierMixin

__all__ = ["ChurnClassifier", "DecisionTreeClassifier", "LinearClassifier", "RandomForestClassifier"]


class NotFittedError(ValueError, AttributeError):
    """An estimator was used before `fit`; that of scikit-learn where it is installed."""


class _Classifier(_ClassifierMixin, _BaseEstimator):
    """What the four have in common."""

    _algorithm: ClassVar[str]

    class_weight: Any
    calibration: str
    categories: list[str] | None
    campaign: Campaign | None
    threshold: float | None
    seed: int
    n_jobs: int | None
    progress: Any

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit, calibrate and choose the threshold.

        Parameters
        ----------
        X : array or data frame of shape (n_observations, n_features)
            Numbers, booleans and categories (strings); NaN, None and null are missing.
        y : array of shape (n_observations,)
            Two classes; the greater one is churn.
        sample_weight : array of shape (n_observations,), optional
            How often each observation counts.
        groups : array of shape (n_observations,), optional
            Rows of one group (such as those of one tenant) stay together in bootstraps and folds, so that scores of
            rows that a model had not seen are honest.

        Returns
        -------
        The estimator.

        Raises
        ------
        ChurnError
            When a column or a label is none that can be fitted on; it names it.
        """
        features = _native.Features.infer(X, categories=self.categories)
        n_rows = len(features)
        if n_rows < 2:
            raise FitError(
                f"Found array with {n_rows} sample(s) (shape=({n_rows}, ...)) while a minimum of 2 is required."
            )
        classes, labels = label_flags(y, n_rows)
        weights = row_weights(self.class_weight, labels, classes, sample_weight)
        with steps(self.progress, getattr(self, "n_trees", None), f"fitting {type(self).__name__}") as step:
            model_bytes, info = _native.fit(
                self._algorithm,
                features,
                labels,
                options(self),
                weights=weights,
                groups=None if groups is None else group_numbers(groups, n_rows),
                calibration=self.calibration,
                threshold=self.threshold,
                campaign=self.campaign,
                label=f"{classes[1]!s} rather than {classes[0]!s}",
                seed=whole("seed", self.seed, most=MOST_SEED, error=FitError),
                n_jobs=self.n_jobs,
                progress=step,
            )
        for note in info["caveats"]:
            warnings.warn(note, UserWarning, stacklevel=2)
        self.model_ = Model.from_bytes(model_bytes)
        self.classes_ = classes
        self.n_features_in_ = len(features.feature_names)
        if features.has_names and (column_names(X) is not None or has_named_values(X)):
            self.feature_names_in_ = np.array(features.feature_names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.algorithm_ = info["algorithm"]
        self.honest_scores_ = info["honest_scores"]
        self.honest_log_loss_ = info["honest_log_loss"]
        self.criterion_ = info["criterion"]
        self.notes_ = info["notes"]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities, of shape (n_rows, 2); the second column is churn."""
        scores = self._scores(X)
        return np.column_stack([1.0 - scores, scores])

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities, of shape (n_rows, 2)."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Probability of churn less one half, of shape (n_rows,): positive where `predict` says churn."""
        return self._scores(X) - 0.5

    def predict(self, X: Any) -> NDArray[Any]:
        """The more probable class, of shape (n_rows,); see `decide` for where acting pays."""
        is_churn = self._scores(X) > 0.5
        return np.asarray(self.classes_[is_churn.astype(np.intp)])

    def decide(self, X: Any) -> NDArray[np.bool_]:
        """Whether acting pays by the model's threshold, which follows from the costs of a campaign; shape (n_rows,)."""
        scores = self._scores(X)
        return scores >= self.model_.threshold

    def _scores(self, X: Any) -> NDArray[np.float64]:
        self._check_is_fitted()
        return np.atleast_1d(np.asarray(self.model_.score(self._input(X), n_jobs=self.n_jobs)))

    def _input(self, X: Any) -> Any:
        """What the model is to score, after the checks that scikit-learn's estimators make."""
        name = type(self).__name__
        names, fitted_names = column_names(X), getattr(self, "feature_names_in_", None)
        if fitted_names is not None and (names is not None or has_named_values(X)):
            if names is not None:
                check_names(names, list(fitted_names))
            return X
        if fitted_names is not None:
            message = f"X does not have valid feature names, but {name} was fitted with feature names"
            warnings.warn(message, UserWarning, stacklevel=4)
        elif names is not None:
            message = f"X has feature names, but {name} was fitted without feature names"
            warnings.warn(message, UserWarning, stacklevel=4)
        # A vector would be one row to the model, where an estimator takes matrices only.
        matrix = _native.Features.infer(np.asarray(X) if names is not None else X).matrix
        if len(matrix) < 1:
            raise FitError(f"Found array with 0 sample(s) (shape={matrix.shape}) while a minimum of 1 is required.")
        if matrix.shape[1] != self.n_features_in_:
            raise _native.ColumnError(
                f"X has {matrix.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input"
            )
        return matrix

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "model_"):
            raise _not_fitted(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate arguments before "
                "using this estimator."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class RandomForestClassifier(_Classifier):
    """A random forest with a bootstrap by group, calibrated on its out-of-bag scores.

    Parameters
    ----------
    n_trees : int, default 300
        Number of trees.
    max_depth : int, default 24
        Splits between a root and its leaves, at most; 1 to 64.
    min_leaf : int, optional
        Weight of each leaf, at least; chosen by out-of-bag log loss when None.
    features_per_split : int, optional
        Features tried per split; about the square root of their number when None.
    class_weight : dict, "balanced" or None
        Weights of the classes.
    calibration : {"auto", "none", "logistic", "isotonic"}, default "auto"
        How raw scores become probabilities.
    categories : list of str, optional
        Columns of numbers that are categories.
    campaign : Campaign, optional
        What keeping a tenant is worth and what trying costs; the threshold of `decide` follows from it.
    threshold : float, optional
        Threshold of `decide`, given by hand.
    seed : int, default 0
        The same seed and data give the same model on any number of threads.
    n_jobs : int, optional
        Threads; all cores when None or -1.
    progress : bool or callable, optional
        True shows a bar where tqdm is installed; a function is called with (steps done, steps known so far).

    Attributes
    ----------
    model_ : Model
        The fitted model: save, score, explain.
    classes_ : array of shape (2,)
    n_features_in_ : int
    feature_names_in_ : array of shape (n_features_in_,), for input with names
    honest_scores_ : array of shape (n_observations,)
        Score of each observation by models that had not seen it or its group; NaN where there is none.
    honest_log_loss_ : float
        Log loss of these scores.
    criterion_ : str
        How these scores came to be: out-of-bag or cross-validated.
    algorithm_ : str
    notes_ : list of str

    Examples
    --------
    >>> import numpy as np
    >>> from churn_model import RandomForestClassifier
    >>> x = np.arange(200, dtype=np.float32).reshape(-1, 1)
    >>> forest = RandomForestClassifier(n_trees=20).fit(x, x[:, 0] >= 120)
    >>> bool(forest.predict_proba([[150.0]])[0, 1] > 0.9)
    True
    """

    _algorithm = "random-forest"

    def __init__(
        self,
        *,
        n_trees: int = 300,
        max_depth: int = 24,
        min_leaf: int | None = None,
        features_per_split: int | None = None,
        class_weight: Any = None,
        calibration: str = "auto",
        categories: list[str] | None = None,
        campaign: Campaign | None = None,
        threshold: float | None = None,
        seed: int = 0,
        n_jobs: int | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> None:
        self.n_trees = n_trees
        self.max_depth = max_depth
        self.min_leaf = min_leaf
        self.features_per_split = features_per_split
        self.class_weight = class_weight
        self.calibration = calibration
        self.categories = categories
        self.campaign = campaign
        self.threshold = threshold
        self.seed = seed
        self.n_jobs = n_jobs
        self.progress = progress


class DecisionTreeClassifier(_Classifier):
    """One tree, pruned by cross-validation; `model_.rules` prints it.

    Parameters
    ----------
    max_depth : int, default 10
        Splits between the root and its leaves, at most; 1 to 64.
    min_leaf : int, default 5
        Weight of each leaf, at least.
    complexity : float, optional
        Gini impurity that one more leaf must save; chosen by cross-validation when None.
    class_weight, calibration, categories, campaign, threshold, seed, n_jobs, progress
        As for `RandomForestClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from churn_model import DecisionTreeClassifier
    >>> x = np.arange(200, dtype=np.float32).reshape(-1, 1)
    >>> tree = DecisionTreeClassifier().fit(x, x[:, 0] >= 120)
    >>> [int(label) for label in tree.predict([[20.0], [150.0]])]
    [0, 1]
    """

    _algorithm = "decision-tree"

    def __init__(
        self,
        *,
        max_depth: int = 10,
        min_leaf: int = 5,
        complexity: float | None = None,
        class_weight: Any = None,
        calibration: str = "auto",
        categories: list[str] | None = None,
        campaign: Campaign | None = None,
        threshold: float | None = None,
        seed: int = 0,
        n_jobs: int | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> None:
        self.max_depth = max_depth
        self.min_leaf = min_leaf
        self.complexity = complexity
        self.class_weight = class_weight
        self.calibration = calibration
        self.categories = categories
        self.campaign = campaign
        self.threshold = threshold
        self.seed = seed
        self.n_jobs = n_jobs
        self.progress = progress


class LinearClassifier(_Classifier):
    """Logistic regression on signed-log, standardised, one-hot and missing columns, all within the model.

    Parameters
    ----------
    penalty : float, optional
        Penalty on the weights, per observation; chosen by cross-validated log loss when None.
    l1_ratio : float, default 0.0
        Share of the penalty on absolute weights: 0 is ridge, 1 is lasso.
    class_weight, calibration, categories, campaign, threshold, seed, n_jobs, progress
        As for `RandomForestClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from churn_model import LinearClassifier
    >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> linear = LinearClassifier().fit(x, x[:, 0] > 0)
    >>> bool(linear.predict_proba([[0.9]])[0, 1] > 0.9)
    True
    """

    _algorithm = "linear-learner"

    def __init__(
        self,
        *,
        penalty: float | None = None,
        l1_ratio: float = 0.0,
        class_weight: Any = None,
        calibration: str = "auto",
        categories: list[str] | None = None,
        campaign: Campaign | None = None,
        threshold: float | None = None,
        seed: int = 0,
        n_jobs: int | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> None:
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.class_weight = class_weight
        self.calibration = calibration
        self.categories = categories
        self.campaign = campaign
        self.threshold = threshold
        self.seed = seed
        self.n_jobs = n_jobs
        self.progress = progress


class ChurnClassifier(_Classifier):
    """Fits forest, tree and linear learner, and keeps the one with the least log loss on what it had not seen.

    Parameters
    ----------
    n_trees : int, default 300
        Number of trees of the forest.
    class_weight, calibration, categories, campaign, threshold, seed, n_jobs, progress
        As for `RandomForestClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from churn_model import ChurnClassifier
    >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> churn = ChurnClassifier(n_trees=20).fit(x, x[:, 0] > 0)
    >>> churn.algorithm_ in {"random-forest", "decision-tree", "linear-learner"}
    True
    """

    _algorithm = "auto"

    def __init__(
        self,
        *,
        n_trees: int = 300,
        class_weight: Any = None,
        calibration: str = "auto",
        categories: list[str] | None = None,
        campaign: Campaign | None = None,
        threshold: float | None = None,
        seed: int = 0,
        n_jobs: int | None = None,
        progress: bool | Callable[[int, int | None], object] | None = None,
    ) -> None:
        self.n_trees = n_trees
        self.class_weight = class_weight
        self.calibration = calibration
        self.categories = categories
        self.campaign = campaign
        self.threshold = threshold
        self.seed = seed
        self.n_jobs = n_jobs
        self.progress = progress


def _not_fitted(message: str) -> Exception:
    try:
        from sklearn.exceptions import NotFittedError as SklearnNotFittedError
    except ImportError:
        return NotFittedError(message)
    return SklearnNotFittedError(message)  # type: ignore[no-any-return]
