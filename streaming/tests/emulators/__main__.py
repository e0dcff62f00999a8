"""Runs emulators until standard input ends, and prints what a shell needs to talk to them.

    python -m emulators kinesis-local moto

The first may be `kinesis-local` or `kinesalite`; `moto` stands for S3 and DynamoDB.
"""

import sys
from contextlib import ExitStack

from emulators import Kinesalite, KinesisLocal, Moto, Service, environment

KINDS = {
    "kinesis-local": (KinesisLocal, ["kinesis"]),
    "kinesalite": (Kinesalite, ["kinesis"]),
    "moto": (Moto, ["s3", "dynamodb"]),
}

with ExitStack() as stack:
    services: dict[str, Service] = {}
    for name in sys.argv[1:] or ["kinesis-local", "moto"]:
        kind, offered = KINDS[name]
        services |= dict.fromkeys(offered, stack.enter_context(kind()))
    for name, value in environment(**services).items():
        print(f"export {name}={value}")
    print(flush=True)
    sys.stdin.read()
