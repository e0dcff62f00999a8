"""What raw scores are made of: contributions per feature, and the largest of them in words."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from churn_model import _native
from churn_model._native import Reason, Trend
from churn_model._numbers import whole

if TYPE_CHECKING:
    import shap  # type: ignore[import-untyped]
    from matplotlib.axes import Axes

__all__ = ["Contribution", "Explanation", "Reason", "RowExplanation", "Trend"]

#: What a raw score is, on axes and in tables.
RAW_SCALES = {"share": "raw score (mean leaf churn share)", "log_odds": "raw score (log-odds of churn)"}

#: Rows that the notebook shows of a table.
_SHOWN = 12


class Contribution(NamedTuple):
    """One feature's part of a raw score."""

    #: Name of the feature.
    feature: str
    #: What it adds to the raw score.
    value: float
    #: What the feature says of the tenant: a number, yes or no, the name of a level, or ``None`` where it is missing.
    data: float | bool | str | None


class RowExplanation:
    """One score explained: the base value and every feature's contribution add up to the raw score.

    Made by ``explanation[i]``.
    """

    __slots__ = ("_explanation", "_row")

    def __init__(self, explanation: Explanation, row: int) -> None:
        self._explanation = explanation
        self._row = row

    @property
    def base_value(self) -> float:
        """The raw score before any feature is known."""
        return self._explanation.base_value

    @property
    def values(self) -> NDArray[np.float64]:
        """The contributions, shape ``(n_features,)``, in schema order."""
        return np.asarray(self._explanation.values[self._row])

    @property
    def data(self) -> NDArray[np.float32]:
        """The feature vector, shape ``(n_features,)``, in schema order."""
        return np.asarray(self._explanation.data[self._row])

    @property
    def raw_score(self) -> float:
        """The uncalibrated output of the model."""
        return float(self._explanation.raw_scores[self._row])

    @property
    def score(self) -> float:
        """The churn probability."""
        return float(self._explanation.scores[self._row])

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in schema order."""
        return self._explanation.feature_names

    @property
    def contributions(self) -> list[Contribution]:
        """The contributions with names and values, the largest (up or down) first."""
        schema, data, values = self._explanation._schema, self.data, self.values
        order = np.argsort(-np.abs(values), kind="stable")
        return [Contribution(schema[i]["name"], float(values[i]), shown_value(schema[i], data[i])) for i in order]

    def to_dict(self) -> dict[str, Any]:
        """Everything about this row, ready for ``json.dumps``."""
        return {
            "base_value": self.base_value,
            "raw_score": self.raw_score,
            "score": self.score,
            "contributions": [contribution._asdict() for contribution in self.contributions],
        }

    def to_shap(self) -> shap.Explanation:
        """This row as a ``shap.Explanation``, as shap's waterfall plot takes it."""
        return self._explanation.to_shap()[self._row]

    def plot_waterfall(self, *, max_features: int = 10, ax: Axes | None = None) -> Axes:
        """Draws how the contributions lead to the raw score; see :meth:`Explanation.plot_waterfall`."""
        return self._explanation.plot_waterfall(self._row, max_features=max_features, ax=ax)

    def __repr__(self) -> str:
        lines = [f"{'base value':<32} {self.base_value:>+9.4f}"]
        contributions = self.contributions
        for c in contributions[:_SHOWN]:
            lines.append(f"{f'{c.feature} = {text_of(c.data)}'[:32]:<32} {c.value:>+9.4f}")
        if len(contributions) > _SHOWN:
            rest = sum(c.value for c in contributions[_SHOWN:])
            lines.append(f"{others(len(contributions) - _SHOWN):<32} {rest:>+9.4f}")
        lines.append(f"{'raw score':<32} {self.raw_score:>+9.4f}   score {self.score:.4f}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        contributions = self.contributions
        shown = [(c.feature, text_of(c.data), c.value) for c in contributions[:_SHOWN]]
        if len(contributions) > _SHOWN:
            rest = contributions[_SHOWN:]
            shown.append((others(len(rest)), "", sum(c.value for c in rest)))
        caption = (
            f"Score <b>{self.score:.3f}</b>: base value {self.base_value:+.3f} and contributions "
            f"give the {RAW_SCALES[self._explanation.raw_scale]} {self.raw_score:+.3f}"
        )
        return _bars_html(caption, ("feature", "value", "contribution"), shown)


class Explanation(Sequence[RowExplanation]):
    """Scores explained: for every row, the base value and the contributions add up to the raw score.

    Made by :meth:`Model.explain`. ``explanation[i]`` is one row, a slice is an ``Explanation`` of fewer rows.

    Attributes
    ----------
    values : float64 array of shape (n, n_features)
        The contributions, in schema order.
    base_value : float
        The raw score before any feature is known.
    data : float32 array of shape (n, n_features)
        The feature matrix; a category is the position of its level.
    raw_scores : float64 array of shape (n,)
        The uncalibrated outputs.
    scores : float64 array of shape (n,)
        The churn probabilities.
    raw_scale : {"share", "log_odds"}
        What a raw score is.
    """

    __slots__ = ("_schema", "base_value", "data", "raw_scale", "raw_scores", "scores", "values")

    values: NDArray[np.float64]
    base_value: float
    data: NDArray[np.float32]
    raw_scores: NDArray[np.float64]
    scores: NDArray[np.float64]
    raw_scale: str

    def __init__(
        self,
        *,
        values: NDArray[np.float64],
        base_value: float,
        data: NDArray[np.float32],
        raw_scores: NDArray[np.float64],
        scores: NDArray[np.float64],
        raw_scale: str,
        schema: list[dict[str, Any]],
    ) -> None:
        self.values = values
        self.base_value = base_value
        self.data = data
        self.raw_scores = raw_scores
        self.scores = scores
        self.raw_scale = raw_scale
        self._schema = schema

    @property
    def base_values(self) -> NDArray[np.float64]:
        """The base value once per row, shape ``(n,)``, as shap has it."""
        return np.full(len(self), self.base_value)

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in schema order."""
        return [feature["name"] for feature in self._schema]

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, row: int) -> RowExplanation: ...
    @overload
    def __getitem__(self, row: slice) -> Explanation: ...
    def __getitem__(self, row: int | slice) -> RowExplanation | Explanation:
        if isinstance(row, slice):
            return Explanation(
                values=self.values[row],
                base_value=self.base_value,
                data=self.data[row],
                raw_scores=self.raw_scores[row],
                scores=self.scores[row],
                raw_scale=self.raw_scale,
                schema=self._schema,
            )
        at = row + len(self) if row < 0 else row
        if not 0 <= at < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return RowExplanation(self, at)

    def __iter__(self) -> Iterator[RowExplanation]:
        return (RowExplanation(self, row) for row in range(len(self)))

    def importance(self) -> dict[str, float]:
        """How much each feature moves raw scores: the mean of ``abs(contribution)`` over the rows, largest first.

        This says what the model uses, not what it would lose without: see ``evaluate`` for the latter.
        """
        means = np.abs(self.values).mean(axis=0) if len(self) else np.zeros(len(self._schema))
        order = np.argsort(-means, kind="stable")
        return {self._schema[i]["name"]: float(means[i]) for i in order}

    def to_dict(self) -> dict[str, Any]:
        """The base value and all rows, ready for ``json.dumps``."""
        return {"base_value": self.base_value, "raw_scale": self.raw_scale, "rows": [row.to_dict() for row in self]}

    def to_shap(self) -> shap.Explanation:
        """The same as a ``shap.Explanation``, which shap's own plots take.

        Raises
        ------
        ImportError
            Without shap.
        """
        try:
            import shap
        except ImportError as error:
            raise ImportError("to_shap needs shap: pip install shap") from error
        display = None
        if any(feature["kind"] != "numeric" for feature in self._schema):
            display = self.data.astype(object)
            for column, feature in enumerate(self._schema):
                if feature["kind"] != "numeric":
                    display[:, column] = [text_of(shown_value(feature, value)) for value in self.data[:, column]]
        return shap.Explanation(
            values=self.values,
            base_values=self.base_values,
            data=self.data.astype(np.float64),
            display_data=display,
            feature_names=self.feature_names,
        )

    def plot_waterfall(self, row: int = 0, *, max_features: int = 10, ax: Axes | None = None) -> Axes:
        """Draws how one row's contributions lead from the base value to its raw score.

        Parameters
        ----------
        row
            Which row.
        max_features
            Features with a bar of their own; the others share one.
        ax
            Where to draw; a new figure when left out.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from churn_model import _plots

        return _plots.waterfall(self[row], max_features=max_features, ax=ax)

    def plot_beeswarm(self, *, max_features: int = 12, ax: Axes | None = None) -> Axes:
        """Draws every row's contributions, one line of dots per feature, coloured by the feature's value.

        Parameters
        ----------
        max_features
            Features to show, those with the largest mean of ``abs(contribution)``.
        ax
            Where to draw; a new figure when left out.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from churn_model import _plots

        return _plots.beeswarm(self, max_features=max_features, ax=ax)

    def __repr__(self) -> str:
        return f"<Explanation of {len(self)} rows, {len(self._schema)} features, base value {self.base_value:+.4f}>"

    def _repr_html_(self) -> str:
        if len(self) == 1:
            return self[0]._repr_html_()
        shown = [(name, "", value) for name, value in list(self.importance().items())[:_SHOWN]]
        caption = f"Mean of |contribution| to the {RAW_SCALES[self.raw_scale]} over {len(self):,} rows"
        return _bars_html(caption, ("feature", "", "mean |contribution|"), shown, signed=False)


def explain(model: _native.Model, x: Any, *, exact: bool, unseen: str, n_jobs: int | None) -> Explanation:
    """Explains rows; see :meth:`Model.explain`."""
    matrix, _ = _rows(model, x, unseen)
    scores = model.score(matrix, n_jobs=n_jobs)
    found = _native.contributions(model, matrix, exact=exact, n_jobs=n_jobs)
    return Explanation(data=matrix, scores=np.atleast_1d(scores), schema=model.schema, **found)


def reasons(model: _native.Model, x: Any, *, k: int, unseen: str, n_jobs: int | None) -> Any:
    """Puts the largest contributions into words; see :meth:`Model.reasons`."""
    matrix, is_one = _rows(model, x, unseen)
    found = _native.reasons(model, matrix, k=whole("k", k), n_jobs=n_jobs)
    return found[0] if is_one else found


def _rows(model: _native.Model, x: Any, unseen: str) -> tuple[NDArray[np.float32], bool]:
    """The matrix of what may be one row, and whether it is: a vector, or what `score` gives one score for."""
    is_vector = (isinstance(x, np.ndarray) and x.ndim == 1) or (
        isinstance(x, (list, tuple)) and bool(x) and not hasattr(x[0], "__len__")
    )
    if is_vector:
        model.score(x)  # refuses what is no row
        return np.asarray(x, dtype=np.float32)[np.newaxis], True
    return np.ascontiguousarray(model.matrix(x, unseen=unseen)), _native.is_record(x)


def shown_value(feature: dict[str, Any], value: Any) -> float | bool | str | None:
    """What a number of the matrix stands for."""
    number = float(value)
    if math.isnan(number):
        return None
    match feature["kind"]:
        case "boolean":
            return number != 0.0
        case "category":
            levels = feature["levels"]
            return str(levels[int(number)]) if number.is_integer() and 0 <= number < len(levels) else None
    return float(str(value))


def text_of(value: float | bool | str | None) -> str:
    """A feature's value as people read it."""
    match value:
        case None:
            return "missing"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def others(n: int) -> str:
    """What the features that share a line are called."""
    return f"{n} other feature{'' if n == 1 else 's'}"


def _bars_html(
    caption: str, header: tuple[str, str, str], rows: list[tuple[str, str, float]], *, signed: bool = True
) -> str:
    """A table with a bar per row, which needs no style sheet and suits light and dark pages."""
    from churn_model._svg import DOWN, UP

    largest = max((abs(value) for _, _, value in rows), default=0.0) or 1.0
    half = 60 if signed else 0
    pad = "padding:1px 8px 1px 0;font-variant-numeric:tabular-nums;text-align"
    lines = []
    for name, text, value in rows:
        width = (60 if signed else 120) * abs(value) / largest
        left = half - width if value < 0 else half
        bar = (
            f'<svg width="120" height="12" aria-hidden="true"><rect x="{left:.1f}" y="1" width="{max(width, 0.5):.1f}" '
            f'height="10" fill="{UP if signed and value >= 0 else DOWN}"/></svg>'
        )
        number = f"{value:+.4f}" if signed else f"{value:.4f}"
        cells = [("left", html.escape(name)), ("right", html.escape(text)), ("right", number), ("left", bar)]
        lines.append("<tr>" + "".join(f'<td style="{pad}:{side}">{cell}</td>' for side, cell in cells) + "</tr>")
    heads = "".join(
        f'<th style="{pad}:{side}">{html.escape(text)}</th>'
        for text, side in zip(header, ("left", "right", "right"), strict=True)
    )
    return f"<div>{caption}</div><table><tr>{heads}<th></th></tr>{''.join(lines)}</table>"
