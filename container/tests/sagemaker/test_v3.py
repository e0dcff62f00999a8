"""Version 3 of the SageMaker SDK against the server."""

import json

import pytest
from predicates import check_body
from serving import ORIGINAL_ROWS
from shim import Shim


def test_an_endpoint_resource_is_invoked(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shim.environment().items():
        monkeypatch.setenv(name, value)
    from sagemaker.core.resources import Endpoint  # when its endpoint is known

    answer = Endpoint(endpoint_name="churn").invoke(body="\n".join(ORIGINAL_ROWS), content_type="text/csv")
    assert answer.content_type.split(";")[0] == "application/json"
    text = answer.body.read().decode()
    check_body({"op": "json", "checks": [{"path": "predictions", "len": 2}]}, text, answer.content_type)
    assert json.loads(text)["predictions"][0].keys() == {"score", "predicted_label"}
