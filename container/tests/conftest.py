"""What the tests share: a model trained in the container's way, folders that hold it, a server, and the shim."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Server, train_sample
from shim import Shim


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that `churn train` made of the original system's 14 columns."""
    return train_sample(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="session")
def lay_out(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes folders that look like /opt/ml with the model in place."""

    def make() -> Path:
        base = tmp_path_factory.mktemp("opt-ml")
        shutil.copytree(model, base / "model")
        return base

    return make


@pytest.fixture(scope="session")
def server(lay_out: Callable[[], Path]) -> Iterator[Server]:
    """A server of the model."""
    with Server(lay_out()) as running:
        yield running


@pytest.fixture(scope="session")
def shim(server: Server) -> Iterator[Shim]:
    """SageMaker's runtime in front of the server."""
    with Shim({"churn": server.port}) as running:
        yield running
