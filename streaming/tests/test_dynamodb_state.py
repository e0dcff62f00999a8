"""`consume --state dynamodb:TABLE/PREFIX`, killed at random moments, beside one replay of the same log.

DynamoDB is an emulator, with a proxy in front of it that refuses every fifth call or loses its answer.

    PROGRAMS=target/debug python -m pytest -q streaming/tests/test_dynamodb_state.py
"""

import base64
import json
import os
import random
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAMS, TABLE, wait_until
from emulators import Moto, environment
from test_lambda import Forgetful

KILLS = int(os.environ.get("CHURN_STREAM_KILLS", "12"))
SECONDS = 12  # that a replay takes
DIGESTS = PROGRAMS / "examples" / "state_digests"
pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in (DIGESTS, PROGRAMS / "bootstrap-stream")),
    reason="the programs are not built: see `make test-streaming`",
)


class Consume:
    """The program on a table."""

    def __init__(self, folder: Path, url: str, moto: Moto, prefix: str = "jobs"):
        self.folder = folder
        self.environment = os.environ | environment(dynamodb=moto)
        (folder / "tmp").mkdir(exist_ok=True)
        self.environment |= {"AWS_ENDPOINT_URL_DYNAMODB": url, "TMPDIR": str(folder / "tmp")}
        self.state = ["--state", f"dynamodb:{TABLE}/{prefix}", "--state-lease", "1500ms", "--checkpoint-every", "40ms"]

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        command = [PROGRAMS / "consume", "--source", f"file:{self.folder}/log.jsonl", *self.state, *arguments]
        return subprocess.Popen(command, env=self.environment, stderr=(self.folder / "err.log").open("ab"))


def write_log(folder: Path, lines: list[bytes]) -> float:
    """How many times as fast as it happened a replay has to be."""
    (folder / "log.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    events = [json.loads(line) for line in (lines[0], lines[-1])]
    first, last = (datetime.fromisoformat(event["recordedtime"]) for event in events)
    return (last - first).total_seconds() / SECONDS


def digests(folder: Path) -> str:
    return subprocess.run([DIGESTS, folder], check=True, capture_output=True, text=True).stdout


def restored(dynamodb: Any, prefix: str, folder: Path) -> tuple[Path, set[str]]:
    """The checkpoint as a folder, read without the library, and the keys of all its items."""
    get = lambda key: dynamodb.get_item(TableName=TABLE, Key={"key": {"S": key}}, ConsistentRead=True)["Item"]
    head = json.loads(get(prefix)["head"]["S"])
    folder.mkdir()
    (folder / "checkpoint.json").write_text(head["checkpoint"])
    keys = {prefix}
    for file in head["files"]:
        names = [f"{prefix}/{file['name']}/{file['term']}/{number}" for number in range(file["chunks"])]
        (folder / file["name"]).write_bytes(b"".join(get(name)["data"]["B"] for name in names))
        keys |= set(names)
    return folder, keys


def all_keys(dynamodb: Any) -> set[str]:
    pages = dynamodb.get_paginator("scan").paginate(TableName=TABLE)
    return {item["key"]["S"] for page in pages for item in page["Items"]}


def test_killed_at_random_moments_it_ends_as_a_replay_does(
    tmp_path: Path,
    moto: Moto,
    table: Any,
    world: tuple[list[bytes], Path],
) -> None:
    lines, model = world
    speed = write_log(tmp_path, lines)
    whole = [PROGRAMS / "consume", "--source", f"file:{tmp_path}/log.jsonl", "--model", model]
    whole += ["--state", tmp_path / "state", "--sink", f"file:{tmp_path}/whole.jsonl"]
    subprocess.run(whole, check=True, capture_output=True)

    consume = Consume(tmp_path, Forgetful(moto.url, percent=20).url, moto)
    arguments = ["--model", model, "--sink", f"file:{tmp_path}/scores.jsonl", "--speed", str(speed)]
    dice = random.Random(11)
    n_killed, numbers = 0, []
    while True:
        program = consume.start(*arguments)
        try:
            code = program.wait(timeout=dice.uniform(1.6, 4.5) if n_killed < KILLS else 120)
            assert code == 0, (tmp_path / "err.log").read_text()
            break
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
            n_killed += 1
        found = table.get_item(TableName=TABLE, Key={"key": {"S": "jobs"}}).get("Item")
        checkpoint = json.loads(found["head"]["S"])["checkpoint"] if found else None
        numbers.append(json.loads(checkpoint)["number"] if checkpoint else 0)
    print(f"killed {n_killed} times, after checkpoints {numbers}")
    assert n_killed >= 3
    assert numbers == sorted(numbers)
    assert (tmp_path / "scores.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    folder, keys = restored(table, "jobs", tmp_path / "restored")
    assert digests(folder) == digests(tmp_path / "state")
    # Nothing is left behind but what could not be deleted at the end, which the head names.
    stray = json.loads(table.get_item(TableName=TABLE, Key={"key": {"S": "jobs"}})["Item"]["head"]["S"])["stray"]
    named = {f"jobs/{file['name']}/{file['term']}/{number}" for file in stray for number in range(file["chunks"])}
    assert all_keys(table) - named == keys


def test_a_second_process_is_refused_and_another_prefix_is_not(
    tmp_path: Path,
    moto: Moto,
    table: Any,
    world: tuple[list[bytes], Path],
) -> None:
    write_log(tmp_path, world[0])
    consume = Consume(tmp_path, moto.url, moto)
    first = consume.start("--speed", "1", "--sink", f"file:{tmp_path}/first.jsonl")
    try:
        wait_until(lambda: bool(table.scan(TableName=TABLE)["Items"]), "there is a lease")
        (tmp_path / "other").mkdir()
        consume.environment |= {"TMPDIR": str(tmp_path / "other")}  # as on another machine
        second = consume.start("--sink", f"file:{tmp_path}/second.jsonl")
        assert second.wait(timeout=60) == 1
        assert f"dynamodb:{TABLE}/jobs is in use by another process" in (tmp_path / "err.log").read_text()
        consume.state[1] = f"dynamodb:{TABLE}/elsewhere"
        assert consume.start("--sink", f"file:{tmp_path}/third.jsonl").wait(timeout=60) == 0
        first.terminate()
        assert first.wait(timeout=20) == 0
        consume.state[1] = f"dynamodb:{TABLE}/jobs"
        begun = time.monotonic()
        fourth = consume.start("--sink", f"file:{tmp_path}/first.jsonl")
        assert fourth.wait(timeout=60) == 0
        assert time.monotonic() - begun < 30
    finally:
        first.kill()
        first.wait()


def test_who_was_silent_for_too_long_writes_nothing_more(
    tmp_path: Path,
    moto: Moto,
    table: Any,
    world: tuple[list[bytes], Path],
) -> None:
    write_log(tmp_path, world[0])
    consume = Consume(tmp_path, moto.url, moto)
    first = consume.start("--speed", "1", "--sink", f"file:{tmp_path}/first.jsonl")
    try:
        wait_until(lambda: "checkpoint" in str(table.scan(TableName=TABLE)["Items"]), "there is a checkpoint")
        first.send_signal(19)  # SIGSTOP
        (tmp_path / "other").mkdir()
        consume.environment |= {"TMPDIR": str(tmp_path / "other")}
        assert consume.start("--sink", f"file:{tmp_path}/first.jsonl").wait(timeout=60) == 0
        before = table.get_item(TableName=TABLE, Key={"key": {"S": "jobs"}})["Item"]
        first.send_signal(18)  # SIGCONT
        assert first.wait(timeout=30) == 1
        assert "taken over by another process" in (tmp_path / "err.log").read_text()
        assert table.get_item(TableName=TABLE, Key={"key": {"S": "jobs"}})["Item"] == before
    finally:
        first.kill()
        first.wait()


def test_a_shard_of_kcl_takes_over_what_ended_shards_have_left(
    tmp_path: Path,
    moto: Moto,
    table: Any,
    world: tuple[list[bytes], Path],
) -> None:
    lines = [line for line in world[0] if line.startswith(b'{"recordedtime"')][:600]
    consume = Consume(tmp_path, moto.url, moto, prefix="kcl")
    command = [PROGRAMS / "consume", "--kcl", *consume.state[:4], "--sink", f"file:{tmp_path}/{{shard}}.jsonl"]

    def child(shard: str, first: int, records: list[bytes], end: dict[str, Any]) -> None:
        texts = [
            {"data": base64.b64encode(line).decode(), "partitionKey": "t", "sequenceNumber": str(first + number)}
            for number, line in enumerate(records)
        ]
        requests = [{"action": "initialize", "shardId": shard, "sequenceNumber": "TRIM_HORIZON"}]
        requests += [{"action": "processRecords", "records": texts, "millisBehindLatest": 0}, end]
        requests += [{"action": "checkpoint", "sequenceNumber": None, "error": None}]
        daemon = "".join(json.dumps(request) + "\n" for request in requests)
        done = subprocess.run(
            command, check=False, input=daemon, env=consume.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr

    child("shardId-1", 1, lines[:300], {"action": "shardEnded"})
    child("shardId-2", 1001, lines[300:], {"action": "shutdownRequested"})
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    whole = [PROGRAMS / "consume", "--source", f"file:{tmp_path}/log.jsonl", "--state", tmp_path / "state"]
    subprocess.run(whole, check=True, capture_output=True)
    folders = [restored(table, f"kcl/shardId-{number}", tmp_path / f"restored-{number}")[0] for number in (1, 2)]
    found = subprocess.run([DIGESTS, *folders], check=True, capture_output=True, text=True).stdout
    assert found == digests(tmp_path / "state")
    assert all(
        "owner" not in table.get_item(TableName=TABLE, Key={"key": {"S": f"kcl/shardId-{n}"}})["Item"] for n in (1, 2)
    )
