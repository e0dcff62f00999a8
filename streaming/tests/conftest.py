"""What the tests share: emulators that are started once, and streams and tables of a test's own."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulators import Emulator, Kinesalite, KinesisLocal, Moto

NUMBERS = itertools.count()
ROOT = Path(__file__).parents[2]
PROGRAMS = os.environ.get("PROGRAMS") or Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
PROGRAMS = Path(PROGRAMS).absolute()
TABLE = "churn-state"


@pytest.fixture(scope="session")
def kinesis_local() -> Iterator[KinesisLocal]:
    with KinesisLocal() as running:
        yield running


@pytest.fixture(scope="session")
def kinesalite() -> Iterator[Kinesalite]:
    with Kinesalite() as running:
        yield running


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    with Moto() as running:
        yield running


@pytest.fixture(scope="session", params=["kinesis_local", "kinesalite"])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    return request.getfixturevalue(request.param)


@pytest.fixture
def new_stream() -> Callable[..., str]:
    """Makes a stream that no other test knows."""

    def make(emulator: Emulator, shards: int = 1) -> str:
        return create_stream(emulator.client("kinesis"), f"stream-{next(NUMBERS)}", shards)

    return make


def create_stream(kinesis: Any, name: str, shards: int) -> str:
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    is_active = lambda: status(kinesis, name) == "ACTIVE"
    wait_until(is_active, f"stream {name} is active")
    return name


def status(kinesis: Any, name: str) -> str:
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def table(moto: Moto) -> Iterator[Any]:
    dynamodb = moto.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield dynamodb
    dynamodb.delete_table(TableName=TABLE)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], Path]:
    folder = tmp_path_factory.mktemp("lambda")
    simulate = [PROGRAMS / "simulate", "--tenants", "10", "--days", "40", "--seed", "3", "--out", folder / "log"]
    subprocess.run([*simulate, "--no-truth"], check=True, capture_output=True)
    train = [PROGRAMS / "train", "--algorithm", "linear-learner", "--tenants", "300", "--days", "400"]
    subprocess.run([*train, "--out", folder / "run"], check=True, capture_output=True)
    lines = [line for file in sorted((folder / "log").glob("*.jsonl")) for line in file.read_bytes().splitlines()]
    received = [json.loads(line) for line in lines[:2_500]]
    lines = [json.dumps({"recordedtime": event["time"]} | event).encode() for event in received]
    lines[100:100] = [b"poison", b"\xff", b"{}"]
    return lines, folder / "run" / "model.safetensors"
