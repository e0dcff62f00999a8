"""Each fault of the proxy is seen by boto3 as the fault it stands for, is counted, and changes nothing else."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from emulators import proxy as proxy_module
from emulators.proxy import FaultProxy, Faults
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset

SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=a"
)


def iterator_of(kinesis, stream):
    (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
    return kinesis.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]


def read(kinesis, stream):
    """All that a stream of one shard holds."""
    records = kinesis.get_records(ShardIterator=iterator_of(kinesis, stream))["Records"]
    return [record["Data"] for record in records]


def entries(count):
    return [{"Data": b"%d" % i, "PartitionKey": f"tenant-{i % 7}"} for i in range(count)]


def error_of(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def proxied(emulator):
    with FaultProxy(emulator.url, seed=7) as proxy:
        yield proxy


def test_without_faults_all_is_as_it_was(emulator, proxied, new_stream):
    stream = new_stream(emulator)
    kinesis = proxied.client("kinesis", attempts=1)
    assert kinesis.put_records(StreamName=stream, Records=entries(500))["FailedRecordCount"] == 0
    assert read(kinesis, stream) == [b"%d" % i for i in range(500)] == read(emulator.client("kinesis"), stream)
    assert not proxied.injected
    assert proxied.requests["PutRecords"] == 1 and proxied.requests["GetRecords"] == 1


def test_errors_are_the_api_s_own(emulator, proxied, new_stream):
    stream = new_stream(emulator)
    kinesis = proxied.client("kinesis", attempts=1)
    iterator = iterator_of(kinesis, stream)
    too_much = ("ProvisionedThroughputExceededException", 400)

    proxied.faults = Faults(throttled_reads=1)
    assert error_of(kinesis.get_records, ShardIterator=iterator) == too_much
    proxied.faults = Faults(expired_iterators=1)
    assert error_of(kinesis.get_records, ShardIterator=iterator) == ("ExpiredIteratorException", 400)
    assert kinesis.put_records(StreamName=stream, Records=entries(3))["FailedRecordCount"] == 0
    proxied.faults = Faults(throttled_writes=1)
    assert error_of(kinesis.put_records, StreamName=stream, Records=entries(3)) == too_much
    proxied.faults = Faults(failures=1)
    assert error_of(kinesis.list_shards, StreamName=stream) == ("InternalFailure", 500)
    names = ("throttled_reads", "expired_iterators", "throttled_writes", "failures")
    assert proxied.injected == dict.fromkeys(names, 1)

    proxied.faults = Faults()
    assert len(kinesis.get_records(ShardIterator=iterator)["Records"]) == 3, "refused requests left nothing behind"


def test_a_lost_request_is_not_in_the_stream_and_one_whose_answer_is_lost_is(emulator, proxied, new_stream):
    stream = new_stream(emulator)
    kinesis = proxied.client("kinesis", attempts=1)
    for faults, data in ((Faults(lost_requests=1), b"request"), (Faults(lost_answers=1), b"answer")):
        proxied.faults = faults
        with pytest.raises(ConnectionClosedError):
            kinesis.put_record(StreamName=stream, Data=data, PartitionKey="tenant-1")
    assert read(emulator.client("kinesis"), stream) == [b"answer"]
    assert proxied.injected == {"lost_requests": 1, "lost_answers": 1}


def test_failed_entries_are_named_and_only_the_others_are_in_the_stream(emulator, proxied, new_stream):
    stream = new_stream(emulator)
    kinesis = proxied.client("kinesis", attempts=1)
    proxied.faults = Faults(failed_entries=0.3)
    left, stored = entries(500), []
    for _ in range(20):
        answer = kinesis.put_records(StreamName=stream, Records=left)
        failed = ["ErrorCode" in result for result in answer["Records"]]
        assert sum(failed) == answer["FailedRecordCount"]
        stored += [entry for entry, it_failed in zip(left, failed, strict=True) if not it_failed]
        left = [entry for entry, it_failed in zip(left, failed, strict=True) if it_failed]
        if not left:
            break
    assert not left
    assert read(emulator.client("kinesis"), stream) == [entry["Data"] for entry in stored]
    assert 120 < proxied.injected["failed_entries"] < 320  # 214 are expected

    proxied.faults = Faults(failed_entries=1)
    answer = kinesis.put_records(StreamName=stream, Records=entries(10))
    assert answer["FailedRecordCount"] == 10
    assert {result["ErrorCode"] for result in answer["Records"]} == {
        "ProvisionedThroughputExceededException",
        "InternalFailure",
    }


def test_a_shard_is_read_only_so_often(emulator, proxied, new_stream, monkeypatch):
    stream, other = new_stream(emulator), new_stream(emulator)
    clock = [100.0]
    monkeypatch.setattr(proxy_module.time, "monotonic", lambda: clock[0])
    kinesis = proxied.client("kinesis", attempts=1)
    proxied.faults = Faults(reads_per_second=5)
    iterator = iterator_of(kinesis, stream)
    for _ in range(5):  # each answer's iterator is the same shard's
        iterator = kinesis.get_records(ShardIterator=iterator)["NextShardIterator"]
    assert error_of(kinesis.get_records, ShardIterator=iterator)[0] == "ProvisionedThroughputExceededException"
    assert error_of(read, kinesis, stream)[0] == "ProvisionedThroughputExceededException", "also by a new iterator"
    assert read(kinesis, other) == []
    clock[0] += 1
    kinesis.get_records(ShardIterator=iterator)
    assert proxied.injected == {"reads_per_second": 2}


def test_delays_are_of_the_length_that_was_asked_for(emulator, proxied, new_stream, monkeypatch):
    stream = new_stream(emulator)
    waits = []
    monkeypatch.setattr(proxy_module.time, "sleep", waits.append)
    proxied.faults = Faults(delays=0.5, delay_seconds=3)
    kinesis = proxied.client("kinesis", attempts=1)
    for _ in range(100):
        kinesis.list_shards(StreamName=stream)
    assert 30 < len(waits) == proxied.injected["delays"] < 70
    assert all(0 <= seconds <= 3 for seconds in waits) and max(waits) > 2


def test_the_same_seed_gives_the_same_faults_and_another_one_others(emulator, new_stream):
    stream = new_stream(emulator)

    def outcomes(seed):
        with FaultProxy(emulator.url, Faults(failures=0.5), seed=seed) as proxy:
            kinesis = proxy.client("kinesis", attempts=1)
            found = []
            for _ in range(40):
                try:
                    kinesis.list_shards(StreamName=stream)
                    found.append("answer")
                except ClientError:
                    found.append("failure")
            return found

    assert outcomes(1) == outcomes(1) != outcomes(2)


def test_clients_that_retry_get_through_everything_at_once(emulator, new_stream):
    stream = new_stream(emulator)
    faults = Faults(
        throttled_reads=0.2,
        throttled_writes=0.2,
        failures=0.1,
        lost_requests=0.1,
        lost_answers=0.1,
        failed_entries=0.1,
        delays=0.2,
        delay_seconds=0.01,
    )
    with FaultProxy(emulator.url, faults, seed=3) as proxy:
        kinesis = proxy.client("kinesis", attempts=30)
        left = entries(200)
        while left:
            results = kinesis.put_records(StreamName=stream, Records=left)["Records"]
            left = [entry for entry, result in zip(left, results, strict=True) if "ErrorCode" in result]
        assert set(read(kinesis, stream)) == {b"%d" % i for i in range(200)}, "some may be there twice"


def test_cbor_passes_and_is_refused_in_cbor(kinesis_local, new_stream):
    stream = new_stream(kinesis_local)
    headers = {
        "X-Amz-Target": "Kinesis_20131202.DescribeStreamSummary",
        "Content-Type": "application/x-amz-cbor-1.1",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": SIGNATURE,
    }
    body = proxy_module.cbor_of_texts({"StreamName": stream})

    def ask(proxy):
        with urllib.request.urlopen(urllib.request.Request(proxy.url, body, headers)) as answer:
            return answer.headers["Content-Type"], answer.read()

    with FaultProxy(kinesis_local.url) as proxy:
        content_type, answer = ask(proxy)
        assert content_type == "application/x-amz-cbor-1.1"
        assert stream.encode() in answer
        proxy.faults = Faults(failures=1)
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(proxy)
        assert (caught.value.code, caught.value.headers["x-amzn-ErrorType"]) == (500, "InternalFailure")
        assert caught.value.read().startswith(b"\xa2\x78\x06__type\x78\x0fInternalFailure")


def test_requests_over_http_2_meet_the_same_faults(kinesis_local, new_stream):
    stream = new_stream(kinesis_local)
    direct = kinesis_local.client("kinesis")
    for _ in range(5):  # more than the client has room for at first
        direct.put_record(StreamName=stream, Data=b"x" * 100_000, PartitionKey="tenant-1")
    iterator = iterator_of(direct, stream)
    with (
        FaultProxy(kinesis_local.url, seed=7) as proxy,
        socket.create_connection(urlsplit(proxy.url)[1].split(":")) as it,
    ):
        client = Http2Client(it)
        assert client.ask("CreateStream", {"StreamName": f"{stream}-2", "ShardCount": 1}) == (200, b"")
        two = [client.begin("GetRecords", {"ShardIterator": iterator}) for _ in range(2)]
        for status, body in client.answers(two):
            assert status == 200
            assert len(json.loads(body)["Records"]) == 5
        proxy.faults = Faults(throttled_reads=1)
        status, body = client.ask("GetRecords", {"ShardIterator": iterator})
        assert (status, json.loads(body)["__type"]) == (400, "ProvisionedThroughputExceededException")
        proxy.faults = Faults(lost_answers=1)
        assert client.ask("ListShards", {"StreamName": stream}) == ("reset", b"")
        proxy.faults = Faults()
        assert client.ask("ListShards", {"StreamName": stream})[0] == 200


class Http2Client:
    def __init__(self, connection):
        self.socket, self.http = connection, H2Connection()
        self.http.initiate_connection()

    def begin(self, operation, request):
        stream, body = self.http.get_next_available_stream_id(), json.dumps(request).encode()
        headers = {":method": "POST", ":path": "/", ":scheme": "http", ":authority": "kinesis"}
        headers |= {"x-amz-target": f"Kinesis_20131202.{operation}", "content-type": "application/x-amz-json-1.1"}
        headers |= {"x-amz-date": "20260101T000000Z", "authorization": SIGNATURE}
        self.http.send_headers(stream, list(headers.items()))
        self.http.send_data(stream, body, end_stream=True)
        return stream

    def answers(self, streams):
        found = {stream: [None, b""] for stream in streams}
        waiting = set(streams)
        while waiting:
            self.socket.sendall(self.http.data_to_send())
            for event in self.http.receive_data(self.socket.recv(65536)):
                if isinstance(event, ResponseReceived):
                    found[event.stream_id][0] = int(dict(event.headers)[b":status"])
                elif isinstance(event, DataReceived):
                    found[event.stream_id][1] += event.data
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamReset):
                    found[event.stream_id][0] = "reset"
                if isinstance(event, StreamEnded | StreamReset):
                    waiting.discard(event.stream_id)
        self.socket.sendall(self.http.data_to_send())
        return [tuple(found[stream]) for stream in streams]

    def ask(self, operation, request):
        return self.answers([self.begin(operation, request)])[0]


def test_as_a_program_it_is_switched_over_http(kinesis_local, new_stream):
    stream = new_stream(kinesis_local)
    command = [sys.executable, Path(proxy_module.__file__), kinesis_local.url, "--faults", '{"failures": 1}']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        proxy = proxy_module.Service()
        proxy.url = program.stdout.readline().strip()
        kinesis = proxy.client("kinesis", attempts=1)
        assert error_of(kinesis.list_shards, StreamName=stream)[0] == "InternalFailure"
        address = f"{proxy.url}/faults"
        with urllib.request.urlopen(urllib.request.Request(address, b'{"failures": 0}', method="PUT")):
            pass
        kinesis.list_shards(StreamName=stream)
        with urllib.request.urlopen(address) as answer:
            report = json.load(answer)
        assert report["injected"] == {"failures": 1}
        assert report["requests"] == {"ListShards": 2}
        assert report["faults"]["failures"] == 0
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(address, b'{"failure": 0}', method="PUT"))
        program.stdin.close()
    assert program.returncode == 0
