"""The predicates of cases.json, as its `predicates` object defines them."""

import json
import re
from collections.abc import Callable
from typing import Any

TYPES = {"number": (int, float), "string": str, "array": list, "object": dict, "boolean": bool}


def strict_json(text: str) -> Any:
    """Parses JSON, without the NaN and Infinity that Python would let through."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON: {text[:200]}")

    return json.loads(text, parse_constant=refuse)


def at(value: Any, path: str) -> Any:
    """The value at a path of dots and [i]."""
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        value = value[int(index)] if index else value[key]
    return value


def check_all(value: Any, checks: list[dict[str, Any]]) -> None:
    """Every check holds."""
    for check in checks:
        found = at(value, check["path"])
        if "type" in check:
            is_number_made_of_a_flag = check["type"] == "number" and isinstance(found, bool)
            assert isinstance(found, TYPES[check["type"]]) and not is_number_made_of_a_flag, (check, found)
        if "len" in check:
            assert len(found) == check["len"], (check, len(found))
        if "min" in check:
            assert found >= check["min"], (check, found)
        if "max" in check:
            assert found <= check["max"], (check, found)
        if "in" in check:
            assert found in check["in"], (check, found)
        if "eq" in check:
            assert found == check["eq"], (check, found)


def lines_of(text: str) -> list[str]:
    """The lines that are not empty."""
    return [line for line in text.splitlines() if line.strip()]


def error_body(expected: dict[str, Any], text: str, media_type: str) -> None:
    """A message for people, without a trace of the program."""
    assert text.strip(), "an error says why"
    if media_type == "application/json":
        error = strict_json(text)
        assert isinstance(error.get("error") or error.get("message"), str), text
    for trace in ("Traceback", "panicked at", "stack backtrace", ".rs:"):
        assert trace not in text, text
    for part in expected.get("contains", []):
        assert part in text, (part, text)


def jsonl(expected: dict[str, Any], text: str, _: str) -> None:
    """As many lines as expected, each of which passes."""
    lines = lines_of(text)
    assert len(lines) == expected["lines"], text
    for line in lines:
        check_all(strict_json(line), expected.get("each", []))


def csv(expected: dict[str, Any], text: str, _: str) -> None:
    """As many lines as expected, perhaps of as many fields."""
    lines = lines_of(text)
    assert len(lines) == expected["rows"], text
    assert "cols" not in expected or all(len(line.split(",")) == expected["cols"] for line in lines), text


def json_checks(expected: dict[str, Any], text: str, _: str) -> None:
    """Strict JSON that passes."""
    check_all(strict_json(text), expected["checks"])


def json_equals(expected: dict[str, Any], text: str, _: str) -> None:
    """The very value."""
    assert strict_json(text) == expected["value"]


def regex(expected: dict[str, Any], text: str, _: str) -> None:
    """The whole body matches."""
    assert re.fullmatch(expected["pattern"], text), text


def not_contains(expected: dict[str, Any], text: str, _: str) -> None:
    """None of the texts is there."""
    assert not [found for found in expected["text"] if found in text], text


def empty(_: dict[str, Any], text: str, __: str) -> None:
    """No bytes."""
    assert text == ""


PREDICATES: dict[str, Callable[[dict[str, Any], str, str], None]] = {
    "any": lambda expected, text, media_type: None,
    "empty": empty,
    "error_body": error_body,
    "json": json_checks,
    "json_equals": json_equals,
    "jsonl": jsonl,
    "csv": csv,
    "regex": regex,
    "not_contains": not_contains,
}


def check_body(expected: dict[str, Any], text: str, media_type: str) -> None:
    """The body passes the predicate that `expected` names."""
    PREDICATES[expected["op"]](expected, text, media_type)
