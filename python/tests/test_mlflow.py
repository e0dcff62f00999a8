"""MLflow saves, logs, loads and serves models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import churn_model as cm
import numpy as np
import pytest

mlflow = pytest.importorskip("mlflow")
pd = pytest.importorskip("pandas")
pytest.importorskip("mlflow.pyfunc")

import churn_model.mlflow

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"

FRAME = pd.DataFrame(
    {
        "industry": ["IT", None, "Énergie", "unheard of"],
        "is_trial": [True, False, None, True],
        "days_since_login": [3, 10, 40, 7],  # whole numbers, which MLflow's own types would refuse
    }
)


@pytest.fixture
def model() -> cm.Model:
    return cm.Model.load(GOLDEN / "forest.safetensors")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow.set_tracking_uri((tmp_path / "store").as_uri())
        yield
    mlflow.set_tracking_uri(before)


def test_a_saved_folder_loads_as_a_model_and_as_a_python_function(model: cm.Model, tmp_path: Path) -> None:
    churn_model.mlflow.save_model(model, tmp_path / "saved", input_example=FRAME.head(2))
    assert churn_model.mlflow.load_model(str(tmp_path / "saved")) == model
    with pytest.warns(UserWarning, match="unheard of"):
        scores = mlflow.pyfunc.load_model(str(tmp_path / "saved")).predict(FRAME)
    np.testing.assert_array_equal(scores, model.score(FRAME, unseen="ignore"))
    assert scores.shape == (4,) and scores.dtype == np.float64
    assert f"churn-model=={cm.__version__}" in (tmp_path / "saved" / "requirements.txt").read_text().split()


def test_a_logged_model_is_found_by_its_uri(model: cm.Model, store: None) -> None:
    with mlflow.start_run():
        info = churn_model.mlflow.log_model(model, name="churn", metadata={"team": "success"})
    assert churn_model.mlflow.load_model(info.model_uri) == model
    served = mlflow.pyfunc.load_model(info.model_uri)
    assert served.predict(FRAME.head(1)).shape == (1,)
    assert served.metadata.flavors["churn_model"]["model_id"] == model.id
    assert [column["name"] for column in served.metadata.signature.inputs.to_dict()] == model.feature_names


def test_a_missing_column_is_refused_by_name(model: cm.Model, tmp_path: Path) -> None:
    churn_model.mlflow.save_model(model, tmp_path / "saved")
    served = mlflow.pyfunc.load_model(str(tmp_path / "saved"))
    with pytest.raises(mlflow.exceptions.MlflowException, match="industry"):
        served.predict(FRAME.drop(columns="industry"))


def test_json_of_a_request_is_scored(model: cm.Model, tmp_path: Path) -> None:
    scoring = pytest.importorskip("mlflow.pyfunc.scoring_server")
    churn_model.mlflow.save_model(model, tmp_path / "saved")
    served = mlflow.pyfunc.load_model(str(tmp_path / "saved"))
    body = json.dumps({"dataframe_split": json.loads(FRAME.head(3).to_json(orient="split", index=False))})
    answer = scoring.invocations(body, "application/json", served, served.metadata.get_input_schema())
    scores = [row if isinstance(row, float) else row["0"] for row in json.loads(answer.response)["predictions"]]
    np.testing.assert_allclose(scores, model.score(FRAME.head(3)), rtol=1e-12)


def test_folders_of_other_flavours_are_refused(tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(path=str(tmp_path / "other"), loader_module="json", pip_requirements=["numpy"])
    with pytest.raises(mlflow.exceptions.MlflowException, match="python_function and not with churn_model"):
        churn_model.mlflow.load_model(str(tmp_path / "other"))
