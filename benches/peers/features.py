"""Counts the same windows in the same event log with several libraries in turn and prints one table.

Every run is a process of its own; libraries take turns (A B C, A B C), so that a slow minute of the machine does not
fall on one of them. Timed is everything from the file's first byte to the last tenant's last count. The counts of all
must be equal, to the last byte of data.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from features_case import PEERS

ROOT = Path(__file__).resolve().parents[2]
OURS = "churn-features"
BUSY = 0.5  # load average above which the figures of two runs differ


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def build() -> Path:
    """Builds our programs and returns the folder with them."""
    cargo("build", "--release", "-p", "churn-benches", "--bin", "features_case", "--bin", "write_events")
    return Path(json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["target_directory"]) / "release"


def write_log(args: argparse.Namespace, programs: Path) -> tuple[Path, str]:
    """The log, written by `write_events` unless it is there, and the date after its end."""
    folder = programs.parent / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"events-{args.events}-{args.seed}.jsonl"
    date = log.with_suffix(".date")
    if not date.exists():
        print(f"writing {log}", file=sys.stderr)
        command = [programs / "write_events", "--events", str(args.events), "--seed", str(args.seed), "--out", log]
        written = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        date.write_text(json.loads(written)["date"])
    return log, date.read_text()


def command(engine: str, programs: Path) -> list[str]:
    if engine == OURS:
        return [str(programs / "features_case")]
    return [sys.executable, str(Path(__file__).with_name("features_case.py")), engine]


def measure(args: argparse.Namespace, programs: Path, log: Path, date: str) -> dict[str, list[dict]]:
    """The reports of every engine, one per round; stops when two engines count differently."""
    reports: dict[str, list[dict]] = {engine: [] for engine in args.engines}
    threads = {"POLARS_MAX_THREADS": str(args.threads)}
    for turn in range(args.repeat):
        counts = {}
        for engine in args.engines:
            out = programs.parent / "peers" / f"{engine}.csv"
            arguments = ["--log", str(log), "--date", date, "--threads", str(args.threads), "--out", str(out)]
            done = subprocess.run(
                [*command(engine, programs), *arguments],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **threads},
            )
            report = json.loads(done.stdout)
            reports[engine].append(report)
            counts[engine] = out.read_text()
            print(f"{turn + 1}/{args.repeat} {engine}: {report['wall_s']:.2f} s", file=sys.stderr, flush=True)
        compare(counts)
    return reports


def compare(counts: dict[str, str]) -> None:
    first, expected = next(iter(counts.items()))
    for engine, found in counts.items():
        pairs = zip(expected.splitlines(), found.splitlines(), strict=False)
        different = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if found != expected:
            sys.exit(f"{first} and {engine} count differently: {different or 'one has more tenants'}")


def table(reports: dict[str, list[dict]]) -> str:
    """Medians in Markdown, the fastest engine first."""
    of = {
        engine: {key: statistics.median(case[key] for case in cases) for key in ("wall_s", "cpu_s", "peak_mib")}
        for engine, cases in reports.items()
    }
    ours = of.get(OURS)
    lines = [
        ["engine", "wall s", "x ours", "CPU s", "peak MiB", "x ours"],
        ["---", "--:", "--:", "--:", "--:", "--:"],
    ]
    for engine, median in sorted(of.items(), key=lambda item: item[1]["wall_s"]):
        name = engine if engine == OURS else f"{engine} {importlib.metadata.version(engine)}"
        times = [f"{median[key] / ours[key]:.1f}" if ours else "" for key in ("wall_s", "peak_mib")]
        lines.append(
            [
                name,
                f"{median['wall_s']:.2f}",
                times[0],
                f"{median['cpu_s']:.2f}",
                f"{median['peak_mib']:.0f}",
                times[1],
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="another log than the one written here; needs --date")
    parser.add_argument("--date", help="the observation date for --log")
    parser.add_argument("--engines", nargs="+", choices=[OURS, *PEERS], default=[OURS, *PEERS])
    args = parser.parse_args()
    if (args.log is None) != (args.date is None):
        parser.error("--log and --date go together")

    programs = build()
    log, date = (args.log, args.date) if args.log else write_log(args, programs)
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"something else is running (load {load:.1f}): do not quote these figures", file=sys.stderr)
    subprocess.run(["cat", log], check=True, stdout=subprocess.DEVNULL)  # the first engine finds the file in memory too
    reports = measure(args, programs, log, date)
    size = log.stat().st_size / 2**20
    print(f"{log.name}, {size:.0f} MiB, {args.threads} threads, median of {args.repeat}; equal counts for all\n")
    print(table(reports))


if __name__ == "__main__":
    main()
