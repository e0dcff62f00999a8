"""The original way: a consumer asks a scikit-learn endpoint about one event after the other; and the same without network.

All ways read an event's JSON, have the features at hand that somebody else has derived, and write a score record as JSON.
Deriving features and keeping states costs them nothing here.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from case import Event
from sklearn.ensemble import RandomForestClassifier

SAMPLE = Path(__file__).resolve().parents[1] / "serving" / "sample"
#: The sample's server has one core, whoever asks it the other one.
SERVER_CORE, OWN_CORE = 0, 1
#: Records that a stream hands over at once.
BATCH = 500

Ask = Callable[[list[Event]], list[float]]


@contextmanager
def endpoint(forest: Path) -> Iterator[Ask]:
    """The sample behind gunicorn, asked by POST over one connection that stays open."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [
        *("taskset", "-c", str(SERVER_CORE), Path(sys.executable).with_name("gunicorn"), "--chdir", SAMPLE),
        *("--workers", "1", "--threads", "8", "--keep-alive", "60", "--bind", f"127.0.0.1:{port}"),
        *("--log-level", "error", "predictor:app"),
    ]
    environment = os.environ | {"MODEL": str(forest), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process)
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            yield lambda events: [posted(connection, event) for event in events]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until it answers."""
    until = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                sys.exit("the endpoint does not start")
            time.sleep(0.05)


def posted(connection: http.client.HTTPConnection, event: Event) -> float:
    """One event's score, as CSV in and out."""
    body = ",".join("" if math.isnan(value) else repr(value) for value in event.row)
    connection.request("POST", "/invocations", body.encode(), {"Content-Type": "text/csv"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"the endpoint answers {answer.status}: {text.decode()}")
    return float(text)


def one_by_one(forest: RandomForestClassifier) -> Ask:
    """scikit-learn in this process, a row at a time."""
    return lambda events: [float(forest.predict_proba(np.array([event.row], np.float32))[0, 1]) for event in events]


def all_at_once(forest: RandomForestClassifier) -> Ask:
    """scikit-learn in this process, with the rows of a whole batch."""
    return lambda events: forest.predict_proba(np.array([event.row for event in events], np.float32))[:, 1].tolist()


def consumed(ask: Ask, events: list[Event], sink: Path) -> tuple[float, dict[tuple[str, str], float]]:
    """Seconds that it takes to consume events in batches, and the scores by tenant and event."""
    scores = {}
    os.sched_setaffinity(0, {OWN_CORE})
    try:
        ask(events[:20])
        begun = time.perf_counter()
        with sink.open("w") as file:
            for at in range(0, len(events), BATCH):
                batch = events[at : at + BATCH]
                read = [json.loads(event.line) for event in batch]
                for event, score in zip(read, ask(batch), strict=True):
                    scores[event["subject"], event["id"]] = score
                    file.write(json.dumps({"companyID": event["subject"], "event": event["id"], "score": score}) + "\n")
        return time.perf_counter() - begun, scores
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
