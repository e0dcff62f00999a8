"""Scores the same rows with us and with other libraries, one process each, and prints one table.

Each library fits a forest of the same shape on the same table, or is given the forest of another one; a column tells its
nodes. A library that cannot be installed, compiled or run leaves its line empty, with the reason under the table.
Ours are measured before and after the others, as the machine may have changed in between.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import score_case
from fit import BUSY, RUST_PEERS, cargo, version

SHAPES = [(100, 12), (500, 8), (100, 0)]
OUR_DEEPEST = 64
COLUMNS = {
    "single_us": "one row us",
    "cold_us": "one row, cold us",
    "python_us": "one row, Python us",
    "batch_us": "batch us/row",
    "nodes": "nodes",
}
NOTES = {
    "forust-ml": "boosted trees, with a small step and all features, as it has no forest",
    "linfa-ensemble": "votes only; draws its features once per tree",
    "lleaves": "LightGBM's forest, compiled by LLVM, not inlined; native times are of the object file it keeps",
    "onnxruntime": "scikit-learn's forest, converted by skl2onnx",
    "smartcore": "votes only",
    "tl2cgen": f"XGBoost's forest as C, compiled with gcc {score_case.score_native.TL2CGEN_LEVEL} in several files",
    "treelite": "XGBoost's forest in GTIL",
    "ydf": "native times are of the C++ it writes, compiled with g++ -O3 -march=native",
}


def run(command: list, minutes: float | None = None) -> dict:
    """What a case prints, or why it does not under the key `failed`."""
    command, pipe = [str(part) for part in command], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as case:
        try:
            out, err = case.communicate(timeout=minutes and minutes * 60)
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {minutes:g} minutes"}
        finally:
            if case.poll() is None:
                os.killpg(case.pid, signal.SIGKILL)  # with the compilers that it has started
    if case.returncode != 0:
        return {"failed": (err.strip().splitlines() or [f"ended with {case.returncode}"])[-1]}
    return json.loads(out.splitlines()[-1])


def installed(peer: str) -> str:
    try:
        return version(peer) if peer in RUST_PEERS else importlib.metadata.version(peer)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"


def measure(args: argparse.Namespace, programs: Path, trees: int, depth: int) -> dict:
    """The figures of all engines on forests of one shape."""
    folder = programs.parent / "peers" / f"score-{trees}-{depth}-{args.rows}-{args.seed}"
    forest = ["--folder", folder, "--trees", trees, "--seed", args.seed]
    rows = ["--rows", args.rows]

    def ours() -> dict:
        report = run([programs / "score_case", *forest, *rows, "--depth", depth or OUR_DEEPEST])
        if "failed" in report:
            raise SystemExit(f"score_case: {report['failed']}")
        return report

    before, peers = ours(), {}
    for peer in [*score_case.PEERS, *RUST_PEERS]:
        if peer in args.skip:
            continue
        print(f"{trees} trees, depth {depth or 'unlimited'}: {peer}", file=sys.stderr, flush=True)
        if peer in RUST_PEERS:
            command = [programs / "score_rust_peers", peer, *forest, *rows]
        else:
            command = [sys.executable, Path(score_case.__file__), peer, *forest]
        peers[peer] = {"version": installed(peer)} | run([*command, "--depth", depth], args.minutes)
    return {
        "trees": trees,
        "depth": depth,
        "rows": args.rows,
        "seed": args.seed,
        "ours": [before, ours()],
        "peers": peers,
    }


def print_table(figures: dict) -> None:
    """One line per engine; in brackets, how many times what our best kernel takes."""
    reports = figures["ours"]
    mean = {
        kernel: {key: statistics.mean(report["kernels"][kernel][key] for report in reports) for key in times}
        for kernel, times in reports[0]["kernels"].items()
    }
    best = {key: min(times[key] for times in mean.values()) for key in COLUMNS if key in next(iter(mean.values()))}
    lines = [["engine", *COLUMNS.values()], ["---", *["--:"] * len(COLUMNS)]]
    engines = {f"churn-model, {kernel}": times | {"nodes": reports[0]["n_nodes"]} for kernel, times in mean.items()}
    for peer, report in figures["peers"].items():
        engines[f"{peer} {report['version']}"] = report
    for engine, report in engines.items():
        cells = [cell(report.get(key), best.get(key)) for key in COLUMNS]
        lines.append([engine, *cells])
    depth = f"depth {figures['depth']}" if figures["depth"] else "no limit of depth"
    print(f"{figures['trees']} trees, {depth}, one thread\n")
    print("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    for peer, report in figures["peers"].items():
        remark = report.get("failed") or NOTES.get(peer)
        if remark:
            print(f"- {peer}: {'failed: ' if 'failed' in report else ''}{remark}")
    for key in ("decide_us", "batch_1_wall_us", "batch_2_wall_us"):
        print(f"- our {key}: " + ", ".join(f"{kernel} {times[key]:.2f}" for kernel, times in mean.items()))
    plain = [key for key, value in reports[0].items() if isinstance(value, float)]
    of_model = (f"{key} {statistics.mean(report[key] for report in reports):.3g}" for key in plain)
    print(f"- our {', '.join(of_model)}\n")


def cell(value: float | None, best: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    text = f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return f"{text} ({value / best:.1f})" if best else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=12, help="0 for no limit")
    parser.add_argument("--all", action="store_true", help="three shapes: 100 x 12, 500 x 8, 100 without limit")
    parser.add_argument("--rows", type=int, default=100_000, help="observations to fit on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", nargs="+", default=[], choices=[*score_case.PEERS, *RUST_PEERS])
    parser.add_argument("--minutes", type=float, default=20, help="that a library may take, compiling included")
    parser.add_argument("--json", type=Path, help="file that the figures are written to")
    args = parser.parse_args()

    arguments = ["--bin", "score_case", "--bin", "score_rust_peers", "--features", "rust-peers"]
    cargo("build", "--release", "-p", "churn-benches", *arguments)
    target = json.loads(cargo("metadata", "--no-deps", "--format-version", "1"))["target_directory"]
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"something else is running (load {load:.1f}): do not quote these figures", file=sys.stderr)
    figures = []
    for trees, depth in SHAPES if args.all else [(args.trees, args.depth)]:
        figures.append(measure(args, Path(target) / "release", trees, depth))
        print_table(figures[-1])
        if args.json:
            args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
