"""`consume` on Kinesis, killed at random moments while the stream is resharded, beside one replay of the same log.

`make test-kinesis` builds the programs.
"""

import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest
from emulators import Emulator, Moto, environment
from emulators.proxy import FaultProxy, Faults
from producer import Producer, key_and_kind
from test_aws_sinks import objects, stored
from test_kinesis_source import PROGRAM, is_open, merge, shards, split

PROGRAMS = PROGRAM.parents[1]
EVENTS = int(os.environ.get("CHURN_STREAM_EVENTS", "20000"))
KILLS = int(os.environ.get("CHURN_STREAM_KILLS", "8"))
pytestmark = pytest.mark.skipif(
    not all((PROGRAMS / name).exists() for name in ("consume", "simulate", "train")),
    reason="make test-kinesis builds the programs",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and the log of a simulated platform with some lines that are no events."""
    folder = tmp_path_factory.mktemp("world")
    run = lambda name, *arguments: subprocess.run(
        [PROGRAMS / name, *map(str, arguments)], check=True, capture_output=True, cwd=folder
    )
    run("train", "--algorithm", "random-forest", "--tenants", 200, "--out", "run")
    run("simulate", "--out", "whole", "--tenants", 60, "--days", 150, "--seed", 7, "--no-truth")
    lines = [line for path in sorted((folder / "whole").glob("*.jsonl")) for line in path.open()][:EVENTS]
    lines = [recorded(line) for line in lines]
    for number in range(50, len(lines), 997):
        lines.insert(number, f'{{"not": "an event", "n": {number}}}\n')
    (folder / "log.jsonl").write_text("".join(lines))
    return folder


def recorded(line: str) -> str:
    """The event with the time at which it was received, which else would be when it arrives in the stream."""
    event = json.loads(line)
    return json.dumps(event | {"recordedtime": event.get("recordedtime", event["time"])}) + "\n"


def scores_of(lines: list[str]) -> dict[str, dict]:
    """By their ids; a second one must be the same."""
    scores: dict[str, dict] = {}
    for line in lines:
        score = json.loads(line)
        assert scores.setdefault(score["id"], score) == score
    return scores


def write(emulator: Emulator, stream: str, log: Path) -> None:
    """Each tenant's events in their order; the stream is split and merged meanwhile."""
    producer = Producer(emulator.client("kinesis"), stream)
    lines = log.read_bytes().splitlines()
    resharding = {len(lines) // 4: "split", len(lines) // 2: "merge", 3 * len(lines) // 4: "merge"}
    for number, line in enumerate(lines):
        if what := resharding.get(number):
            producer.flush()
            by_start = sorted(
                filter(is_open, shards(emulator, stream)), key=lambda s: int(s["HashKeyRange"]["StartingHashKey"])
            )
            split(emulator, stream, by_start[1]) if what == "split" else merge(emulator, stream, *by_start[1:3])
        producer.put(key_and_kind(line)[0], line)
    producer.flush()


def test_a_consumer_that_is_killed_ends_as_a_replay(
    kinesalite: Emulator, moto: Moto, new_stream, world: Path, tmp_path: Path
) -> None:
    score = ["--score", "events", "--model", str(world / "run")]
    files = ["--sink", f"file:{tmp_path}/replayed.jsonl", "--dead-letters", f"file:{tmp_path}/refused.jsonl"]
    subprocess.run(
        [PROGRAMS / "consume", "--source", f"file:{world}/log.jsonl", *files, *score], check=True, capture_output=True
    )
    replayed = scores_of((tmp_path / "replayed.jsonl").read_text().splitlines())
    assert len(replayed) > EVENTS / 2

    events, enriched = new_stream(kinesalite, 4), new_stream(kinesalite, 2)
    moto.client("s3").create_bucket(Bucket="history")
    faults = Faults(throttled_reads=0.05, expired_iterators=0.02, failures=0.03, lost_answers=0.02, failed_entries=0.01)
    dice = random.Random(11)
    writer = threading.Thread(target=write, args=(kinesalite, events, world / "log.jsonl"))
    writer.start()
    with FaultProxy(kinesalite.url, faults, seed=2) as proxy:
        command = [PROGRAMS / "consume", "--source", f"kinesis:{events}", *score, "--state", tmp_path / "state"]
        command += ["--sink", f"file:{tmp_path}/scores.jsonl", "--sink", "s3://history/churn"]
        command += ["--sink", f"kinesis:{enriched}", "--dead-letters", f"file:{tmp_path}/dead.jsonl"]
        command += ["--checkpoint-every", "300ms", "--status-every", "1s"]
        added = environment(kinesis=proxy, s3=moto)
        for run in range(KILLS + 1):
            with (tmp_path / f"err-{run}").open("w+") as err:
                program = subprocess.Popen(command, env=os.environ | added, stderr=err)
                if run < KILLS:
                    time.sleep(dice.uniform(0.5, 4))
                    assert program.poll() is None, (tmp_path / f"err-{run}").read_text()
                    program.kill()
                    program.wait()
                    continue
                writer.join()
                deadline = time.monotonic() + 200
                while len((tmp_path / "scores.jsonl").read_text().splitlines()) < len(replayed):
                    assert time.monotonic() < deadline and program.poll() is None, Path(err.name).read_text()
                    time.sleep(0.5)
                time.sleep(3)  # more would be too much
                program.terminate()
                assert program.wait(60) == 0

    # A file and objects hold each once; a stream may hold one twice, with the same id.
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    assert len(lines) == len(replayed)
    assert scores_of(lines) == replayed
    found = objects(moto, "history")
    lines = [line for name, data in found.items() if "/scores/" in name for line in data.decode().splitlines()]
    assert len(lines) == len(replayed)
    assert scores_of(lines) == replayed
    assert scores_of([record["Data"].decode() for record in stored(kinesalite, enriched)]) == replayed
    text = lambda path: sorted(json.loads(line)["text"] for line in path.open())
    assert text(tmp_path / "dead.jsonl") == text(tmp_path / "refused.jsonl")
