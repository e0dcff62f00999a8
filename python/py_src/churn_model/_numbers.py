"""Numbers that options are: counts, days, seeds and thresholds."""

from __future__ import annotations

import numbers
from typing import Any

from churn_model._native import ChurnError

#: The greatest seed.
MOST_SEED = 2**64 - 1


def whole(name: str, value: Any, *, least: int = 0, most: int = 2**32 - 1, error: type[ChurnError] = ChurnError) -> int:
    """A whole number that Rust can hold, by the name that its caller knows it under.

    Raises
    ------
    ChurnError
        When it is none, or out of range.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and least <= int(value) <= most:
        return int(value)
    is_large = isinstance(value, numbers.Integral) and int(value) > most
    bound = f"at most {most}" if is_large else f"at least {least}"
    raise error(f"{name} is {value!r}; expected a whole number of {bound}")


def threshold_score(value: Any) -> float:
    """A score from which on somebody acts.

    Raises
    ------
    ChurnError
        When it is outside [0, 1].
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= float(value) <= 1:
        return float(value)
    raise ChurnError(f"the threshold is {value!r}; expected a score from 0 to 1")
