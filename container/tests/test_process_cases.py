"""The cases of cases.json that are about the process: how it starts, what it needs, and how it ends."""

import http.client
import json
import re
import shutil
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from serving import ORIGINAL_ROWS, SAMPLE, Server, ask, environment, program, run, train

CASES = {case["name"]: case for case in json.loads(Path(__file__).with_name("cases.json").read_text())["process_cases"]}
ROW = ORIGINAL_ROWS[0].encode()
CSV = {"Content-Type": "text/csv"}


def test_two_rows_are_enough_to_train_on(tmp_path: Path) -> None:
    case = CASES["train_ok"]
    for path, content in case["files"].items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    job = train(tmp_path)
    assert job.returncode == case["exit"], job.stdout + job.stderr
    assert all((tmp_path / path).exists() for path in case["exists"])
    assert all(re.search(pattern, job.stdout) for pattern in case["stdout_regex"]), job.stdout
    assert re.search(CASES["train_metric_lines"]["stdout_regex"][0], job.stdout), job.stdout


def test_a_wrong_hyperparameter_is_named_in_the_failure_file(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "input/config/hyperparameters.json").write_text('{"max_depth": "five"}')
    assert train(tmp_path).returncode != 0
    failure = (tmp_path / "output/failure").read_text()
    assert all(part in failure for part in CASES["train_bad_hyperparameter"]["failure_file"]["contains"]), failure
    assert len(failure) <= 1024


@pytest.mark.parametrize("arguments", [["frobnicate"], []])
def test_an_unknown_word_ends_with_the_known_ones(arguments: list[str], tmp_path: Path) -> None:
    ended = run([program(), *arguments], environment(tmp_path))
    assert ended.returncode != 0
    assert "train" in ended.stderr and "serve" in ended.stderr, ended.stderr


def test_the_program_is_also_called_train_and_serve(tmp_path: Path, lay_out: Callable[[], Path]) -> None:
    (tmp_path / "train").symlink_to(program())
    shutil.copytree(SAMPLE, tmp_path / "ml")
    job = run([tmp_path / "train"], environment(tmp_path / "ml"))
    assert job.returncode == 0, job.stdout + job.stderr
    assert list((tmp_path / "ml/model").glob("*.safetensors"))


def test_files_beside_the_model_are_ignored(lay_out: Callable[[], Path]) -> None:
    base = lay_out()
    for path in CASES["serve_dotfiles_in_model_dir"]["vary"]["add"]:
        (base / path).write_bytes(b"\x00")
    with Server(base) as server:
        assert server.request("GET", "/ping").status == 200


def test_it_is_ready_soon(lay_out: Callable[[], Path]) -> None:
    with Server(lay_out(), ready=False) as server:
        assert server.wait_until_ready() * 1000 <= CASES["cold_start"]["ping_200_within_ms"]


def test_it_serves_from_a_folder_that_it_may_not_write(lay_out: Callable[[], Path]) -> None:
    base = lay_out()
    before = {path: path.stat().st_mtime_ns for path in (base / "model").rglob("*")}
    with Server(base) as server:
        assert server.request("POST", "/invocations", CSV, ROW).status == 200
    assert {path: path.stat().st_mtime_ns for path in (base / "model").rglob("*")} == before


class InFlight:
    """A request of which the server has read the headers and awaits the rest."""

    def __init__(self, server: Server, body: bytes):
        self.body = body
        self.connection = server.connection()
        self.connection.putrequest("POST", "/invocations")
        for name, value in {**CSV, "Content-Length": str(len(body)), "Expect": "100-continue"}.items():
            self.connection.putheader(name, value)
        self.connection.endheaders()
        # The line says that the request has been accepted: no need to guess how long that takes.
        status = self.connection.sock.recv(64)
        assert status.startswith(b"HTTP/1.1 100"), status

    def finish(self) -> http.client.HTTPResponse:
        """Sends the rest, and waits for the answer."""
        self.connection.send(self.body)
        response = self.connection.response_class(self.connection.sock, method="POST")
        response.begin()
        response.read()
        self.connection.close()
        return response


def test_sigterm_lets_accepted_requests_finish_and_refuses_new_connections(lay_out: Callable[[], Path]) -> None:
    server = Server(lay_out())
    in_flight = [InFlight(server, ROW) for _ in range(16)]
    server.process.send_signal(signal.SIGTERM)
    while accepts(server):
        pass
    assert server.process.poll() is None, "it waits for what it has accepted"
    assert [request.finish().status for request in in_flight] == [200] * 16
    assert server.process.wait(CASES["serve_sigterm_drains"]["signal"]["deadline_s"]) == 0


def accepts(server: Server) -> bool:
    """Whether a new connection gets an answer."""
    with closing(server.connection(timeout_seconds=1)) as connection:
        try:
            return ask(connection, "GET", "/ping").status == 200
        except (OSError, http.client.HTTPException):
            return False


def test_sigterm_under_load_cuts_no_answer_short(lay_out: Callable[[], Path]) -> None:
    server = Server(lay_out())
    answered = threading.Semaphore(0)
    problems: list[str] = []

    def work() -> None:
        try:
            while True:
                with closing(server.connection()) as connection:
                    connection.connect()
                    # From here on a connection that ends must have said why, unless it ends before a byte of an answer.
                    connection.request("POST", "/invocations", ROW, CSV)
                    answer = connection.getresponse()
                    if answer.status not in (200, 503) or b"predictions" not in answer.read() and answer.status == 200:
                        problems.append(f"{answer.status}")
                    answered.release()
        except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
            return  # never accepted
        except (OSError, http.client.HTTPException) as error:
            problems.append(repr(error))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for _ in range(400):
        answered.acquire()
    assert server.stop() == 0, server.log
    for worker in workers:
        worker.join()
    assert problems == []
