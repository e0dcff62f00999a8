"""A Docker engine of the tests' own, which needs no network and leaves nothing behind."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

# Debian puts it where only root looks.
PLACES = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))


class NoEngine(Exception):
    """Why no engine runs on this machine."""


class Engine:
    """`dockerd` with a socket and a store of its own."""

    def __init__(self) -> None:
        tools = [name for name in ("dockerd", "docker", "docker-compose") if not shutil.which(name, path=PLACES)]
        if tools:
            raise NoEngine(f"not installed: {', '.join(tools)}")
        if os.geteuid() != 0:
            raise NoEngine("only root can start one")
        # A socket's path is short: it has 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
        self.host = f"unix://{self.folder}/docker.sock"
        self.environment = {**os.environ, "DOCKER_HOST": self.host}
        arguments = {
            "data-root": self.folder / "data",
            "exec-root": self.folder / "exec",
            "pidfile": self.folder / "pid",
            "host": self.host,
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
        }
        command = [shutil.which("dockerd", path=PLACES), *(f"--{name}={value}" for name, value in arguments.items())]
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.wait_until_ready(30)
        except NoEngine:
            self.stop()
            raise

    def wait_until_ready(self, within_seconds: float) -> None:
        """Asks until it answers."""
        end = time.monotonic() + within_seconds
        while self.process.poll() is None and time.monotonic() < end:
            if (
                subprocess.run(["docker", "info"], env=self.environment, capture_output=True, check=False).returncode
                == 0
            ):
                return
            time.sleep(0.1)
        last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        raise NoEngine(f"dockerd does not start: {' '.join(last)}")

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a command of the client to its end, whichever that is."""
        return subprocess.run(["docker", *arguments], env=self.environment, capture_output=True, text=True, check=False)

    def docker(self, *arguments: str | Path) -> str:
        """Runs a command of the client that has to succeed, and returns what it prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"docker {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout.strip()

    def load(self, archive: Path) -> str:
        """Loads an image, and returns its name."""
        return self.docker("load", "--input", archive).removeprefix("Loaded image: ")

    def stop(self) -> None:
        """Ends the engine with its containers and networks, and removes what it kept."""
        if self.process.poll() is None:
            for container in self.run("ps", "--all", "--quiet").stdout.split():
                self.run("rm", "--force", container)
            self.run("network", "prune", "--force")
            self.process.terminate()
            self.process.wait(30)
        # The engine leaves a network namespace mounted.
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
