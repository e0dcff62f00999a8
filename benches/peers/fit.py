"""Fits the same forest with several libraries in turn and prints one table.

Every fit is a process of its own on the same files; libraries take turns (A B C, A B C), so that a slow minute of the
machine does not fall on one of them. Only the fit is timed, with whatever a library does to a float32 matrix first.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

from fit_case import ENGINES

ROOT = Path(__file__).resolve().parents[2]
OURS = "churn-model"
RUST_PEERS = ["biosphere", "forust-ml", "linfa-ensemble", "smartcore"]
BUSY = 0.5  # load average above which the figures of two runs differ
COLUMNS = ["engine", "wall s", "x ours", "CPU s", "peak MiB", "of it fitting", "ROC-AUC", "log loss"]


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def build(engines: list[str]) -> Path:
    """Builds what the engines need and returns the folder with the programs."""
    arguments = ["build", "--release", "-p", "churn-benches", "--bin", "fit_case"]
    if set(engines) & set(RUST_PEERS):
        arguments += ["--features", "rust-peers", "--bin", "fit_rust_peers"]
    cargo(*arguments)
    return Path(json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["target_directory"]) / "release"


def command(engine: str, programs: Path) -> list[str]:
    if engine == OURS:
        return [str(programs / "fit_case")]
    if engine in RUST_PEERS:
        return [str(programs / "fit_rust_peers"), engine]
    return [sys.executable, str(Path(__file__).with_name("fit_case.py")), engine]


def measure(args: argparse.Namespace, programs: Path) -> dict[str, list[dict]]:
    """The reports of every engine, one per round."""
    data_dir = programs.parent / "peers" / f"{args.rows}-{args.seed}"
    shared = ["--data-dir", str(data_dir), "--seed", str(args.seed)]
    rows = ["--rows", str(args.rows)]
    subprocess.run([str(programs / "fit_case"), "--prepare", *rows, *shared], check=True)
    reports: dict[str, list[dict]] = {engine: [] for engine in args.engines}
    for turn in range(args.repeat):
        for engine in args.engines:
            arguments = [*command(engine, programs), "--threads", str(args.threads), *shared]
            if engine not in ENGINES:
                arguments += rows
            done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True)
            report = json.loads(done.stdout)
            reports[engine].append(report)
            print(f"{turn + 1}/{args.repeat} {engine}: {report['wall_s']:.2f} s", file=sys.stderr, flush=True)
    return reports


def version(engine: str) -> str:
    if engine in ENGINES:
        return importlib.metadata.version(engine)
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return next(package["version"] for package in packages if package["name"] == engine)


def table(reports: dict[str, list[dict]]) -> str:
    """Medians in Markdown, the fastest engine first."""
    of = {
        engine: {
            key: statistics.median(case[key] for case in cases) for key in cases[0] if key not in ("engine", "n_nodes")
        }
        for engine, cases in reports.items()
    }
    ours = of.get(OURS, {}).get("wall_s")
    lines = [COLUMNS, ["---", *["--:"] * (len(COLUMNS) - 1)]]
    for engine, median in sorted(of.items(), key=lambda item: item[1]["wall_s"]):
        lines.append(
            [
                engine,
                f"{median['wall_s']:.2f}",
                f"{median['wall_s'] / ours:.1f}" if ours else "",
                f"{median['cpu_s']:.2f}",
                f"{median['peak_mib']:.0f}",
                f"{median['peak_mib'] - median['before_mib']:.0f}",
                f"{median['roc_auc']:.4f}",
                f"{median['log_loss']:.4f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="default: 100000, or 20000 with Rust peers, which are slow")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", nargs="+", choices=[OURS, *ENGINES, *RUST_PEERS], default=[OURS, *ENGINES])
    args = parser.parse_args()
    if args.rows is None:
        args.rows = 20_000 if set(args.engines) & set(RUST_PEERS) else 100_000

    programs = build(args.engines)
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"something else is running (load {load:.1f}): do not quote these figures", file=sys.stderr)
    reports = measure(args, programs)
    versions = ", ".join(f"{engine} {version(engine)}" for engine in args.engines)
    print(f"{args.rows} rows, {args.threads} threads, median of {args.repeat}; {versions}\n")
    print(table(reports))


if __name__ == "__main__":
    main()
