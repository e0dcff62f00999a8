"""What a network, a careless client and an attacker do: the server answers, stays up, and keeps its memory."""

import http.client
import json
import random
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from predicates import strict_json
from serving import ORIGINAL_ROWS, Server, ask, train_sample

ROW = ORIGINAL_ROWS[0]
NAMES = ["revenue", "employees", "job30", "job90", "monthlyFee"]
NAMES += ["IT", "consulting", "energy", "finance", "gov", "health", "retail", "service", "travel"]
NUMBERS = [float(value) for value in ROW.split(",")]
CSV = {"Content-Type": "text/csv"}
N_BODIES = 10_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a model whose columns have names, so that it can be asked about companies."""
    base = tmp_path_factory.mktemp("named")
    train_sample(base, NAMES)
    with Server(base) as running:
        yield running


@pytest.fixture
def alive(server: Server) -> Iterator[Server]:
    """The server, which has to be ready and right when the test is over."""
    expected = server.request("POST", "/invocations", CSV, ROW.encode()).body
    yield server
    assert server.process.poll() is None, server.log
    assert server.request("GET", "/ping").status == 200
    assert server.request("POST", "/invocations", CSV, ROW.encode()).body == expected
    assert "panicked" not in server.log


def record_io(values: list[float]) -> bytes:
    """One record of SageMaker's RecordIO-protobuf with a dense row."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    tensor = field(1, struct.pack(f"<{len(values)}f", *values))
    record = field(1, field(1, b"values") + field(2, field(2, tensor)))
    return struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4)


COMPANY = {"companyID": "comp_4", "revenu": 99420, "industry": "retail", "employee": 4635, "job30": 10, "job90": 100}
BY_NAME = dict(zip(NAMES, NUMBERS, strict=True))
SPARSE = {"keys": [0, 11], "shape": [14], "values": [24670, 1]}
VALID = [
    ("text/csv", "\n".join(ORIGINAL_ROWS).encode()),
    ("text/csv; charset=utf-8", ROW.encode()),
    ("application/json", json.dumps({"instances": [{"features": NUMBERS}]}).encode()),
    ("application/json", json.dumps({"instances": [NUMBERS, NUMBERS]}).encode()),
    ("application/json", json.dumps({"instances": [{"data": {"features": SPARSE}}]}).encode()),
    ("application/json", json.dumps({"dataframe_split": {"columns": NAMES, "data": [NUMBERS]}}).encode()),
    ("application/json", json.dumps({"dataframe_records": [BY_NAME]}).encode()),
    ("application/json", json.dumps({"inputs": {name: [value] for name, value in BY_NAME.items()}}).encode()),
    ("application/json", json.dumps(COMPANY).encode()),
    ("application/json", json.dumps([COMPANY, COMPANY]).encode()),
    ("text/csv; header=present", "\n".join((",".join(NAMES), *ORIGINAL_ROWS)).encode()),
    ("application/jsonlines", (json.dumps({"features": NUMBERS}) + "\n").encode() * 2),
    ("text/libsvm", b"0 1:24670 2:6168 3:7 4:41 5:975 6:1645 12:1"),
    ("application/x-recordio-protobuf", record_io(NUMBERS) * 2),
]
TOKENS = [b"NaN", b"1e999", b"-0", b'"', b"\\u0000", b"{", b"[" * 2000, b"]", b",", b"\n", b"\r", b":", b"\xff\xfe"]
TOKENS += [b"\0", b"9" * 400, b"null", b"true", b"-", b"\xef\xbb\xbf", b"18446744073709551616", b"\xff\xff\xff\x7f"]


def mangled(dice: random.Random) -> tuple[str, bytes]:
    """A body that was valid, with one to four things done to it."""
    media_type, valid = dice.choice(VALID)
    body = bytearray(valid)
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(body))
        length = dice.choice((1, 1, 2, 4, 16))
        match dice.randrange(6):
            case 0:
                body[at : at + length] = dice.randbytes(length)
            case 1:
                del body[at : at + length]
            case 2:
                del body[at:]
            case 3:
                body[at:at] = dice.choice(TOKENS)
            case 4:
                body[at : at + length] = dice.choice(TOKENS)
            case _:
                body[at:at] = body[at : at + 64] * dice.randint(1, 8)
    if dice.random() < 0.05:
        media_type = dice.choice(VALID)[0]
    return media_type, bytes(body)


def test_ten_thousand_malformed_bodies_are_answered_as_the_client_s_fault(alive: Server) -> None:
    for media_type, body in VALID:
        answer = alive.request("POST", "/invocations", {"Content-Type": media_type}, body)
        assert answer.status == 200, (media_type, body, answer)
    dice = random.Random(6)
    statuses: dict[int, int] = {}
    connection = alive.connection()
    for number in range(N_BODIES):
        media_type, body = mangled(dice)
        try:
            answer = ask(connection, "POST", "/invocations", {"Content-Type": media_type}, body)
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f"body {number} ended the connection: {media_type} {body!r}") from error
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status in (200, 204) or 400 <= answer.status < 500, (number, media_type, body, answer)
        if answer.media_type == "application/json":
            strict_json(answer.text)
        if answer.status >= 400:
            assert len(answer.body) < 2048, (number, "an error is short", answer.body[:200])
    connection.close()
    print(f"answers by status: {statuses}")
    assert N_BODIES / 50 < statuses[200] < N_BODIES / 2, "most were no longer valid, and some still were"


def test_a_body_over_the_cap_is_refused_before_it_fills_memory(alive: Server) -> None:
    before = alive.memory_megabytes()
    part = b"0" * (1 << 20)
    with closing(alive.connection()) as connection:
        whole = ask(connection, "POST", "/invocations", CSV, part * 100)
    chunked = alive.request("POST", "/invocations", CSV, (part for _ in range(100)))
    assert (whole.status, chunked.status) == (413, 413)
    assert alive.memory_megabytes("VmHWM") < before + 64


def record_of_keys(size: int) -> bytes:
    """One record of RecordIO-protobuf that holds as many tensors without values as fit."""
    entries = b"".join(
        b"\x0a\x05\x0a\x03" + number.to_bytes(4, "big")[1:].translate(LETTERS) for number in range(size // 7)
    )
    return struct.pack("<II", 0xCED7230A, len(entries)) + entries + b"\0" * (-len(entries) % 4)


LETTERS = bytes(number % 128 for number in range(256))


def test_no_body_takes_many_times_its_size(alive: Server) -> None:
    most = 24 << 20
    company = b'{"companyID":1,"revenue":1,"x":[' + b",".join([b'{"a":0}'] * 120_000) + b"]}"
    bodies = {
        "companies": ("application/json", b"[" + b",".join([company] * (most // len(company))) + b"]"),
        "sparse rows": ("text/libsvm", b"0\n" * (most // 2)),
        "rows by name": ("application/json", b'{"instances":[' + b",".join([b'{"a":0}'] * (most // 8)) + b"]}"),
        "a row of CSV": ("text/csv", b"," * most),
        "a header of CSV": ("text/csv; header=present", b"," * most),
        "a record": ("application/x-recordio-protobuf", record_of_keys(most)),
    }
    statuses = {}
    for name, (media_type, body) in bodies.items():
        statuses[name] = alive.request("POST", "/invocations", {"Content-Type": media_type}, body).status
        print(f"{alive.memory_megabytes('VmHWM'):.0f} MB at most after {name}")
    assert statuses == {"companies": 200, "sparse rows": 413} | dict.fromkeys([*bodies][2:], 400)
    assert alive.memory_megabytes("VmHWM") < 400


def test_slow_clients_do_not_keep_others_waiting(alive: Server) -> None:
    with ExitStack() as open_ones:
        for number in range(200):
            slow = open_ones.enter_context(socket.create_connection(("127.0.0.1", alive.port)))
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {len(ROW)}\r\n"
            # Some stop inside the headers, others inside the body.
            slow.sendall((head if number % 2 else head + "\r\n" + ROW[:7]).encode())
        for _ in range(100):
            assert alive.request("GET", "/ping").seconds < 2
            assert alive.request("POST", "/invocations", CSV, ROW.encode()).seconds < 2


def test_slow_clients_are_let_go(lay_out: Callable[[], Path]) -> None:
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {len(ROW)}\r\n"
    with Server(lay_out(), CHURN_CLIENT_TIMEOUT="1") as server:
        for part in (head, head + "\r\n" + ROW[:7]):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
                slow.sendall(part.encode())
                # Waits until the server has closed the connection.
                assert slow.makefile("rb").read().split(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")
        assert server.request("GET", "/ping").status == 200


def test_a_client_that_shuts_its_half_still_gets_its_answer(alive: Server) -> None:
    with socket.create_connection(("127.0.0.1", alive.port), timeout=10) as connection:
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: {len(ROW)}\r\n\r\n"
        connection.sendall(head.encode() + ROW.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline().split()[1] == b"200"


def test_a_client_that_leaves_in_the_middle_is_let_go(alive: Server) -> None:
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 40\r\n\r\n"
    for part in (b"", head[:20], head, head + b"1,2"):
        with socket.create_connection(("127.0.0.1", alive.port), timeout=10) as connection:
            connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
            assert b"200 OK" not in answer


@pytest.mark.parametrize(
    "head", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 64]
)
def test_what_is_no_http_is_turned_away(head: bytes, alive: Server) -> None:
    with socket.create_connection(("127.0.0.1", alive.port), timeout=10) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" not in connection.makefile("rb").read()


def test_ten_thousand_idle_connections_leave_room_for_one_that_asks(lay_out: Callable[[], Path]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 11_000:
        pytest.skip(f"this machine lets a process open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    try:
        with Server(lay_out()) as server, ExitStack() as idle:
            before = server.memory_megabytes()
            for _ in range(10_000):
                idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            assert server.request("GET", "/ping").seconds < 2
            answer = server.request("POST", "/invocations", CSV, ROW.encode())
            assert answer.status == 200
            print(f"{server.memory_megabytes() - before:.1f} MB for 10,000 idle connections")
            assert server.memory_megabytes() < before + 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
