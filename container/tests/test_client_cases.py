"""AWS's own clients against the server, through a stand-in for SageMaker's runtime."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from predicates import check_body
from serving import ORIGINAL_ROWS, Server, run
from shim import Shim

CASES = {case["name"]: case for case in json.loads(Path(__file__).with_name("cases.json").read_text())["client_cases"]}
BOTO3 = [name for name in CASES if name.startswith("boto3")]


@pytest.fixture(autouse=True)
def aws(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends AWS's clients to the stand-in."""
    for name, value in shim.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", BOTO3)
def test_boto3_gets_what_the_case_expects(name: str) -> None:
    case = CASES[name]
    service = "runtime.sagemaker" if "runtime.sagemaker" in case["call"] else "sagemaker-runtime"
    client = boto3.client(service)
    expected: dict[str, Any] = case["expect"]
    if "exception" in expected:
        with pytest.raises(ClientError) as raised:
            client.invoke_endpoint(**case["args"])
        response = raised.value.response
        assert response["Error"]["Code"] == expected["exception"]
        assert response["OriginalStatusCode"] == expected["OriginalStatusCode"]
        check_body({"op": "error_body"}, response["OriginalMessage"], "application/json")
        return
    answer = client.invoke_endpoint(**case["args"])
    media_type = answer["ContentType"].split(";")[0]
    assert media_type == expected["ContentType"]
    check_body(expected["body"], answer["Body"].read().decode(), media_type)


@pytest.mark.parametrize("row", ORIGINAL_ROWS)
def test_the_original_client_s_calls_are_answered(row: str) -> None:
    runtime = boto3.client("runtime.sagemaker")
    response = runtime.invoke_endpoint(EndpointName="churn", ContentType="text/csv", Body=row)
    [prediction] = json.loads(response["Body"].read().decode())["predictions"]
    assert list(prediction) == ["score", "predicted_label"]


def test_custom_attributes_ask_for_reasons() -> None:
    client = boto3.client("sagemaker-runtime")
    asked = {"EndpointName": "churn", "ContentType": "text/csv", "Body": ORIGINAL_ROWS[0]}
    answer = client.invoke_endpoint(**asked, CustomAttributes="reasons=3")
    [prediction] = json.loads(answer["Body"].read())["predictions"]
    assert 1 <= len(prediction["reasons"]) <= 3


def test_awscli_writes_the_answer_into_a_file(tmp_path: Path) -> None:
    aws = Path(sys.executable).with_name("aws")
    call = ["sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "churn", "--content-type", "text/csv"]
    body = ["--body", "\n".join(ORIGINAL_ROWS), str(tmp_path / "answer.json")]
    done = run([sys.executable, aws, *call, *body], dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ContentType"] == "application/json"
    assert len(json.loads((tmp_path / "answer.json").read_text())["predictions"]) == 2


def test_a_multi_model_endpoint_is_asked_by_target_model(lay_out: Callable[[], Path], shim: Shim) -> None:
    with Server(lay_out(), SAGEMAKER_MULTI_MODEL="true") as server:
        shim.ports["many"] = server.port
        loading = json.dumps({"model_name": "tenants/a.tar.gz", "url": "/opt/ml/model"}).encode()
        assert server.request("POST", "/models", {"Content-Type": "application/json"}, loading).status == 200
        client = boto3.client("sagemaker-runtime")
        asked = {"EndpointName": "many", "ContentType": "text/csv", "Body": ORIGINAL_ROWS[0]}
        answer = client.invoke_endpoint(**asked, TargetModel="tenants/a.tar.gz")
        assert len(json.loads(answer["Body"].read())["predictions"]) == 1
        with pytest.raises(ClientError) as raised:
            client.invoke_endpoint(**asked, TargetModel="tenants/b.tar.gz")
        assert raised.value.response["OriginalStatusCode"] == 404


def test_boto3_may_ask_the_server_itself(server: Server, lay_out: Callable[[], Path]) -> None:
    asked = {"EndpointName": "any", "ContentType": "text/csv"}
    client = boto3.client("sagemaker-runtime", endpoint_url=server.url)
    answer = client.invoke_endpoint(**asked, Body=ORIGINAL_ROWS[0], CustomAttributes="reasons=2")
    [prediction] = json.loads(answer["Body"].read())["predictions"]
    assert len(prediction["reasons"]) == 2
    with pytest.raises(ClientError) as raised:
        client.invoke_endpoint(**asked, Body="1,2")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "2 columns where the model takes 14" in str(raised.value)
    with Server(lay_out(), SAGEMAKER_MULTI_MODEL="true") as many:
        loading = json.dumps({"model_name": "tenants/a.tar.gz", "url": "/opt/ml/model"}).encode()
        assert many.request("POST", "/models", {"Content-Type": "application/json"}, loading).status == 200
        client = boto3.client("sagemaker-runtime", endpoint_url=many.url)
        answer = client.invoke_endpoint(**asked, Body=ORIGINAL_ROWS[0], TargetModel="tenants/a.tar.gz")
        assert len(json.loads(answer["Body"].read())["predictions"]) == 1
