"""What scikit-learn's transformers make of each feature, as functions of one feature that trees and weights can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_model._native import ChurnError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One column on its way through transformers: a function of one feature.

    A feature that no encoder has seen is a number, to which `steps` are applied one after the other, each a NumPy function
    and its second argument. One that an encoder has seen is a category, with the column's value per level.
    """

    feature: int
    #: What missing values are replaced by before anything else; None while they stay missing.
    fill: Any = None
    #: `(np.subtract, mean)`, `(np.divide, scale)` and so on; of a number they all keep the order.
    steps: tuple[tuple[Callable[..., Any], float], ...] = ()
    levels: tuple[Any, ...] | None = None
    #: Value per level.
    table: Floats = field(default_factory=lambda: np.empty(0))
    #: Value of a missing or unknown level.
    missing: float = np.nan

    def values(self, x: Any) -> Floats:
        """The column's values of values of a number (NaN included), shape as given."""
        values: Floats = np.asarray(x, np.float64)
        if self.fill is not None:
            values = np.where(np.isnan(values), self.fill, values)
        with np.errstate(over="ignore", invalid="ignore"):
            for step, operand in self.steps:
                values = step(values, operand)
        return values

    def missing_value(self) -> float:
        """What a missing value becomes; NaN when it stays missing."""
        return self.missing if self.levels is not None else float(self.values(np.nan))

    def then(self, step: Callable[..., Any], operand: float) -> Column:
        """The same column after one more step."""
        if self.levels is None:
            return replace(self, steps=(*self.steps, (step, float(operand))))
        return replace(self, table=step(self.table, operand), missing=float(step(self.missing, operand)))

    def line(self) -> tuple[float, float]:
        """Slope and offset of the steps of a number."""
        slope, offset = 1.0, 0.0
        for step, operand in self.steps:
            offset = float(step(offset, operand))
            if step in (np.multiply, np.divide):
                slope = float(step(slope, operand))
        return slope, offset


def is_missing(value: Any) -> bool:
    """Whether a level stands for missing values."""
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and np.isnan(value))


def transformed(transformer: Any, columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """What a fitted transformer of scikit-learn makes of columns.

    Parameters
    ----------
    transformer
        Fitted; or "passthrough" or "drop".
    columns
        Its input.
    names
        Names of all features, for messages.

    Returns
    -------
    list of Column
        Its output.

    Raises
    ------
    ChurnError
        When a function of several features, or another one that trees and weights cannot hold, would be needed.
    """
    from sklearn import compose, impute, pipeline, preprocessing

    if transformer is None or isinstance(transformer, str):
        return list(columns) if transformer in (None, "passthrough") else []
    _check_width(transformer, columns)
    match transformer:
        case pipeline.Pipeline():
            for _, step in transformer.steps:
                columns = transformed(step, columns, names)
            return list(columns)
        case compose.ColumnTransformer():
            parts: dict[str, list[Column]] = {}
            for name, part, selection in transformer.transformers_:
                parts[name] = transformed(part, _selected(columns, selection, transformer), names)
            order = sorted(transformer.output_indices_.items(), key=lambda item: item[1].start)
            return [column for name, _ in order for column in parts.get(name, ())]
        case preprocessing.StandardScaler():
            return _scaled(columns, (np.subtract, transformer.mean_), (np.divide, transformer.scale_))
        case preprocessing.RobustScaler():
            return _scaled(columns, (np.subtract, transformer.center_), (np.divide, transformer.scale_))
        case preprocessing.MaxAbsScaler() if not getattr(transformer, "clip", False):
            return _scaled(columns, (np.divide, transformer.scale_))
        case preprocessing.MinMaxScaler() if not transformer.clip:
            return _scaled(columns, (np.multiply, transformer.scale_), (np.add, transformer.min_))
        case preprocessing.FunctionTransformer() if transformer.func is None or _only_checks(transformer.func):
            return list(columns)
        case impute.SimpleImputer() if transformer.indicator_ is None and is_missing(transformer.missing_values):
            return _filled(transformer, columns, names)
        case preprocessing.OneHotEncoder():
            return _encoded(transformer, columns, names, _one_hot)
        case preprocessing.OrdinalEncoder():
            return _encoded(transformer, columns, names, _ordinal)
        case _ if hasattr(transformer, "get_support"):
            return [column for column, kept in zip(columns, transformer.get_support(), strict=True) if kept]
    raise ChurnError(
        f"{transformer!r} is not imported: what it makes of a feature is no scale and no list of levels; "
        "import the estimator behind it, and give the model what the transformer makes"
    )


def _only_checks(function: Any) -> bool:
    """Whether a function hands on what it gets: histogram boosting passes numbers through one."""
    from sklearn.utils import check_array

    return getattr(function, "func", None) is check_array


def _check_width(transformer: Any, columns: Sequence[Column]) -> None:
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(transformer)
    expected = getattr(transformer, "n_features_in_", len(columns))
    if expected != len(columns):
        raise ChurnError(f"{transformer!r} was fitted on {expected} columns and gets {len(columns)}")


def _selected(columns: Sequence[Column], selection: Any, transformer: Any) -> list[Column]:
    """The columns that one part of a column transformer works on."""
    names: list[str] = list(getattr(transformer, "feature_names_in_", ()))
    if isinstance(selection, str | int | np.integer):
        selection = [selection]
    if isinstance(selection, slice):
        start, stop = (names.index(end) if isinstance(end, str) else end for end in (selection.start, selection.stop))
        after = 1 if isinstance(selection.stop, str) else 0  # a name is an end that belongs to the slice
        return list(columns)[slice(start, stop if stop is None else stop + after, selection.step)]
    chosen = list(selection)
    if chosen and isinstance(chosen[0], bool | np.bool_):
        return [column for column, is_chosen in zip(columns, chosen, strict=True) if is_chosen]
    return [columns[names.index(at) if isinstance(at, str) else at] for at in chosen]


def _scaled(columns: Sequence[Column], *steps: tuple[Callable[..., Any], Floats | None]) -> list[Column]:
    """Each column after the steps whose operands there are; scalers leave out those that they were told to."""
    scaled = []
    for at, column in enumerate(columns):
        for step, operands in steps:
            if operands is not None:
                column = column.then(step, operands[at])
        scaled.append(column)
    return scaled


def _filled(imputer: Any, columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    filled = []
    for column, value in zip(columns, imputer.statistics_, strict=True):
        if is_missing(value):
            raise ChurnError(f"feature {names[column.feature]!r} was always missing when {imputer!r} was fitted")
        if column.levels is not None or column.steps:
            raise ChurnError(f"feature {names[column.feature]!r} is scaled or encoded before {imputer!r}; impute first")
        filled.append(column if column.fill is not None else replace(column, fill=value))
    return filled


def _encoded(encoder: Any, columns: Sequence[Column], names: Sequence[str], encode: Any) -> list[Column]:
    encoded = []
    for at, (column, categories) in enumerate(zip(columns, encoder.categories_, strict=True)):
        name = names[column.feature]
        categories = list(categories.tolist())
        table, unknown = encode(encoder, at, categories)
        if column.levels is not None:
            known = np.array([*column.table, column.missing])
            rows = [_row(value, categories, table, unknown) for value in known.tolist()]
            encoded += [
                replace(column, table=np.array([row[output] for row in rows[:-1]]), missing=float(rows[-1][output]))
                for output in range(table.shape[1])
            ]
            continue
        if column.steps:
            raise ChurnError(f"feature {name!r} is scaled before {encoder!r}; encode it first")
        levels = [position for position, level in enumerate(categories) if not is_missing(level)]
        if column.fill is not None:
            if column.fill not in categories:
                raise ChurnError(f"feature {name!r} is filled with {column.fill!r}, which {encoder!r} does not know")
            blank = [categories.index(column.fill)]
        else:
            blank = [position for position, level in enumerate(categories) if is_missing(level)]
        rest = [table[position] for position in blank] + ([] if unknown is None else [unknown])
        missing = rest[0] if rest else np.zeros(table.shape[1])
        if any(not np.array_equal(other, missing, equal_nan=True) for other in rest):
            raise ChurnError(
                f"feature {name!r}: {encoder!r} tells missing values from unknown levels, which are one here; "
                "fit it with handle_unknown='error', or on data without missing values"
            )
        names_of_levels = tuple(categories[position] for position in levels)
        encoded += [
            replace(
                column, fill=None, levels=names_of_levels, table=table[levels, output], missing=float(missing[output])
            )
            for output in range(table.shape[1])
        ]
    return encoded


def _row(value: float, categories: list[Any], table: Floats, unknown: Floats | None) -> Floats:
    """What an encoder makes of a code of another encoder."""
    for position, category in enumerate(categories):
        if category == value or (is_missing(category) and np.isnan(value)):
            return np.asarray(table[position], np.float64)
    return np.zeros(table.shape[1]) if unknown is None else unknown


def _one_hot(encoder: Any, at: int, categories: list[Any]) -> tuple[Floats, Floats | None]:
    """Values per category and output column, and those of an unknown one; None when it is an error."""
    group, n_groups, rare = _groups(encoder, at, categories)
    table = np.eye(n_groups)[group]
    unknown = np.zeros(n_groups)
    if encoder.handle_unknown in ("infrequent_if_exist", "warn") and rare is not None:
        unknown[rare] = 1.0
    dropped = None if encoder.drop_idx_ is None else encoder.drop_idx_[at]
    if dropped is not None:
        kept = np.arange(n_groups) != group[dropped]
        table, unknown = table[:, kept], unknown[kept]
    return table, None if encoder.handle_unknown == "error" else unknown


def _ordinal(encoder: Any, at: int, categories: list[Any]) -> tuple[Floats, Floats | None]:
    group, _, _ = _groups(encoder, at, categories)
    table = group.astype(np.float64)
    table[[is_missing(level) for level in categories]] = encoder.encoded_missing_value
    if encoder.handle_unknown == "error":
        return table[:, None], None
    return table[:, None], np.array([encoder.unknown_value], np.float64)


def _groups(encoder: Any, at: int, categories: list[Any]) -> tuple[npt.NDArray[np.intp], int, int | None]:
    """The number of each category's group, how many groups there are, and which one takes the infrequent ones."""
    all_infrequent = getattr(encoder, "infrequent_categories_", None)
    infrequent = None if all_infrequent is None else all_infrequent[at]
    if infrequent is None:
        return np.arange(len(categories)), len(categories), None
    rare = infrequent.tolist()
    is_rare = np.array([level in rare or (is_missing(level) and any(map(is_missing, rare))) for level in categories])
    n_usual = int((~is_rare).sum())
    return np.where(is_rare, n_usual, np.cumsum(~is_rare) - 1), n_usual + 1, n_usual
