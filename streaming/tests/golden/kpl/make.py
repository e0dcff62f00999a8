"""Writes an aggregate as AWS's own library for Python makes it, with what is in it."""

import json
from pathlib import Path

from aws_kinesis_agg.aggregator import AggRecord

HERE = Path(__file__).parent
RECORDS = [
    ("tenant-1", None, b'{"id":"a"}'),
    ("tenant-2", None, bytes(range(256))),
    ("tenant-1", "170141183460469231731687303715884105728", b""),
    ("Ünï-3", "0", b"x" * 300),
    ("tenant-2", "340282366920938463463374607431768211455", b"\xf3\x89\x9a\xc2"),
]

aggregate = AggRecord()
for key, hash_key, data in RECORDS:
    assert aggregate.add_user_record(key, data, hash_key)
(HERE / "aggregate.bin").write_bytes(aggregate.get_contents()[2])
with open(HERE / "records.json", "w") as file:
    json.dump([[key, hash_key, list(data)] for key, hash_key, data in RECORDS], file)
    file.write("\n")
