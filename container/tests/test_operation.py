"""What whoever runs the server reads: counters, log lines, and refusals of what is not read."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import ORIGINAL_ROWS, Server

CSV = {"Content-Type": "text/csv"}
JSON = {"Content-Type": "application/json"}


def logged(server: Server, message: str) -> list[dict[str, Any]]:
    """The lines of the log with that message."""
    lines = [json.loads(line) for line in server.log.splitlines()]
    return [line for line in lines if line["message"] == message]


def test_rows_answered_by_a_placeholder_are_counted_and_logged_without_their_values(
    lay_out: Callable[[], Path],
) -> None:
    with Server(lay_out(), CHURN_BAD_ROWS="placeholder", SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv") as server:
        body = "\n".join([ORIGINAL_ROWS[0], "secret", "", ORIGINAL_ROWS[1], ""])
        lines = server.request("POST", "/invocations", CSV, body.encode()).text.splitlines()
        assert [line == "ERROR" for line in lines] == [False, True, True, False]
        assert server.request("POST", "/invocations", CSV, b"\n").text == "ERROR\n"
        assert server.request("POST", "/invocations", CSV, ORIGINAL_ROWS[0].encode()).status == 200
        assert "churn_rows_refused_total 3\n" in server.request("GET", "/metrics").text
        found = logged(server, "rows answered by a placeholder")
        assert [(line["rows"], line["rows_refused"]) for line in found] == [(2, 2), (0, 1)]
        assert "secret" not in server.log


@pytest.mark.parametrize("path", ["/invocations", "/v2/models/churn/infer"])
def test_an_encoded_body_is_refused_and_not_read_as_if_plain(server: Server, path: str) -> None:
    body = gzip.compress(ORIGINAL_ROWS[0].encode())
    answer = server.request("POST", path, {**CSV, "Content-Encoding": "gzip"}, body)
    assert answer.status == 415
    assert 'Content-Encoding "gzip" is not read, nor is any other' in json.loads(answer.body).get(
        "message", json.loads(answer.body).get("error")
    )
    plain = {**CSV, "Content-Encoding": "identity"}
    assert server.request("POST", "/invocations", plain, ORIGINAL_ROWS[0].encode()).status == 200


def test_the_log_says_which_model_was_loaded_or_not_and_why(lay_out: Callable[[], Path]) -> None:
    with Server(lay_out(), SAGEMAKER_MULTI_MODEL="true") as server:
        for name, url in [("good", "/opt/ml/model"), ("bad", "/opt/ml/nowhere")]:
            server.request("POST", "/models", JSON, json.dumps({"model_name": name, "url": url}).encode())
        [loaded] = logged(server, "loaded")
        assert (loaded["model"], loaded["features"], len(loaded["id"]) > 0) == ("good", 14, True)
        [failed] = logged(server, "not loaded")
        assert failed["model"] == "bad"
        assert "cannot find /opt/ml/nowhere" in failed["reason"]
        server.request("POST", "/models/good/invoke", CSV, b"1,2\n")
        server.request("POST", "/models/none/invoke", CSV, b"1,2\n")
        refused = [line for line in logged(server, "refused") if line["route"] == "/models/{name}/invoke"]
        assert [(line["model"], line["status"]) for line in refused] == [("good", 400), ("none", 404)]


def test_wrong_paths_and_methods_are_told_what_would_be_right(server: Server) -> None:
    answer = server.request("POST", "/models", JSON, b"{}")
    assert answer.status == 404
    assert "SAGEMAKER_MULTI_MODEL=true" in answer.text
    answer = server.request("GET", "/invocations")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert server.request("GET", "/version").text.endswith("\n")


def test_the_batch_strategy_that_is_set_is_told_to_the_job(lay_out: Callable[[], Path]) -> None:
    with Server(lay_out(), SAGEMAKER_BATCH_STRATEGY="SINGLE_RECORD") as server:
        assert json.loads(server.request("GET", "/execution-parameters").body)["BatchStrategy"] == "SINGLE_RECORD"
