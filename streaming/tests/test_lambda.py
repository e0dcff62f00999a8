"""The Lambda function `bootstrap-stream` as a process, behind an event source as Lambda has them.

Lambda is played here: the Runtime API, and the mapping of a stream to a function with batches, partial failures,
bisection, a last retry and a destination of what failed. DynamoDB is an emulator, with a proxy in front of it that drops
answers.

    PROGRAMS=target/debug python -m pytest -q streaming/tests/test_lambda.py
"""

import base64
import contextlib
import json
import os
import queue
import random
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import PROGRAMS, TABLE
from emulators import Moto, environment

BOOTSTRAP = PROGRAMS / "bootstrap-stream"

pytestmark = pytest.mark.skipif(
    not BOOTSTRAP.exists(), reason="bootstrap-stream is not built: see `make test-streaming`"
)


class Runtime:
    """The Runtime API: hands events to whoever asks for the next one, and takes the answers."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                try:
                    number, body = runtime.events.get(timeout=120)
                except queue.Empty:
                    return
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", number)
                self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:0:function:churn")
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5e1b4151-5ac6c58f5b5daa6f8b8e8f5b")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                try:
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:  # whoever asked has been killed: the next one gets it
                    runtime.events.put((number, body))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                runtime.answers.put((self.path.rsplit("/", 1)[1], json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.n = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def invoke(self, event: Any) -> tuple[str, Any]:
        """What comes back: `response` or `error`, and its body."""
        self.n += 1
        self.events.put((f"request-{self.n}", json.dumps(event).encode()))
        return self.answers.get(timeout=60)


class Forgetful:
    """In front of DynamoDB: some requests are refused, and the answers of some that were done are lost."""

    def __init__(self, url: str, percent: int):
        dice = random.Random(7)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fails = dice.randrange(100) < percent
                if not fails or dice.random() < 0.5:
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
                    request = urllib.request.Request(url, data=body, headers=headers)
                    try:
                        with urllib.request.urlopen(request) as answer:
                            status, found, data = answer.status, answer.headers, answer.read()
                    except urllib.error.HTTPError as error:
                        status, found, data = error.code, error.headers, error.read()
                if fails:
                    status, found = 500, {}
                    data = b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"again"}'
                self.send_response(status)
                for name in ("Content-Type", "x-amz-crc32", "x-amzn-RequestId"):
                    if name in found:
                        self.send_header(name, found[name])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # whoever asked has been killed
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Function:
    """The function as Lambda runs it: an environment that is started again when it ends."""

    def __init__(self, folder: Path, moto_url: str, moto: Moto, model: Path | None, **variables: str):
        self.runtime = Runtime()
        self.out = (folder / "out.log").open("ab")
        self.environment = os.environ | environment(dynamodb=moto)
        self.environment |= {
            "AWS_ENDPOINT_URL_DYNAMODB": moto_url,
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address,
            "AWS_LAMBDA_FUNCTION_NAME": "churn",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": "churn",
            "AWS_LAMBDA_LOG_STREAM_NAME": "churn",
            "CHURN_STATE_TABLE": TABLE,
            "CHURN_MODEL": str(model or ""),
        } | variables
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([BOOTSTRAP], env=self.environment, stdout=self.out, stderr=self.out)

    def restart(self) -> None:
        """A new environment, as Lambda makes them whenever it likes."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Mapping:
    """The mapping of a shard to the function."""

    def __init__(self, function: Function, batch_size: int, retries: int | None = None):
        self.function, self.batch_size, self.retries = function, batch_size, retries
        self.failed: list[dict[str, Any]] = []  # what the destination of failures was told
        self.n_partial = 0

    def deliver(self, records: list[dict[str, Any]]) -> None:
        first, size, left = 0, self.batch_size, self.retries
        while first < len(records):
            batch = records[first : first + size]
            kind, body = self.function.runtime.invoke({"Records": batch})
            failures = body["batchItemFailures"] if kind == "response" else None
            if failures == []:
                first, size, left = first + len(batch), self.batch_size, self.retries
                continue
            if left == 0:
                self.failed.append({"first": batch[0]["kinesis"]["sequenceNumber"], "size": len(batch)})
                first, size, left = first + len(batch), self.batch_size, self.retries
                continue
            if failures is None:  # bisect
                size = max(1, len(batch) // 2)
            else:
                self.n_partial += 1
                sequences = [record["kinesis"]["sequenceNumber"] for record in batch]
                first += min(sequences.index(failure["itemIdentifier"]) for failure in failures)
            left = None if left is None else left - 1


def event_record(sequence: int, data: bytes) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "t",
            "sequenceNumber": f"{49590338271490256608559692538361571095921575989136588000 + sequence}",
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_770_000_000.123,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000006:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/bigdatajobs",
    }


def replayed(folder: Path, lines: list[bytes], model: Path) -> dict[str, dict[str, Any]]:
    (folder / "log.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    command = [PROGRAMS / "consume", "--source", f"file:{folder}/log.jsonl", "--model", model]
    subprocess.run([*command, "--sink", f"file:{folder}/scores.jsonl"], check=True, capture_output=True)
    records = map(json.loads, (folder / "scores.jsonl").read_text().splitlines())
    return {record["id"]: record for record in records}


def test_whatever_lambda_delivers_again_the_scores_are_those_of_a_replay(
    tmp_path: Path, moto: Moto, table: Any, world: tuple[list[bytes], Path]
) -> None:
    lines, model = world
    records = [event_record(sequence, line) for sequence, line in enumerate(lines)]
    function = Function(tmp_path, Forgetful(moto.url, percent=20).url, moto, model)
    mapping = Mapping(function, batch_size=100)
    try:
        mapping.deliver(records[:1_200])
        function.restart()
        mapping.deliver(records[1_100:])  # some once more
    finally:
        function.stop()
    told = [json.loads(line) for line in (tmp_path / "out.log").read_text().splitlines() if line.startswith("{")]
    scores = [line for line in told if "score" in line]
    expected = replayed(tmp_path, lines, model)
    found: dict[str, dict[str, Any]] = {}
    for record in scores:  # at least once, and always the same
        assert found.setdefault(record["id"], record) == record
    assert found == expected
    letters = {letter["position"]: letter for letter in told if "field" in letter}
    assert len(letters) == 3
    items = table.scan(TableName=TABLE)["Items"]
    assert {item["key"]["S"] for item in items} >= {record["companyID"] for record in scores}
    assert mapping.n_partial > 0


def test_a_tenant_that_cannot_go_on_ends_at_the_destination_of_failures(
    tmp_path: Path, moto: Moto, table: Any, world: tuple[list[bytes], Path]
) -> None:
    lines, _ = world
    records = [event_record(sequence, line) for sequence, line in enumerate(lines[:60])]
    tenants = [json.loads(line).get("subject") for line in lines[:60]]
    damaged = tenants[30]
    first = tenants.index(damaged)
    table.put_item(
        TableName=TABLE,
        Item={"key": {"S": damaged}, "version": {"N": "4"}, "state": {"B": b"\x63"}, "positions": {"S": "{}"}},
    )
    function = Function(tmp_path, moto.url, moto, None)
    mapping = Mapping(function, batch_size=60, retries=2)
    try:
        mapping.deliver(records)
    finally:
        function.stop()
    assert mapping.failed[0]["first"] == records[first]["kinesis"]["sequenceNumber"]
    items = {item["key"]["S"]: item for item in table.scan(TableName=TABLE)["Items"]}
    assert items[damaged]["version"] == {"N": "4"}
    assert set(items) == set(tenants)
    assert "the state that is stored cannot be read" in (tmp_path / "out.log").read_text()


def test_what_is_no_batch_is_an_error_and_what_is_not_set_is_named(tmp_path: Path, moto: Moto, table: Any) -> None:
    function = Function(tmp_path, moto.url, moto, None)
    try:
        kind, body = function.runtime.invoke({"source": "aws.events"})
        assert kind == "error"
        assert "Kinesis event source" in body["errorMessage"]
        assert function.runtime.invoke({"Records": []}) == ("response", {"batchItemFailures": []})
    finally:
        function.stop()
    before = function.environment
    for variable, value in (("CHURN_STATE_TABLE", ""), ("CHURN_SINK", "s3")):
        function.environment = before | {variable: value}
        function.start()
        assert function.process.wait(timeout=20) == 1
        assert variable in (tmp_path / "out.log").read_text()
