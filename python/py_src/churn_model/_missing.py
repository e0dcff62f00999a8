"""Missing values among Python objects."""

from __future__ import annotations

from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a value is None, a NaN, or the NA or NaT of pandas: whatever does not equal itself."""
    if value is None:
        return True
    is_equal = value == value  # noqa: PLR0124
    # Comparing `pandas.NA` gives `pandas.NA`, which is neither true nor false.
    return type(is_equal).__name__ == "NAType" or not bool(is_equal)
