"""What Spark costs around our code: scores of a million rows, and features of ten million events.

Run from a checkout with the package installed, on a machine that does nothing else:

    pip install './python[spark]'
    python benches/python/spark.py --model MODEL_FILE [--rows N] [--events N] [--cores N]

Scoring is timed next to a scan of the same Parquet file that ends in the JVM, next to the same rows sent to Python and
back by `mapInArrow` without being looked at, and next to one process that has them as a NumPy matrix already. All times
are the median of five after a first that does not count. Features are compared with those of one process bit for bit.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import churn_model as cm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from churn_model.spark import features, score
from pyspark.sql import DataFrame, SparkSession

DATE = "2026-01-01"
EVENTS_PER_TENANT = 9_900
"""About what a tenant of the simulated world does in two years."""


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """The median time of some work, in seconds."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def run(df: DataFrame) -> None:
    """Makes all rows and throws them away."""
    df.write.format("noop").mode("overwrite").save()


def rows_for(model: cm.Model, n_rows: int) -> pa.Table:
    """Rows that the model can score: random numbers, levels and blanks."""
    dice = np.random.default_rng(0)
    columns: dict[str, pa.Array] = {"tenant": pa.array([f"tenant-{row}" for row in range(n_rows)])}
    for feature in model.schema:
        blank = dice.random(n_rows) < 0.05
        if feature["kind"] == "category":
            levels = feature.get("levels") or [None]
            codes = pa.array(dice.integers(0, len(levels), n_rows).astype(np.int32), mask=blank)
            columns[feature["name"]] = pa.DictionaryArray.from_arrays(codes, levels).dictionary_decode()
        else:
            numbers = dice.lognormal(1.0, 1.5, n_rows)
            values = numbers > 3 if feature["kind"] == "boolean" else numbers.astype(np.float32)
            columns[feature["name"]] = pa.array(values, mask=blank)
    return pa.table(columns)


def bench_score(spark: SparkSession, folder: pathlib.Path, path: pathlib.Path, n_rows: int) -> None:
    """Times scoring, and checks every score."""
    model = cm.Model.load(path)
    names = model.feature_names
    table = rows_for(model, n_rows)
    file = str(folder / "rows.parquet")
    pq.write_table(table, file, compression="zstd", row_group_size=max(n_rows // 16, 1))
    df = spark.read.parquet(file)

    matrix = model.matrix(table.select(names))
    expected = model.score(matrix)
    found = score(df, path, keep=["tenant"]).toArrow()
    order = {tenant: row for row, tenant in enumerate(found["tenant"].to_pylist())}
    ours = found["score"].to_numpy()[[order[tenant] for tenant in table["tenant"].to_pylist()]]
    assert ours.tobytes() == expected.tobytes(), "scores differ from those of one process"

    times = {
        "scan in the JVM": seconds(lambda: run(df)),
        "rows to Python and back": seconds(lambda: run(df.mapInArrow(lambda batches: batches, df.schema))),
        "score with mapInArrow": seconds(lambda: run(score(df, path, keep=["tenant"]))),
        "NumPy matrix, one process, one thread": seconds(lambda: model.score(matrix, n_jobs=1)),
        "Arrow table, one process, one thread": seconds(lambda: model.score(table.select(names), n_jobs=1)),
    }
    print(f"\n{n_rows:,} rows of {len(names)} features, {model!r}; all scores equal those of one process")
    for what, taken in times.items():
        print(f"  {what:<40} {taken:8.3f} s {taken / n_rows * 1e9:10,.0f} ns per row")
    over_scan = times["score with mapInArrow"] - times["scan in the JVM"]
    print(
        f"  {'score with mapInArrow, over the scan':<40} {over_scan:8.3f} s {over_scan / n_rows * 1e9:10,.0f} ns per row"
    )


def bench_features(spark: SparkSession, folder: pathlib.Path, n_events: int) -> None:
    """Times features, and compares them bit for bit with those of one process."""
    tenants = max(n_events // EVENTS_PER_TENANT, 2)
    cm.simulate(folder / "world", tenants=tenants, seed=1, format="parquet")
    log = str(folder / "log")
    spark.read.parquet(str(folder / "world" / "*.parquet")).write.option("compression", "zstd").parquet(log)
    events = spark.read.parquet(log)

    start = time.perf_counter()
    store, n_read = cm.FeatureStore(keep_log=False), 0
    for file in sorted((folder / "world").glob("*.parquet")):
        n_read += store.ingest(pq.read_table(file)).events
    single = store.features_at(DATE)
    alone = time.perf_counter() - start

    run(events)
    scan = seconds(lambda: run(events), repeats=1)
    start = time.perf_counter()
    found = features(events, DATE).toArrow().sort_by("tenant")
    spread = time.perf_counter() - start

    expected = single.to_pyarrow()
    assert found["tenant"].to_pylist() == expected["tenant"].to_pylist(), "other tenants than in one process"
    for name in expected.column_names[1:]:
        ours, theirs = found[name].combine_chunks(), expected[name].combine_chunks()
        same = ours.to_pylist() == theirs.to_pylist() if name == "industry" else ours.equals(theirs)
        assert same, f"{name} differs from that of one process"
    print(
        f"\n{n_read:,} events of {len(single):,} tenants; all {len(expected.column_names) - 1} features equal those of"
    )
    print("one process, bit for bit")
    for what, taken in {"scan in the JVM": scan, "features in Spark": spread, "one process, all cores": alone}.items():
        print(f"  {what:<40} {taken:8.3f} s {n_read / taken:14,.0f} events per second")


def main() -> None:
    """Runs both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="a model file, as train writes it")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to score")
    parser.add_argument("--events", type=int, default=10_000_000, help="events to derive features from, about")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores that Spark uses")
    arguments = parser.parse_args()

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master(f"local[{arguments.cores}]").appName("churn-model benchmark")
    builder = builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
    builder = builder.config("spark.sql.shuffle.partitions", str(2 * (arguments.cores or 1)))
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    print(
        f"Spark {spark.version}, {arguments.cores} cores, Python {sys.version.split()[0]}, churn-model {cm.__version__}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if arguments.rows:
            bench_score(spark, folder, arguments.model, arguments.rows)
        if arguments.events:
            bench_features(spark, folder, arguments.events)
    spark.stop()


if __name__ == "__main__":
    main()
