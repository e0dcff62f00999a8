"""Days, in whatever form people have them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from churn_model import _native
from churn_model._missing import is_missing

if TYPE_CHECKING:
    import numpy.typing as npt

Day: TypeAlias = "dt.date | dt.datetime | np.datetime64 | str"
"""A day: a date, a datetime at midnight (in UTC, where it has a zone), or a text such as `2026-01-31`."""

_EPOCH = dt.date(1970, 1, 1)


def day_number(day: Day) -> int:
    """Days from 1970-01-01 to a day.

    Examples
    --------
    >>> day_number("1970-01-08"), day_number(dt.date(1970, 1, 8)), day_number(np.datetime64("1970-01-08T00:00"))
    (7, 7, 7)
    """
    if isinstance(day, str):
        return _native.day_of(day)
    if isinstance(day, np.datetime64):
        number = day.astype("datetime64[D]")
        if np.isnat(day) or number != day:
            raise _native.EventError(f"{day} is not the start of a day")
        return int(number.astype(np.int64))
    if isinstance(day, dt.datetime):
        if day.tzinfo is not None:
            day = day.astimezone(dt.timezone.utc)
        if day.time() != dt.time(0):
            raise _native.EventError(f"{day.isoformat()} is not the start of a day in UTC")
        day = day.date()
    if not isinstance(day, dt.date):
        raise TypeError(f"found {type(day).__name__} where a date, a datetime or a text such as 2026-01-31 is expected")
    return (day - _EPOCH).days


def day_of_number(number: int) -> dt.date:
    """The day so many days after 1970-01-01."""
    return _EPOCH + dt.timedelta(days=number)


def milliseconds(time: Day) -> int:
    """Milliseconds from 1970 to an instant; a datetime without zone is in UTC."""
    if isinstance(time, dt.datetime):
        zoned = time if time.tzinfo is not None else time.replace(tzinfo=dt.timezone.utc)
        return round(zoned.timestamp() * 1000)
    return day_number(time) * 86_400_000


def day_numbers(days: Any) -> npt.NDArray[np.int32]:
    """Days from 1970-01-01 of a column of days: `datetime64`, dates, datetimes, texts or Arrow dates.

    Shape `(n_rows,)`.
    """
    array = np.asarray(days)
    if array.ndim != 1:
        raise _native.EventError(f"dates have shape {array.shape}; expected one date per row")
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise _native.EventError("a date is missing")
        numbers = array.astype("datetime64[D]")
        if (within := numbers != array).any():
            raise _native.EventError(f"{array[within][0]} is not the start of a day")
        far = abs(numbers.astype(np.int64)) >= 2**31
        if far.any():
            raise _native.EventError(f"{array[far][0]} is too far away for a date")
        return numbers.astype(np.int32)
    listed = array.tolist()
    if any(is_missing(day) for day in listed):
        raise _native.EventError("a date is missing")
    return np.fromiter((day_number(day) for day in listed), dtype=np.int32, count=len(array))
