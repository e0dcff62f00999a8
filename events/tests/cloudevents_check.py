"""Checks the wire form of events from the outside, with the CloudEvents SDK and a JSON Schema validator.

Events that this project writes parse in the SDK and fit their schema; events that the SDK writes are read here, and say
the same afterwards.
"""

import json
import subprocess
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = [json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "schemas").glob("*.json"))]


def echo(lines: list[str]) -> list[str]:
    """What this project writes after it has read these lines."""
    command = ["cargo", "run", "--quiet", "-p", "churn-events", "--example", "echo_events"]
    text = "\n".join(lines)
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = done.stdout.splitlines()
    assert len(written) == len(lines), (len(written), len(lines))
    return written


def instant(text: str) -> datetime:
    """A time as an instant, whatever its zone."""
    return datetime.fromisoformat(text)


def from_sdk(example: dict, time: datetime) -> str:
    """The event as the SDK writes it."""
    attributes = {name: value for name, value in example.items() if name not in ("data", "time")}
    attributes |= {"time": time, "id": str(uuid.uuid4()), "datacontenttype": "application/json"}
    attributes |= {"traceparent": 'a "quoted" ü'}
    return JSONFormat().write(CloudEvent(attributes, example["data"])).decode()


def main() -> None:
    """Runs the check."""
    assert len(SCHEMAS) == 12, len(SCHEMAS)
    for schema in SCHEMAS:
        Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator.FORMAT_CHECKER
    assert "date-time" in checker.checkers, "rfc3339-validator is not installed"
    validators = {schema["title"]: Draft202012Validator(schema, format_checker=checker) for schema in SCHEMAS}
    examples = [schema["examples"][0] for schema in SCHEMAS]

    # Ours, in the SDK and in the validator.
    for line in echo([json.dumps(example) for example in examples]):
        event = JSONFormat().read(CloudEvent, line)
        written = json.loads(line)
        validators[event.get_type()].validate(written)
        assert event.get_subject() == "tenant-7"
        assert event.get_time() == instant(written["time"])
        assert event.get_extension("recordedtime") == written["recordedtime"]
        assert event.get_data() == written["data"]

    # The SDK's, here: its spelling, in several zones.
    for hours in (0, -8, 5.5):
        time = datetime(2026, 3, 1, 12, 30, 45, 123000, tzinfo=timezone(timedelta(hours=hours)) if hours else UTC)
        theirs = [from_sdk(example, time) for example in examples]
        for line, example, back in zip(theirs, examples, echo(theirs), strict=True):
            before, after = json.loads(line), json.loads(back)
            validators[example["type"]].validate(before)
            assert instant(before["time"]) == instant(after["time"]) == time
            for name in ("specversion", "id", "source", "type", "subject", "data"):
                assert before[name] == after[name], (name, before, after)
            assert instant(before["recordedtime"]) == instant(after["recordedtime"])

    # The validator finds the same things wrong.
    for example in examples:
        for name in ("id", "source", "type", "subject", "time"):
            damaged = {key: value for key, value in example.items() if key != name}
            assert not validators[example["type"]].is_valid(damaged), (name, damaged)
        assert not validators[example["type"]].is_valid(example | {"time": "2026-03-01T12:30:45"})
    print(f"{len(examples)} types of events agree with the CloudEvents SDK and their schemas")


if __name__ == "__main__":
    main()
