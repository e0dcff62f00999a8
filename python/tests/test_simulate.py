"""Simulated worlds depend on their options only."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time

import churn_model as cm
import numpy as np
import pytest


def test_the_same_options_give_the_same_events_on_any_number_of_threads():
    one = cm.simulate(tenants=20, days=60, seed=1, n_jobs=1).to_pandas()
    two = cm.simulate(tenants=20, days=60, seed=1, n_jobs=2).to_pandas()
    other = cm.simulate(tenants=20, days=60, seed=2).to_pandas()
    assert one.equals(two) and not one.equals(other)


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_the_table_holds_the_events_of_the_files(tmp_path, format):
    files = cm.simulate(tmp_path / "world", tenants=20, days=60, seed=1, format=format)
    assert [path.name for path in files] == [f"events-2024-01.{format}", f"events-2024-02.{format}"]
    assert (tmp_path / "world" / "truth.csv").exists()
    table = cm.simulate(tenants=20, days=60, seed=1)
    if format == "jsonl":
        lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
        assert [line["id"] for line in lines] == table.column("id").tolist()
        assert [line["data"].get("jobId") for line in lines] == table.column("job_id").tolist()
    else:
        pa = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        written = pa.concat_tables([parquet.read_table(path) for path in files])
        assert written.column_names == table.column_names
        ours = table.to_pyarrow()
        for name in written.column_names:
            column = ours[name]
            assert written[name].to_pylist() == column.cast(written[name].type).to_pylist(), name


def test_events_come_in_received_order():
    received = cm.simulate(tenants=20, days=60).column("received_at")
    assert received.dtype == "datetime64[ms]" and (np.diff(received) >= np.timedelta64(0)).all()


def test_impossible_worlds_are_refused(tmp_path):
    with pytest.raises(cm.EventError, match="number of tenants is 0"):
        cm.simulate(tenants=0)
    with pytest.raises(cm.EventError, match="steady, seasonal"):
        cm.simulate(scenario="calm")
    with pytest.raises(cm.EventError, match="jsonl, jsonl.gz and parquet"):
        cm.simulate(tmp_path, format="csv")
    cm.simulate(tmp_path, tenants=2, days=10)
    with pytest.raises(cm.EventError, match="holds a simulated log already"):
        cm.simulate(tmp_path, tenants=2, days=10)


def test_the_company_table_is_the_file_that_is_written(tmp_path):
    path = tmp_path / "companies.csv"
    table = cm.simulate_companies(50, seed=3, path=path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == table.column_names and len(table) == len(rows) == 50
    assert [row["Industry"] for row in rows] == table.column("Industry").tolist()
    assert [float(row["Revenue"]) for row in rows] == table.column("Revenue").tolist()
    assert [int(row["Churn"]) for row in rows] == table.column("Churn").tolist()
    assert set(table.column("Churn")) == {0, 1}
    assert table.to_pandas()["Industry"].dtype == "category"


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("tenants", lambda number: cm.simulate(tenants=number, days=30)),
        ("seed", lambda number: cm.simulate(tenants=3, days=30, seed=number)),
        ("rows", lambda number: cm.simulate_companies(number)),
        ("n_splits", lambda number: cm.grouped_folds([1, 2, 3, 4], [True, False, True, False], n_splits=number)),
        ("n_splits", lambda number: cm.time_split(["2024-01-01", "2024-06-01"], n_splits=number)),
        ("horizon_days", lambda number: cm.ObservationPlan(horizon_days=number)),
        ("max_users", lambda number: cm.ObservationPlan(max_users=number)),
        ("n_trees", lambda number: cm.RandomForestClassifier(n_trees=number).fit([[1.0], [2.0]], [0, 1])),
        ("count", lambda number: cm.lift_at([1, 0], [0.5, 0.2], count=number)),
    ],
)
@pytest.mark.parametrize("number", [-1, 1 << 64, "3", True, 1.5])
def test_counts_out_of_range_are_refused_in_words(name, call, number):
    with pytest.raises(cm.ChurnError, match=f"{name} is {number!r}; expected a whole number of at (least|most)"):
        call(number)


def test_ctrl_c_ends_a_simulation_into_files_and_leaves_none(tmp_path):
    program = f"""
import churn_model as cm
print("begun", flush=True)
cm.simulate({str(tmp_path / "world")!r}, tenants=20_000, days=3_000, n_jobs=1)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    while not list(tmp_path.glob("world/*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    assert list(tmp_path.glob("world/*")) == []
