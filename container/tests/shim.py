"""SageMaker's runtime, as far as a client sees it: endpoints by name, what is passed on, and errors as ModelError."""

import http.client
import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import quote

PASSED_ON = "x-amzn-sagemaker-"


class Shim:
    """Maps `/endpoints/NAME/invocations` to the container that listens on NAME's port."""

    def __init__(self, ports: dict[str, int]):
        self.ports = ports
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def environment(self) -> dict[str, str]:
        """What sends an AWS client here instead of to AWS."""
        return {
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url,
            "AWS_DEFAULT_REGION": "us-west-2",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(shim: Shim) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            passed = {
                name: value
                for name, value in self.headers.items()
                if name.lower() in ("content-type", "accept") or name.lower().startswith(PASSED_ON)
            }
            target = self.headers.get("X-Amzn-SageMaker-Target-Model")
            path = f"/models/{quote(target, safe='')}/invoke" if target else "/invocations"
            endpoint = self.path.removeprefix("/endpoints/").removesuffix("/invocations")
            with closing(http.client.HTTPConnection("127.0.0.1", shim.ports[endpoint], timeout=60)) as container:
                container.request("POST", path, body, passed)
                answer = container.getresponse()
                content = answer.read()
            if 200 <= answer.status < 300:
                headers = {name: value for name, value in answer.getheaders() if name.lower().startswith(PASSED_ON)}
                headers["Content-Type"] = answer.getheader("Content-Type", "application/octet-stream")
                headers["x-Amzn-Invoked-Production-Variant"] = "AllTraffic"
                self.reply(answer.status, headers, content)
            else:
                self.reply(424, {"x-amzn-ErrorType": "ModelError"}, model_error(answer.status, content.decode()))

        def reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def model_error(status: int, message: str) -> bytes:
    """The body that turns into botocore's ModelError."""
    who = "client" if status < 500 else "server"
    error = {
        "Message": f'Received {who} error ({status}) from primary with message "{message}".',
        "OriginalStatusCode": status,
        "OriginalMessage": message,
        "LogStreamArn": "arn:aws:logs:local",
    }
    return json.dumps(error).encode()
