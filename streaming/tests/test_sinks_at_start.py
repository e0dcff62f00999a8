"""`consume` looks at the start whether streams and buckets of sinks are there, and asks for no more than writing needs.

`make test-streaming` builds the program.
"""

import json
import os
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from emulators import KinesisLocal, Moto, Service, environment
from emulators.proxy import FaultProxy, Faults
from test_aws_sinks import stored
from test_kinesis_source import PROGRAM

CONSUME = PROGRAM.parents[1] / "consume"
pytestmark = pytest.mark.skipif(not CONSUME.exists(), reason="make test-streaming builds the program")


def consume(folder: Path, sink: str, *, lines: int = 0, **services: Service) -> subprocess.CompletedProcess:
    """Reads so many lines that are no events, which become dead letters."""
    (folder / "log.jsonl").write_text("poison\n" * lines)
    command = [CONSUME, "--source", "file:log.jsonl", "--sink", "file:scores.jsonl", "--dead-letters", sink]
    environ = os.environ | environment(**services)
    return subprocess.run(
        [*command, "--state", "state"],
        cwd=folder,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_stream_or_bucket_that_is_not_there_is_named_before_there_is_a_record(
    kinesis_local: KinesisLocal, moto: Moto, tmp_path: Path
) -> None:
    for sink, what in [
        ("kinesis:nobody", 'there is no stream "nobody" in region us-east-1: create it'),
        ("s3://nobody-has-this/churn", 'there is no bucket "nobody-has-this": create it'),
    ]:
        done = consume(tmp_path, sink, kinesis=kinesis_local, s3=moto)
        assert done.returncode == 1
        assert f"cannot write to {sink}: {what}" in done.stderr
        assert not (tmp_path / "state/checkpoint.json").exists()


def test_who_may_write_to_a_stream_but_not_look_at_it_goes_on(
    kinesis_local: KinesisLocal, new_stream, tmp_path: Path
) -> None:
    stream = new_stream(kinesis_local)
    with FaultProxy(kinesis_local.url, Faults(refused_looks=1)) as proxy:
        done = consume(tmp_path, f"kinesis:{stream}", lines=3, kinesis=proxy)
        assert done.returncode == 0, done.stderr
        assert proxy.injected["refused_looks"] == 1
    assert [json.loads(record["Data"])["text"] for record in stored(kinesis_local, stream)] == ["poison"] * 3


class WriteOnly(BaseHTTPRequestHandler):
    """A bucket whose objects may be written and read, but which may not be listed."""

    def answer(self, status: int, body: bytes = b"") -> None:
        self.server.requests[self.command] += 1
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.answer(403)

    def do_GET(self) -> None:
        self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        self.answer(200)

    def log_message(self, *_: object) -> None:
        pass


def test_who_may_write_to_a_bucket_but_not_look_at_it_goes_on(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), WriteOnly)
    server.requests = Counter()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = Service()
    service.url = f"http://127.0.0.1:{server.server_port}"
    done = consume(tmp_path, "s3://ours/churn", lines=3, s3=service)
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr
    assert server.requests["HEAD"] == 1 and server.requests["PUT"] >= 2
