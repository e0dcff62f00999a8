"""Events in any form become the same features, and observations know nothing of the future."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import pickle
import subprocess
import sys
import threading
import time

import churn_model as cm
import numpy as np
import pytest

PREFIX = "com.anycompany.bdcp."
START = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
END = "2024-05-01"


@pytest.fixture(scope="module")
def events() -> cm.Table:
    return cm.simulate(tenants=40, days=121, seed=3)


@pytest.fixture(scope="module")
def store(events: cm.Table) -> cm.FeatureStore:
    store = cm.FeatureStore()
    store.ingest(events)
    return store


@pytest.fixture(scope="module")
def long_log() -> cm.Table:
    """A log that is long enough for labels."""
    return cm.simulate(tenants=50, days=260, seed=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("log") / "world"
    cm.simulate(folder, tenants=40, days=121, seed=3, format="jsonl.gz")
    return str(folder)


def event(number: int, kind: str, *, tenant: str = "t", minutes: int = 0, **data: object) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "/test",
        "type": PREFIX + kind,
        "subject": tenant,
        "time": (START + dt.timedelta(minutes=minutes)).isoformat(),
        "data": data,
    }


def login(number: int, **more: object) -> dict[str, object]:
    return event(number, "user.login", userId="u", sessionId=f"s{number}", **more)


def same(a: cm.Table, b: cm.Table) -> bool:
    """Whether two tables are equal bit for bit, whatever the codes of their categories."""
    if a.column_names != b.column_names or len(a) != len(b):
        return False
    columns = [(a.column(name), b.column(name)) for name in a.column_names]
    return all(
        x.dtype == y.dtype and (x.tolist() == y.tolist() if x.dtype == object else x.tobytes() == y.tobytes())
        for x, y in columns
    )


def test_a_table_and_the_files_of_the_same_world_give_the_same_features(store, folder, events):
    from_files = cm.FeatureStore()
    report = from_files.ingest(folder)
    assert report.events == len(events) and report.malformed == 0
    assert from_files == store
    assert same(from_files.features_at(END), store.features_at(END))


def test_a_list_of_files_the_bytes_of_one_and_dicts_give_the_same(folder, store):
    files = sorted(os.listdir(folder))
    paths = [os.path.join(folder, name) for name in files if name.endswith(".gz")]
    by_list, by_bytes, by_dicts = cm.FeatureStore(), cm.FeatureStore(), cm.FeatureStore()
    by_list.ingest(paths)
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        by_bytes.ingest(data)
        by_dicts.ingest(json.loads(line) for line in gzip.decompress(data).splitlines())
    assert by_list == store and by_bytes == store and by_dicts == store


@pytest.mark.parametrize("library", ["pyarrow", "polars", "pandas", "cloudevents", "nested"])
def test_frames_of_any_library_give_the_same_features(library, events, store):
    pytest.importorskip("pyarrow")
    other = cm.FeatureStore(keep_log=False)
    if library == "pyarrow":
        frame = events.to_pyarrow()
    elif library == "polars":
        pytest.importorskip("polars")
        frame = events.to_polars()
    elif library == "pandas":
        pytest.importorskip("pandas")
        frame = events.to_pandas()  # naive times are UTC, whole numbers with blanks are floats
    else:
        frame = cloud_events(events, nested=library == "nested")
    report = other.ingest(frame)
    assert (report.events, report.malformed) == (len(events), 0), str(report)
    assert other == store


def cloud_events(events, *, nested):
    import pyarrow as pa

    flat = events.to_pyarrow()
    names = {"user_id": "userId", "session_id": "sessionId", "job_id": "jobId", "data_size": "dataSize"}
    names["monthly_charge"] = "monthlyCharge"
    carried = [name for name in flat.column_names[6:]]
    if nested:
        arrays = [flat[name].combine_chunks() for name in carried]
        arrays = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in arrays]
        data = pa.StructArray.from_arrays(arrays, names=[names.get(name, name) for name in carried])
    else:
        rows = flat.select(carried).to_pylist()
        data = [json.dumps({names.get(k, k): v for k, v in row.items() if v is not None}, indent=1) for row in rows]
    return pa.table(
        {
            "id": flat["id"],
            "source": flat["source"],
            "type": [PREFIX + name for name in flat["type"].to_pylist()],
            "subject": flat["tenant"],
            "time": [f"{t.isoformat()}" for t in flat["occurred_at"].to_pylist()],
            "recordedtime": flat["received_at"].cast(pa.timestamp("us", "Europe/Berlin")),
            "data": data,
        }
    )


def test_features_are_counted_as_one_counts_by_hand():
    store = cm.FeatureStore()
    report = store.ingest([login(1), login(2, minutes=10), login(2, minutes=10), login(3, minutes=3000)])
    assert (report.counted, report.duplicate) == (3, 1)
    table = store.features_at("2024-01-04", features=["logins_1", "logins_7"])
    assert table.column_names == ["tenant", "logins_1", "logins_7"]
    assert table.column("tenant").tolist() == ["t"]
    assert [table.column("logins_1").tolist(), table.column("logins_7").tolist()] == [[1.0], [3.0]]


def test_industry_is_a_category_by_name_and_missing_where_nobody_said():
    store = cm.FeatureStore()
    store.ingest(
        [
            event(1, "tenant.created", tenant="a", industry="retail"),
            event(2, "tenant.created", tenant="b", industry="energy"),
            event(3, "tenant.created", tenant="c"),
        ]
    )
    table = store.features_at("2024-02-01")
    assert table.column("industry").tolist() == ["retail", "energy", None]
    assert table.to_pandas()["industry"].cat.categories.tolist() == ["energy", "retail"]
    assert table.to_polars()["industry"].to_list() == ["retail", "energy", None]


def test_what_is_no_event_is_reported_with_its_place_and_stops_nothing():
    bad_sentiment = event(3, "tenant.updated", sentiment=7)
    store = cm.FeatureStore()
    report = store.ingest([login(1), {"id": "2"}, bad_sentiment, "not json", login(4), event(5, "user.danced")])
    assert (report.lines, report.counted, report.malformed) == (6, 2, 3)
    places = [(m.source, m.line, m.field) for m in report.first_malformed]
    assert places == [("events", 2, "specversion"), ("events", 3, "sentiment"), ("events", 4, "line")]
    assert "from -1 to 1" in report.first_malformed[1].reason
    assert report.unknown_types == {PREFIX + "user.danced": 1}
    assert "events:3: sentiment: is 7" in str(report)


def test_rows_of_a_table_are_reported_by_their_number():
    pa = pytest.importorskip("pyarrow")
    rows = pa.table(
        {
            "id": ["1", "2", None, "4"],
            "source": ["s"] * 4,
            "type": ["user.login"] * 4,
            "tenant": ["t", "t", "t", 'quote" and \\'],
            "occurred_at": [START, None, START, START],
            "user_id": ["u"] * 4,
            "session_id": ["1", "2", "3", "4"],
        }
    )
    store = cm.FeatureStore()
    report = store.ingest(rows)
    found = [(m.source, m.line, m.field) for m in report.first_malformed]
    assert found == [("table", 2, "time"), ("table", 3, "id")]
    assert store.tenants == ['quote" and \\', "t"]


def test_a_table_without_a_column_that_every_event_needs_is_refused_by_name():
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(cm.ColumnError, match='need a column "tenant" \\(or "subject"\\); there are id'):
        cm.FeatureStore().ingest(pa.table({"id": ["1"], "source": ["s"], "type": ["user.login"]}))
    whole = pa.table({"id": [["1"]], "source": ["s"], "type": ["t"], "tenant": ["t"], "time": [START]})
    with pytest.raises(cm.ColumnError, match='column "id" is List'):
        cm.FeatureStore().ingest(whole)
    with pytest.raises(TypeError, match="found int"):
        cm.FeatureStore().ingest(7)


def test_data_text_cannot_say_more_than_data():
    pa = pytest.importorskip("pyarrow")
    sly = '{"userId": "u", "sessionId": "s"}, "recordedtime": "2024-01-02T00:00:00Z"'
    row = pa.table(
        {"id": ["1"], "source": ["s"], "type": ["user.login"], "subject": ["t"], "time": [START], "data": [sly]}
    )
    report = cm.FeatureStore().ingest(row)
    assert [m.field for m in report.first_malformed] == ["data"]


def test_companies_of_the_original_system_need_a_time(tmp_path):
    path = tmp_path / "companies.csv"
    cm.simulate_companies(30, seed=1, path=path)
    undated = cm.FeatureStore().ingest(path)
    assert (undated.malformed, undated.counted) == (30, 0)
    dated = cm.FeatureStore()
    report = dated.ingest(path, received_at="2024-01-01")
    assert (report.counted, report.legacy) == (30, {"company table": 30})
    assert np.isfinite(dated.features_at("2024-02-01").column("revenue")).all()


def test_a_file_that_is_missing_is_an_os_error_and_changes_nothing(tmp_path):
    store = cm.FeatureStore()
    with pytest.raises(FileNotFoundError):
        store.ingest(tmp_path / "none.jsonl")
    with pytest.raises(cm.EventError, match="holds no log"):
        store.ingest(tmp_path)
    assert len(store) == 0


def test_looking_at_the_past_of_a_store_is_refused(store):
    with pytest.raises(cm.EventError, match="first date that this state can answer for"):
        store.features_at("2024-02-01")
    for t in (dt.date(2024, 5, 1), dt.datetime(2024, 5, 1), np.datetime64("2024-05-01"), START.replace(month=5)):
        assert same(store.features_at(t), store.features_at(END))
    with pytest.raises(cm.EventError, match="not the start of a day"):
        store.features_at(dt.datetime(2024, 5, 1, 12))
    with pytest.raises(cm.EventError):
        store.features_at("1 May")
    with pytest.raises(cm.ColumnError, match="logins_8"):
        store.features_at(END, features=["logins_8"])


def test_more_tenants_than_there_is_room_for_are_refused_and_counted():
    store = cm.FeatureStore(max_tenants=2)
    report = store.ingest([login(i, tenant=f"t{i}") for i in range(5)])
    assert (report.counted, report.refused, store.tenants) == (2, 3, ["t0", "t1"])


def test_observations_know_what_a_store_knew_on_their_dates(long_log):
    events = long_log.to_pyarrow()
    store = cm.FeatureStore()
    store.ingest(events)
    table = store.observations(cm.ObservationPlan()).to_pandas()
    assert set(table["churned"].unique()) == {False, True}
    dates = sorted(table["observation_date"].unique())
    assert len(dates) > 2
    for date in dates:
        then = cm.FeatureStore(keep_log=False)
        known = np.array(events["received_at"].to_numpy(), dtype="datetime64[ms]") < date
        then.ingest(events.filter(known))
        features = then.features_at(date).to_pandas().set_index("tenant")
        rows = table[table["observation_date"] == date].set_index("tenant")
        features = features.loc[rows.index]
        names = [name for name in features.columns if name != "industry"]
        assert rows[names].to_numpy().tobytes() == features[names].to_numpy().tobytes()
        assert rows["industry"].astype(object).tolist() == features["industry"].astype(object).tolist()


def test_labels_say_who_cancelled_in_the_label_horizon(long_log):
    store = cm.FeatureStore()
    store.ingest(long_log)
    table = store.observations(censored=True).to_pandas()
    log = long_log.to_pandas()
    cancelled = log[log["type"] == "tenant.cancelled"].groupby("tenant")["occurred_at"].apply(list).to_dict()
    day = np.timedelta64(1, "D")
    labelled = table[table["churned"].notna()]
    for tenant, date, churned in labelled[["tenant", "observation_date", "churned"]].itertuples(index=False):
        times = cancelled.get(tenant, [])
        assert churned == any(date + 14 * day <= time < date + 74 * day for time in times)
    censored = table[table["churned"].isna()]
    assert len(censored) and censored["observation_date"].min() > labelled["observation_date"].max()


def test_the_same_observations_come_of_files_tables_dicts_and_bytes(tmp_path, long_log):
    folder = tmp_path / "world"
    cm.simulate(folder, tenants=50, days=260, seed=4)
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))
    tables = []
    for source in (str(folder), long_log, data, map(json.loads, data.splitlines())):
        store = cm.FeatureStore()
        store.ingest(source)
        tables.append(store.observations(n_jobs=2))
    assert all(same(tables[0], other) for other in tables[1:])
    # In parts, they are merged by the time received.
    parts = cm.FeatureStore()
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        parts._log = [*(parts._log or []), [str(path)]]
    assert same(tables[0], parts.observations())
    assert json.loads(tables[0].metadata["churn.plan"]) == cm.ObservationPlan().to_dict()
    assert json.loads(tables[0].metadata["churn.report"])["n_events"] == len(long_log)


def test_a_store_without_a_log_says_why_there_are_no_observations(tmp_path, events):
    with pytest.raises(cm.EventError, match="keep_log=False"):
        cm.FeatureStore(keep_log=False).observations()
    store = cm.FeatureStore()
    store.ingest(events)
    store.save(tmp_path / "store")
    loaded = cm.FeatureStore.load(tmp_path / "store")
    assert loaded == store and isinstance(loaded, cm.FeatureStore)
    with pytest.raises(cm.EventError, match="snapshot"):
        loaded.observations()
    with pytest.raises(cm.EventError, match="allowed_lateness_ms"):
        store.observations(cm.ObservationPlan(allowed_lateness_ms=1))


def test_a_store_survives_pickling_with_its_log(long_log):
    store = cm.FeatureStore()
    store.ingest(long_log)
    store.ingest([login(1)])
    again = pickle.loads(pickle.dumps(store))
    assert again == store and again.options == store.options
    assert same(again.observations(), store.observations())


def test_stores_of_different_tenants_merge_to_one(events, store):
    tenants = np.array([tenant[-1] in "02468" for tenant in events.column("tenant")])
    frame = events.to_pyarrow()
    even, odd = cm.FeatureStore(), cm.FeatureStore()
    even.ingest(frame.filter(tenants))
    odd.ingest(frame.filter(~tenants))
    even.merge(odd)
    assert even == store
    with pytest.raises(cm.EventError, match="itself"):
        even.merge(even)
    with pytest.raises(cm.EventError, match="settle_ms"):
        even.merge(cm.FeatureStore(settle_ms=1))


def test_states_go_out_and_come_back(store):
    again = cm.FeatureStore()
    again.merge_states(store.states())
    assert again.tenants == store.tenants
    assert same(again.features_at(END), store.features_at(END))
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(cm.EventError, match='state of tenant "x"'):
        again.merge_states(pa.table({"tenant": ["x"], "state": [b"\x07"]}))
    with pytest.raises(cm.ColumnError, match="state"):
        again.merge_states(pa.table({"tenant": ["x"]}))


def test_states_are_merged_all_or_not_at_all(store):
    states = store.states().to_pandas()
    damaged = states.copy()
    damaged.at[10, "state"] = b"zz"
    other = cm.FeatureStore()
    with pytest.raises(cm.EventError, match="the state of tenant"):
        other.merge_states(cm.Table(pytest.importorskip("pyarrow").Table.from_pandas(damaged)))
    assert len(other) == 0
    other.merge_states(store.states())
    assert other.features_at(END).to_pandas().equals(store.features_at(END).to_pandas())


def test_a_stream_that_breaks_off_is_an_exception_and_leaves_no_observations(events):
    pa = pytest.importorskip("pyarrow")
    batches = events.to_pyarrow().to_batches(max_chunksize=2_000)

    def stream():
        yield from batches[:3]
        raise RuntimeError("the line is dead")

    store = cm.FeatureStore()
    with pytest.raises(cm.EventError, match="the table broke off: .*the line is dead"):
        store.ingest(pa.RecordBatchReader.from_batches(batches[0].schema, stream()))
    with pytest.raises(cm.EventError, match="broke off"):
        store.observations()


def test_options_of_a_store_are_refused_in_words():
    for option in ("max_users", "max_jobs_in_flight", "max_held_back", "max_tenants", "allowed_lateness_ms"):
        with pytest.raises(cm.EventError, match=f"{option} is -1; expected"):
            cm.FeatureStore(**{option: -1})


def test_progress_is_told_and_an_exception_in_it_ends_the_work(folder):
    told: list[int] = []
    report = cm.FeatureStore().ingest(folder, progress=lambda n_events, total: told.append(n_events))
    assert told == sorted(told) and told[-1] == report.events

    def fail(n_events: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        cm.FeatureStore().ingest(folder, progress=fail)

    def broken():
        yield from map(login, range(3000))
        raise KeyError("from the iterable")

    store = cm.FeatureStore()
    with pytest.raises(KeyError, match="from the iterable"):
        store.ingest(broken())
    with pytest.raises(cm.EventError, match="broke off"):
        store.observations()


def test_ctrl_c_ends_an_ingest_within_a_tenth_of_a_second(tmp_path):
    path = tmp_path / "log.jsonl"
    line = json.dumps(login(1)).encode() + b"\n"
    path.write_bytes(line * 3_000_000)
    code = f"""
import os, signal, threading, time
import churn_model as cm
sent = []
def press():
    sent.append(time.monotonic()); os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, press).start()
try:
    cm.FeatureStore().ingest({str(path)!r}, n_jobs=1)
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) < 0.1


def test_other_threads_run_while_events_are_read(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes((json.dumps(login(1)).encode() + b"\n") * 500_000)
    store, ticks = cm.FeatureStore(), []
    worker = threading.Thread(target=store.ingest, args=(path,), kwargs={"n_jobs": 1})
    worker.start()
    while worker.is_alive():
        ticks.append(time.monotonic())
        time.sleep(0.001)
    worker.join()
    assert len(ticks) > 10 and max(np.diff(ticks)) < 0.1
    assert len(store) == 1


def test_tenants_that_have_cancelled_are_left_out_where_only_those_at_risk_are_asked_for(long_log):
    pd = pytest.importorskip("pandas")
    store = cm.FeatureStore()
    store.ingest(long_log)
    date = "2024-09-17"
    log = long_log.to_pandas()
    ends = log[log["type"].isin(["tenant.created", "tenant.cancelled"])].groupby("tenant")["type"].last()
    gone = set(ends[ends == "tenant.cancelled"].index)
    every, at_risk = store.features_at(date), store.features_at(date, at_risk=True)
    assert gone and set(at_risk["tenant"]) == set(every["tenant"]) - gone
    expected = every.to_pandas()
    expected = expected[~expected["tenant"].isin(gone)].reset_index(drop=True)
    for name in every.column_names[1:]:
        left, right = expected[name].astype(object), at_risk.to_pandas()[name].astype(object)
        assert ((left == right) | (left.isna() & right.isna())).all(), name
    assert isinstance(expected, pd.DataFrame)


def test_what_looks_like_a_mistake_is_warned_of(folder, tmp_path):
    store = cm.FeatureStore()
    store.ingest(folder)
    with pytest.warns(UserWarning, match="was taken in before"):
        store.ingest(folder)
    short = {"specversion": "1.0", "id": "1", "source": "/app", "type": "login", "subject": "t", "data": {}}
    with pytest.warns(UserWarning, match="none of 1 events is of a known type; there are login, and expected"):
        cm.FeatureStore().ingest([short | {"time": "2024-01-01T00:00:00Z"}])
    with pytest.raises(TypeError, match="put one event into a list"):
        cm.FeatureStore().ingest(short)
    with pytest.raises(cm.EventError, match="found JSON where a path is expected"):
        cm.FeatureStore().ingest(json.dumps(short))


def test_parquet_and_words_that_are_no_date_are_refused_in_words(tmp_path, store):
    files = cm.simulate(tmp_path / "world", tenants=3, days=20, format="parquet")
    with pytest.raises(cm.EventError, match="is Parquet; expected .* hand over the table"):
        cm.FeatureStore().ingest(files)
    with pytest.raises(cm.EventError, match='the date is "yesterday"'):
        store.features_at("yesterday")
    with pytest.raises(FileNotFoundError):
        store.save(tmp_path / "no" / "folder")


def test_the_usual_plan_is_that_of_rust():
    from churn_model import _native

    assert cm.ObservationPlan().to_dict() == json.loads(_native.usual_plan())
    assert {k: v for k, v in cm.FeatureStore().options.items() if k != "max_tenants"} == {
        k: v for k, v in cm.ObservationPlan().to_dict().items() if k.endswith("_ms") or k.startswith("max_")
    }


def test_plans_are_equal_by_value_and_dates_are_dates():
    plan = cm.ObservationPlan(first="2024-03-01", rule="usage")
    assert plan == cm.ObservationPlan(first=dt.date(2024, 3, 1), rule="usage") != cm.ObservationPlan()
    assert plan.first == dt.date(2024, 3, 1) and plan.to_dict()["first"] == "2024-03-01"
    assert pickle.loads(pickle.dumps(plan)) == plan
    with pytest.raises(cm.EventError, match="whole weeks"):
        cm.ObservationPlan(every_days=30)
    with pytest.raises(cm.EventError, match="after the last"):
        cm.ObservationPlan(first="2024-03-01", last="2024-02-01")
    with pytest.raises(cm.EventError, match="silence"):
        cm.ObservationPlan(rule="silence")


def test_columns_of_foreign_tables_are_arrays_or_refused_by_type():
    pa = pytest.importorskip("pyarrow")
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64"):
        column = cm.Table(pa.table({"x": pa.array([1, 2], kind)})).column("x")
        assert column.tolist() == [1, 2] and column.dtype == kind
    instant = dt.datetime(2024, 1, 1)
    for value, kind in [
        (1, pa.uint64()),
        (1.0, pa.float16()),
        (1, pa.decimal128(5, 2)),
        (instant, pa.timestamp("ns")),
        (instant.time(), pa.time64("us")),
        (dt.timedelta(1), pa.duration("s")),
        ([1], pa.list_(pa.int64())),
        ({"a": 1}, pa.struct({"a": pa.int64()})),
        (b"a", pa.large_binary()),
        (1, pa.dictionary(pa.int8(), pa.int64())),
    ]:
        with pytest.raises(cm.ColumnError, match='column "x" is of type .*; use to_pyarrow'):
            cm.Table(pa.table({"x": pa.array([value], kind)})).column("x")


def test_a_table_shows_itself_and_names_its_columns(store):
    table = store.features_at(END)
    assert "<table>" in table._repr_html_() and "<script" not in table._repr_html_()
    assert repr(table).startswith("Table(40 rows: tenant, industry")
    assert table.drop(["tenant"]).column_names == table.column_names[1:]
    with pytest.raises(cm.ColumnError, match='there is no column "x"'):
        table.column("x")
    with pytest.raises(cm.ColumnError):
        table.drop(["x"])
    frame = table.to_pandas()
    assert frame.shape == (40, len(table.column_names))
    assert table.to_polars().shape == frame.shape and table.to_pyarrow().num_rows == 40
    assert same(cm.Table(table.to_pyarrow()), table)
