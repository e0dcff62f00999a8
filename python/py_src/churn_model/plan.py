"""When tenants are looked at, how far back, and how far ahead churn is looked for."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from churn_model import _native
from churn_model._days import Day, day_number, day_of_number
from churn_model._native import EventError
from churn_model._numbers import whole

# The fields that are whole numbers, with the greatest that each can be.
_DAYS = ("every_days", "lookback_days", "gap_days", "horizon_days", "min_tenure_days", "age_half_life_days")
_MOST = dict.fromkeys(_DAYS, 2**31 - 1)
_MOST |= dict.fromkeys(("allowed_lateness_ms", "max_skew_ms", "settle_ms"), 2**63 - 1)
_MOST |= dict.fromkeys(("max_users", "max_jobs_in_flight", "max_held_back"), 2**63 - 1)
_RULES = ("cancelled", "usage")


@dataclass(frozen=True, kw_only=True)
class ObservationPlan:
    """When tenants are looked at, how far back, and how far ahead churn is looked for.

    Parameters
    ----------
    every_days : int
        Days from one observation date to the next; whole weeks.
    lookback_days : int
        How far back a feature may look, 1 to 90; features that look further are left out.
    gap_days : int
        Days left after the observation date so that somebody can act.
    horizon_days : int
        Length of the label horizon, which begins where the gap ends.
    min_tenure_days : int
        Tenants younger than this are counted and not observed.
    rule : {"cancelled", "usage"}
        What counts as churn: the tenant cancels, or submits no job in the whole label horizon.
    first, last : date, datetime or str, optional
        No observation before and after these dates.
    age_half_life_days : int, optional
        Age at which an observation counts half as much as the youngest one; all count the same without it.
    allowed_lateness_ms, max_skew_ms, settle_ms, max_users, max_jobs_in_flight, max_held_back : int
        How late, early and repeated events are treated; as in the `FeatureStore` that is observed.

    Raises
    ------
    EventError
        When nothing can be observed by such a plan; says which number is wrong and what it may be.

    Examples
    --------
    >>> plan = ObservationPlan(horizon_days=90)
    >>> plan.label
    'cancelled within [14 d, 104 d) after the observation date'
    >>> plan.embargo_days
    104
    >>> ObservationPlan(every_days=30)
    Traceback (most recent call last):
    churn_model.EventError: observations are 30 days apart; expected whole weeks: 7, 14, 21, 28, ... days
    """

    every_days: int = 28
    lookback_days: int = 90
    gap_days: int = 14
    horizon_days: int = 60
    min_tenure_days: int = 28
    rule: Literal["cancelled", "usage"] = "cancelled"
    first: Day | None = None
    last: Day | None = None
    age_half_life_days: int | None = None
    allowed_lateness_ms: int = 259_200_000
    max_skew_ms: int = 300_000
    settle_ms: int = 302_400_000
    max_users: int = 1_048_576
    max_jobs_in_flight: int = 262_144
    max_held_back: int = 256

    def __post_init__(self) -> None:
        for name in ("first", "last"):
            day = getattr(self, name)
            if day is not None:
                object.__setattr__(self, name, day_of_number(day_number(day)))
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is not None or name != "age_half_life_days":
                object.__setattr__(self, name, whole(name, value, most=most, error=EventError))
        if self.rule not in _RULES:
            raise EventError(f"rule is {self.rule!r}; expected one of {', '.join(_RULES)}")
        _native.check_plan(self._json())

    @property
    def embargo_days(self) -> int:
        """Days from an observation date to the end of its label horizon: how far apart the parts of a split lie."""
        return _native.check_plan(self._json())[0]

    @property
    def label(self) -> str:
        """What the label says."""
        return _native.check_plan(self._json())[1]

    def to_dict(self) -> dict[str, Any]:
        """The plan as model cards and files hold it: plain values, dates as text."""
        return {
            name: value.isoformat() if isinstance(value, dt.date) else value for name, value in asdict(self).items()
        }

    def _json(self) -> str:
        return json.dumps(self.to_dict())
