"""`consume` on Kinesis against a replay of the same log from files: the same states and score records, bit for bit.

`make test-streaming` builds the programs; EVENTS and KILLS say how much of it there is.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAMS
from emulators import Kinesalite, KinesisLocal, Moto, Service, environment
from emulators.proxy import FaultProxy, Faults
from producer import Producer, key_and_kind, lines_of, produce, recorded
from test_aws_sinks import objects

EVENTS = int(os.environ.get("EVENTS", "100000"))
KILLS = int(os.environ.get("KILLS", "20"))
SECONDS = 60  # that writing the events takes, at least


def run(*command: object, **options: object) -> subprocess.CompletedProcess:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of that many events, and a model that was trained on such a world."""
    folder = tmp_path_factory.mktemp("world")
    run(PROGRAMS / "simulate", "--out", folder / "past", "--tenants", 400, "--days", 300, "--seed", 3)
    run(PROGRAMS / "train", "--events", folder / "past", "--out", folder / "run")
    run(PROGRAMS / "simulate", "--out", folder / "whole", "--tenants", 150, "--days", 120, "--seed", 4, "--no-truth")
    lines = [line for line, _ in zip(lines_of([folder / "whole"]), range(EVENTS), strict=False)]
    assert len(lines) == EVENTS
    poison = [b"poison\n", b'{"specversion":"1.0"}\n', b"\xff\xfe\n"]
    for number, line in enumerate(poison):
        lines.insert(number * 1_000, line)
    (folder / "log.jsonl").write_bytes(b"".join(lines))
    return folder


def arguments(world: Path, out: Path, *more: object) -> list[str]:
    command = [
        PROGRAMS / "consume", "--model", world / "run", "--state", out / "state",
        "--sink", f"file:{out / 'scores.jsonl'}", "--dead-letters", f"file:{out / 'dead.jsonl'}",
        "--reasons", 1, "--checkpoint-every", "300ms", *more,
    ]  # fmt: skip
    return [str(part) for part in command]


def records(path: Path) -> list[str]:
    return sorted(path.read_text().splitlines())


def states(*folders: Path) -> str:
    return run(PROGRAMS / "examples/state_digests", *folders).stdout


@pytest.fixture(scope="module", params=["changes", "daily"])
def replay(world: Path, request: pytest.FixtureRequest) -> tuple[str, Path]:
    """What an uninterrupted replay of the file makes of it."""
    out = world / f"replay-{request.param}"
    out.mkdir()
    run(*arguments(world, out, "--source", f"file:{world / 'log.jsonl'}", "--score", request.param))
    return request.param, out


def reshard(emulator: Service, stream: str, stop: threading.Event) -> None:
    """Splits the first shard and merges two others, a while apart, while records are written."""
    kinesis = emulator.client("kinesis")

    def settle() -> list[dict]:
        while (
            kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE"
        ):
            time.sleep(0.05)
        shards = kinesis.list_shards(StreamName=stream)["Shards"]
        shards = [shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))

    stop.wait(SECONDS / 5)
    low, high = (int(settle()[0]["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
    kinesis.split_shard(
        StreamName=stream, ShardToSplit=settle()[0]["ShardId"], NewStartingHashKey=str((low + high) // 2)
    )
    stop.wait(SECONDS / 5)
    one, other = settle()[3:5]
    kinesis.merge_shards(StreamName=stream, ShardToMerge=one["ShardId"], AdjacentShardToMerge=other["ShardId"])
    stop.wait(SECONDS / 5)
    # A child of the split with its neighbour, so that a shard has parents of different ages.
    one, other = settle()[1:3]
    kinesis.merge_shards(StreamName=stream, ShardToMerge=one["ShardId"], AdjacentShardToMerge=other["ShardId"])


def write(kinesis: Any, log: Path, in_order: bool) -> None:
    """Puts the log into the stream `events`.

    What is scored at events asks for the order of each tenant only, so that events may be aggregated and their order
    changed otherwise; dates come when everything before them has been received, which is so when the log is in order.
    """
    rate = EVENTS / SECONDS
    lines = lines_of([log])
    if not in_order:
        producers: dict[str, Producer] = {}
        producer = lambda _: producers.setdefault("events", Producer(kinesis, "events", rate=rate, aggregate=3))
        produce(lines, producer, replay=True)
        return
    began, written = time.monotonic(), 0
    while part := [recorded(line.strip()) for line in itertools.islice(lines, 100)]:
        entries = [{"Data": line, "PartitionKey": key_and_kind(line)[0]} for line in part]
        assert kinesis.put_records(StreamName="events", Records=entries)["FailedRecordCount"] == 0
        written += len(part)
        time.sleep(max(0, began + written / rate - time.monotonic()))


def read_all(emulator: Service, stream: str) -> list[dict]:
    kinesis = emulator.client("kinesis")
    found = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        where = {"StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(**where)["ShardIterator"]
        empty = 0
        while iterator and empty < 3:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=5_000)
            found += [json.loads(record["Data"]) for record in answer["Records"]]
            empty = 0 if answer["Records"] else empty + 1
            iterator = answer.get("NextShardIterator")
    return found


def test_killed_at_random_moments_on_a_stream_that_is_split_and_merged(
    world: Path, replay: tuple[str, Path], moto: Moto, tmp_path: Path
) -> None:
    score, whole = replay
    dice = random.Random(7)
    faults = Faults(
        throttled_reads=0.05, throttled_writes=0.05, expired_iterators=0.02, failures=0.02, lost_requests=0.01,
        lost_answers=0.01, failed_entries=0.02, delays=0.05,
    )  # fmt: skip
    with Kinesalite() as emulator, FaultProxy(emulator.url, faults, seed=5) as proxy:
        kinesis = emulator.client("kinesis")
        for stream, shards in [("events", 4), ("enriched", 2)]:
            kinesis.create_stream(StreamName=stream, ShardCount=shards)
            kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})

        writer = threading.Thread(target=write, args=(kinesis, world / "log.jsonl", score == "daily"))
        stop = threading.Event()
        resharder = threading.Thread(target=reshard, args=(emulator, "events", stop))
        command = arguments(
            world, tmp_path, "--source", "kinesis:events", "--score", score, "--sink", "kinesis:enriched",
            "--status-every", "1s",
        )  # fmt: skip
        if score == "daily":  # an object for each tenant, date and checkpoint: too many otherwise
            moto.client("s3").create_bucket(Bucket="history")
            command += ["--sink", "s3://history/churn"]
        env = os.environ | environment(kinesis=proxy, s3=moto)
        log = (tmp_path / "consume.log").open("w")
        writer.start()
        resharder.start()
        began = time.monotonic()
        for number in range(KILLS):
            child = subprocess.Popen(command, env=env, stderr=log, stdout=log)
            until = began + (number + dice.uniform(0.3, 1)) * SECONDS / KILLS
            time.sleep(max(0.5, until - time.monotonic()))
            assert child.poll() is None, (tmp_path / "consume.log").read_text()[-2_000:]
            child.kill()
            child.wait()
        writer.join()
        resharder.join()
        child = subprocess.Popen(command, env=env, stderr=log, stdout=log)
        # Until nothing new has come for a while.
        expected, deadline = len(records(whole / "scores.jsonl")), time.monotonic() + 600
        while time.monotonic() < deadline:
            time.sleep(3)
            status = (tmp_path / "consume.log").read_text().splitlines()[-1]
            if f"{expected} score records" in status and " 0.0 s behind" in status:
                break
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
        enriched = read_all(emulator, "enriched")
    print(proxy.report())
    assert proxy.injected["throttled_reads"] and proxy.injected["failed_entries"] and proxy.injected["failures"]

    # Positions and sources are the stream's; all else of a dead letter is the same.
    def what(path: Path) -> list[str]:
        return sorted(json.loads(line).get("text") or json.loads(line)["textBase64"] for line in records(path))

    assert what(tmp_path / "dead.jsonl") == what(whole / "dead.jsonl")
    assert records(tmp_path / "scores.jsonl") == records(whole / "scores.jsonl"), "none lost, none twice, bit for bit"
    assert states(tmp_path / "state") == states(whole / "state")
    # A stream takes nothing back; what stands there twice has the same id and says the same.
    by_id: dict[str, dict] = {}
    for record in enriched:
        assert by_id.setdefault(record["id"], record) == record
    assert {json.dumps(record) for record in by_id.values()} == {
        json.dumps(json.loads(line)) for line in records(whole / "scores.jsonl")
    }
    if score == "daily":
        found = objects(moto, "history").items()
        lines = [line for name, data in found if "/scores/" in name for line in data.decode().splitlines()]
        assert sorted(lines) == records(whole / "scores.jsonl")
    print(f"{len(enriched) - len(by_id)} of {len(enriched)} records came twice")


@pytest.mark.parametrize("emulated", [KinesisLocal])
def test_the_original_producers_are_understood_and_two_streams_are_joined(
    world: Path, tmp_path: Path, emulated: type
) -> None:
    company = {"companyID": "comp_4", "revenu": 99420, "industry": "retail", "employee": 4635, "job30": 10,
               "job90": 100, "monthlyFee": 400.5, "totalFee": 1200, "riskOfChurn": False}  # fmt: skip
    job = {"companyID": "comp_4", "userID": "user_1", "nbJobs": 3, "creationDate": time.strftime("%Y-%m-%d")}
    with emulated() as emulator:
        kinesis = emulator.client("kinesis")
        for stream in ("companies", "bigdatajobs", "enrichedcompanies"):
            kinesis.create_stream(StreamName=stream, ShardCount=1)
            kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        kinesis.put_record(StreamName="companies", Data=json.dumps(company).encode(), PartitionKey="comp_4")
        time.sleep(1)
        kinesis.put_record(StreamName="bigdatajobs", Data=json.dumps(job).encode(), PartitionKey="comp_4")
        command = [
            PROGRAMS / "consume", "--model", world / "run", "--source", "kinesis:companies", "--source",
            "kinesis:bigdatajobs", "--sink", "kinesis:enrichedcompanies", "--checkpoint-every", "200ms", "--score", "events",
        ]  # fmt: skip
        child = subprocess.Popen(command, env=os.environ | environment(kinesis=emulator), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(found := read_all(emulator, "enrichedcompanies")) < 4 and time.monotonic() < deadline:
            time.sleep(1)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    assert len(found) == 4 and all(record["companyID"] == "comp_4" for record in found)
    last = max(found, key=lambda record: record["job30"])
    assert (last["industry"], last["revenu"], last["employee"], last["monthlyFee"]) == ("retail", 99420, 4635, 400.5)
    assert last["job30"] == 3 and last["event"]["source"] == "/legacy/bigdatajobs"


def test_latest_is_when_the_first_run_began(world: Path, tmp_path: Path) -> None:
    """What came to quiet shards between two runs is taken in, and what came before the first one is not, though a warm-up
    left a checkpoint, and this host's clock is as far ahead of the stream's as AWS lets it be."""
    lines = list(itertools.islice(lines_of([world / "log.jsonl"]), 200))
    (tmp_path / "past.jsonl").write_bytes(b"".join(lines[150:]))
    state = ["--state", tmp_path / "state", "--score", "never"]
    run(PROGRAMS / "consume", "--source", f"file:{tmp_path / 'past.jsonl'}", *state)
    with Kinesalite(behind_seconds=299) as emulator, FaultProxy(emulator.url) as proxy:
        kinesis = emulator.client("kinesis")
        kinesis.create_stream(StreamName="events", ShardCount=3)
        kinesis.get_waiter("stream_exists").wait(StreamName="events", WaiterConfig={"Delay": 1})

        def put(part: list[bytes]) -> None:
            records = [{"Data": line.strip(), "PartitionKey": str(number)} for number, line in enumerate(part)]
            assert kinesis.put_records(StreamName="events", Records=records)["FailedRecordCount"] == 0

        def consume(until: str) -> None:
            command = [
                PROGRAMS / "consume", "--source", "kinesis:events", "--from", "latest", *state, "--status-every", "200ms",
                "--checkpoint-every", "200ms",
            ]  # fmt: skip
            log, n_reads = tmp_path / "log", proxy.requests["GetRecords"]
            # Every shard has been read, and what it had is told.
            is_done = lambda: until in log.read_text() and proxy.requests["GetRecords"] >= n_reads + 6
            child = subprocess.Popen(command, env=os.environ | environment(kinesis=proxy), stderr=log.open("w"))
            deadline = time.monotonic() + 20
            while not is_done() and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
            child.send_signal(signal.SIGTERM)
            assert (child.wait(30), is_done()) == (0, True), log.read_text()

        put(lines[:50])
        time.sleep(3)
        consume("consume: 50 records")
        put(lines[50:150])
        consume("consume: 150 records")
