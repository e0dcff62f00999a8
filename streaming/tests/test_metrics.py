"""What `consume --metrics` serves, read by the strict parser of Prometheus's own Python library."""

import json
import subprocess
import urllib.request
from pathlib import Path

from conftest import PROGRAMS
from prometheus_client.openmetrics.parser import text_string_to_metric_families

COUNTERS = {
    "records",
    "events",
    "malformed",
    "unknown",
    "unscored",
    "score_records",
    "dead_letters",
    "retries",
    "trimmed",
}
GAUGES = {
    "lag_milliseconds",
    "position_behind",
    "event_age_seconds",
    "last_checkpoint_age_seconds",
    "last_checkpoint_seconds",
    "last_checkpoint_bytes",
    "last_checkpoint_tenants",
    "restore_seconds",
    "restored_tenants",
    "tenants",
    "state_bytes",
    "hottest_tenant_events",
    "feature_drift",
}


def event(number: int) -> str:
    fields = {
        "specversion": "1.0",
        "id": str(number),
        "source": "/jobs",
        "type": "com.anycompany.bdcp.user.login",
        "subject": f'tenant "{number % 3}"\\',
        "time": f"2026-03-01T{number // 60:02}:{number % 60:02}:00Z",
        "data": {"userId": "ann", "sessionId": str(number)},
    }
    return json.dumps(fields) + "\n"


def test_a_strict_reader_takes_it(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("".join(map(event, range(1200))))
    arguments = ["--source=file:log.jsonl", "--sink=file:scores.jsonl", "--speed=3600", "--status-every=200ms"]
    arguments += ["--checkpoint-every=200ms", "--metrics=127.0.0.1:0", "--score=never"]
    program = subprocess.Popen([PROGRAMS / "consume", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        url = program.stderr.readline().split()[-1]
        # A line comes five times a second, and numbers are published once.
        for _ in range(12):
            program.stderr.readline()
        with urllib.request.urlopen(url) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
            families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
        with urllib.request.urlopen(url.replace("/metrics", "/healthz")) as answer:
            assert answer.status == 200
    finally:
        program.kill()
        program.wait()
    kinds = {name.removeprefix("churn_consume_"): family.type for name, family in families.items()}
    histograms = {"checkpoint_seconds": "histogram"}
    assert kinds == dict.fromkeys(COUNTERS, "counter") | dict.fromkeys(GAUGES, "gauge") | histograms
    hottest = families["churn_consume_hottest_tenant_events"].samples
    assert {sample.labels["tenant"] for sample in hottest} <= {f'tenant "{number}"\\' for number in range(3)}
    [records] = families["churn_consume_records"].samples
    assert 0 < records.value < 1200
    assert all(family.documentation for family in families.values())
