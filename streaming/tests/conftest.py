"""What the tests share: emulators that are started once, and streams of a test's own."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from emulators import Emulator, Kinesalite, KinesisLocal, Moto

NUMBERS = itertools.count()


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
    while kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        pass
    return name
