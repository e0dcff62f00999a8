"""The program as a process: started on a folder laid out like /opt/ml, asked over HTTP, stopped."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

CONTAINER = Path(__file__).resolve().parents[1]
SAMPLE = CONTAINER / "opt-ml"

# The payloads of the original system's client.
ORIGINAL_ROWS = (
    "24670,6168,7,41,975,1645,0,0,0,0,0,1,0,0",
    "99420,49710,7,97,424,3039,1,0,0,0,0,0,0,0",
)


def program() -> Path:
    """The binary under test: `CHURN_PROGRAM`, or what `cargo build -p churn-container` makes."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", CONTAINER.parent / "target"))
    path = Path(os.environ.get("CHURN_PROGRAM", target / "debug" / "churn")).resolve()
    assert path.exists(), f"{path} is missing: run `cargo build -p churn-container`, or set CHURN_PROGRAM"
    return path


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(base: Path, **more: str) -> dict[str, str]:
    """The platform's environment variables, with `base` in place of /opt/ml."""
    return {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base), **more}


def train(base: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the training job on `base`."""
    return run([program(), "train"], environment(base, **more))


def run(command: list[str | Path], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, whichever that is."""
    return subprocess.run(command, check=False, env=env, text=True, capture_output=True)


def train_sample(base: Path, names: Sequence[str] = ()) -> Path:
    """Trains on a copy of the sample data in `base`, under a header of `names` if there are any.

    Returns the model's folder.
    """
    shutil.copytree(SAMPLE, base, dirs_exist_ok=True)
    if names:
        for table in (base / "input/data").glob("*/*.csv"):
            table.write_text(",".join(("churn", *names)) + "\n" + table.read_text())
        settings = base / "input/config/hyperparameters.json"
        settings.write_text(json.dumps({**json.loads(settings.read_text()), "header": "present"}))
    job = train(base)
    assert job.returncode == 0, job.stdout + job.stderr
    return base / "model"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()


class Server:
    """`churn serve` on a folder laid out like /opt/ml; stops with its `with` block."""

    def __init__(self, base: Path, port: int | None = None, *, ready: bool = True, **more: str):
        self.base = base
        self.port = port or free_port()
        self.log_path = base / f"serve-{self.port}.log"
        env = environment(base, **{"SAGEMAKER_BIND_TO_PORT": str(self.port), **more})
        self.started = time.monotonic()
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen([program(), "serve"], env=env, stdout=log, stderr=subprocess.STDOUT)
        if ready:
            try:
                self.wait_until_ready()
            except BaseException:
                self.stop()
                raise

    @property
    def log(self) -> str:
        """What the server has printed."""
        return self.log_path.read_text(errors="replace")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self, within_seconds: float = 30.0) -> float:
        """Asks for /ping until it answers 200; returns the seconds since the process was started."""
        last: object = "nothing"
        while time.monotonic() - self.started < within_seconds:
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}: {self.log}"
            try:
                last = self.request("GET", "/ping").status
                if last == 200:
                    return time.monotonic() - self.started
            except OSError as error:
                last = error
            time.sleep(0.002)  # a process that starts gives no event to wait for
        raise AssertionError(f"no 200 on /ping within {within_seconds} s, last {last}: {self.log}")

    def connection(self, timeout_seconds: float = 60.0) -> http.client.HTTPConnection:
        """A connection of one's own, which stays open between requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request on a new connection; a body of parts goes out in chunks."""
        with closing(self.connection()) as connection:
            return ask(connection, method, path, headers, body)

    def memory_megabytes(self, kind: str = "VmRSS") -> float:
        """Resident memory now, or its peak (`VmHWM`)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(kind):
                return int(line.split()[1]) / 1024
        raise AssertionError(f"no {kind}")

    def stop(self, within_seconds: float = 30.0) -> int:
        """Asks it to end, and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
) -> Answer:
    """One request on `connection`."""
    started = time.monotonic()
    in_chunks = body is not None and not isinstance(body, bytes)
    try:
        connection.request(method, path, body, headers or {}, encode_chunked=in_chunks)
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise  # it was never connected
        # A server may answer before it has read all.
    response = connection.getresponse()
    content = response.read()
    kept = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, kept, content, time.monotonic() - started)
