"""Spark gives what one process gives, bit for bit, for every tenant."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import churn_model as cm
import numpy as np
import pytest

pytestmark = pytest.mark.spark

if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java 17, and there is no java on the path", allow_module_level=True)
pytest.importorskip("pyspark", reason="pip install 'churn-model[spark]'")
pytest.importorskip("pyarrow", reason="pip install 'churn-model[spark]'")

DATE = "2024-05-10"
FRAGILE = ["unfinished_rate_28", "session_minutes_28"]
GOLDEN = pathlib.Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    # Workers are other processes: they have to find the same Python and the same package.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    builder = SparkSession.builder.master("local[2]").appName("churn-model tests")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.sql.parquet.compression.codec": "zstd",
        # Neither names nor times may depend on it.
        "spark.sql.session.timeZone": "America/New_York",
        "spark.driver.host": "127.0.0.1",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def parquet(spark, tmp_path_factory) -> str:
    """A log with late and repeated events, as Parquet with zstd, in an order that says nothing."""
    folder = tmp_path_factory.mktemp("log")
    cm.simulate(folder / "world", tenants=15, days=140, seed=9, format="parquet")
    path = str(folder / "zstd")
    spark.read.parquet(str(folder / "world" / "*.parquet")).repartition(7, "id").write.parquet(path)
    assert any(name.endswith(".zstd.parquet") for name in os.listdir(path))
    return path


@pytest.fixture(scope="module")
def single() -> cm.Table:
    """The same features by one process."""
    events = cm.simulate(tenants=15, days=140, seed=9).to_pyarrow()
    store = cm.FeatureStore()
    store.ingest(events.filter(events["received_at"].to_numpy() < np.datetime64(DATE)))
    return store.features_at(DATE)


def assert_same(df, single: cm.Table) -> None:
    found = {row["tenant"]: row.asDict() for row in df.collect()}
    assert sorted(found) == single.column("tenant").tolist()
    for name in single.column_names:
        expected = single.column(name)
        values = [found[tenant][name] for tenant in single.column("tenant")]
        if expected.dtype == object:
            assert values == expected.tolist(), name
        else:
            values = np.array([np.nan if value is None else value for value in values], dtype=np.float32)
            assert values.tobytes() == expected.tobytes(), name


def test_features_are_those_of_one_process_however_events_are_spread(spark, parquet, single):
    from churn_model.spark import features

    assert_same(features(spark.read.parquet(parquet), DATE), single)


def test_partitions_that_hold_whole_tenants_are_taken_as_they_are(spark, parquet, single):
    from churn_model.spark import features

    events = spark.read.parquet(parquet).repartition(4, "tenant").sortWithinPartitions("received_at")
    assert_same(features(events, DATE, is_cut_by_user_and_job=True), single)


def test_cloud_events_with_their_data_as_json_give_the_same(spark, parquet, single):
    from churn_model.spark import features
    from pyspark.sql import functions as F

    flat = spark.read.parquet(parquet)
    names = {"user_id": "userId", "session_id": "sessionId", "job_id": "jobId", "data_size": "dataSize"}
    names["monthly_charge"] = "monthlyCharge"
    data = F.to_json(F.struct(*(flat[name].alias(names.get(name, name)) for name in flat.columns[6:])))
    text = F.to_utc_timestamp("occurred_at", F.current_timezone())
    events = flat.select(
        "id",
        "source",
        F.concat(F.lit("com.anycompany.bdcp."), "type").alias("type"),
        flat["tenant"].alias("subject"),
        F.date_format(text, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").alias("time"),
        F.to_utc_timestamp("received_at", F.current_timezone()).cast("timestamp_ntz").alias("recordedtime"),
        data.alias("data"),
    )
    assert_same(features(events, DATE), single)


def test_options_and_chosen_features_are_those_of_a_store(spark, parquet):
    from churn_model.spark import features

    events = spark.read.parquet(parquet)
    df = features(events, DATE, features=["logins_28", "industry"], allowed_lateness_ms=0)
    assert df.columns == ["tenant", "logins_28", "industry"]
    log = cm.simulate(tenants=15, days=140, seed=9).to_pyarrow()
    store = cm.FeatureStore(allowed_lateness_ms=0)
    store.ingest(log.filter(log["received_at"].to_numpy() < np.datetime64(DATE)))
    assert_same(df, store.features_at(DATE, features=["logins_28", "industry"]))


def test_a_cut_through_sessions_and_jobs_would_be_seen(spark, parquet, single):
    from churn_model.spark import features

    events = spark.read.parquet(parquet).repartition(5, "id").sortWithinPartitions("received_at")
    with pytest.raises(AssertionError, match="unfinished_rate_28"):
        assert_same(
            features(events, DATE, features=FRAGILE, is_cut_by_user_and_job=True), single.select(["tenant", *FRAGILE])
        )


def test_events_without_a_time_are_refused_by_name(spark):
    from churn_model.spark import features

    with pytest.raises(cm.ColumnError, match="need a column 'occurred_at'"):
        features(spark.createDataFrame([("1",)], "id string"), DATE)


@pytest.fixture(scope="module")
def rows(spark):
    days = [None, 0.0, 3.5, 40.0, 7.0]
    levels = ["IT", 'retail, "other"', None, "Énergie"]
    data = [(f"t{i}", days[i % 5], i % 3 == 0, levels[i % 4]) for i in range(1001)]
    columns = "tenant string, days_since_login double, is_trial boolean, industry string"
    # The order of columns says nothing.
    return (
        spark.createDataFrame(data, columns).repartition(3).select("industry", "tenant", "is_trial", "days_since_login")
    )


@pytest.mark.parametrize("name", ["forest", "linear"])
def test_scores_are_those_of_the_model_for_every_row(rows, name):
    from churn_model.spark import score

    path = GOLDEN / f"{name}.safetensors"
    model = cm.Model.load(path)
    table = rows.toArrow()
    expected = dict(
        zip(table["tenant"].to_pylist(), model.score(table.select(model.feature_names)).tolist(), strict=True)
    )
    assert len(set(expected.values())) > 3
    for source in (path, path.read_bytes(), model):
        scored = score(rows, source, keep=["tenant"], decision=True)
        assert scored.columns == ["tenant", "score", "decision"]
        found = scored.collect()
        assert {row["tenant"]: row["score"] for row in found} == expected
        assert all(row["decision"] == (row["score"] >= model.threshold) for row in found)


def test_a_partition_of_one_row_is_scored(rows):
    from churn_model.spark import score

    df = score(rows.limit(1), GOLDEN / "forest.safetensors", keep=["tenant"], reasons=2)
    [row] = df.collect()
    assert row["reasons"] and all("raw score by" in reason and reason[0] != "[" for reason in row["reasons"])


def test_reasons_are_those_of_the_model(rows):
    from churn_model.spark import score

    path = GOLDEN / "forest.safetensors"
    model, table = cm.Model.load(path), rows.toArrow()
    reasons = model.reasons(table.select(model.feature_names), k=2)
    expected = {t: [str(r) for r in of] for t, of in zip(table["tenant"].to_pylist(), reasons, strict=True)}
    found = score(rows, path, keep=["tenant"], reasons=2).collect()
    assert {row["tenant"]: row["reasons"] for row in found} == expected


def test_a_model_is_loaded_once_per_worker_process(rows):
    from churn_model.spark import score
    from pyspark.sql import functions as F

    path = GOLDEN / "forest.safetensors"
    score(rows, path, keep=["tenant"]).collect()

    def loaded(batches):
        import pyarrow as pa
        from churn_model import spark

        list(batches)
        models = [f"{os.getpid()}-{digest}-{id(model)}" for digest, model in spark._models.items()]
        yield pa.RecordBatch.from_pydict({"model": models})

    def models() -> set[str]:
        return {row["model"] for row in rows.mapInArrow(loaded, "model string").collect()}

    before = models()
    assert before
    for _ in range(3):
        score(rows, path, keep=["tenant"]).agg(F.sum("score")).collect()
    # Whoever was there still holds the object that was there.
    after = {name.split("-")[0]: name for name in models()}
    assert all(after.get(name.split("-")[0], name) == name for name in before)


def test_rows_without_a_column_of_the_model_are_refused_by_name(rows):
    from churn_model.spark import score

    with pytest.raises(cm.ColumnError, match="not there: is_trial"):
        score(rows.drop("is_trial"), GOLDEN / "forest.safetensors", keep=["tenant"])
