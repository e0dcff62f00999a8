"""Emulators of AWS, started on free ports of the loopback interface and ended with the block that started them.

`KinesisLocal` behaves most like Kinesis, but slows down beyond some 5,000 records; `Kinesalite` carries volume and checks
requests strictly, but knows no stream ARNs; `Moto` is for S3 and DynamoDB only, because its Kinesis loses records. None
of them throttles: `FaultProxy` in `proxy.py` does.

    with KinesisLocal() as kinesis, Moto() as moto:
        kinesis.client("kinesis").create_stream(StreamName="companies", ShardCount=4)
        subprocess.run([...], env={**os.environ, **environment(kinesis=kinesis, s3=moto, dynamodb=moto)})

`make .venv/streaming/installed` installs them beside the interpreter that runs this.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
HERE = Path(__file__).parent
INSTALLED = Path(sys.prefix)
NODE_MODULES = INSTALLED / "node_modules"
PRELOADED = ["--require", HERE / "loopback.js", "--require", HERE / "clock.js"]


class Service:
    """Something that answers as an AWS service at `url`."""

    url: str

    def client(self, service: str, *, attempts: int = 10) -> Any:
        """A boto3 client of it; with `attempts=1` errors reach the caller as they come."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                retries={"total_max_attempts": attempts, "mode": "standard"}, s3={"addressing_style": "path"}
            ),
        )


def environment(**services: Service) -> dict[str, str]:
    """What makes an AWS SDK or the aws command talk to these: `environment(kinesis=..., s3=..., dynamodb=...)`."""
    urls = {f"AWS_ENDPOINT_URL_{name.upper()}": service.url for name, service in services.items()}
    return (
        {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"} | CREDENTIALS | urls
    )


class Emulator(Service):
    """A process that is ready when the block begins, and gone with its children when it ends.

    It ends by itself when its standard input does, so that nothing is left of a test that was killed.
    """

    ready: tuple[str, str]  # service and boto3 method that it answers once it has started

    def __init__(self, *, behind_seconds: int = 0) -> None:
        self.behind_seconds = behind_seconds  # its clock, behind ours; Moto's is not

    def __enter__(self) -> Self:
        for attempt in range(3):  # another process may have taken a port that was free
            try:
                self.start()
                return self
            except RuntimeError:
                if attempt == 2:
                    raise
        raise AssertionError

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self) -> tuple[list[str | Path], dict[str, str], Path]:
        """Program and arguments, what is added to its environment, and the folder it runs in; `port` is taken."""
        raise NotImplementedError

    def start(self, seconds: float = 60) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command, added, folder = self.command()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | added,
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        service, method = self.ready
        ask = getattr(self.client(service, attempts=1), method)
        deadline = time.monotonic() + seconds
        while True:
            try:
                ask()
                return
            except ClientError:
                return  # an answer, too
            except BotoCoreError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.log.seek(0)
                    said = self.log.read().decode(errors="replace")
                    self.stop()
                    raise RuntimeError(f"{type(self).__name__} did not start: {said or error}") from None
            time.sleep(0.05)

    def stop(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # nothing it holds is kept
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.log.close()


class KinesisLocal(Emulator):
    """npm's kinesis-local (kinesis-mock): for behaviour. Keep its streams under 5,000 records."""

    ready = ("kinesis", "list_streams")

    def command(self) -> tuple[list[str | Path], dict[str, str], Path]:
        folder = NODE_MODULES / "kinesis-local"  # where it looks for server.json
        slow = ("CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT")
        slow += ("REGISTER_STREAM_CONSUMER", "DEREGISTER_STREAM_CONSUMER", "UPDATE_STREAM_MODE")
        added = {f"{name}_DURATION": "50ms" for name in slow}
        added |= {"KINESIS_MOCK_PLAIN_PORT": str(self.port), "KINESIS_MOCK_TLS_PORT": str(free_port())}
        added |= {"SHARD_LIMIT": "100", "LOG_LEVEL": "WARN", "AWS_REGION": REGION}
        added |= {"BEHIND_SECONDS": str(self.behind_seconds)}
        return ["node", *PRELOADED, "main.js"], added, folder


class Kinesalite(Emulator):
    """npm's kinesalite, in memory: for volume and strict requests."""

    ready = ("kinesis", "list_streams")

    def command(self) -> tuple[list[str | Path], dict[str, str], Path]:
        options = ["--port", str(self.port), "--shardLimit", "100"]
        for name in ("createStreamMs", "deleteStreamMs", "updateStreamMs"):
            options += [f"--{name}", "50"]
        added = {"BEHIND_SECONDS": str(self.behind_seconds)}
        return ["node", *PRELOADED, "cli.js", *options], added, NODE_MODULES / "kinesalite"


class Moto(Emulator):
    """PyPI's moto as a server: S3 and DynamoDB."""

    ready = ("s3", "list_buckets")

    def command(self) -> tuple[list[str | Path], dict[str, str], Path]:
        program = (
            "import os, sys, threading, moto.server\n"
            "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n"
            "moto.server.main(sys.argv[1:])"
        )
        return [sys.executable, "-c", program, "-H", "127.0.0.1", "-p", str(self.port)], {}, HERE


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
