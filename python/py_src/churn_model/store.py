"""Events in, features and observations out."""

from __future__ import annotations

import datetime as dt
import json
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from churn_model import _native
from churn_model._days import Day, day_number, milliseconds
from churn_model._progress import events as events_read
from churn_model.plan import ObservationPlan
from churn_model.table import Table

Progress = bool | Callable[[int, int | None], object] | None

_LOG_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_EVENTS_AT_ONCE = 1024
_TYPE = "com.anycompany.bdcp.user.login"


class MalformedEvent(NamedTuple):
    """Something that is no event, and why."""

    source: str
    """The file, or `bytes`, `table` or `events`."""
    line: int
    """Which line, row or item of it, from 1."""
    field: str
    """Which field of the event, by its name in CloudEvents; `line` when it is all of it."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """What was found in a log, and what became of its events.

    `str()` of it has a line for each finding.
    """

    lines: int
    """Lines, rows or items that are not blank."""
    events: int
    """Events among them; what became of those stands in the six counts below."""
    counted: int
    """They count."""
    late: int
    """Received too late, and dropped."""
    duplicate: int
    """There already."""
    held_back: int
    """From the future, and held back until their time comes."""
    dropped: int
    """From the future, and dropped."""
    refused: int
    """Of tenants for which there was no room."""
    malformed: int
    """Lines that are no events."""
    first_malformed: list[MalformedEvent] = field(default_factory=list)
    """The first of them."""
    unknown_types: dict[str, int] = field(default_factory=dict)
    """Events of types that are not known, by type; they are passed over."""
    legacy: dict[str, int] = field(default_factory=dict)
    """Records of the original system, by format."""
    broken: list[str] = field(default_factory=list)
    """Files that broke off; what came before was taken in."""

    def __str__(self) -> str:
        counts = ", ".join(
            f"{getattr(self, name):,} {name.replace('_', ' ')}"
            for name in ("counted", "late", "duplicate", "held_back", "dropped", "refused")
            if getattr(self, name) or name == "counted"
        )
        found = [f"{self.events:,} events in {self.lines:,} lines: {counts}"]
        found += [f"{n:,} records of the original system as {name}" for name, n in self.legacy.items()]
        found += [f"{n:,} of the unknown type {name}" for name, n in self.unknown_types.items()]
        if self.malformed:
            found.append(f"{self.malformed:,} malformed")
        found += [f"  {m.source}:{m.line}: {m.field}: {m.reason}" for m in self.first_malformed]
        return "\n".join(found + self.broken)


class FeatureStore(_native.FeatureStore):
    """What is remembered of many tenants' events, so that their features can be read at any time.

    Training sets and a live system read features from the same states, so the two cannot disagree.

    Parameters
    ----------
    allowed_lateness_ms : int, optional
        An event received more than this after it occurred is dropped; 3 days.
    max_skew_ms : int, optional
        An event that occurred up to this after it was received occurred when it was received; 5 minutes.
    settle_ms : int, optional
        For how long after an event others may still change what it counts for; 3.5 days.
    max_users, max_jobs_in_flight, max_held_back : int, optional
        What a tenant's state remembers at most: 1,048,576 users, 262,144 jobs, 256 events of the future.
    max_tenants : int, optional
        Tenants remembered at most; 1,048,576. Events of further ones are refused and counted.
    keep_log : bool, default True
        Whether the store keeps what it needs to read the log again for `observations`: the names of files, and a
        compressed copy of events that come from memory.

    Examples
    --------
    >>> import churn_model as cm
    >>> store = cm.FeatureStore()
    >>> report = store.ingest(cm.simulate(tenants=20, days=120, seed=1))
    >>> report.malformed, len(store)
    (0, 20)
    >>> features = store.features_at("2024-05-01")
    >>> features.n_rows, features.column_names[:3]
    (20, ['tenant', 'industry', 'revenue'])
    """

    __slots__ = ()

    def ingest(
        self,
        events: Any,
        *,
        received_at: Day | None = None,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> IngestReport:
        """Takes in events; each tenant's come in the order in which they were received.

        What is no event, and events of unknown types, stop nothing: they are in the report. Repeated events are known
        again for some days only; to read a log once more, make a new store.

        Parameters
        ----------
        events : path, list of paths, bytes, table, or iterable of dicts
            JSON Lines of CloudEvents (plain, gzip or zstd) or the original system's files: a path, several that are
            merged by the time received, a folder (the `*.jsonl`, `*.jsonl.gz`, `*.jsonl.zst` in it), or the bytes of
            such a file. Or a table (`Table`, a polars, pandas or pyarrow frame, anything with an Arrow C stream) with a
            row per event and the columns of the simulator's files (`received_at`, `occurred_at`, `id`, `source`,
            `type`, `tenant`, `user_id`, ...) or those of CloudEvents (`recordedtime`, `time`, `subject`, ... and
            `data`, as JSON text or nested). Or CloudEvents as dicts.
        received_at : date, datetime or str, optional
            When records of the original system were received that have no time of their own.
        n_jobs : int, optional
            Threads; all cores without it.
        progress : bool or callable, optional
            True for a bar, where tqdm is installed, or a function that is called ten times a second with the events so
            far and None.

        Raises
        ------
        OSError
            When a file cannot be opened; nothing has been taken in then.
        ColumnError
            When a table lacks a column that every event needs.
        KeyboardInterrupt
            On Ctrl-C. What had been read is in the store.
        """
        received = None if received_at is None else milliseconds(received_at)
        with events_read(progress) as tell:
            if isinstance(events, (str, os.PathLike)) or _are_paths(events):
                files = _files([events] if isinstance(events, (str, os.PathLike)) else events)
                if again := self._read_before(files):
                    warnings.warn(
                        f"{str(again[0])!r} was taken in before; its events are known again for some days only and "
                        "count twice before that. To read a log once more, make a new store",
                        UserWarning,
                        stacklevel=2,
                    )
                fields = self._ingest_files(files, received, n_jobs, tell)
            elif isinstance(events, (bytes, bytearray, memoryview)):
                fields = self._ingest_bytes(bytes(events), received, n_jobs, tell)
            elif hasattr(events, "__arrow_c_stream__") or hasattr(events, "__arrow_c_array__"):
                try:
                    fields = self._ingest_table(events, n_jobs, tell)
                except ImportError as error:  # pandas makes an Arrow stream with pyarrow
                    raise ImportError(f"{error}; a frame of events needs pyarrow: pip install pyarrow") from error
            elif isinstance(events, Iterable) and not isinstance(events, dict):
                fields = self._ingest_lines(_lines(events), received, n_jobs, tell)
            else:
                hint = "; put one event into a list" if isinstance(events, dict) else ""
                raise TypeError(
                    f"found {type(events).__name__} where a path, bytes, a table or an iterable of events is expected{hint}"
                )
        first = [MalformedEvent(*malformed) for malformed in fields.pop("first_malformed")]
        report = IngestReport(first_malformed=first, **fields)
        if report.lines and report.malformed == report.lines:
            warnings.warn(
                f"none of {report.lines:,} lines was an event; the first: {first[0]}", UserWarning, stacklevel=2
            )
        elif report.lines and sum(report.unknown_types.values()) == report.lines:
            warnings.warn(
                f"none of {report.lines:,} events is of a known type; there are {', '.join(report.unknown_types)}, and "
                f"expected are types such as {_TYPE!r}",
                UserWarning,
                stacklevel=2,
            )
        return report

    def features_at(
        self, t: Day, *, features: list[str] | None = None, at_risk: bool = False, n_jobs: int | None = None
    ) -> Table:
        """The features of every tenant at an observation date: what was known then.

        A store remembers what features need from its last event on. For dates before that, `observations` reads the log.

        Parameters
        ----------
        t : date, datetime or str
            The date, at midnight UTC; not before the last event that was taken in.
        features : list of str, optional
            Names of some features of the catalogue; all without it.
        at_risk : bool, default False
            Whether tenants that have cancelled are left out: nobody needs their scores.
        n_jobs : int, optional
            Threads; all cores without it.

        Returns
        -------
        Table
            `tenant`, then the features; rows by ascending tenant. Missing is null.

        Raises
        ------
        EventError
            When events have been taken in that were received at or after the date.
        """
        return Table(self._features_at(day_number(t), features, at_risk, n_jobs))

    def observations(
        self,
        plan: ObservationPlan | None = None,
        *,
        end: Day | None = None,
        censored: bool = False,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> Table:
        """Every tenant on every observation date, with what was known then and what became of it.

        The log is read again: files where they are, events from memory as they were kept.

        Parameters
        ----------
        plan : ObservationPlan, optional
            When tenants are looked at, and what churn is; the usual plan without it.
        end : date, datetime or str, optional
            The day that the log ends on: everything before it has been received. The last day in it, without.
        censored : bool, default False
            Whether observations whose label horizon passes the end of the log follow behind the others. Their
            `churned` is null: they are to be scored, never to be fitted on.
        n_jobs : int, optional
            Threads; all cores without it. The result is the same with any number.
        progress : bool or callable, optional
            As in `ingest`.

        Returns
        -------
        Table
            `tenant`, `observation_date`, `churned`, `weight` (with `age_half_life_days`) and the features: what the
            program `assemble` writes for the same log. Rows by date, then tenant. `metadata` holds plan and report.

        Raises
        ------
        EventError
            When the store keeps no log, its options are not the plan's, or the log has no observation to fit on.
        """
        plan = plan or ObservationPlan()
        day = None if end is None else day_number(end)
        with events_read(progress) as tell:
            return Table(self._observations(plan._json(), day, censored, n_jobs, tell))

    def states(self) -> Table:
        """The tenants' states: `tenant` and `state`, in the form of `docs/state-format.md`; by ascending tenant."""
        return Table(self._states())

    def __repr__(self) -> str:
        return f"FeatureStore({len(self):,} tenants, {self.n_bytes / 1e6:,.1f} MB)"

    def __reduce__(self) -> tuple[Any, ...]:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "store")
            self.save(path)
            return _unpickled, (type(self), path.read_bytes(), self._log)


def _unpickled(kind: type[FeatureStore], snapshot: bytes, log: list[Any] | None) -> FeatureStore:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "store")
        path.write_bytes(snapshot)
        store = kind.load(path)
    store._log = log
    return store


def _are_paths(events: Any) -> bool:
    return isinstance(events, (list, tuple)) and bool(events) and isinstance(events[0], (str, os.PathLike))


def _files(paths: Iterable[str | os.PathLike[str]]) -> list[pathlib.Path]:
    """The files of a log, folders replaced by the logs in them, sorted by name."""
    files: list[pathlib.Path] = []
    for given in paths:
        if isinstance(given, str) and given.lstrip().startswith("{"):
            raise _native.EventError("found JSON where a path is expected; pass events as bytes or as dicts")
        path = pathlib.Path(given)
        if not path.is_dir():
            files.append(path)
            continue
        logs = [file for file in path.iterdir() if file.name.endswith(_LOG_ENDINGS) and not file.name.startswith(".")]
        if not logs:
            raise _native.EventError(
                f"folder {str(path)!r} holds no log: no file in it ends in {', '.join(_LOG_ENDINGS)}"
            )
        files += sorted(logs)
    return files


def _lines(events: Iterable[Any]) -> Iterator[bytes]:
    iterator = iter(events)
    while some := list(islice(iterator, _EVENTS_AT_ONCE)):
        lines = (event if isinstance(event, str) else json.dumps(event, default=_plain) for event in some)
        yield "".join(f"{line}\n" for line in lines).encode()


def _plain(value: Any) -> Any:
    """What a value of an event is in JSON that `json` does not know."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return str(value)
