"""Models go between processes as the bytes of their model file."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import churn_model as cm
import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"

ROWS = np.random.default_rng(0).integers(0, 3, (5000, 3)).astype(np.float32)


@pytest.fixture(params=["forest", "ensemble", "linear", "linear-log"])
def model(request: pytest.FixtureRequest) -> cm.Model:
    return cm.Model.load(GOLDEN / f"{request.param}.safetensors")


class Special(cm.Model):
    """A class of the user's own, which pickling keeps."""


class Reader(pickle.Unpickler):
    """Notes which functions and classes a pickle asks for."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.found: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.found.add((module, name))
        return super().find_class(module, name)


def scores(model: cm.Model, rows: Any) -> Any:
    return model.score(rows)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_the_model_file_and_names_one_function(model: cm.Model, protocol: int) -> None:
    data = pickle.dumps(model, protocol)
    assert pickle.loads(data) == model
    assert pickle.loads(data).to_bytes() == model.to_bytes()
    if protocol >= 3:
        assert model.to_bytes() in data and len(data) < len(model.to_bytes()) + 200
    reader = Reader(io.BytesIO(data))
    assert reader.load() == model
    assert reader.found <= {
        ("churn_model.model", "Model"),
        ("builtins", "getattr"),
        ("__builtin__", "getattr"),
        ("_codecs", "encode"),
    }


def test_copies_are_equal_and_keep_their_class(model: cm.Model) -> None:
    special = Special.from_bytes(model.to_bytes())
    for copied in (copy.copy(special), copy.deepcopy(special), pickle.loads(pickle.dumps(special))):
        assert type(copied) is Special and copied == special and hash(copied) == hash(special)


def test_a_damaged_pickle_is_refused(model: cm.Model) -> None:
    data = bytearray(pickle.dumps(model))
    data[len(data) // 2] ^= 1
    with pytest.raises(cm.ModelFileError):
        pickle.loads(bytes(data))


def test_joblib_and_cloudpickle_give_the_same_model_back(model: cm.Model, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    cloudpickle = pytest.importorskip("cloudpickle")
    for compress in (0, 3):
        joblib.dump({"model": model, "rows": ROWS}, tmp_path / "m.joblib", compress=compress)
        assert joblib.load(tmp_path / "m.joblib")["model"] == model
    assert joblib.hash(model) == joblib.hash(pickle.loads(pickle.dumps(model)))
    assert cloudpickle.loads(cloudpickle.dumps(model)) == model
    score = cloudpickle.loads(cloudpickle.dumps(lambda rows: model.score(rows)))
    np.testing.assert_array_equal(score(ROWS), model.score(ROWS))
    buffer = io.BytesIO()
    cloudpickle.dump(model, buffer)
    assert pickle.loads(buffer.getvalue()) == model  # a plain pickle reads it


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib_score_the_same(backend: str) -> None:
    joblib = pytest.importorskip("joblib")
    model = cm.Model.load(GOLDEN / "forest.safetensors")
    parts = np.array_split(ROWS, 8)
    found = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(scores)(model, part) for part in parts)
    np.testing.assert_array_equal(np.concatenate(found), model.score(ROWS))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_score_the_same_however_they_are_started(method: str) -> None:
    model = cm.Model.load(GOLDEN / "forest.safetensors")
    expected = model.score(ROWS)  # starts a thread pool, which a forked child does not inherit
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap_async(scores, [(model, ROWS), (model, ROWS[::-1].copy())]).get(timeout=60)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1][::-1], expected)


def test_dask_scores_the_same() -> None:
    dask = pytest.importorskip("dask")
    model = cm.Model.load(GOLDEN / "forest.safetensors")
    tokenize = pytest.importorskip("dask.base").tokenize
    assert tokenize(model) == tokenize(cm.Model.from_bytes(model.to_bytes()))
    tasks = [dask.delayed(scores)(model, part) for part in np.array_split(ROWS, 4)]
    for scheduler in ("threads", "processes"):
        found = dask.compute(*tasks, scheduler=scheduler, num_workers=2)
        np.testing.assert_array_equal(np.concatenate(found), model.score(ROWS))
