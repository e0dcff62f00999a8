"""Version 2 of the SageMaker SDK against the server: its Predictor through AWS's runtime, and its local session."""

import numpy as np
import pytest
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, JSONLinesDeserializer
from sagemaker.local import LocalSession
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer, LibSVMSerializer
from sagemaker.session import Session
from serving import ORIGINAL_ROWS, Server
from shim import Shim

ROWS = [[float(value) for value in row.split(",")] for row in ORIGINAL_ROWS]


@pytest.fixture
def session(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose runtime is the stand-in."""
    for name, value in shim.environment().items():
        monkeypatch.setenv(name, value)
    import boto3  # when its endpoint is known

    return Session(boto_session=boto3.Session(), sagemaker_runtime_client=boto3.client("sagemaker-runtime"))


def predictor(session: Session, serializer: object, deserializer: object) -> Predictor:
    """The SDK's predictor of our endpoint."""
    return Predictor("churn", session, serializer=serializer, deserializer=deserializer)


@pytest.mark.parametrize("rows", [ROWS, np.array(ROWS), "\n".join(ORIGINAL_ROWS)], ids=["lists", "numpy", "text"])
def test_rows_as_csv_are_answered_in_json(rows: object, session: Session) -> None:
    answer = predictor(session, CSVSerializer(), JSONDeserializer()).predict(rows)
    assert [list(prediction) for prediction in answer["predictions"]] == [["score", "predicted_label"]] * 2


def test_every_serializer_gives_the_same_scores(session: Session) -> None:
    sparse = "\n".join(
        " ".join(["0", *(f"{number}:{value}" for number, value in enumerate(row, 1) if value)]) for row in ROWS
    )
    bodies = [
        (CSVSerializer(), ROWS),
        (JSONSerializer(), {"instances": ROWS}),
        (JSONSerializer(), {"instances": [{"features": row} for row in ROWS]}),
        (JSONLinesSerializer(), [{"features": row} for row in ROWS]),
        (LibSVMSerializer(), sparse),
    ]
    answers = [predictor(session, serializer, JSONDeserializer()).predict(body) for serializer, body in bodies]
    assert all(answer == answers[0] for answer in answers)


def test_every_deserializer_reads_the_same_scores(session: Session) -> None:
    in_json = predictor(session, CSVSerializer(), JSONDeserializer()).predict(ROWS)["predictions"]
    in_lines = predictor(session, CSVSerializer(), JSONLinesDeserializer()).predict(ROWS)
    in_csv = predictor(session, CSVSerializer(), CSVDeserializer()).predict(ROWS)
    assert in_lines == in_json
    assert [float(fields[0]) for fields in in_csv] == [prediction["score"] for prediction in in_json]


def test_a_local_session_asks_the_server_without_an_engine(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    session = LocalSession()
    session.config = {"local": {"serving_port": server.port}}
    answer = predictor(session, CSVSerializer(), JSONDeserializer()).predict(ROWS[0])
    assert len(answer["predictions"]) == 1
