"""What imports hand over is checked: nothing that is no model becomes one, and nothing panics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import churn_model as cm
import numpy as np
import pytest
from churn_model import _native

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"


@pytest.mark.parametrize("name", ["forest", "ensemble", "linear", "linear-log"])
def test_a_model_put_together_from_its_own_parts_is_itself(name: str) -> None:
    model = cm.Model.load(GOLDEN / f"{name}.safetensors")
    assert cm.Model.from_bytes(_native.from_parts(*_native.parts(model))) == model
    assert _native.revised(model, "{}") == model.to_bytes()


def damaged(nodes: dict[str, Any], key: str, change: Any) -> dict[str, Any]:
    column = nodes[key].copy()
    return {**nodes, key: change(column)}


def setting(at: Any, value: Any) -> Any:
    def change(column: Any) -> Any:
        column[at] = value
        return column

    return change


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("left", setting(0, 0), "tree 0 is no tree"),
        ("left", setting(0, 4_000_000_000), "tree 0 is no tree"),
        ("right", setting(0, 1), "tree 0 is no tree"),
        ("feature", setting(0, 77), "does not have|no tree|one level set"),
        ("feature", setting(0, -2), "no tree|one level set"),
        ("feature", setting(0, 100_000), "no tree|one level set"),
        ("feature", lambda column: column[:-1], "differ in length"),
        ("value", setting(slice(None), np.nan), "leaf value|split value"),
        ("value", setting(slice(None), 7.0), "leaf value"),
        ("cover", setting(0, -1.0), "cover"),
        ("level_sets", lambda column: column[:-1], "one level set per split"),
        ("level_sets", lambda column: column[:, :3].copy(), "4 words"),
        ("tree_starts", lambda column: column[:-1], "do not cover"),
        ("tree_starts", lambda column: column[[0, 2, 1, 3]], "no tree"),
        ("tree_starts", lambda column: column[:0], "do not cover"),
    ],
)
def test_damaged_nodes_are_refused(key: str, change: Any, message: str) -> None:
    header, nodes = _native.parts(cm.Model.load(GOLDEN / "forest.safetensors"))
    assert nodes is not None
    with pytest.raises(cm.ChurnError, match=message):
        _native.from_parts(header, damaged(nodes, key, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": []}, "features"),
        ({"features": None}, "features"),
        ({"model": {"linear": {"intercept": 0.0, "terms": []}}}, "a model is a forest with nodes or linear without"),
        ({"model": {"forest": {}}}, 'lack "combine"'),
        ({"threshold": {"score": "high"}}, "threshold"),
        ({"calibrator": {"kind": "logistic", "slope": -1.0, "intercept": 0.0}}, "never-decreasing"),
        ({"reference": []}, '"reference" is no part'),
    ],
)
def test_damaged_headers_are_refused(change: dict[str, Any], message: str) -> None:
    header, nodes = _native.parts(cm.Model.load(GOLDEN / "forest.safetensors"))
    with pytest.raises(cm.ChurnError, match=message):
        _native.from_parts(json.dumps({**json.loads(header), **change}), nodes)
    with pytest.raises(cm.ChurnError):
        _native.from_parts("{", nodes)


def test_rows_of_another_width_are_refused() -> None:
    model = cm.Model.load(GOLDEN / "forest.safetensors")
    with pytest.raises(cm.ColumnError, match="2 columns"):
        _native.revised(model, "{}", np.zeros((4, 2), np.float32))
