"""What the columns of a pandas frame hold, told in NumPy arrays: pandas needs no pyarrow for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churn_model._native import ColumnError

if TYPE_CHECKING:
    import pandas as pd

# Name, values, and for coded columns the levels with whether the frame calls the column a category.
Part = tuple[str, Any, "tuple[list[Any], bool] | None"]


def columns(frame: pd.DataFrame | pd.Series[Any]) -> list[Part]:
    """The columns of a frame, in its order.

    A column of numbers is a NumPy array with NaN for what is missing; any other column is codes (-1: missing) and the
    distinct values that they stand for.
    """
    table: Any = frame
    if not hasattr(table, "iloc"):
        raise ColumnError(f"expected a frame or a series of pandas, not {type(table).__name__}")
    if table.ndim == 1:
        if all(isinstance(name, str) for name in table.index):  # a row that was taken out of a frame
            return [(name, [value], None) for name, value in table.items()]
        table = table.to_frame()
    names = [name if isinstance(name, str) else str(name) for name in table.columns]
    return [_part(name, array) for name, array in zip(names, _arrays(table), strict=True)]


_names: tuple[Any, list[str]] = (None, [])


def record(frame: Any) -> dict[str, Any] | None:
    """The only row of a frame, by name, or a row that was taken out of one; None for anything else.

    The names of an index are kept until another comes: rows of one frame share theirs, and pandas takes longer to list
    the names than a forest of a hundred trees takes to score the row.
    """
    global _names
    if not hasattr(frame, "iloc"):  # an index, an array, a named tuple of `itertuples`
        return None
    if frame.ndim == 1:
        return _record(frame.index, frame) if all(isinstance(name, str) for name in frame.index) else None
    if len(frame) != 1:
        return None
    index = frame.columns
    kept, names = _names
    if kept is not index:
        # Of texts that pyarrow holds, pandas makes a list in three times the time that pyarrow takes.
        texts = getattr(getattr(index, "_values", None), "_pa_array", None)
        names = index.tolist() if texts is None else texts.to_pylist()
        _names = (index, names)
    try:
        values: list[Any] = [None] * len(names)
        # One array per dtype; `frame.values` would make objects of all.
        for block in frame._mgr.blocks:
            array = block.values
            if getattr(array.dtype, "kind", "O") in "mMc":  # a list of them would look like numbers
                return None
            of_block = array[:, 0].tolist() if array.ndim == 2 else [array[0]]
            for position, value in zip(block.mgr_locs.as_array.tolist(), of_block, strict=True):
                values[position] = value
    except AttributeError:  # another pandas
        values = [array[0] for array in _arrays(frame)]
    return _record(names, values)


def _record(names: Any, values: Any) -> dict[str, Any] | None:
    row = dict(zip(names, values, strict=True))
    return (
        row if len(row) == len(names) else None
    )  # two columns of one name are refused where all columns are looked at


def _arrays(frame: pd.DataFrame) -> list[Any]:
    # `frame.items()` makes a Series of each column, which costs ten times as much as the array in it.
    iterate = getattr(frame, "_iter_column_arrays", None)
    return list(iterate()) if iterate is not None else [column.array for _, column in frame.items()]


def _part(name: str, array: Any) -> Part:
    if isinstance(array, np.ndarray):
        if array.dtype.kind in "biufcMm":
            return name, array, None
        if len(array) == 1:
            return name, array.tolist(), None
        return _factorized(name, array)
    dtype = array.dtype
    kind = getattr(dtype, "kind", "O")
    if hasattr(array, "codes") and hasattr(array, "categories"):
        return name, np.asarray(array.codes, dtype=np.int32), (array.categories.tolist(), True)
    if getattr(dtype, "subtype", None) is not None and hasattr(array, "to_dense"):
        return name, np.asarray(array.to_dense()), None
    if kind == "b":
        return name, array.to_numpy(dtype="float32", na_value=-1).astype(np.int32), ([False, True], False)
    if kind in "iuf":
        return name, array.to_numpy(dtype="float64", na_value=np.nan), None
    if kind in "Mm":
        return name, np.asarray(array.to_numpy()[:0], dtype="datetime64[ns]"), None
    return _factorized(name, array)


def _factorized(name: str, array: Any) -> Part:
    import pandas as pd

    try:
        codes, levels = pd.factorize(array)
    except TypeError:  # values that cannot be hashed, such as lists: refused one level below, with the row
        return name, list(array), None
    return name, codes.astype(np.int32), (list(levels), False)
