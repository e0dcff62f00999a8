"""`consume --kcl` under the real daemon of the Kinesis Client Library, through everything that happens to a stream.

The daemon comes from the wheel kclpy-ext, which carries its jars; Kinesis and DynamoDB are emulators. What stands at the
end, score records and states, is compared with a replay of the same events from a file.

    PROGRAMS=target/debug JARS=folder/of/jars python -m pytest -q streaming/tests/test_kcl.py
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAMS, ROOT
from emulators import KinesisLocal, Moto, Service, environment
from producer import Producer, key_and_kind

JARS = os.environ.get("JARS") and Path(os.environ["JARS"]).absolute()
EXAMPLE = ROOT / "examples" / "streaming"
N_EVENTS = 3_600  # the emulator slows down beyond some 5,000 records

pytestmark = pytest.mark.skipif(JARS is None, reason="needs the jars of kclpy-ext: see `make test-kcl`")


class Supervisor:
    """Starts the daemon again whenever it ends by itself, as systemd or Kubernetes do."""

    def __init__(self, command: list[str | Path], environment: dict[str, str], log: Path):
        self.command, self.environment, self.log = command, environment, log
        self.starts = 0
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with self.log.open("ab") as log:
            while not self.stopping:
                self.starts += 1
                self.process = subprocess.Popen(
                    self.command, env=self.environment, stdout=log, stderr=log, start_new_session=True
                )
                self.process.wait()

    def stop(self) -> int:
        """Ends the daemon in order."""
        self.stopping = True
        self.process.terminate()
        code = self.process.wait(timeout=90)
        self.thread.join()
        return code

    def kill(self) -> None:
        self.stopping = True
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.thread.join()

    def children(self) -> list[int]:
        """The processes of shards."""
        of_java = Path(f"/proc/{self.process.pid}/task")
        found = []
        try:
            for task in of_java.iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except FileNotFoundError:
            pass
        return found


class World:
    """A stream, the folder that its shards share, and the daemon."""

    def __init__(self, folder: Path, kinesis: Service, moto: Service, stream: str, model: Path):
        self.folder, self.stream = folder, stream
        self.client = kinesis.client("kinesis")
        self.producer = Producer(self.client, stream, window=400)
        self.n_produced = 0
        consume = [PROGRAMS / "consume", "--kcl", "--model", model, "--score", "changes"]
        consume += ["--state", folder / "states", "--sink", f"file:{folder}/scores/{{shard}}.jsonl"]
        consume += ["--dead-letters", f"file:{folder}/dead/{{shard}}.jsonl", "--checkpoint-every", "1s"]
        self.environment = os.environ | environment(kinesis=kinesis, dynamodb=moto)
        self.environment |= {
            "STREAM": stream,
            "APPLICATION": f"churn-{stream}",
            "WORKER": "worker-1",
            "CONSUME": " ".join(map(str, consume)),
            "JARS": str(JARS),
            "JAVA_OPTIONS": "-Xmx512m",
        }
        # As they are shipped, but for what nobody here takes.
        for name in ("kcl.sh", "kcl.properties", "logback.xml"):
            shutil.copy(EXAMPLE / name, folder)
        with (folder / "kcl.properties").open("a") as settings:
            settings.write("metricsLevel = NONE\n")
        self.daemon: Supervisor | None = None

    def start(self) -> None:
        self.daemon = Supervisor(["sh", self.folder / "kcl.sh"], self.environment, self.folder / "daemon.log")

    def produce(self, lines: list[bytes]) -> None:
        for line in lines:
            self.producer.put(key_and_kind(line)[0], line)
        self.producer.flush()
        self.n_produced += len(lines)

    def n_kept(self) -> int:
        """Records that checkpoints say were taken in, each of them once."""
        n = 0
        for file in (self.folder / "states").glob("*/checkpoint.json"):
            counts = json.loads(file.read_text())["counts"]
            n += counts["records"] - counts["repeated"]
        return n

    def await_all(self, seconds: float = 300) -> None:
        wait(lambda: self.n_kept() >= self.n_produced, seconds, lambda: f"{self.n_kept()} of {self.n_produced}")
        assert self.n_kept() == self.n_produced

    def leases(self, moto: Service) -> dict[str, str]:
        rows = moto.client("dynamodb").scan(TableName=f"churn-{self.stream}")["Items"]
        return {row["leaseKey"]["S"]: row["checkpoint"]["S"] for row in rows}

    def shards(self) -> list[dict[str, Any]]:
        return self.client.list_shards(StreamName=self.stream)["Shards"]

    def open_shards(self) -> list[dict[str, Any]]:
        return [s for s in self.shards() if "EndingSequenceNumber" not in s["SequenceNumberRange"]]

    def await_active(self) -> None:
        def is_active() -> bool:
            summary = self.client.describe_stream_summary(StreamName=self.stream)["StreamDescriptionSummary"]
            return summary["StreamStatus"] == "ACTIVE"

        wait(is_active, 30, lambda: "the stream is not active")


def wait(done: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def with_received_time(line: bytes) -> bytes:
    event = json.loads(line)
    return json.dumps(event | {"recordedtime": event["time"]}).encode()


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("kcl") / "log"
    command = [PROGRAMS / "simulate", "--tenants", "10", "--days", "40", "--seed", "3", "--out", folder, "--no-truth"]
    subprocess.run(command, check=True, capture_output=True)
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines()]
    assert len(lines) >= N_EVENTS
    # In a stream an event that does not say when it was received was received when it arrived.
    lines = [line if b'"recordedtime"' in line else with_received_time(line) for line in lines]
    # Records that are none, each where its tenant's events go.
    lines[500:500] = [b"\xff\xfe", b'{"specversion":"1.0"}', b'{"truncated', b"x" * 100_000]
    return lines[:N_EVENTS]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("kcl") / "run"
    command = [PROGRAMS / "train", "--algorithm", "linear-learner", "--tenants", "300", "--days", "400", "--out", run]
    subprocess.run(command, check=True, capture_output=True)
    return run / "model.safetensors"


def states(folder: Path) -> dict[str, bytes]:
    """The state of each tenant as the checkpoint in a folder has it; `FeatureStore::write_snapshot` has the layout."""
    found = {}
    for name in json.loads((folder / "checkpoint.json").read_text())["states"]:
        data = (folder / name).read_bytes()
        assert data.startswith(b"CHURNFS\n")
        at = 8 + 4 + 8 * (7 + 1 + 6)
        (n_tenants,) = struct.unpack_from("<Q", data, at)
        at += 8
        for _ in range(n_tenants):
            (length,) = struct.unpack_from("<I", data, at)
            tenant = data[at + 4 : at + 4 + length].decode()
            at += 4 + length
            (length,) = struct.unpack_from("<Q", data, at)
            found[tenant] = data[at + 8 : at + 8 + length]
            at += 8 + length
        assert at == len(data) - 32
    return found


def json_lines(paths: Iterator[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_shards_come_and_go_and_nothing_is_lost_or_shows_twice(
    tmp_path: Path, kinesis_local: KinesisLocal, moto: Moto, log: list[bytes], model: Path
) -> None:
    stream = "kcl-events"
    kinesis_local.client("kinesis").create_stream(StreamName=stream, ShardCount=2)
    world = World(tmp_path, kinesis_local, moto, stream, model)
    world.await_active()
    parts = [log[i * len(log) // 6 : (i + 1) * len(log) // 6] for i in range(6)]
    began = time.monotonic()

    def note(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s: {text}", flush=True)

    try:
        world.produce(parts[0])
        world.start()
        world.await_all()
        note("first records")

        shard = world.open_shards()[0]
        keys = shard["HashKeyRange"]
        middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
        world.client.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle))
        world.await_active()
        world.produce(parts[1])
        world.await_all()
        assert (tmp_path / "states" / shard["ShardId"] / "ended").exists()
        assert world.leases(moto)[shard["ShardId"]] == "SHARD_END"
        note("split")

        low, high = sorted(world.open_shards(), key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))[:2]
        world.client.merge_shards(StreamName=stream, ShardToMerge=low["ShardId"], AdjacentShardToMerge=high["ShardId"])
        world.await_active()
        world.produce(parts[2])
        world.await_all()
        note("merge")

        world.produce(parts[3][: len(parts[3]) // 2])
        children = world.daemon.children()
        assert children
        os.kill(children[0], signal.SIGKILL)
        world.produce(parts[3][len(parts[3]) // 2 :])
        world.await_all()
        assert world.daemon.starts >= 2
        note("killed, and started again")

        world.produce(parts[4])
        assert world.daemon.stop() in (0, 143)  # Java's code for an end by SIGTERM, after all was done
        # Its last checkpoint, and that of the daemon, are the same.
        leases = world.leases(moto)
        for shard in world.open_shards():
            checkpoint = json.loads((tmp_path / "states" / shard["ShardId"] / "checkpoint.json").read_text())
            position = checkpoint["positions"].get(shard["ShardId"])
            assert position is None or leases[shard["ShardId"]] == position["sequence"]
        note("stopped in order")

        world.produce(parts[5])
        world.start()
        world.await_all()
        note("resumed")
        assert world.daemon.stop() in (0, 143)  # Java's code for an end by SIGTERM, after all was done
    finally:
        if world.daemon is not None:
            world.daemon.kill()

    replayed = tmp_path / "replayed"
    replayed.mkdir()
    (replayed / "log.jsonl").write_bytes(b"\n".join(log) + b"\n")
    command = [PROGRAMS / "consume", "--source", f"file:{replayed}/log.jsonl", "--model", model, "--score", "changes"]
    command += ["--state", replayed / "state", "--sink", f"file:{replayed}/scores.jsonl"]
    command += ["--dead-letters", f"file:{replayed}/dead.jsonl"]
    subprocess.run(command, check=True)

    expected = json_lines(iter([replayed / "scores.jsonl"]))
    found = json_lines(iter(sorted((tmp_path / "scores").glob("*.jsonl"))))
    assert len({record["id"] for record in found}) == len(found)
    by_id = {record["id"]: record for record in found}
    assert by_id == {record["id"]: record for record in expected}

    merged: dict[str, bytes] = {}
    for folder in sorted((tmp_path / "states").iterdir()):
        merged |= states(folder)
    assert merged == states(replayed / "state")

    def what(letter: dict[str, Any]) -> tuple[str, str, str]:
        return (letter["field"], letter["reason"], letter.get("text") or letter["textBase64"])

    letters = json_lines(iter(sorted((tmp_path / "dead").glob("*.jsonl"))))
    assert sorted(map(what, letters)) == sorted(map(what, json_lines(iter([replayed / "dead.jsonl"]))))
