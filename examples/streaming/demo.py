"""The whole way on this machine: Tenant Manager and Job Manager write, `consume` scores, the aws command reads.

`make demo-streaming` builds the programs and runs it. Kinesis, S3 and DynamoDB are emulators that nobody else reaches;
everything else is what runs in an account: the events that `simulate` writes, boto3 as the producers, the payloads that
the original producers sent, `consume` with its Kinesis source and its sinks, and the aws command as the reader.
"""

import argparse
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "streaming" / "tests"))

from emulators import Kinesalite, KinesisLocal, Moto, environment, free_port
from producer import Producer, lines_of, produce

STREAMS = {"companies": 2, "bigdatajobs": 2, "enrichedcompanies": 2, "deadletters": 1}
BUCKET = "churn-history"
# What the original system's producers sent, by the stream they sent it to.
ORIGINAL = [
    (
        "companies",
        {
            "companyID": "comp_original",
            "industry": "IT",
            "revenu": 99420,
            "employee": 4635,
            "job30": 12,
            "job90": 40,
            "monthlyFee": 400,
            "totalFee": 1200,
            "riskOfChurn": False,
        },
    ),
    ("bigdatajobs", {"companyID": "comp_original", "userID": "user_1", "nbJobs": 3, "creationDate": None}),
]
BROKEN = '{"specversion":"1.0","id":"x","source":"/jobs","type":"com.anycompany.bdcp.job.submitted","time":"yesterday"'
NAMES = ("companyID", "industry", "revenu", "employee", "job30", "job90", "monthlyFee", "totalFee", "riskOfChurn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release", help="folder of the programs")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "demo-streaming", help="where files go")
    parser.add_argument("--model", type=Path, help="a model file; without it one is trained")
    parser.add_argument("--emulator", choices=["kinesalite", "kinesis-local"], default="kinesalite")
    parser.add_argument("--tenants", type=int, default=20)
    parser.add_argument("--days", type=int, default=60)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    model = options.model or trained(options.programs, options.work)
    log = simulated(options.programs, options.work, options.tenants, options.days)

    with ExitStack() as stack:
        kinesis = stack.enter_context(Kinesalite() if options.emulator == "kinesalite" else KinesisLocal())
        moto = stack.enter_context(Moto())
        account = os.environ | environment(kinesis=kinesis, s3=moto, dynamodb=moto)
        client = kinesis.client("kinesis")
        title(f"An account of its own: {options.emulator} at {kinesis.url}, moto at {moto.url}")
        moto.client("s3").create_bucket(Bucket=BUCKET)
        for name, shards in STREAMS.items():
            client.create_stream(StreamName=name, ShardCount=shards)
        for name in STREAMS:
            client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        say(", ".join(f"{name} ({shards} shards)" for name, shards in STREAMS.items()))

        consumer = Consumer(options.programs / "consume", model, options.work, account)
        stack.callback(consumer.kill)
        sent = write(client, log, account)
        consumer.wait_for(sent)
        consumer.stop()
        faults = read_back(account, sent)
    if faults:
        sys.exit("\n".join(["", *faults]))


def trained(programs: Path, work: Path) -> Path:
    """A model of the simulated platform, fitted once."""
    model = work / "run" / "model.safetensors"
    if not model.exists():
        title("Train")
        run([programs / "train", "--algorithm", "random-forest", "--tenants", "600", "--out", work / "run"])
    return model


def simulated(programs: Path, work: Path, tenants: int, days: int) -> Path:
    """A log that ends today."""
    start = date.today() - timedelta(days=days)
    log = work / f"log-{tenants}-{start}-{days}"
    if not log.exists():
        title("Simulate")
        run(
            [
                programs / "simulate",
                "--out",
                log,
                "--tenants",
                tenants,
                "--days",
                days,
                "--start",
                start,
                "--seed",
                7,
                "--no-truth",
            ]
        )
    return log


class Consumer:
    """`consume` as it would run in an account."""

    def __init__(self, program: Path, model: Path, work: Path, account: dict[str, str]):
        title("Consume")
        self.metrics = f"127.0.0.1:{free_port()}"
        command = [program, "--model", model, "--source", "kinesis:companies", "--source", "kinesis:bigdatajobs"]
        command += ["--sink", "kinesis:enrichedcompanies", "--sink", f"s3://{BUCKET}/churn"]
        command += ["--dead-letters", "kinesis:deadletters", "--state", work / f"state-{time.time_ns()}"]
        command += ["--checkpoint-every", "2s", "--status-every", "2s", "--metrics", self.metrics]
        say(" ".join(map(str, command)))
        self.process = subprocess.Popen(command, env=account)
        self.ask("/healthz", 60)

    def ask(self, path: str, seconds: float = 0) -> str:
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                sys.exit(f"consume ended with code {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"http://{self.metrics}{path}", timeout=10) as answer:
                    return answer.read().decode()
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def wait_for(self, sent: Counter[str], seconds: float = 300) -> None:
        """Until everything that was written has been counted, one way or the other."""
        expected = sent["events"] + sent["malformed"]
        deadline = time.monotonic() + seconds
        while (counted := sum(metric(self.ask("/metrics"), ("events", "malformed")))) < expected:
            if time.monotonic() > deadline:
                sys.exit(f"consume has counted {counted:.0f} of {expected} events")
            time.sleep(0.2)

    def stop(self) -> None:
        """SIGTERM: a last checkpoint, and code 0."""
        self.process.send_signal(signal.SIGTERM)
        if code := self.process.wait(60):
            sys.exit(f"consume ended with code {code}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def metric(text: str, names: tuple[str, ...]) -> list[float]:
    """The values of some counters of `consume`, whatever their labels."""
    return [
        float(it)
        for it in re.findall(rf"^churn_consume_(?:{'|'.join(names)})_total(?:{{.*}})? (\S+)$", text, re.MULTILINE)
    ]


def write(kinesis: Any, log: Path, account: dict[str, str]) -> Counter[str]:
    """What is written: the simulated log, the original payloads, and one event that is none."""
    title("Tenant Manager and Job Manager write")
    producers = {True: Producer(kinesis, "companies"), False: Producer(kinesis, "bigdatajobs")}
    produce(lines_of([log]), producers.__getitem__, replay=True)
    sent = Counter({"events": sum(it.counts["events"] for it in producers.values())})
    say(", ".join(f"{it.counts['events']} events to {it.stream}" for it in producers.values()))
    for stream, payload in ORIGINAL:
        if "creationDate" in payload:
            payload = payload | {"creationDate": f"{date.today()}"}
        put(account, stream, payload["companyID"], json.dumps(payload))
        sent["events"] += payload.get("nbJobs", 1)  # a job record stands for so many jobs
    put(account, "bigdatajobs", "comp_original", BROKEN)
    sent["malformed"] += 1
    return sent


def put(account: dict[str, str], stream: str, key: str, data: str) -> None:
    say(f"aws kinesis put-record --stream-name {stream} --partition-key {key} --data '{data}'")
    # Version 2 of the command takes text as base64, unless it comes from a file.
    read, written = os.pipe()
    os.write(written, data.encode())
    os.close(written)
    source = f"fileb:///dev/fd/{read}"
    aws(
        account,
        "kinesis",
        "put-record",
        "--stream-name",
        stream,
        "--partition-key",
        key,
        "--data",
        source,
        keep=(read,),
    )
    os.close(read)


def read_back(account: dict[str, str], sent: Counter[str]) -> list[str]:
    """What a dashboard finds: the enriched stream, the history in S3, and what could not be read. Gives what is wrong."""
    faults = []
    title("aws kinesis get-records: enrichedcompanies")
    scores = [json.loads(data) for data in records(account, "enrichedcompanies")]
    by_id = {it["id"]: it for it in scores}  # whoever reads a stream drops what it has seen
    latest = {it["companyID"]: it for it in scores}
    if "comp_original" in latest:
        say(json.dumps(latest["comp_original"], indent=1))
    else:
        faults.append("the original producers' tenant has no score")
    at_risk = sum(it["riskOfChurn"] for it in latest.values())
    say(f"{len(by_id)} score records of {len(latest)} tenants, {at_risk} at risk, from {sent['events']} events")
    say(f"{len(scores) - len(by_id)} of them came twice")
    if wrong := [it for it in scores if list(it)[1:10] != list(NAMES) or not 0 <= it["score"] <= 1]:
        faults.append(f"{len(wrong)} score records are not as promised: {wrong[0]}")
    if others := [it for it in scores if by_id[it["id"]] != it]:
        faults.append(f"{len(others)} ids stand for two records: {others[0]} and {by_id[others[0]['id']]}")

    title(f"aws s3 ls --recursive s3://{BUCKET}/churn/")
    listing = subprocess.run(
        [aws_command(), "s3", "ls", "--recursive", f"s3://{BUCKET}/churn/"],
        check=False,  # it fails where there is nothing
        env=account,
        stdout=subprocess.PIPE,
        text=True,
    )
    objects = listing.stdout.splitlines()
    for line in objects[:10]:
        say(line)
    say(f"{len(objects)} objects")
    if not objects:
        faults.append("there is no history")

    title("aws kinesis get-records: deadletters")
    letters = records(account, "deadletters")
    for letter in letters:
        say(letter)
    if len(letters) != sent["malformed"]:
        faults.append(f"there are {len(letters)} dead letters where {sent['malformed']} is expected")
    return faults


def records(account: dict[str, str], stream: str) -> list[str]:
    """The data of all records of a stream, as `aws kinesis get-records` gives them."""
    found = []
    shards = json.loads(aws(account, "kinesis", "list-shards", "--stream-name", stream, "--output", "json"))["Shards"]
    for shard in shards:
        position = ["--stream-name", stream, "--shard-id", shard["ShardId"], "--shard-iterator-type", "TRIM_HORIZON"]
        answer = aws(account, "kinesis", "get-shard-iterator", *position, "--output", "json")
        iterator, empty = json.loads(answer)["ShardIterator"], 0
        while iterator and empty < 2:
            text = aws(account, "kinesis", "get-records", "--shard-iterator", iterator, "--output", "json")
            answer = json.loads(text)
            found += [base64.b64decode(it["Data"]).decode() for it in answer["Records"]]
            iterator, empty = answer.get("NextShardIterator"), 0 if answer["Records"] else empty + 1
    return found


def aws(account: dict[str, str], *arguments: str, keep: tuple[int, ...] = ()) -> str:
    command = [aws_command(), *arguments]
    return subprocess.run(command, check=True, env=account, stdout=subprocess.PIPE, text=True, pass_fds=keep).stdout


def aws_command() -> str:
    return str(Path(sys.executable).with_name("aws"))


def run(command: list[Any]) -> None:
    say(" ".join(map(str, command)))
    subprocess.run([str(it) for it in command], check=True)


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
