"""Learners as scikit-learn estimators; they work without scikit-learn too."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from churn_model import _native
from churn_model._native import Campaign, FitError
from churn_model.missing import is_missing
from churn_model.model import Model
from churn_model.progress import steps

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

# What every learner is passed; an estimator has the ones that are its parameters.
_REAL_OPTIONS = ("complexity", "penalty", "l1_ratio")
_OPTIONS = ("n_trees", "max_depth", "min_leaf", "features_per_split", "complexity", "penalty", "l1_ratio")


# Labels that say what they are.
_CHURN_WORDS = ("1", "churn", "churned", "cancelled", "left", "true", "t", "yes", "y")


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
        classes, labels = _labels(y, n_rows)
        weights = self._weights(labels, classes, sample_weight, n_rows)
        with steps(self.progress, getattr(self, "n_trees", None), f"fitting {type(self).__name__}") as step:
            model_bytes, info = _native.fit(
                self._algorithm,
                features,
                labels,
                {name: _option(name, getattr(self, name, None)) for name in _OPTIONS},
                weights=weights,
                groups=None if groups is None else _group_numbers(groups, n_rows),
                calibration=self.calibration,
                threshold=self.threshold,
                campaign=self.campaign,
                label=f"{classes[1]!s} rather than {classes[0]!s}",
                seed=_seed(self.seed),
                n_jobs=self.n_jobs,
                progress=step,
            )
        for note in info["caveats"]:
            warnings.warn(note, UserWarning, stacklevel=2)
        self.model_ = Model.from_bytes(model_bytes)
        self.classes_ = classes
        self.n_features_in_ = len(features.feature_names)
        if features.has_names and (_column_names(X) is not None or _is_record(X)):
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
        names, fitted_names = _column_names(X), getattr(self, "feature_names_in_", None)
        if fitted_names is not None and (names is not None or _is_record(X)):
            if names is not None:
                _check_names(names, list(fitted_names))
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

    def _weights(
        self, labels: NDArray[np.bool_], classes: NDArray[Any], sample_weight: ArrayLike | None, n_rows: int
    ) -> NDArray[np.float32] | None:
        weights = None
        if sample_weight is not None:
            weights = np.asarray(sample_weight, dtype=np.float64)
            if weights.ndim == 0:
                weights = np.full(n_rows, float(weights))
            if weights.ndim != 1:
                raise FitError("Sample weights must be 1D array or scalar")
            if len(weights) != n_rows:
                raise FitError(f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!")
            if not (np.isfinite(weights) & (weights >= 0)).all():
                raise FitError("a sample weight is negative, NaN or infinite; expected 0 or more")
            for value, is_in in ((classes[1], labels), (classes[0], ~labels)):
                if not (weights[is_in] > 0).any():
                    raise FitError(f"class {value!s} has no row whose weight is not zero; a model needs two classes")
        if self.class_weight is None:
            return None if weights is None else weights.astype(np.float32)
        factors = _class_factors(self.class_weight, labels, classes, weights)
        weights = np.ones(n_rows) if weights is None else weights
        return (weights * np.where(labels, factors[1], factors[0])).astype(np.float32)

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


def _option(name: str, value: Any) -> int | float | None:
    """A hyperparameter, as a number that Rust can judge."""
    if value is None:
        return None
    if name in _REAL_OPTIONS:
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return float(value)
        raise FitError(f"{name} is {value!r}; expected a number")
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if is_whole and 0 <= int(value) < 2**32:
        return int(value)
    raise FitError(f"{name} is {value!r}; expected a whole number of at least 1")


def _labels(y: ArrayLike, n_rows: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    if y is None:
        raise FitError("requires y to be passed, but the target y is None")
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        warnings.warn(_data_conversion(), stacklevel=4, category=_data_conversion_warning())
        values = values.ravel()
    if values.ndim != 1:
        raise FitError(f"y should be a 1d array, got an array of shape {values.shape} instead")
    if len(values) != n_rows:
        raise FitError(f"Found input variables with inconsistent numbers of samples: [{n_rows}, {len(values)}]")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise FitError("y holds NaN or infinity; an observation without a label cannot be fitted on")
        if (values != np.floor(values)).any():
            raise FitError("Unknown label type: continuous; a label is one of two classes")
    if values.dtype.kind == "O" and any(is_missing(value) for value in values.tolist()):
        raise FitError("y holds missing values; an observation without a label cannot be fitted on")
    try:
        classes = np.unique(values)
    except TypeError as error:
        raise FitError(f"y mixes values of different types: {error}") from error
    if len(classes) > 2:
        raise FitError(
            "Only binary classification is supported. The type of the target is multiclass: there are "
            f"{len(classes)} classes"
        )
    if len(classes) < 2:
        raise FitError(f"there is one class only, {classes[0]!s}; a model needs two classes")
    if isinstance(classes[1], str) and classes[1].lower() not in _CHURN_WORDS:
        warnings.warn(
            f"label {str(classes[1])!r} is taken for churn and {str(classes[0])!r} for staying, by the alphabet; pass "
            f"booleans (such as y == {str(classes[0])!r}) if it is the other way round",
            UserWarning,
            stacklevel=4,
        )
    return classes, np.ascontiguousarray(values == classes[1])


def _data_conversion() -> str:
    return "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,)."


def _data_conversion_warning() -> type[Warning]:
    try:
        from sklearn.exceptions import DataConversionWarning
    except ImportError:
        return UserWarning
    return DataConversionWarning  # type: ignore[no-any-return]


def _not_fitted(message: str) -> Exception:
    try:
        from sklearn.exceptions import NotFittedError as SklearnNotFittedError
    except ImportError:
        return NotFittedError(message)
    return SklearnNotFittedError(message)  # type: ignore[no-any-return]


def _class_factors(
    class_weight: Any, labels: NDArray[np.bool_], classes: NDArray[Any], weights: NDArray[np.float64] | None
) -> tuple[float, float]:
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise FitError(f"class_weight is {class_weight!r}; expected a dict, 'balanced' or None")
        n_churned = float(labels.sum())
        return len(labels) / (2 * (len(labels) - n_churned)), len(labels) / (2 * n_churned)
    if not isinstance(class_weight, Mapping):
        raise FitError(f"class_weight is {class_weight!r}; expected a dict, 'balanced' or None")
    by_class = dict(class_weight)
    unknown = [label for label in by_class if label not in classes.tolist()]
    if unknown:
        raise FitError(f"class_weight names {unknown}; the classes are {classes.tolist()}")
    stayed, churned = classes.tolist()
    return float(by_class.get(stayed, 1.0)), float(by_class.get(churned, 1.0))


def _group_numbers(groups: ArrayLike, n_rows: int) -> NDArray[np.uint64]:
    values = np.asarray(groups)
    if values.ndim != 1 or len(values) != n_rows:
        raise FitError(f"groups has shape {values.shape}, expected {(n_rows,)}")
    if any(is_missing(value) for value in values.tolist()):
        raise FitError("groups holds missing values; every row belongs to some group")
    if len(np.unique(values)) < 2:
        raise FitError("groups holds one group only; scores of rows that a model had not seen need two")
    if values.dtype.kind in "iu":
        return values.astype(np.uint64)
    return _native.group_numbers([str(value) for value in values.tolist()])


def _seed(seed: Any) -> int:
    if isinstance(seed, (int, np.integer)) and 0 <= int(seed) < 2**64:
        return int(seed)
    raise FitError(f"seed is {seed!r}; expected a whole number of at least 0")


def _column_names(X: Any) -> list[str] | None:
    """Names of the columns of a frame, where all are strings."""
    names = getattr(X, "column_names", None)
    names = getattr(X, "columns", None) if names is None else names
    if names is None or callable(names):
        return None
    names = list(names)
    return names if names and all(isinstance(name, str) for name in names) else None


def _is_record(X: Any) -> bool:
    """Whether X is a dict of columns or a list of dicts."""
    if isinstance(X, Mapping):
        return True
    return isinstance(X, (list, tuple)) and bool(X) and isinstance(X[0], Mapping)


def _check_names(names: list[str], fitted: list[str]) -> None:
    if names == fitted:
        return
    unexpected, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
    message = "The feature names should match those that were passed during fit.\n"
    if unexpected:
        message += "Feature names unseen at fit time:\n" + _listed(unexpected)
    if missing:
        message += "Feature names seen at fit time, yet now missing:\n" + _listed(missing)
    if not missing and not unexpected:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise _native.ColumnError(message)


def _listed(names: list[str]) -> str:
    most = 5
    shown = "".join(f"- {name}\n" for name in names[:most])
    return shown + ("- ...\n" if len(names) > most else "")
