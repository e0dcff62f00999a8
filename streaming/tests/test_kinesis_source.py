"""The Kinesis reader against emulators: nothing lost, nothing twice, the order of each partition key kept.

The program is `examples/aws_pipes.rs`; `make test-streaming` builds it.
"""

import json
import os
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import PROGRAMS, status, wait_until
from emulators import Emulator, KinesisLocal, Service, environment
from emulators.proxy import FaultProxy, Faults
from producer import Producer

PROGRAM = PROGRAMS / "examples/aws_pipes"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="make test-streaming builds the program")


def start(service: Service, *arguments: str, **options: object) -> subprocess.Popen[str]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    added = environment(kinesis=service)
    return subprocess.Popen([PROGRAM, "read", *arguments], env=os.environ | added, **(streams | options))


def read(service: Service, *arguments: str) -> tuple[list[dict], list[dict], str]:
    """Records, batches, and what was said on standard error."""
    program = start(service, *arguments)
    out, err = program.communicate(timeout=180)
    assert program.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    return [x for x in lines if "text" in x], [x for x in lines if "text" not in x], err


def write(emulator: Service, stream: str, numbers: range, keys: int = 40) -> None:
    producer = Producer(emulator.client("kinesis"), stream)
    for number in numbers:
        producer.put(f"tenant-{number % keys}", json.dumps({"n": number, "key": number % keys}).encode())
    producer.flush()


def check(records: list[dict], expected: range) -> None:
    """Each number once, and those of a key in their order."""
    numbers = [json.loads(record["text"])["n"] for record in records]
    assert sorted(numbers) == list(expected)
    of_key = defaultdict(list)
    for record in records:
        text = json.loads(record["text"])
        of_key[text["key"]].append(text["n"])
    for numbers in of_key.values():
        assert numbers == sorted(numbers)


def shards(emulator: Service, stream: str) -> list[dict]:
    return emulator.client("kinesis").list_shards(StreamName=stream)["Shards"]


def wait(emulator: Service, stream: str) -> None:
    kinesis = emulator.client("kinesis")
    wait_until(lambda: status(kinesis, stream) == "ACTIVE", f"stream {stream} is active")


def split(emulator: Service, stream: str, shard: dict) -> None:
    low, high = (int(shard["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
    emulator.client("kinesis").split_shard(
        StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high) // 2)
    )
    wait(emulator, stream)


def merge(emulator: Service, stream: str, one: dict, other: dict) -> None:
    emulator.client("kinesis").merge_shards(
        StreamName=stream, ShardToMerge=one["ShardId"], AdjacentShardToMerge=other["ShardId"]
    )
    wait(emulator, stream)


def is_open(shard: dict) -> bool:
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def reshard_while_writing(emulator: Service, stream: str, records: int) -> None:
    """Splits the first shard, merges two others, then merges a child of the split with the one beside it."""
    step = records // 4
    write(emulator, stream, range(step))
    listed = shards(emulator, stream)
    split(emulator, stream, listed[0])
    write(emulator, stream, range(step, 2 * step))
    merge(emulator, stream, listed[2], listed[3])
    write(emulator, stream, range(2 * step, 3 * step))
    by_start = sorted(
        filter(is_open, shards(emulator, stream)), key=lambda s: int(s["HashKeyRange"]["StartingHashKey"])
    )
    merge(emulator, stream, by_start[1], by_start[2])
    write(emulator, stream, range(3 * step, records))


def test_a_split_and_merges_while_reading_lose_and_repeat_nothing(emulator: Emulator, new_stream) -> None:
    stream = new_stream(emulator, 4)
    writer = threading.Thread(target=reshard_while_writing, args=(emulator, stream, 5_000))
    writer.start()
    records, batches, _ = read(emulator, "--stream", stream, "--idle", "6")
    writer.join()
    check(records, range(5_000))
    ended = [batch["shard"] for batch in batches if batch["last"]]
    assert len(ended) == len(set(ended)) == 5
    assert len({batch["shard"] for batch in batches}) == 4 + 2 + 1 + 1
    assert all(batch["hashKeys"] for batch in batches)


def test_a_stream_that_was_resharded_before_is_read_from_its_oldest_record(emulator: Emulator, new_stream) -> None:
    stream = new_stream(emulator, 4)
    reshard_while_writing(emulator, stream, 1_000)
    records, _, _ = read(emulator, "--stream", stream)
    check(records, range(1_000))


def test_reading_goes_on_where_it_was_killed(emulator: Emulator, new_stream, tmp_path: Path) -> None:
    stream, checkpoint = new_stream(emulator, 4), tmp_path / "checkpoint.json"
    writer = threading.Thread(target=reshard_while_writing, args=(emulator, stream, 2_000))
    writer.start()
    records = []
    for _ in range(4):
        arguments = ["--stream", stream, "--checkpoint", str(checkpoint), "--seconds", "1.5", "--idle", "60"]
        records += read(emulator, *arguments)[0]
    writer.join()
    records += read(emulator, "--stream", stream, "--checkpoint", str(checkpoint))[0]
    # A record of the checkpoint comes again, for what may be aggregated in it; the processor passes over it.
    repeated = [record for record in records if record["repeated"]]
    assert 0 < len(repeated) <= 5 * 8
    check([record for record in records if not record["repeated"]], range(2_000))
    # Shards that were read to their end are not read again.
    _, batches, err = read(emulator, "--stream", stream, "--checkpoint", str(checkpoint), "--idle", "2")
    assert not [batch for batch in batches if batch["last"]]
    assert "lost" not in err


def test_two_streams_are_read_together(kinesis_local: KinesisLocal, new_stream) -> None:
    companies, jobs = new_stream(kinesis_local, 1), new_stream(kinesis_local, 2)
    write(kinesis_local, companies, range(100))
    write(kinesis_local, jobs, range(100))
    records, batches, _ = read(kinesis_local, "--stream", companies, "--stream", jobs, "--idle", "3")
    for stream in (companies, jobs):
        check([record for record in records if record["shard"].startswith(f"{stream}/")], range(100))
    # Shards without records are heard of, but not often.
    quiet = [batch for batch in batches if batch["records"] == 0]
    assert 3 <= len(quiet) <= 3 * 6


def test_latest_begins_with_what_comes_from_now_on(kinesis_local: KinesisLocal, new_stream) -> None:
    stream = new_stream(kinesis_local, 2)
    write(kinesis_local, stream, range(50))
    program = start(kinesis_local, "--stream", stream, "--initial", "latest", "--idle", "5")
    seen = set()
    lines = []
    while len(seen) < 2:  # both shards have been heard of
        lines.append(json.loads(program.stdout.readline()))
        seen.add(lines[-1]["shard"])
    split(kinesis_local, stream, shards(kinesis_local, stream)[0])
    write(kinesis_local, stream, range(50, 100))
    lines += [json.loads(line) for line in program.communicate(timeout=60)[0].splitlines()]
    check([line for line in lines if "text" in line], range(50, 100))


@pytest.mark.parametrize("fault", ["failed_iterators", "expired_iterators"])
def test_latest_stays_where_it_was_when_calls_fail_and_our_clock_is_ahead(fault: str, new_stream) -> None:
    with KinesisLocal(behind_seconds=200) as emulator, FaultProxy(emulator.url, Faults(**{fault: 1})) as proxy:
        stream = new_stream(emulator, 2)
        program = start(proxy, "--stream", stream, "--initial", "latest", "--idle", "5")
        wait_until(lambda: proxy.injected[fault] >= 4 or program.poll() is not None, "each shard was asked twice")
        write(emulator, stream, range(50))
        proxy.faults = Faults()
        out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    check([line for line in map(json.loads, out.splitlines()) if "text" in line], range(50))


def test_a_time_begins_with_what_arrived_then(kinesis_local: KinesisLocal, new_stream) -> None:
    stream = new_stream(kinesis_local, 2)
    write(kinesis_local, stream, range(50))
    time.sleep(1.1)
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(0.1)
    write(kinesis_local, stream, range(50, 100))
    records, _, _ = read(kinesis_local, "--stream", stream, "--initial", then, "--idle", "2")
    check(records, range(50, 100))


@pytest.mark.parametrize("emulated", ["kinesis_local", "kinesalite"])
def test_no_fault_ends_the_reader_or_costs_a_record(emulated: str, request: pytest.FixtureRequest, new_stream) -> None:
    emulator = request.getfixturevalue(emulated)
    stream = new_stream(emulator, 4)
    faults = Faults(
        throttled_reads=0.2, expired_iterators=0.1, failures=0.1, lost_requests=0.05, lost_answers=0.05, delays=0.1
    )
    writer = threading.Thread(target=reshard_while_writing, args=(emulator, stream, 2_000))
    writer.start()
    with FaultProxy(emulator.url, faults, seed=3) as proxy:
        records, _, err = read(proxy, "--stream", stream, "--idle", "12")
    writer.join()
    check(records, range(2_000))
    for fault, reason in [("throttled_reads", "throttled"), ("expired_iterators", "expired_iterator")]:
        assert proxy.injected[fault] > 0
        assert f"retries GetRecords {reason} {proxy.injected[fault]}\n" in err, (proxy.report(), err)
    assert "retries GetRecords failed" in err


def test_a_shard_is_asked_at_most_five_times_a_second(kinesalite: Emulator, new_stream) -> None:
    stream = new_stream(kinesalite, 2)
    with FaultProxy(kinesalite.url, Faults(reads_per_second=5)) as proxy:
        writer = threading.Thread(target=write, args=(kinesalite, stream, range(3_000), 500))
        writer.start()
        records, _, err = read(proxy, "--stream", stream, "--idle", "3")
        writer.join()
        check(records, range(3_000))
        assert proxy.injected["reads_per_second"] == 0
        assert "throttled" not in err


def test_a_stream_that_is_not_there_is_named(kinesis_local: KinesisLocal) -> None:
    program = start(kinesis_local, "--stream", "nobody")
    _, err = program.communicate(timeout=60)
    assert program.returncode == 1
    assert 'there is no stream "nobody" in region us-east-1: create it, or check its name and AWS_REGION' in err


def test_an_address_where_nobody_answers_is_an_error_soon(kinesis_local: KinesisLocal) -> None:
    nowhere = Service()
    nowhere.url = "http://127.0.0.1:9"
    program = start(nowhere, "--stream", "companies")
    _, err = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "ListShards" in err and "Connection refused" in err


def test_a_checkpoint_of_a_shard_that_is_gone_is_said_and_counted(
    kinesis_local: KinesisLocal, new_stream, tmp_path: Path
) -> None:
    stream, checkpoint = new_stream(kinesis_local, 1), tmp_path / "checkpoint.json"
    write(kinesis_local, stream, range(10))
    gone = {f"{stream}/shardId-000000000077": {"sequence": "49590338271490256608559692538361571095921575989136588898"}}
    checkpoint.write_text(json.dumps({"positions": gone, "ended": []}))
    records, _, err = read(kinesis_local, "--stream", stream, "--checkpoint", str(checkpoint), "--idle", "2")
    check(records, range(10))
    assert "the shard is gone" in err and "trimmed 1" in err


def test_a_record_that_is_gone_is_said_and_counted(kinesis_local: KinesisLocal, new_stream, tmp_path: Path) -> None:
    stream, checkpoint = new_stream(kinesis_local, 1), tmp_path / "checkpoint.json"
    write(kinesis_local, stream, range(10))
    first = read(kinesis_local, "--stream", stream, "--idle", "2")[0][0]
    before = str(int(first["position"]) - 1)
    checkpoint.write_text(json.dumps({"positions": {first["shard"]: {"sequence": before}}, "ended": []}))
    records, _, err = read(kinesis_local, "--stream", stream, "--checkpoint", str(checkpoint), "--idle", "2")
    check(records, range(10))
    assert "trimmed 1" in err
