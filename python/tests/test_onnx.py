"""The graph that `to_onnx` gives scores in ONNX Runtime as the model does here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import churn_model as cm
import numpy as np
import pytest
from churn_model import _native

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime", minversion="1.20")

GOLDEN = Path(__file__).parents[2] / "churn-model" / "tests" / "golden" / "1"

CALIBRATORS: list[dict[str, Any]] = [
    {"kind": "identity"},
    {"kind": "logistic", "slope": 1.7, "intercept": -0.4},
    {"kind": "isotonic", "raw_scores": [0.3], "probabilities": [0.25]},
    {"kind": "isotonic", "raw_scores": [0.1, 0.6], "probabilities": [0.0, 1.0]},
    {"kind": "isotonic", "raw_scores": [-0.5, 0.1, 0.2, 0.25, 0.9], "probabilities": [0.0, 0.0, 0.125, 0.75, 0.8]},
]


def in_onnx(model: cm.Model, x: Any) -> Any:
    session = ort.InferenceSession(model.to_onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"features": x})[0]


def model_of(features: list[dict[str, Any]], kind: dict[str, Any], nodes: Any, calibrator: dict[str, Any]) -> cm.Model:
    header = {"features": features, "model": kind, "calibrator": calibrator}
    return cm.Model.from_bytes(_native.from_parts(json.dumps(header), nodes))


def features(n_levels: tuple[int, ...] = (3, 70, 254)) -> list[dict[str, Any]]:
    numeric = [{"name": f"n{at}", "kind": "numeric"} for at in range(3)]
    categories = [
        {"name": f"c{at}", "kind": "category", "levels": [f"level {i}" for i in range(n)]}
        for at, n in enumerate(n_levels)
    ]
    return [*numeric, {"name": "b", "kind": "boolean"}, *categories]


def random_nodes(schema: list[dict[str, Any]], n_trees: int, *, shares: bool) -> dict[str, Any]:
    """Trees of all sizes, a single leaf too, with splits of all sorts."""
    dice = np.random.default_rng(len(schema))
    starts, rows, sets = [0], [], []
    for tree in range(n_trees):
        size = [0, 1, 5, 30][tree % 4]
        nodes: list[list[Any]] = [[-1, 0.0, 0, 0, False]]
        for _ in range(size):
            at = int(dice.choice([i for i, node in enumerate(nodes) if node[0] < 0]))
            feature = int(dice.integers(len(schema)))
            split_value = float(dice.choice([np.float32(dice.normal()), 0.0, 1.0, np.float32(0.1), np.float32(1e30)]))
            nodes[at] = [feature, split_value, len(nodes), len(nodes) + 1, bool(dice.random() < 0.5)]
            nodes += [[-1, 0.0, 0, 0, False], [-1, 0.0, 0, 0, False]]
        for node in nodes:
            if node[0] < 0:
                node[1] = dice.random() if shares else dice.normal() / 15
            elif schema[node[0]]["kind"] == "category":
                bits = np.zeros(256, bool)
                n_levels = len(schema[node[0]]["levels"])
                bits[: n_levels + 1] = dice.random(n_levels + 1) < dice.choice([0.0, 0.1, 0.5, 1.0])
                sets.append(np.packbits(bits, bitorder="little").view("<u8"))
        rows += nodes
        starts.append(len(rows))
    columns = list(zip(*rows, strict=True))
    dtypes = {"feature": np.int32, "value": np.float32, "left": np.uint32, "right": np.uint32, "missing_left": bool}
    nodes_columns = {key: np.array(column, dtype) for (key, dtype), column in zip(dtypes.items(), columns, strict=True)}
    return {
        **nodes_columns,
        "tree_starts": np.array(starts, np.uint32),
        "cover": np.ones(len(rows), np.float32),
        "level_sets": np.array(sets, np.uint64).reshape(-1, 4),
    }


def rows_for(schema: list[dict[str, Any]], nodes: dict[str, Any] | None, n: int = 400) -> Any:
    """Values at and one float32 beside split values, missing ones, and codes that are no level."""
    dice = np.random.default_rng(5)
    values = dice.normal(size=n).astype(np.float32) if nodes is None else dice.choice(nodes["value"], n)
    x = np.empty((n, len(schema)), np.float32)
    for at, feature in enumerate(schema):
        if feature["kind"] == "category":
            x[:, at] = dice.integers(-2, len(feature["levels"]) + 3, n) + dice.choice([0.0, 0.0, 0.0, 0.5], n)
        else:
            value = dice.permutation(values)
            x[:, at] = np.nextafter(value, dice.choice(np.float32([-np.inf, 0, np.inf]), n))
            x[: n // 3, at] = value[: n // 3]
    x[dice.random(x.shape) < 0.15] = np.nan
    return x


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda c: f"{c['kind']}{len(c.get('raw_scores', ''))}")
@pytest.mark.parametrize(
    "combine", [{"kind": "mean_share"}, {"kind": "sum_log_odds", "base": 0.2}], ids=lambda c: c["kind"]
)
def test_forests_score_the_same_at_and_beside_split_values(combine: dict[str, Any], calibrator: dict[str, Any]) -> None:
    schema = features()
    nodes = random_nodes(schema, 24, shares=combine["kind"] == "mean_share")
    model = model_of(schema, {"forest": {"combine": combine}}, nodes, calibrator)
    x = rows_for(schema, nodes)
    expected = model.score(x)
    assert len(calibrator.get("raw_scores", "ab")) == 1 or len(np.unique(expected)) > 30
    np.testing.assert_allclose(in_onnx(model, x), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda c: f"{c['kind']}{len(c.get('raw_scores', ''))}")
@pytest.mark.parametrize("with_log", [False, True])
def test_linear_models_score_the_same(calibrator: dict[str, Any], with_log: bool) -> None:
    schema = features()
    terms: list[dict[str, Any]] = [
        {
            "kind": "numeric",
            "value": {"mean": 0.3 * at, "scale": 1.0 + at, "weight": 0.5 - at},
            "signed_log": {"mean": 0.1, "scale": 0.7, "weight": 0.8} if with_log and at < 3 else None,
            "missing_weight": 0.25 * at,
        }
        for at in range(4)
    ]
    terms += [
        {"kind": "category", "level_weights": np.sin(np.arange(len(f["levels"]))).tolist(), "missing_weight": 0.5}
        for f in schema[4:]
    ]
    model = model_of(schema, {"linear": {"intercept": -0.2, "terms": terms}}, None, calibrator)
    x = rows_for(schema, None)
    x[:40, :3] *= np.logspace(-30, 30, 40, dtype=np.float32)[:, None]
    np.testing.assert_allclose(in_onnx(model, x), model.score(x), rtol=1e-6, atol=1e-12)


def test_shares_of_0_and_1_have_log_odds() -> None:
    schema = features()[:1]
    nodes = random_nodes(schema, 1, shares=True)
    for share in (0.0, 1e-4, 0.5, 0.9999, 1.0):
        nodes["value"][:] = share
        model = model_of(schema, {"forest": {"combine": {"kind": "mean_share"}}}, nodes, CALIBRATORS[1])
        np.testing.assert_allclose(in_onnx(model, np.float32([[0.0]])), model.score(np.float32([[0.0]])), rtol=1e-9)


def test_a_model_of_categories_only_and_one_of_one_number_score_the_same() -> None:
    for schema in (features()[4:], features()[:1]):
        nodes = random_nodes(schema, 8, shares=True)
        model = model_of(schema, {"forest": {"combine": {"kind": "mean_share"}}}, nodes, CALIBRATORS[1])
        x = rows_for(schema, nodes)
        np.testing.assert_allclose(in_onnx(model, x), model.score(x), rtol=1e-12)


@pytest.mark.parametrize("name", ["forest", "ensemble", "linear", "linear-log"])
def test_golden_models_score_the_same(name: str) -> None:
    model = cm.Model.load(GOLDEN / f"{name}.safetensors")
    numbers = np.float32([-3.0, -0.0, 0.0, 6.9999995, 7.0, 7.000001, 29.5, 1e30, np.nan])
    x = np.array(
        [[a, b, c] for a in numbers for b in (0, 1, np.nan) for c in (0, 1, 2, 3, 0.5, -1, np.nan)], np.float32
    )
    np.testing.assert_allclose(in_onnx(model, x), model.score(x), rtol=1e-6, atol=1e-15)


def test_forests_of_lightgbm_with_real_categories_score_the_same() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    pd = pytest.importorskip("pandas")
    dice = np.random.default_rng(0)
    table = pd.DataFrame({"a": np.float32(dice.normal(size=2000)), "c": pd.Categorical(dice.integers(0, 60, 2000))})
    y = (table["a"] + dice.normal(size=60)[table["c"].cat.codes] > 0).astype(int)
    table.loc[::11, "a"] = np.nan
    model = cm.Model.from_lightgbm(lightgbm.LGBMClassifier(n_estimators=100, verbose=-1).fit(table, y))
    np.testing.assert_allclose(in_onnx(model, model.matrix(table)), model.score(table), rtol=1e-9)


def test_the_file_says_what_it_needs(tmp_path: Path) -> None:
    model = cm.Model.load(GOLDEN / "forest.safetensors")
    model.to_onnx(tmp_path / "m.onnx")
    session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["features"]) == model.schema
    assert (said["model_id"], float(said["threshold"])) == (model.id, model.threshold)
    assert session.run(None, {"features": np.zeros((0, 3), np.float32)})[0].shape == (0,)
    assert session.run(None, {"features": np.zeros((1, 3), np.float32)})[0].dtype == np.float64
