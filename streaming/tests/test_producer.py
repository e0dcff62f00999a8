"""The producer loses nothing, and keeps each tenant's order, whatever Kinesis fails."""

import base64
import json
import os
import subprocess
import sys
from collections import defaultdict

import producer as producer_module
import pytest
from aws_kinesis_agg.deaggregator import iter_deaggregate_records
from emulators import environment
from emulators.proxy import FaultProxy, Faults
from producer import Producer, key_and_kind, produce, recorded

TYPES = ("tenant.created", "job.submitted", "user.login")


def event(tenant, number):
    return json.dumps(
        {"id": f"{tenant}-{number}", "subject": tenant, "type": f"com.anycompany.bdcp.{TYPES[number % 3]}"}
    ).encode()


def log(tenants=20, events=400):
    """A log in which the first tenant has half of all events."""
    return [event(f"comp_{0 if i % 2 else i % tenants}", i) for i in range(events)]


def stored(kinesis, stream):
    """The records of a stream, shard by shard."""
    found = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        empty = 0
        while empty < 2:
            answer = kinesis.get_records(ShardIterator=iterator)
            iterator, empty = answer["NextShardIterator"], 0 if answer["Records"] else empty + 1
            found += answer["Records"]
    return found


def by_tenant(lines):
    """What each tenant did, in order; an event that came again at once is the same."""
    ids = defaultdict(list)
    for line in lines:
        tenant = key_and_kind(line)[0]
        if line not in ids[tenant][-1:]:
            ids[tenant].append(line)
    return ids


@pytest.fixture
def proxied(emulator):
    faults = Faults(throttled_writes=0.1, failures=0.05, lost_requests=0.05, failed_entries=0.2)
    with FaultProxy(emulator.url, faults, seed=5) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch):
    monkeypatch.setattr(producer_module.time, "sleep", lambda seconds: None)


def test_every_tenant_s_events_are_stored_in_order(emulator, proxied, new_stream):
    stream = new_stream(emulator, shards=3)
    producer = Producer(proxied.client("kinesis", attempts=30), stream)
    produce(log(), lambda _: producer)
    records = stored(emulator.client("kinesis"), stream)
    assert by_tenant(record["Data"] for record in records) == by_tenant(log())
    assert all(record["PartitionKey"] == key_and_kind(record["Data"])[0] for record in records)
    assert producer.counts["failed entries"] == proxied.injected["failed_entries"] > 40
    assert producer.counts["events"] == producer.counts["entries"] == 400


def test_unordered_needs_few_requests_and_loses_nothing(emulator, proxied, new_stream):
    stream = new_stream(emulator, shards=3)
    producer = Producer(proxied.client("kinesis", attempts=30), stream, ordered=False)
    produce(log(), lambda _: producer)
    records = stored(emulator.client("kinesis"), stream)
    assert sorted(record["Data"] for record in records) == sorted(log())
    assert producer.counts["requests"] < 12


def test_aggregated_records_hold_the_same_events_in_order(emulator, proxied, new_stream):
    stream = new_stream(emulator, shards=2)
    producer = Producer(proxied.client("kinesis", attempts=30), stream, aggregate=40)
    produce(log(), lambda _: producer)
    records = stored(emulator.client("kinesis"), stream)
    assert producer.counts["entries"] == len(records) < 60
    events = [
        base64.b64decode(record["kinesis"]["data"]) if "aggregated" in record["kinesis"] else record["kinesis"]["data"]
        for record in iter_deaggregate_records(records, data_format="Boto3")
    ]
    assert by_tenant(events) == by_tenant(log())


def test_tenant_manager_and_job_manager_write_to_streams_of_their_own(kinesis_local, new_stream, tmp_path):
    companies, jobs = new_stream(kinesis_local), new_stream(kinesis_local)
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(log(events=60)[:30]) + b"\n")
    (tmp_path / "b.jsonl").write_bytes(
        b"\n".join(log(events=60)[30:])
        + b'\n{"companyID": "comp_1", "industry": "retail"}\n{"companyID": "comp_2", "nbJobs": 3}\n{broken\n'
    )
    (tmp_path / "truth.csv").write_text("no events\n")
    command = [sys.executable, producer_module.__file__, tmp_path, "--companies", companies, "--jobs", jobs]
    ran = subprocess.run(
        command, check=True, env=os.environ | environment(kinesis=kinesis_local), stderr=subprocess.PIPE
    )
    kinesis = kinesis_local.client("kinesis")
    assert {key_and_kind(record["Data"])[1] for record in stored(kinesis, companies)} == {True}
    assert {key_and_kind(record["Data"])[1] for record in stored(kinesis, jobs)} == {False}
    keys = [record["PartitionKey"] for record in stored(kinesis, jobs)]
    assert (len(keys), keys.count("malformed")) == (42, 1)
    assert f"{companies}: 21 events" in ran.stderr.decode()


def test_requests_stay_below_what_kinesis_takes(kinesalite, new_stream):
    stream = new_stream(kinesalite)
    producer = Producer(kinesalite.client("kinesis", attempts=1), stream, ordered=False)
    for i in range(16):
        producer.put(f"comp_{i % 3}", b"x" * 900_000)
    producer.flush()
    assert producer.counts["entries"] == 16
    assert producer.counts["failed entries"] == 0
    assert producer.counts["requests"] == 4


def test_a_replayed_event_was_received_when_it_occurred():
    time, later = "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"
    assert json.loads(recorded(json.dumps({"type": "t", "time": time}).encode()))["recordedtime"] == time
    for line in (
        json.dumps({"type": "t", "time": time, "recordedtime": later}).encode(),
        b'{"companyID": "comp_1", "userID": "u", "nbJobs": 1, "creationDate": "2024-01-01"}',
        b"[1]",
        b"{broken",
    ):
        assert recorded(line) == line
