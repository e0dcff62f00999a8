"""A reverse proxy in front of a Kinesis emulator that fails as Kinesis does: often, a little, and never where expected.

    with KinesisLocal() as kinesis, FaultProxy(kinesis.url, Faults(throttled_reads=0.1), seed=7) as proxy:
        proxy.client("kinesis")...
        proxy.injected["throttled_reads"]

As a program it prints its address, and serves until standard input ends; GET `/faults` tells what it has done, and PUT
`/faults` changes some rates:

    python emulators/proxy.py http://127.0.0.1:4568 --seed 7 --faults '{"throttled_reads": 0.1}'

Whether the n-th request of an operation meets a fault depends on seed, fault and n only, so a client that asks one thing
at a time sees the same faults in every run. Both encodings of the API pass, JSON and CBOR; what would need to read CBOR
(entries that fail, reads per second of a shard) happens to JSON only. Clients may speak HTTP/1.1, or HTTP/2 without TLS as
KCL does, where one request is reset instead of its connection.
"""

import argparse
import json
import random
import re
import socket
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from emulators import Service
from emulators.http2 import PREFACE, Http2


@dataclass(frozen=True)
class Faults:
    """The share of requests (or entries) that meet each fault, from 0 to 1."""

    throttled_reads: float = 0  # GetRecords: ProvisionedThroughputExceededException
    throttled_writes: float = 0  # PutRecords and PutRecord: the same
    expired_iterators: float = 0  # GetRecords: ExpiredIteratorException
    refused_looks: float = 0  # DescribeStreamSummary: AccessDeniedException
    failed_iterators: float = 0  # GetShardIterator: HTTP 500, InternalFailure
    failures: float = 0  # any request: HTTP 500, InternalFailure
    lost_requests: float = 0  # any request: the connection ends before Kinesis has it
    lost_answers: float = 0  # any request: the connection ends after Kinesis has done it
    failed_entries: float = 0  # entries of PutRecords: an ErrorCode, and not in the stream
    delays: float = 0  # any request: waits up to delay_seconds first
    delay_seconds: float = 0.2
    reads_per_second: int | None = None  # of one shard; Kinesis allows 5


THROTTLED = (400, "ProvisionedThroughputExceededException", "Rate exceeded for shard; slow down")
EXPIRED = (400, "ExpiredIteratorException", "Iterator expired. The iterator was created too long ago")
FAILED = (500, "InternalFailure", "An internal error occurred")
REFUSED = (400, "AccessDeniedException", "User is not authorized to perform this action")
READS, WRITES = ("GetRecords",), ("PutRecords", "PutRecord")
ERRORS = [  # in the order in which they are tried
    ("refused_looks", ("DescribeStreamSummary",), REFUSED),
    ("failed_iterators", ("GetShardIterator",), FAILED),
    ("failures", None, FAILED),
    ("throttled_reads", READS, THROTTLED),
    ("throttled_writes", WRITES, THROTTLED),
    ("expired_iterators", READS, EXPIRED),
]
KNOWN_ITERATORS = 10_000
# Headers of one connection, and a checksum of an answer before entries were failed in it.
OF_A_CONNECTION = ("connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding", "x-amz-crc32")

# Status, headers, and the pieces of the body.
Answer = tuple[int, list[tuple[str, str]], Iterator[bytes]]


class FaultProxy(Service):
    """The proxy, in threads of this process. `faults` may be replaced at any time."""

    def __init__(self, kinesis: str, faults: Faults = Faults(), *, seed: int = 0, port: int = 0):
        self.faults = faults
        self.seed = seed
        self.injected: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self._kinesis = urlsplit(kinesis).netloc
        self._lock = threading.Lock()
        self._shard_of: dict[str, str] = {}  # by iterator
        self._reads: defaultdict[str, deque[float]] = defaultdict(deque)  # when, by shard
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def report(self) -> dict[str, Any]:
        with self._lock:
            counts = {"injected": dict(self.injected), "requests": dict(self.requests)}
        return {"faults": asdict(self.faults)} | counts

    def count_request(self, operation: str) -> int:
        with self._lock:
            self.requests[operation] += 1
            return self.requests[operation]

    def count(self, fault: str, times: int = 1) -> None:
        with self._lock:
            self.injected[fault] += times

    def strikes(self, fault: str, *what: object) -> bool:
        """Whether the fault meets this, and counts it."""
        rate = getattr(self.faults, fault)
        struck = rate > 0 and self.dice(fault, *what).random() < rate
        if struck:
            self.count(fault)
        return struck

    def dice(self, *what: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, *what))))

    def too_fast(self, iterator: str) -> bool:
        """Whether the iterator's shard has been read as often in the last second as it may be; counts this reading."""
        limit, now = self.faults.reads_per_second, time.monotonic()
        with self._lock:
            reads = self._reads[self._shard_of.get(iterator, iterator)]
            while reads and reads[0] <= now - 1:
                reads.popleft()
            if limit is None or len(reads) < limit:
                reads.append(now)
                return False
            self.injected["reads_per_second"] += 1
            return True

    def remember(self, operation: str, request: dict[str, Any], answer: bytes) -> None:
        """Which shard the iterator in an answer is of."""
        if not (found := re.search(rb'"(?:Next)?ShardIterator"\s*:\s*"([^"]+)"', answer)):
            return
        with self._lock:
            if operation == "GetRecords":
                shard = self._shard_of.get(request["ShardIterator"], request["ShardIterator"])
            else:
                stream = request.get("StreamName") or request["StreamARN"].rpartition("/")[2]
                shard = f"{stream}/{request['ShardId']}"
            self._shard_of[found[1].decode()] = shard
            if len(self._shard_of) > KNOWN_ITERATORS:
                del self._shard_of[next(iter(self._shard_of))]

    def exchange(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """The answer to a request, with whatever faults meet it; None when the connection ends instead."""
        headers = {name.lower(): value for name, value in headers.items()}
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        n = self.count_request(operation)
        if self.strikes("delays", operation, n):
            time.sleep(self.dice("delay", operation, n).uniform(0, self.faults.delay_seconds))
        if self.strikes("lost_requests", operation, n):
            return None
        content_type = headers.get("content-type", "application/x-amz-json-1.1")
        for fault, operations, error in ERRORS:
            if (operations is None or operation in operations) and self.strikes(fault, operation, n):
                return refusal(content_type, *error)
        request = json.loads(body) if body and "cbor" not in content_type else {}
        if operation == "GetRecords" and request and self.too_fast(request["ShardIterator"]):
            return refusal(content_type, *THROTTLED)
        try:
            if operation == "PutRecords" and request and self.faults.failed_entries:
                status, fields, pieces = self.put_some(path, headers, request, n)
            else:
                status, fields, pieces = self.forward(path, headers, body)
        except (OSError, HTTPException):
            return None  # there is no emulator any more
        if request and operation in ("GetRecords", "GetShardIterator") and status == 200:
            whole = b"".join(pieces)
            self.remember(operation, request, whole)
            pieces = iter([whole])
        if self.strikes("lost_answers", operation, n):
            deque(pieces, maxlen=0)
            return None
        return status, fields, pieces

    def forward(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What the emulator answers. The signature is no longer true, and no emulator minds."""
        connection = HTTPConnection(self._kinesis, timeout=330)  # SubscribeToShard takes 300 s
        kept = {name: value for name, value in headers.items() if name not in OF_A_CONNECTION}
        connection.request("POST", path, body, kept)
        response = connection.getresponse()
        fields = [(name, value) for name, value in response.getheaders() if name.lower() not in OF_A_CONNECTION]
        if response.getheader("Content-Length") is None:  # events as they come (SubscribeToShard)
            return response.status, fields, iter(lambda: response.read1(1 << 16), b"")
        return response.status, fields, iter([response.read()])

    def put_some(self, path: str, headers: Mapping[str, str], request: dict[str, Any], n: int) -> Answer:
        """Forwards the entries that no fault meets, and answers as if Kinesis had failed the others."""
        entries = request["Records"]
        kept = [i for i in range(len(entries)) if not self.strikes("failed_entries", n, i)]
        results = [{"ErrorCode": THROTTLED[1], "ErrorMessage": THROTTLED[2]} for _ in entries]
        for i in range(0, len(entries), 5):  # now and then it is Kinesis's own fault
            results[i] = {"ErrorCode": FAILED[1], "ErrorMessage": "Internal Service Failure"}
        status, fields, answer = 200, [("Content-Type", headers["content-type"])], {}
        if kept:
            some = request | {"Records": [entries[i] for i in kept]}
            status, fields, pieces = self.forward(path, headers, json.dumps(some).encode())
            text = b"".join(pieces)
            if status != 200:
                return status, fields, iter([text])
            answer = json.loads(text)
            for i, result in zip(kept, answer["Records"], strict=True):
                results[i] = result
        n_failed = sum(result.get("ErrorCode") is not None for result in results)
        answer |= {"FailedRecordCount": n_failed, "Records": results}
        return status, fields, iter([json.dumps(answer).encode()])


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    proxy: FaultProxy

    def handle_error(self, *_: object) -> None:
        """Who breaks a connection is no error of the proxy's."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*_)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def handle(self) -> None:
        if self.connection.recv(len(PREFACE), socket.MSG_PEEK) == PREFACE:
            Http2(self.connection, self.server.proxy.exchange).serve()
        else:
            super().handle()

    def do_POST(self) -> None:
        answer = self.server.proxy.exchange(self.path, self.headers, self.body())
        if answer is None:
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        status, fields, pieces = answer
        self.send_response_only(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in filter(None, pieces):  # an empty one would be the end
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self) -> None:
        if self.path != "/faults":
            return self.send_error(404)
        report = json.dumps(self.server.proxy.report()).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(report)))
        self.end_headers()
        self.wfile.write(report)

    def do_PUT(self) -> None:
        proxy = self.server.proxy
        try:
            proxy.faults = replace(proxy.faults, **json.loads(self.body()))
        except (TypeError, ValueError) as error:
            return self.send_error(400, str(error))
        self.do_GET()

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, *_: object) -> None:
        pass


def refusal(content_type: str, status: int, kind: str, message: str) -> Answer:
    body = {"__type": kind, "message": message}
    encoded = cbor_of_texts(body) if "cbor" in content_type else json.dumps(body).encode()
    return status, [("Content-Type", content_type), ("x-amzn-ErrorType", kind)], iter([encoded])


def cbor_of_texts(texts: dict[str, str]) -> bytes:
    """A map of at most 23 short texts as CBOR (RFC 8949)."""
    pairs = [text.encode() for pair in texts.items() for text in pair]
    return bytes([0xA0 | len(texts)]) + b"".join(bytes([0x78, len(text)]) + text for text in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves a Kinesis emulator with faults until standard input ends.")
    parser.add_argument("kinesis", help="address of the emulator, as in http://127.0.0.1:4568")
    parser.add_argument("--port", type=int, default=0, help="of the loopback interface; 0 is any that is free")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=json.loads, default={}, help="as JSON, by the names of `Faults`")
    options = parser.parse_args()
    with FaultProxy(options.kinesis, Faults(**options.faults), seed=options.seed, port=options.port) as proxy:
        print(proxy.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
