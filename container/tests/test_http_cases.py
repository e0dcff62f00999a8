"""Every HTTP case of cases.json against the program as a process."""

import contextlib
import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from predicates import check_body
from serving import Answer, Server, ask

HTTP_CASES = json.loads(Path(__file__).with_name("cases.json").read_text())["http_cases"]
BY_NAME = {case["name"]: case for case in HTTP_CASES}

# Cases of the level `may` that we leave out, with the reason.
LEFT_OUT: dict[str, str] = {}

Servers = Callable[[dict[str, Any]], Server]


@pytest.fixture(scope="module")
def servers(model: Path, lay_out: Callable[[], Path]) -> Iterator[Servers]:
    """One server for each set-up; cases of a group have the same one, and meet what the cases before have left."""
    running: dict[str, Server] = {}

    def get(setup: dict[str, Any]) -> Server:
        of_server = {key: value for key, value in setup.items() if key != "background"}
        key = json.dumps(of_server, sort_keys=True)
        if key not in running:
            base = lay_out()
            for name, kind in setup.get("models", {}).items():
                put_model(base / "models" / name / "model", kind, model)
            limits = {"CHURN_MODEL_MEMORY_MB": str(setup["memory_limit_mb"])} if "memory_limit_mb" in setup else {}
            running[key] = Server(base, setup.get("port"), **setup.get("env", {}), **limits)
        return running[key]

    yield get
    for server in running.values():
        server.stop()


def put_model(folder: Path, kind: str, model: Path) -> None:
    """Lays out one model of a multi-model endpoint."""
    shutil.copytree(model, folder)
    if kind == "larger-than-limit":
        with next(folder.glob("*.safetensors")).open("r+b") as file:
            file.truncate(512 << 20)  # sparse: it takes no room on the disk


def send(server: Server, case: dict[str, Any]) -> Answer:
    """Sends the request of a case. Paths below /opt/ml are those of the folder that stands in for it."""
    text = case.get("body")
    if "body_repeat" in case:
        text = case["body_repeat"]["text"] * case["body_repeat"]["times"]
    body = None if text is None else text.replace("/opt/ml/", f"{server.base}/").encode()
    headers = dict(case["headers"])
    if case.get("transfer") == "chunked":
        headers.pop("Transfer-Encoding")
        return server.request(case["method"], case["path"], headers, iter([body[:10], body[10:]]))
    return server.request(case["method"], case["path"], headers, body)


def busy(server: Server, connections: int, case: dict[str, Any]) -> Callable[[], None]:
    """Keeps `connections` busy with a case until the returned function is called; they are when this returns."""
    done = threading.Event()
    at_work = threading.Barrier(connections + 1)
    body = (case["body_repeat"]["text"] * case["body_repeat"]["times"]).encode()

    def work() -> None:
        connection = server.connection()
        ask(connection, case["method"], case["path"], case["headers"], body)
        at_work.wait()
        while not done.is_set():
            ask(connection, case["method"], case["path"], case["headers"], body)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    at_work.wait()

    def stop() -> None:
        done.set()
        for thread in threads:
            thread.join()

    return stop


def check(case: dict[str, Any], answer: Answer) -> None:
    """The answer is what the case expects."""
    assert answer.status in case["expected_status"], answer.text
    if case["expected_content_type"]:
        assert answer.media_type == case["expected_content_type"], answer.headers
    check_body(case["expected_body"], answer.text, answer.media_type)
    assert answer.seconds * 1000 <= case.get("max_ms", 60_000)


@pytest.mark.parametrize("name", [case["name"] for case in HTTP_CASES if case.get("setup") != {"model": "corrupt"}])
def test_the_case_is_answered_as_expected(name: str, servers: Servers) -> None:
    if name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    case = BY_NAME[name]
    setup = case.get("setup", {})
    server = servers(setup)
    stop = (
        busy(server, setup["background"]["connections"], BY_NAME[setup["background"]["case"]])
        if ("background" in setup)
        else (lambda: None)
    )
    try:
        answer = send(server, case)
    finally:
        stop()
    check(case, answer)
    assert server.process.poll() is None, server.log


@pytest.mark.parametrize("damage", ["garbage", "cut off", "one bit", "empty", "no file"])
def test_a_damaged_model_is_never_ready(damage: str, lay_out: Callable[[], Path]) -> None:
    base = lay_out()
    path = next((base / "model").glob("*.safetensors"))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damaged = {"garbage": b"\xff" * 4096, "cut off": whole[:-100], "one bit": bytes(flipped), "empty": b""}
    path.unlink() if damage == "no file" else path.write_bytes(damaged[damage])
    server = Server(base, ready=False)
    case = BY_NAME["ping_not_ready_corrupt_model"]
    while server.process.poll() is None and time.monotonic() < server.started + 10:
        with contextlib.suppress(OSError, http.client.HTTPException):  # not listening yet, or no longer
            assert send(server, case).status in case["expected_status"]
    assert server.stop() not in (0, None), "it says by its exit code that it cannot serve"
    reason = server.log.strip().splitlines()[-1]
    assert "model" in reason and "panicked" not in server.log, server.log


def test_only_cases_that_one_may_leave_out_are_left_out() -> None:
    assert all(BY_NAME[name]["level"] == "may" for name in LEFT_OUT)
