"""HTTP/2 without TLS, begun by the client without asking: how the AWS SDK for Java, and so KCL, calls Kinesis."""

import socket
import threading
from collections.abc import Callable, Iterator

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

PREFACE = b"PRI * HTTP/2.0"

# A request's path, headers and body to an answer's status, headers and pieces; None: there is no answer.
Exchange = Callable[[str, dict[str, str], bytes], tuple[int, list[tuple[str, str]], Iterator[bytes]] | None]


class Http2:
    """One connection. Requests are answered at once, each in a thread, in whatever order they are done."""

    def __init__(self, connection: socket.socket, exchange: Exchange):
        self.socket, self.exchange = connection, exchange
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.changed = threading.Condition()  # guards `http`, and what is written
        self.requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.open = True

    def serve(self) -> None:
        """Until the client ends it."""
        try:
            with self.changed:
                self.http.initiate_connection()
                self.flush()
            while data := self.socket.recv(1 << 16):
                with self.changed:
                    for event in self.http.receive_data(data):
                        self.take(event)
                    self.flush()
                    self.changed.notify_all()
        except (OSError, ProtocolError):
            pass  # who breaks a connection is no error of the proxy's
        finally:
            with self.changed:
                self.open = False
                self.changed.notify_all()

    def take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self.requests[event.stream_id] = (dict(event.headers), bytearray())
            case DataReceived():
                if event.stream_id in self.requests:
                    self.requests[event.stream_id][1].extend(event.data)
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamReset():
                self.requests.pop(event.stream_id, None)
            case StreamEnded() if event.stream_id in self.requests:
                headers, body = self.requests.pop(event.stream_id)
                threading.Thread(target=self.answer, args=(event.stream_id, headers, bytes(body)), daemon=True).start()

    def answer(self, stream: int, headers: dict[str, str], body: bytes) -> None:
        plain = {name: value for name, value in headers.items() if not name.startswith(":")}
        answer = self.exchange(headers[":path"], plain, body)
        try:
            with self.changed:
                if answer is None:
                    self.http.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
                    return self.flush()
                status, fields, pieces = answer
                self.http.send_headers(stream, [(":status", str(status)), *((name.lower(), it) for name, it in fields)])
                self.flush()
            for piece in pieces:
                self.send(stream, piece)
            with self.changed:
                self.http.end_stream(stream)
                self.flush()
        except (OSError, ProtocolError):
            pass  # the client does not want the answer any more

    def send(self, stream: int, data: bytes) -> None:
        """Sends as much as the client has room for, and waits until it has room for the rest."""
        while data:
            with self.changed:
                while (room := self.http.local_flow_control_window(stream)) <= 0:
                    self.changed.wait()
                    if not self.open:
                        raise ConnectionError
                room = min(room, self.http.max_outbound_frame_size)
                self.http.send_data(stream, data[:room])
                self.flush()
            data = data[room:]

    def flush(self) -> None:
        if data := self.http.data_to_send():
            self.socket.sendall(data)
