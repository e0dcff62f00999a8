"""An MLflow flavour: models saved, logged and loaded by MLflow, and served by it as a Python function.

Examples
--------
>>> import churn_model.mlflow, mlflow  # doctest: +SKIP
>>> with mlflow.start_run():  # doctest: +SKIP
...     info = churn_model.mlflow.log_model(model, name="churn")
>>> mlflow.pyfunc.load_model(info.model_uri).predict(frame)  # doctest: +SKIP
array([0.12, 0.83, ...])
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from churn_model._native import __version__
from churn_model.model import Model

if TYPE_CHECKING:
    from mlflow.models import Model as LoggedModel
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

#: The name of this flavour in the file `MLmodel`.
FLAVOR_NAME = "churn_model"

_FILE = "model.safetensors"


@contextmanager
def _needing_mlflow() -> Generator[None, None, None]:
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{error}; churn_model.mlflow needs MLflow: pip install 'churn-model[mlflow]'") from error


def signature_of(model: Model) -> ModelSignature:
    """The columns that a model reads, and the score that it gives.

    MLflow checks that they are all there, and leaves types to the model: it would refuse counts that come as integers
    where it expects numbers that may be missing, and categories of pandas where it expects strings.

    Parameters
    ----------
    model
        Any.

    Returns
    -------
    mlflow.models.ModelSignature
        Inputs in schema order; one output, the score.
    """
    with _needing_mlflow():
        from mlflow.models import ModelSignature
        from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec
    any_type = AnyType()
    inputs: list[ColSpec | TensorSpec] = [ColSpec(any_type, name) for name in model.feature_names]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec(DataType.double, "score")]))


def save_model(
    model: Model,
    path: str | os.PathLike[str],
    *,
    mlflow_model: LoggedModel | None = None,
    signature: ModelSignature | None = None,
    pip_requirements: list[str] | None = None,
    **options: Any,
) -> None:
    """Saves a model as a folder that MLflow reads.

    Parameters
    ----------
    model
        What is saved: its model file, as `Model.save` writes it.
    path
        The folder, which is made.
    mlflow_model
        The entry that this flavour is added to; a new one when None.
    signature
        The columns of the model when None.
    pip_requirements
        `churn-model` of this release when None.
    options
        Handed on to `mlflow.pyfunc.save_model`, such as `input_example` and `metadata`.

    Raises
    ------
    ImportError
        When MLflow is not installed.
    """
    with _needing_mlflow():
        import mlflow.models
        import mlflow.pyfunc
    entry = mlflow_model if mlflow_model is not None else mlflow.models.Model()
    entry.add_flavor(FLAVOR_NAME, data=f"data/{_FILE}", version=__version__, model_id=model.id)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, _FILE)
        model.save(data)
        mlflow.pyfunc.save_model(
            path=os.fspath(path),
            loader_module=__name__,
            data_path=os.fspath(data),
            mlflow_model=entry,
            signature=signature if signature is not None else signature_of(model),
            pip_requirements=pip_requirements or [f"churn-model=={__version__}"],
            **options,
        )


def log_model(model: Model, name: str = "model", **options: Any) -> ModelInfo:
    """Logs a model to the current run of MLflow.

    Parameters
    ----------
    model
        What is logged.
    name
        Its name in the run.
    options
        Handed on to `mlflow.models.Model.log` and `save_model`, such as `registered_model_name` and `input_example`.

    Returns
    -------
    mlflow.models.model.ModelInfo
        Its `model_uri` is what `load_model` takes.

    Raises
    ------
    ImportError
        When MLflow is not installed.
    """
    with _needing_mlflow():
        import mlflow.models
    flavor = sys.modules[__name__]
    info: ModelInfo = mlflow.models.Model.log(artifact_path=None, name=name, flavor=flavor, model=model, **options)
    return info


def load_model(model_uri: str, dst_path: str | None = None) -> Model:
    """Loads a model that was saved or logged with this flavour.

    Parameters
    ----------
    model_uri
        A folder, or a URI such as `runs:/.../churn` or `models:/churn/1`.
    dst_path
        An existing folder to download it to.

    Returns
    -------
    Model
        As it was saved. Loading it runs no code of the folder's.

    Raises
    ------
    ImportError
        When MLflow is not installed.
    ModelFileError
        When the model file is damaged.
    """
    with _needing_mlflow():
        import mlflow.artifacts
        import mlflow.models
        from mlflow.exceptions import MlflowException
    folder = mlflow.artifacts.download_artifacts(artifact_uri=model_uri, dst_path=dst_path)
    flavors = mlflow.models.Model.load(folder).flavors
    if FLAVOR_NAME not in flavors:
        raise MlflowException(f"{model_uri!r} was saved with {', '.join(sorted(flavors))} and not with {FLAVOR_NAME}")
    return Model.load(Path(folder, flavors[FLAVOR_NAME]["data"]))


class _Scores:
    """What `mlflow.pyfunc.load_model` gives calls this."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> npt.NDArray[np.float64]:
        """The score of each row, whose columns are matched by name."""
        return np.atleast_1d(np.asarray(self.model.score(data), np.float64))


def _load_pyfunc(path: str) -> _Scores:  # pyright: ignore[reportUnusedFunction]  (MLflow calls it by its name)
    return _Scores(Model.load(path))
