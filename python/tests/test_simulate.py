"""Simulated worlds depend on their options only."""

from __future__ import annotations

import csv
import json

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
