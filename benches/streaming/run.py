"""Times `consume` beside the original way and a PyFlink job, all with one forest: one table, everything in one run.

run.py PROGRAMS: the folder with `consume` and `stream_case`. What is compared, and what is left out for whom, stands in
`docs/performance.md`; rounds go in turn, so that a slow minute of the machine does not fall on one of them.

The forest is scikit-learn's, imported: every way has to give the same scores, and the run ends when one does not.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import original
from case import MAX_DEPTH, N_DAYS, N_TENANTS, N_TREES, Case, case
from churn_model import _native

HERE = Path(__file__).resolve().parent
N_ROUNDS = int(os.environ.get("ROUNDS", "3"))
WHEEL_BYTES = 10 << 20  # a compiled half larger than this is not one of `make wheels`
BUSY = 0.5  # load average above which the figures of two runs differ
#: Events of a short run and a long one; the difference is what is timed, and has no start in it.
OURS = (50_000, 270_000)
FLINK, FLINK_ALONE = (15_000, 40_000), (50_000, 250_000)
#: Events that scikit-learn is asked about in a round.
N_ASKED, N_ASKED_AT_ONCE = 1_000, 2_500
#: Leaves of an imported forest are float32.
TOLERANCE = 1e-6

Scores = dict[tuple[str, str], float]


@dataclass
class Way:
    """A way to score events, and what came of it."""

    name: str
    cores: int
    #: Takes the number of a round, gives events per second and scores.
    run: Callable[[int], tuple[float, Scores]]
    rates: list[float] = field(default_factory=list)
    #: The largest difference of a score from what `consume` says; `None` where nothing is scored.
    farthest: float | None = None


def main() -> None:
    """Measures all of them, and prints the table."""
    programs = Path(sys.argv[1]).resolve()
    if not shutil.which("java"):
        sys.exit("Flink needs Java 17, and there is no java on the path")
    load = os.getloadavg()[0]
    if load > BUSY:
        tell(f"something else is running (load {load:.1f}): do not quote these figures")
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        given = case(programs / "stream_case", world)
        ways = ways_of(programs, given, world)
        expected = consumed(programs, given, len(given.lines), world)[1]
        for turn in range(N_ROUNDS):
            for way in ways:
                rate, scores = way.run(turn)
                way.rates.append(rate)
                if scores:
                    way.farthest = max(way.farthest or 0.0, distance(way.name, scores, expected))
                tell(f"{turn + 1}/{N_ROUNDS} {way.name}: {rate:,.0f} events/s, load {os.getloadavg()[0]:.1f}")
    report(given, ways, load)


def ways_of(programs: Path, given: Case, world: Path) -> list[Way]:
    """All that are compared, ours first."""

    def sklearn(ask: original.Ask, n_events: int) -> Callable[[int], tuple[float, Scores]]:
        def run(turn: int) -> tuple[float, Scores]:
            # Of the whole log, others in each round.
            step = len(given.events) // n_events
            events = given.events[turn % step :: step][:n_events]
            seconds, scores = original.consumed(ask, events, world / "scores.jsonl")
            return n_events / seconds, scores

        return run

    def post(turn: int) -> tuple[float, Scores]:
        with original.endpoint(given.pickle) as ask:
            return sklearn(ask, N_ASKED)(turn)

    def flink(place: str, mode: str) -> Way:
        what = "nothing kept or scored" if place == "none" else f"the wheel, states in {place.capitalize()}"
        sizes = FLINK_ALONE if place == "none" else FLINK
        run = partial(flown, given, place, mode, world)
        return Way(f"PyFlink ({mode}), {what}", 2, lambda _: difference(sizes, run))

    one, many = original.one_by_one(given.forest), original.all_at_once(given.forest)
    return [
        Way("`consume`", 1, lambda _: difference(OURS, lambda n_events: consumed(programs, given, n_events, world))),
        Way("scikit-learn behind HTTP, one POST per event", 2, post),
        Way("scikit-learn in the process", 1, sklearn(one, N_ASKED)),
        Way(f"the same, {original.BATCH} rows at a time", 1, sklearn(many, N_ASKED_AT_ONCE)),
        flink("flink", "process"),
        flink("python", "process"),
        flink("python", "thread"),
        flink("none", "process"),
        flink("none", "thread"),
    ]


def difference(sizes: tuple[int, int], run: Callable[[int], tuple[float, Scores]]) -> tuple[float, Scores]:
    """Events per second of what a long run has more than a short one, and the scores of the long one."""
    (short_s, _), (long_s, scores) = run(sizes[0]), run(sizes[1])
    return (sizes[1] - sizes[0]) / (long_s - short_s), scores


def consumed(programs: Path, given: Case, n_events: int, world: Path) -> tuple[float, Scores]:
    """Seconds that `consume` takes for the beginning of the log, from file to file, and its scores."""
    sink = world / "consumed.jsonl"
    sink.unlink(missing_ok=True)
    command = [
        *("taskset", "-c", str(original.OWN_CORE), programs / "consume", "--source", f"file:{given.log(n_events)}"),
        *("--model", given.model, "--score", "events", "--reasons", "0", "--sink", f"file:{sink}"),
    ]
    seconds = timed(command)
    with sink.open() as file:
        records = map(json.loads, file)
        return seconds, {(record["companyID"], record["event"]["id"]): record["score"] for record in records}


def flown(given: Case, place: str, mode: str, world: Path, n_events: int) -> tuple[float, Scores]:
    """The same for the job of Flink; no scores where it gives none."""
    sink = world / "flown"
    shutil.rmtree(sink, ignore_errors=True)
    seconds = timed([sys.executable, HERE / "flink_job.py", given.log(n_events), given.model, sink, place, mode])
    lines = [line for file in sink.rglob("*") if file.is_file() for line in file.read_text().splitlines()]
    if len(lines) != n_events:
        sys.exit(f"Flink has given {len(lines)} records of {n_events} events")
    records = map(json.loads, lines if place != "none" else [])
    return seconds, {(record["companyID"], record["event"]): record["score"] for record in records}


def timed(command: list[str | Path]) -> float:
    """Seconds that a program takes; what it says is shown when it fails."""
    # Python inside the JVM does not know its own environment.
    environment = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")}
    begun = time.perf_counter()
    done = subprocess.run(
        command, check=False, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        sys.exit(f"{command[0]} ends with {done.returncode}:\n{done.stdout}")
    return time.perf_counter() - begun


def distance(name: str, scores: Scores, expected: Scores) -> float:
    """The largest difference between scores of the same events; ends the run where forests do not agree."""
    farthest = max(abs(score - expected[event]) for event, score in scores.items())
    if farthest > TOLERANCE:
        sys.exit(f"{name} says something else than `consume`: scores differ by up to {farthest}")
    return farthest


def report(given: Case, ways: list[Way], load: float) -> None:
    """What was measured, and the table."""
    packages = ("apache-flink", "scikit-learn", "flask", "gunicorn", "numpy", "pandas")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    n_bytes = statistics.mean(map(len, given.lines))
    n_nodes = sum(tree.tree_.node_count for tree in given.forest.estimators_)
    print(f"{versions}; Python {platform.python_version()}; {wheel()}")
    print(
        f"{len(given.lines):,} events of {N_TENANTS} tenants in {N_DAYS} days, {n_bytes:.0f} bytes each; {N_TREES} trees "
        f"of depth {MAX_DEPTH}, {n_nodes:,} nodes; load {load:.1f} before, {os.getloadavg()[0]:.1f} after; medians of {N_ROUNDS} rounds\n"
    )
    print("| | events/s | least and most | `consume`: times as many | cores | scores differ by |")
    print("| --- | --: | --: | --: | --: | --: |")
    ours = statistics.median(ways[0].rates)
    for way in ways:
        rate = statistics.median(way.rates)
        spread = f"{number(min(way.rates))} to {number(max(way.rates))}"
        differs = "" if way.farthest is None else f"{way.farthest:.0e}" if way.farthest else "nothing"
        print(f"| {way.name} | {number(rate)} | {spread} | {number(ours / rate)} | {way.cores} | {differs} |")


def wheel() -> str:
    """Size of what is installed of ours, so that a debug build is not taken for the one that ships."""
    size = Path(_native.__file__).stat().st_size
    found = f"churn_model {_native.__version__} of {size / 1e6:.1f} MB"
    return found + (": NOT a wheel of `make wheels`, do not quote these figures" if size > WHEEL_BYTES else "")


def number(value: float) -> str:
    """Three figures."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def tell(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
