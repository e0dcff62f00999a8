"""Scores and features inside Spark, by the same native code as everywhere else.

Both work on whole batches of rows (`mapInArrow`): a model is loaded once per worker process, and features come of one
native store per partition, never of one Python call per tenant. Needs `pip install 'churn-model[spark]'`.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from churn_model._days import Day, day_number, day_of_number
from churn_model._engines import check_columns, loaded
from churn_model._native import ColumnError
from churn_model.model import Model
from churn_model.store import FeatureStore
from churn_model.table import Table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    Batches = Iterator[pa.RecordBatch]

_log = logging.getLogger(__name__)

_STATES = "tenant string, state binary"


def score(
    df: DataFrame,
    model: Model | bytes | str | os.PathLike[str],
    *,
    keep: Iterable[str],
    decision: bool = False,
    reasons: int = 0,
    unseen: str = "warn",
) -> DataFrame:
    """Scores the rows of a Spark data frame.

    Columns are matched by name against the model's schema.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        A row per tenant, with a column for each feature.
    model : Model, bytes or path
        A model, a model file, or where one lies; it is read here, and sent to the workers once.
    keep : iterable of str
        Columns that stay in the result, such as the tenant.
    decision : bool
        Whether a column `decision` says if the score reaches the model's threshold.
    reasons : int
        How many reasons, at most, a column `reasons` gives as sentences; none, and no column, with 0.
    unseen : {"warn", "ignore", "error"}
        What a level does that the model was not fitted on, as in `Model.score`. Warnings are in the workers' logs.

    Returns
    -------
    pyspark.sql.DataFrame
        The columns kept, and `score`: the probability of churn inside the label horizon.

    Raises
    ------
    ColumnError
        When the model needs a column that is not there.
    """
    import pyarrow as pa
    from pyspark.sql.types import ArrayType, BooleanType, DoubleType, StringType, StructField, StructType

    scored_by = loaded(model)
    check_columns(scored_by, df.columns)
    kept = list(keep)
    schema = StructType([df.schema[name] for name in kept])
    schema.fields.append(StructField("score", DoubleType(), nullable=False))
    if decision:
        schema.fields.append(StructField("decision", BooleanType(), nullable=False))
    if reasons:
        schema.fields.append(StructField("reasons", ArrayType(StringType()), nullable=False))
    names = [field.name for field in schema.fields]
    file = _ModelFile(df, scored_by.to_bytes())
    needed = dict.fromkeys([*kept, *scored_by.feature_names])

    def score_batches(batches: Batches) -> Batches:
        model = file.model()
        for batch in batches:
            if batch.num_rows:
                rows = batch.select(model.feature_names)
                scores = np.atleast_1d(model.score(rows, unseen=unseen, n_jobs=1))
                added = [pa.array(scores)]
                if decision:
                    added.append(pa.array(scores >= model.threshold))
                if reasons:
                    found = model.reasons(rows, k=reasons, unseen="ignore", n_jobs=1)
                    added.append(pa.array([[str(reason) for reason in of] for of in found], pa.list_(pa.string())))
                yield pa.RecordBatch.from_arrays([batch.column(name) for name in kept] + added, names=names)

    return df.select(*needed).mapInArrow(score_batches, schema)


def features(
    events: DataFrame,
    t: Day,
    *,
    features: list[str] | None = None,
    is_cut_by_user_and_job: bool = False,
    **options: int,
) -> DataFrame:
    """The features of every tenant at an observation date, from a Spark data frame of events.

    Each partition becomes the states of its tenants in one native store, and the states of a tenant are merged where
    they meet. The result is that of one `FeatureStore`, bit for bit: for that, a user's events and a job's come to one
    partition, in the order in which they were received, and only states are gathered by tenant. So no tenant is too
    large for a worker.

    Parameters
    ----------
    events : pyspark.sql.DataFrame
        A row per event, with the columns of the simulator's files or of CloudEvents, as `FeatureStore.ingest` takes
        them; `data` is JSON text where there is such a column.
    t : date, datetime or str
        The observation date; only what was received before it is looked at.
    features : list of str, optional
        Names of some features of the catalogue; all without it.
    is_cut_by_user_and_job : bool
        Whether each partition already holds all events of its users and jobs (or of its tenants), in received order.
        Nothing but states is shuffled then.
    **options : int
        Options of the `FeatureStore`.

    Returns
    -------
    pyspark.sql.DataFrame
        `tenant` and the features; missing is null.
    """
    from pyspark.sql import functions as F

    day = day_number(t)
    date = day_of_number(day).isoformat()
    received = _received(events)
    # What has no time that anybody can read goes on, so that it is reported.
    known = events.where(received.isNull() | (received < F.lit(f"{date}T00:00:00Z").cast("timestamp")))
    if not is_cut_by_user_and_job:
        known = known.repartition(*_user_or_job(events)).sortWithinPartitions(received)

    def to_states(batches: Batches) -> Batches:
        store = FeatureStore(keep_log=False, **options)
        for batch in batches:
            report = store.ingest(batch, n_jobs=1)
            if report.malformed:
                _log.warning("%s", report)
        yield from _batches(store.states())

    def to_features(batches: Batches) -> Batches:
        store = FeatureStore(keep_log=False, **options)
        for batch in batches:
            store.merge_states(batch)
        yield from _batches(store.features_at(date, features=features, n_jobs=1))

    empty = FeatureStore(keep_log=False, **options).features_at(date, features=features)
    texts = {name for name in empty.column_names if name == "tenant" or empty._is_category(name)}
    schema = ", ".join(f"`{name}` {'string' if name in texts else 'float'}" for name in empty.column_names)
    states = known.mapInArrow(to_states, _STATES)
    return states.repartition("tenant").mapInArrow(to_features, schema)


def _column(events: DataFrame, *names: str) -> Column | None:
    """The first of these columns that is there; one of `data` where it holds the events' fields."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    for name in names:
        if name in events.columns:
            return events[name]
    if "data" not in events.columns:
        return None
    kind = events.schema["data"].dataType
    if isinstance(kind, StructType):
        return next((events["data"][name] for name in names if name in kind.names), None)
    return F.get_json_object(events["data"], f"$.{names[-1]}")


def _received(events: DataFrame) -> Column:
    """When each event was received; null where nobody can read it."""
    from pyspark.sql import functions as F

    columns = [name for name in ("received_at", "recordedtime", "occurred_at", "time") if name in events.columns]
    if not columns:
        raise ColumnError(f"events need a column 'occurred_at' (or 'time'); there are {', '.join(events.columns)}")
    return F.coalesce(*(_instant(events, column) for column in columns))


def _instant(events: DataFrame, name: str) -> Column:
    """A column of times as instants; what has no zone is in UTC, where Spark would take the session's."""
    from pyspark.sql import functions as F

    column = events[name]
    if events.schema[name].dataType.typeName() in ("timestamp_ntz", "date"):
        return F.concat(column.cast("timestamp_ntz").cast("string"), F.lit("Z")).try_cast("timestamp")
    return column.try_cast("timestamp")


def _user_or_job(events: DataFrame) -> list[Column]:
    """What the events of a user, or of a job, have in common."""
    from pyspark.sql import functions as F

    tenant = _column(events, "tenant", "subject")
    of_job, of_user = _column(events, "job_id", "jobId"), _column(events, "user_id", "userId")
    within = [column for column in (of_job, of_user) if column is not None]
    keys = [column for column in (tenant,) if column is not None]
    return [*keys, F.coalesce(*within)] if within else keys


def _batches(table: Table) -> Batches:
    """A table as batches of the types that Spark takes."""
    import pyarrow as pa

    arrow = table.to_pyarrow()
    plain = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in arrow.schema]
    yield from arrow.cast(pa.schema(plain)).to_batches()


# Models of this worker process by the digest of their file.
_models: dict[str, Model] = {}


class _ModelFile:
    """A model file on its way to the workers: sent to each once, where Spark can."""

    def __init__(self, df: DataFrame, data: bytes) -> None:
        self.digest = hashlib.sha256(data).hexdigest()
        try:
            self._data: Any = df.sparkSession.sparkContext.broadcast(data)
        except Exception:  # noqa: BLE001 Spark Connect has no context, and says so in its own ways
            self._data = data

    def model(self) -> Model:
        """The model, loaded by the first task of a worker process that asks."""
        if self.digest not in _models:
            data = self._data if isinstance(self._data, bytes) else self._data.value
            _models.clear()
            _models[self.digest] = Model.from_bytes(data)
        return _models[self.digest]
