"""The Kinesis, S3 and folder sinks against emulators: nothing lost, nothing seen twice after a crash.

The program is `examples/aws_pipes.rs`; `make test-streaming` builds it.
"""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset
import pytest
from emulators import Emulator, Kinesalite, KinesisLocal, Moto, Service, environment
from emulators.proxy import FaultProxy, Faults
from test_kinesis_source import PROGRAM, shards

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="make test-streaming builds the program")


def write(sink: str, *arguments: object, expect: int = 0, **services: Service) -> str:
    done = subprocess.run(
        [PROGRAM, "write", sink, *map(str, arguments)],
        env=os.environ | environment(**services),
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == expect, done.stderr
    return done.stderr


def stored(emulator: Emulator, stream: str) -> list[dict]:
    """All records of a stream, those of each shard in their order, with boto3."""
    kinesis, records = emulator.client("kinesis"), []
    for shard in shards(emulator, stream):
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator)
            if not answer["Records"]:
                break
            records += answer["Records"]
            iterator = answer["NextShardIterator"]
    return records


def check(records: list[dict], n_records: int, *, twice: bool = False, in_order: bool = True) -> None:
    """Each score record is there, once unless `twice`, and those of a tenant are in their order, or at least the last."""
    seen = defaultdict(list)
    for record in records:
        data = json.loads(record["Data"])
        assert record["PartitionKey"] == data["companyID"]
        seen[data["companyID"]].append(data["job30"])
    numbers = [number for numbers in seen.values() for number in numbers]
    assert set(numbers) == set(range(n_records))
    if not twice:
        assert len(numbers) == n_records
    for numbers in seen.values():
        # What comes twice comes in order, too, once it is told by its id.
        first = list(dict.fromkeys(numbers))
        assert first[-1] == max(first)
        assert first == sorted(first) or not in_order


def test_score_records_arrive_once_and_in_order(emulator: Emulator, new_stream) -> None:
    stream = new_stream(emulator, 2)
    write(f"kinesis:{stream}", "--tenants", 50, "--records", 1_500, "--keep-every", 700, kinesis=emulator)
    check(stored(emulator, stream), 1_500)


def test_only_entries_that_fail_are_sent_again(kinesalite: Kinesalite, new_stream) -> None:
    stream = new_stream(kinesalite, 2)
    faults = Faults(failed_entries=0.2, throttled_writes=0.1, failures=0.05)
    with FaultProxy(kinesalite.url, faults, seed=5) as proxy:
        err = write(f"kinesis:{stream}", "--tenants", 200, "--records", 3_000, "--keep-every", 1_000, kinesis=proxy)
        assert f"retries PutRecords refused_entry {proxy.injected['failed_entries']}\n" in err
        assert proxy.injected["failed_entries"] > 100
    check(stored(kinesalite, stream), 3_000, in_order=False)


def test_answers_that_are_lost_cost_nothing_but_a_second_delivery(kinesalite: Kinesalite, new_stream) -> None:
    stream = new_stream(kinesalite, 2)
    with FaultProxy(kinesalite.url, Faults(lost_answers=0.2, lost_requests=0.1), seed=5) as proxy:
        write(f"kinesis:{stream}", "--tenants", 50, "--records", 1_000, "--keep-every", 300, kinesis=proxy)
        assert proxy.injected["lost_answers"] > 0
    check(stored(kinesalite, stream), 1_000, twice=True)


def test_a_tenant_with_most_of_the_records_holds_nobody_up(kinesalite: Kinesalite, new_stream) -> None:
    stream = new_stream(kinesalite, 2)
    with FaultProxy(kinesalite.url) as proxy:
        write(f"kinesis:{stream}", "--tenants", 1, "--records", 2_000, "--keep-every", 2_000, kinesis=proxy)
        assert proxy.requests["PutRecords"] == 6
    check(stored(kinesalite, stream), 2_000)


def test_dead_letters_go_by_their_place(kinesis_local: KinesisLocal, new_stream) -> None:
    stream = new_stream(kinesis_local, 1)
    write(f"kinesis:{stream}", "--records", 1, "--letters", 20, kinesis=kinesis_local)
    letters = [record for record in stored(kinesis_local, stream) if record["PartitionKey"].startswith("shard-1/")]
    assert [json.loads(letter["Data"])["position"] for letter in letters] == [str(number) for number in range(20)]
    assert [letter["PartitionKey"] for letter in letters] == [f"shard-1/{number}" for number in range(20)]


def test_a_stream_that_is_not_there_is_named(kinesis_local: KinesisLocal) -> None:
    err = write("kinesis:nobody", "--records", 1, expect=1, kinesis=kinesis_local)
    assert 'there is no stream "nobody" in region us-east-1' in err


@pytest.fixture
def bucket(moto: Moto, request: pytest.FixtureRequest) -> str:
    name = "b-" + str(abs(hash(request.node.name)))
    moto.client("s3").create_bucket(Bucket=name)
    return name


def objects(moto: Moto, bucket: str) -> dict[str, bytes]:
    s3 = moto.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    names = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {name: s3.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}


def check_objects(found: dict[str, bytes], n_records: int) -> None:
    numbers = []
    for name, data in found.items():
        if "/tenant=" in name:
            tenant, date = (unquote(part.split("=")[1]) for part in name.split("/")[-3:-1])
            for line in data.splitlines():
                record = json.loads(line)
                assert (record["companyID"], record["observationDate"]) == (tenant, date)
                numbers.append(record["job30"])
    assert sorted(numbers) == list(range(n_records))


def test_an_object_for_each_tenant_and_day_and_a_manifest(moto: Moto, bucket: str) -> None:
    write(f"s3://{bucket}/of/churn", "--tenants", 3, "--records", 500, "--letters", 2, s3=moto)
    found = objects(moto, bucket)
    check_objects(found, 500)
    first = "of/churn/scores/tenant=tenant%2F0/date=2024-10-04/part-000000.jsonl"
    assert first in found
    assert len(found["of/churn/dead-letters/part-000000.jsonl"].splitlines()) == 2
    manifest = json.loads(found["of/churn/manifest.json"])
    assert manifest == {
        "fileLocations": [{"URIPrefixes": [f"s3://{bucket}/of/churn/scores/"]}],
        "globalUploadSettings": {"format": "JSON"},
    }


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_a_crash_between_keeping_and_the_checkpoint_shows_nothing_twice(
    kind: str, moto: Moto, bucket: str, tmp_path: Path
) -> None:
    state, folder = tmp_path / "state.json", tmp_path / "out"
    sink = f"s3://{bucket}" if kind == "s3" else f"folder:{folder}"
    sizes = [("--keep-every", size) for size in (70, 110, 40, 90)]
    for die_after, size in zip((0, 200, 400, 600), sizes, strict=True):
        arguments = ("--records", 1_000, "--state", state, *size, "--die-after", die_after)
        write(sink, *arguments, expect=-6, s3=moto)
    write(sink, "--records", 1_000, "--state", state, "--keep-every", 130, s3=moto)
    if kind == "s3":
        found = objects(moto, bucket)
    else:
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    check_objects(found, 1_000)
    assert not [name for name in found if "partial" in name]


def test_parts_of_another_consumer_are_not_touched(moto: Moto, bucket: str) -> None:
    write(f"s3://{bucket}", "--records", 500, s3=moto)
    before = objects(moto, bucket)
    err = write(f"s3://{bucket}", "--records", 500, expect=1, s3=moto)
    assert "name the --state that belongs to it, or a place where nothing is" in err
    assert objects(moto, bucket) == before


def test_a_bucket_that_is_not_there_is_named(moto: Moto) -> None:
    err = write("s3://nobody-has-this", "--records", 1, expect=1, s3=moto)
    assert 'there is no bucket "nobody-has-this"' in err


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_parquet_is_read_by_pyarrow_with_tenant_and_date(kind: str, moto: Moto, bucket: str, tmp_path: Path) -> None:
    sink = f"s3://{bucket}/p" if kind == "s3" else f"folder:{tmp_path}/p"
    write(sink, "--parquet", "--tenants", 7, "--records", 1_000, "--letters", 3, s3=moto)
    if kind == "s3":
        for name, data in objects(moto, bucket).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
        assert not (tmp_path / "p/manifest.json").exists()  # QuickSight reads no Parquet
    table = pyarrow.dataset.dataset(tmp_path / "p/scores", partitioning="hive").to_table().sort_by("id")
    assert table.num_rows == 1_000
    assert table["job30"].to_pylist() == list(range(1_000))
    assert table["tenant"].to_pylist() == table["companyID"].to_pylist() == [f"tenant/{n % 7}" for n in range(1_000)]
    assert table["date"].to_pylist() == [str(date) for date in table["observationDate"].to_pylist()]
    assert table["reasons"].to_pylist() == [[f"reason {i}" for i in range(n % 3)] for n in range(1_000)]
    types = {name: table.schema.field(name).type for name in table.schema.names}
    assert types["observationDate"] == pa.date32()
    assert types["receivedAt"] == pa.timestamp("ms", tz="UTC")
    assert types["riskOfChurn"] == pa.bool_()
    assert (types["score"], types["revenu"], types["job30"]) == (pa.float64(), pa.float32(), pa.int32())
    assert pa.types.is_list(types["reasons"])
