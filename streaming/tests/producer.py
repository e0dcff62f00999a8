"""Writes an event log to Kinesis as its producers do: partition key = tenant, each tenant's events in their order.

    python producer.py events-2024-01.jsonl --stream events
    python producer.py folder/of/simulate --companies companies --jobs bigdatajobs

Kinesis may store some entries of a request and fail others, so two events of a tenant in one request may end up in the
wrong order. A request therefore holds one entry of each tenant at most, and a failed entry is sent again before the
tenant's next; `--unordered` fills requests as they come. `--aggregate N` puts up to N events of a tenant into one entry,
in the format of the Kinesis Producer Library. An answer that is lost makes boto3 send a request again: events may be
there twice, with the same id.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ENTRIES, BYTES = 500, 4 << 20  # of one request; Kinesis allows 5 MiB with partition keys
RECORD_BYTES = 1 << 20
KEY = "com.anycompany.bdcp."


class Producer:
    """Puts what it is given into one stream; `flush` at the end."""

    def __init__(
        self,
        kinesis: Any,
        stream: str,
        *,
        ordered: bool = True,
        aggregate: int = 1,
        rate: float | None = None,
        window: int = 5_000,
    ):
        self.kinesis, self.stream = kinesis, stream
        self.ordered, self.aggregate, self.rate, self.window = ordered, aggregate, rate, window
        self.counts: Counter[str] = Counter()
        self._queues: dict[str, deque[bytes]] = {}  # by tenant; those that wait longest first
        self._waiting = 0
        self._failures = 0  # requests in a row of which nothing was stored
        self._began = time.monotonic()

    def put(self, tenant: str, data: bytes) -> None:
        self._queues.setdefault(tenant, deque()).append(data)
        self._waiting += 1
        while self._waiting >= self.window:
            self._send()

    def flush(self) -> None:
        while self._waiting:
            self._send()

    def _send(self) -> None:
        batch = list(self._batch())
        records = [{"PartitionKey": tenant, "Data": entry(tenant, events)} for tenant, events in batch]
        results = self.kinesis.put_records(StreamName=self.stream, Records=records)["Records"]
        n_failed = 0
        # Backwards, so that the first of several entries of a tenant ends up in front again.
        for (tenant, events), result in reversed(list(zip(batch, results, strict=True))):
            if "ErrorCode" in result:
                n_failed += 1
                self._queues.setdefault(tenant, deque()).extendleft(reversed(events))
                self._waiting += len(events)
            else:
                self.counts["events"] += len(events)
                self.counts["entries"] += 1
        self.counts["requests"] += 1
        self.counts["failed entries"] += n_failed
        self._failures = self._failures + 1 if n_failed == len(batch) else 0
        if self._failures:
            time.sleep(random.uniform(0.01, min(2, 0.05 * 2**self._failures)))
        if self.rate:
            time.sleep(max(0, self._began + self.counts["events"] / self.rate - time.monotonic()))

    def _batch(self) -> Iterator[tuple[str, list[bytes]]]:
        """Takes what fits into a request out of the queues, and puts tenants with more to say at the end."""
        n_entries, n_bytes = 0, 0
        for tenant in list(self._queues):
            queue = self._queues.pop(tenant)
            while queue and n_entries < ENTRIES:
                events: list[bytes] = []
                size = len(tenant)
                while (
                    queue and len(events) < self.aggregate and (not events or size + len(queue[0]) < RECORD_BYTES // 2)
                ):
                    size += len(queue[0]) + 32
                    events.append(queue.popleft())
                if n_entries and n_bytes + size > BYTES:
                    queue.extendleft(reversed(events))
                    n_entries = ENTRIES
                    break
                n_entries, n_bytes = n_entries + 1, n_bytes + size
                self._waiting -= len(events)
                yield tenant, events
                if self.ordered:
                    break
            if queue:
                self._queues[tenant] = queue
            if n_entries >= ENTRIES:
                break


def entry(tenant: str, events: list[bytes]) -> bytes:
    """The event itself, or several as one record of the Kinesis Producer Library."""
    if len(events) == 1:
        return events[0]
    from aws_kinesis_agg.aggregator import RecordAggregator  # only who aggregates needs it

    aggregator = RecordAggregator()
    for event in events:
        if aggregator.add_user_record(tenant, event) is not None:
            raise ValueError(f"{len(events)} events of {tenant} are more than one record holds")
    return aggregator.clear_and_get().get_contents()[2]


def key_and_kind(line: bytes) -> tuple[str, bool]:
    """The tenant, and whether the event is of the tenant itself: what the Tenant Manager writes."""
    try:
        event = json.loads(line)
        tenant = event.get("subject") or event.get("companyID")
    except (ValueError, AttributeError):
        return "malformed", False  # it has to go somewhere
    of_tenant = str(event.get("type", "")).startswith(f"{KEY}tenant.") or "type" not in event and "industry" in event
    return str(tenant or "malformed")[:256], of_tenant


def recorded(line: bytes) -> bytes:
    """The event, which says that it was received when it occurred unless it says something else."""
    try:
        event = json.loads(line)
        if "time" in event and "type" in event and "recordedtime" not in event:
            return json.dumps(event | {"recordedtime": event["time"]}, separators=(",", ":")).encode()
    except (ValueError, TypeError):
        pass
    return line


def produce(lines: Iterable[bytes], producer_of: Callable[[bool], Producer], *, replay: bool = False) -> None:
    """Puts every line to the producer of its kind, and waits until all are stored.

    A consumer takes what does not say when it was received as received now, so an old log would be late throughout;
    with `replay` it says so, and is to the consumer what the file is.
    """
    used = {}
    for line in lines:
        if line := line.strip():
            line = recorded(line) if replay else line
            tenant, of_tenant = key_and_kind(line)
            used[of_tenant] = producer_of(of_tenant)
            used[of_tenant].put(tenant, line)
    for producer in used.values():
        producer.flush()


def lines_of(paths: Iterable[Path]) -> Iterator[bytes]:
    """Of files, of the `.jsonl` files of folders in the order of their names, and of standard input (`-`)."""
    for path in paths:
        if str(path) == "-":
            yield from sys.stdin.buffer
            continue
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            with file.open("rb") as log:
                yield from log


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes event logs to Kinesis; AWS_ENDPOINT_URL_KINESIS says where.")
    parser.add_argument("log", nargs="+", type=Path, help="files or folders of JSON Lines, or - for standard input")
    parser.add_argument("--stream", help="where everything goes")
    parser.add_argument("--companies", help="where tenant.* events go")
    parser.add_argument("--jobs", help="where all others go")
    parser.add_argument("--replay", action="store_true", help="events say that they were received when they occurred")
    parser.add_argument("--unordered", action="store_true", help="several entries of a tenant in one request")
    parser.add_argument("--aggregate", type=int, default=1, metavar="N", help="up to N events of a tenant in one entry")
    parser.add_argument("--rate", type=float, help="events per second and stream at most")
    options = parser.parse_args()
    streams = (options.jobs or options.stream, options.companies or options.stream)
    if None in streams:
        parser.error("--stream, or both --companies and --jobs")
    kinesis = boto3.client("kinesis", config=Config(retries={"total_max_attempts": 20, "mode": "standard"}))
    producers = {
        name: Producer(kinesis, name, ordered=not options.unordered, aggregate=options.aggregate, rate=options.rate)
        for name in streams
    }
    produce(lines_of(options.log), lambda of_tenant: producers[streams[of_tenant]], replay=options.replay)
    for name, producer in producers.items():
        counts = ", ".join(f"{number} {what}" for what, number in producer.counts.items())
        print(f"{name}: {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
