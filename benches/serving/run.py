"""Times our server beside the gunicorn, flask and scikit-learn sample: one table, everything in one run.

run.py PROGRAM ARCHIVE SIMULATE VENV. Both fit 100 trees on the same 10,000 rows of the original system's 14 columns.
The server has one core, wrk the other; the sample has the one worker that fits one core.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
N_ROWS = 10_000
SECONDS = int(os.environ.get("SECONDS_EACH", "10"))
SERVER_CORE, CLIENT_CORE = "0", "1"
ROWS_OF_A_LARGE_REQUEST = 1000


@dataclass
class Contender:
    """A way to start a server, and how much of it has to be installed."""

    name: str
    command: list[str]
    environment: dict[str, str]
    installed_megabytes: float
    starts: int


@dataclass
class Load:
    """What wrk saw."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Measures both, and prints the table."""
    program, archive, simulate, venv = (Path(argument).resolve() for argument in sys.argv[1:])
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install wrk util-linux")
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        rows = write_rows(world, simulate)
        contenders = [ours(world, program, archive, rows), sample(world, venv, rows)]
        columns = [measured(contender, world, rows) for contender in contenders]
    names = [contender.name for contender in contenders]
    print(f"| {' | '.join(['', *names, 'ratio'])} |")
    print("|---" * (len(names) + 2) + "|")
    for what in columns[0]:
        ours_, theirs = (column[what] for column in columns)
        print(f"| {what} | {number(ours_)} | {number(theirs)} | {max(ours_, theirs) / min(ours_, theirs):.0f} |")


def write_rows(world: Path, simulate: Path) -> Path:
    """A simulated company table in the original layout: label first, no header."""
    table, rows = world / "companies.csv", world / "ml/input/data/train/rows.csv"
    rows.parent.mkdir(parents=True)
    command = [simulate, "--table", table, "--rows", str(N_ROWS), "--seed", "6"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with table.open() as source, rows.open("w") as target:
        layout = [sys.executable, ROOT / "container/original_layout.py"]
        subprocess.run(layout, stdin=source, stdout=target, check=True)
    return rows


def ours(world: Path, program: Path, archive: Path, rows: Path) -> Contender:
    """The container's program, with a forest that it has fitted itself."""
    base = rows.parents[3]
    (base / "input/config").mkdir()
    chosen = {"algorithm": "random-forest", "n_trees": "100", "min_leaf": "20"}
    (base / "input/config/hyperparameters.json").write_text(json.dumps(chosen))
    environment = {"SAGEMAKER_BASE_DIR": str(base)}
    subprocess.run([program, "train"], env=environment, check=True, stdout=subprocess.DEVNULL)
    return Contender("churn", [str(program), "serve"], environment, archive.stat().st_size / 1e6, starts=9)


def sample(world: Path, venv: Path, rows: Path) -> Contender:
    """The sample, with a forest that scikit-learn has fitted."""
    model = world / "forest.pickle"
    subprocess.run([venv / "bin/python", HERE / "sample/fit.py", rows, model], check=True)
    command = [
        *(str(venv / "bin/gunicorn"), "--chdir", str(HERE / "sample"), "--workers", "1", "--threads", "8"),
        *("--log-level", "error", "predictor:app"),
    ]
    environment = {"MODEL": str(model), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    packages = sum(file.stat().st_size for file in (venv / "lib").rglob("*") if file.is_file()) / 1e6
    return Contender("gunicorn, flask, scikit-learn", command, environment, packages, starts=3)


def measured(contender: Contender, world: Path, rows: Path) -> dict[str, float]:
    """All numbers of one server."""
    features = [line.split(",", 1)[1] for line in rows.read_text().splitlines()]
    one, many = features[0], "\n".join(features[:ROWS_OF_A_LARGE_REQUEST])
    starts = [running(contender, lambda _, __, seconds: seconds) for _ in range(contender.starts)]

    def under_load(port: int, pid: int, _: float) -> dict[str, float]:
        idle = tree_megabytes(pid)
        single, large = (wrk(port, body, world) for body in (one, many))
        return {
            "requests/s, one row each": single.requests_per_second,
            "p50, ms": single.p50_ms,
            "p99, ms": single.p99_ms,
            "rows/s, 1,000 rows each": large.requests_per_second * ROWS_OF_A_LARGE_REQUEST,
            "start to 200 on /ping, ms": statistics.median(starts) * 1000,
            "resident when ready, MB": idle,
            "resident after the load, MB": tree_megabytes(pid),
            "image, or packages without OS and Python, MB": contender.installed_megabytes,
        }

    return running(contender, under_load)


def running(contender: Contender, use: Callable[[int, int, float], Any]) -> Any:
    """Uses the server once it is ready, with its port, its process and the seconds it took to get there."""
    port = free_port()
    bound = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in contender.name else []
    environment = {**contender.environment, "SAGEMAKER_BIND_TO_PORT": str(port)}
    command = ["taskset", "-c", SERVER_CORE, contender.command[0], *bound, *contender.command[1:]]
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > started + 240:
                sys.exit(f"{contender.name} does not start")
            time.sleep(0.001)
        return use(port, process.pid, time.monotonic() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def is_ready(port: int) -> bool:
    """Whether /ping is answered by 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=60) as answer:
            return answer.status == 200
    except OSError:
        return False


def wrk(port: int, body: str, world: Path) -> Load:
    """Eight connections that ask for one thing over and over; fails when an answer is not 200."""
    script = world / "load.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "text/csv"\nwrk.body = {json.dumps(body)}\n')
    url = f"http://127.0.0.1:{port}/invocations"
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", "-c8", f"-d{SECONDS}s", "--latency", "-s", str(script), url]
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in seen or "Socket errors" in seen:
        sys.exit(seen)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", seen)
    percentiles = (re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", seen) for share in (50, 99))
    unit_ms = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    p50, p99 = (float(found[1]) * unit_ms[found[2]] for found in percentiles)
    return Load(float(rate[1]), p50, p99)


def tree_megabytes(pid: int) -> float:
    """Resident memory of a process and its children."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(tree_megabytes(int(child)) for child in children)


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def number(value: float) -> str:
    """Three figures."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
