"""Emulators are there for their block, on the loopback interface only, and nothing of them is left behind."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import emulators
import pytest
from emulators import Kinesalite, KinesisLocal, Moto


def answers(url):
    host, port = urlsplit(url)[1].split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", [KinesisLocal, Kinesalite, Moto])
def test_an_emulator_ends_with_its_block(kind):
    with kind() as emulator:
        assert answers(emulator.url)
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        (address,) = (
            line.split()[1]
            for line in listening.splitlines()
            if f":{emulator.port:04X} " in line[:50] and " 0A " in line
        )
        assert address.startswith("0100007F:"), "127.0.0.1"
    assert not answers(emulator.url)


def test_emulators_end_with_whoever_started_them_however_that_ended():
    command = [sys.executable, "-m", "emulators", "kinesalite", "moto"]
    folder = Path(emulators.__file__).parents[1]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        urls = set()
        while line := program.stdout.readline().strip():
            name, _, value = line.removeprefix("export ").partition("=")
            if "ENDPOINT" in name:
                urls.add(value)
        assert len(urls) == 2 and all(map(answers, urls))
        program.send_signal(signal.SIGKILL)
        program.wait()
    deadline = time.monotonic() + 30
    while any(map(answers, urls)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
