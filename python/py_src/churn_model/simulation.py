"""Tenants that do not exist: worlds whose activity and churn share a hidden cause."""

from __future__ import annotations

import os
import pathlib
from typing import Literal, overload

from churn_model import _native
from churn_model._days import Day, day_number
from churn_model._numbers import MOST_SEED, whole
from churn_model.table import Table

Scenario = Literal["steady", "seasonal", "onboarding", "drifting"]


@overload
def simulate(
    path: None = None,
    *,
    tenants: int = ...,
    days: int = ...,
    seed: int = ...,
    start: Day = ...,
    scenario: Scenario = ...,
    n_jobs: int | None = ...,
) -> Table: ...
@overload
def simulate(
    path: str | os.PathLike[str],
    *,
    tenants: int = ...,
    days: int = ...,
    seed: int = ...,
    start: Day = ...,
    scenario: Scenario = ...,
    format: Literal["jsonl", "jsonl.gz", "parquet"] = ...,
    n_jobs: int | None = ...,
) -> list[pathlib.Path]: ...
def simulate(
    path: str | os.PathLike[str] | None = None,
    *,
    tenants: int = 500,
    days: int = 730,
    seed: int = 0,
    start: Day = "2024-01-01",
    scenario: Scenario = "steady",
    format: Literal["jsonl", "jsonl.gz", "parquet"] = "jsonl",
    n_jobs: int | None = None,
) -> Table | list[pathlib.Path]:
    """Simulates a platform's tenants and their events.

    The same options give the same events, on any number of threads.

    Parameters
    ----------
    path : path, optional
        A folder to write into, which must hold no simulated log yet: a file for each month, and the hidden truth
        beside them (`truth.csv`), for grading only. Without it the events come back as a table.
    tenants, days : int
        How many tenants there ever are, and how many days the log covers.
    seed : int
        Another one is another world.
    start : date, datetime or str
        The first day of the log.
    scenario : {"steady", "seasonal", "onboarding", "drifting"}
        A platform in its middle years; one with strong seasons; a young one; one in which what drives churn changes.
    format : {"jsonl", "jsonl.gz", "parquet"}
        The form of the files.
    n_jobs : int, optional
        Threads; all cores without it.

    Returns
    -------
    Table or list of paths
        The events in received order, a row each; or the files, in order of time.

    Raises
    ------
    EventError
        When an option is outside its bounds, or the folder holds a log already.

    Examples
    --------
    >>> events = simulate(tenants=5, days=30, seed=7)
    >>> events.column_names[:6]
    ['received_at', 'occurred_at', 'id', 'source', 'type', 'tenant']
    """
    folder = None if path is None else pathlib.Path(path)
    table, files = _native.simulate(
        folder,
        whole("tenants", tenants),
        whole("days", days),
        whole("seed", seed, most=MOST_SEED),
        day_number(start),
        scenario,
        format,
        n_jobs,
    )
    return files if table is None else Table(table)


def simulate_companies(
    rows: int = 10_000,
    *,
    seed: int = 0,
    date: Day = "2024-01-01",
    path: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
) -> Table:
    """Simulates the original system's company table: one row per tenant, `Churn` is 1 when it cancels within a year.

    Parameters
    ----------
    rows : int
        How many companies.
    seed : int
        Another one gives other companies.
    date : date, datetime or str
        The day that the table is of.
    path : path, optional
        A CSV file to write as well.
    n_jobs : int, optional
        Threads; all cores without it.

    Returns
    -------
    Table
        `Company`, `Industry`, `Revenue` (million $), `Employees`, `#job30`, `#job90`, `MonthlyCharge` ($),
        `TotalCharge` ($) and `Churn`.

    Raises
    ------
    EventError
        When there are no rows; `OSError` when the file cannot be written.
    """
    file = None if path is None else pathlib.Path(path)
    return Table(
        _native.simulate_companies(
            file, whole("rows", rows), whole("seed", seed, most=MOST_SEED), day_number(date), n_jobs
        )
    )
