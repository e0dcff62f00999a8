"""Models for ONNX runtimes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from churn_model import _native

if TYPE_CHECKING:
    import onnx

    from churn_model.model import Model

#: Of ONNX, of ai.onnx.ml, and of the file.
OPSET, ML_OPSET, IR_VERSION = 18, 5, 9

LESS_THAN, MEMBER = 1, 6
SUM = 1

#: Shares of 0 and 1 are moved inwards by it before they become log-odds.
SHARE_MARGIN = 1e-3

Floats = npt.NDArray[np.float64]


def to_onnx(model: Model) -> onnx.ModelProto:
    """See `churn_model.Model.to_onnx`."""
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise ImportError("to_onnx needs the package onnx: pip install 'churn-model[onnx]'") from error
    text, columns = _native.parts(model)
    header = json.loads(text)
    n_features = len(header["features"])
    graph = _Graph()
    x = graph.add("Cast", ["features"], to=TensorProto.DOUBLE)
    x = _known_levels(graph, x, header["features"])
    if columns is None:
        raw, is_share = _linear(graph, x, header["model"]["linear"]), False
    else:
        raw, is_share = _forest(graph, x, header, columns)
    score = _calibrated(graph, raw, header["calibrator"], is_share=is_share)
    graph.add("Reshape", [score, graph.constant([-1], np.int64)], output="score")
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "churn_model",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])],
            [helper.make_tensor_value_info("score", TensorProto.DOUBLE, ["n"])],
            graph.constants,
        ),
        producer_name="churn_model",
        producer_version=_native.__version__,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        doc_string="score: churn probability of each row of features, which are in schema order; NaN is missing, a "
        "category is the position of its level",
    )
    helper.set_model_props(
        proto,
        {
            "model_id": model.id,
            "features": json.dumps(model.schema, ensure_ascii=False),
            "threshold": repr(model.threshold),
        },
    )
    onnx.checker.check_model(proto)
    return proto


class _Graph:
    """Nodes and constants of a graph under way."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, inputs: list[str], *, output: str | None = None, domain: str = "", **options: Any) -> str:
        """Adds a node, and gives the name of its output."""
        from onnx import helper

        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **options))
        return output

    def constant(self, values: Any, dtype: Any = np.float64) -> str:
        """Adds a constant, and gives its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def trees(self, x: str, trees: dict[str, Any], n_targets: int, members: Any = None) -> str:
        """Adds an ensemble of trees in double precision; the outcome has shape (n, n_targets)."""
        from onnx import numpy_helper

        arrays = {key: numpy_helper.from_array(np.asarray(trees.pop(key), np.float64)) for key in _TENSORS}
        modes = numpy_helper.from_array(np.asarray(trees.pop("nodes_modes"), np.uint8))
        if members is not None and len(members):
            arrays["membership_values"] = numpy_helper.from_array(np.asarray(members, np.float64))
        return self.add(
            "TreeEnsemble",
            [x],
            domain="ai.onnx.ml",
            aggregate_function=SUM,
            n_targets=n_targets,
            nodes_modes=modes,
            **arrays,
            **{key: np.asarray(values).astype(np.int64).tolist() for key, values in trees.items()},
        )


_TENSORS = ("nodes_splits", "leaf_weights")


def _known_levels(graph: _Graph, x: str, features: list[dict[str, Any]]) -> str:
    """Codes that are no level become missing."""
    n_levels = np.array([len(feature.get("levels", ())) for feature in features], np.float64)
    is_category = np.array([feature["kind"] == "category" for feature in features])
    if not is_category.any():
        return x
    known = graph.add(
        "And",
        [
            graph.add("Equal", [x, graph.add("Floor", [x])]),
            graph.add(
                "And",
                [
                    graph.add("GreaterOrEqual", [x, graph.constant(0.0)]),
                    graph.add("Less", [x, graph.constant(n_levels)]),
                ],
            ),
        ],
    )
    keeps = graph.add("Or", [known, graph.constant(~is_category, np.bool_)])
    return graph.add("Where", [keeps, x, graph.constant(np.nan)])


def _forest(graph: _Graph, x: str, header: dict[str, Any], nodes: dict[str, Any]) -> tuple[str, bool]:
    """The raw score, and whether it is a share."""
    feature, value = nodes["feature"], nodes["value"].astype(np.float64)
    is_split = feature >= 0
    is_category = np.array([entry["kind"] == "category" for entry in header["features"]])
    by_levels = is_split & is_category[feature]
    start = np.repeat(nodes["tree_starts"][:-1].astype(np.int64), np.diff(nodes["tree_starts"].astype(np.int64)))
    # Nodes and leaves are numbered apart. A tree that is a leaf gets a split whose two sides are that leaf.
    roots = nodes["tree_starts"][:-1].astype(np.int64)
    stumps = roots[~is_split[roots]]
    takes_node = is_split.copy()
    takes_node[stumps] = True
    number = np.where(takes_node, np.cumsum(takes_node) - 1, -1)
    leaf_number = np.cumsum(~is_split) - 1
    at = np.flatnonzero(takes_node)
    sides = {}
    for side, child in (("true", nodes["left"]), ("false", nodes["right"])):
        target = np.where(is_split[at], start[at] + child[at], at)
        sides[f"nodes_{side}leafs"] = ~is_split[target]
        sides[f"nodes_{side}nodeids"] = np.where(is_split[target], number[target], leaf_number[target])
    sets = np.unpackbits(
        np.ascontiguousarray(nodes["level_sets"].astype("<u8")).view(np.uint8), axis=1, bitorder="little"
    ).astype(bool)
    n_levels = np.array([len(entry.get("levels", ())) for entry in header["features"]])
    # An empty set, with which everything known goes right, is that of a code which no level has.
    members = [
        [*(np.flatnonzero(left[:n]).tolist() or [-1]), np.nan]
        for left, n in zip(sets, n_levels[feature[by_levels]], strict=True)
    ]
    sums = graph.trees(
        x,
        {
            "tree_roots": number[roots],
            "nodes_featureids": np.where(is_split, feature, 0)[at],
            "nodes_modes": np.where(by_levels, MEMBER, LESS_THAN)[at],
            "nodes_splits": np.where(is_split & ~by_levels, value, 0.0)[at],
            "nodes_missing_value_tracks_true": nodes["missing_left"][at],
            **sides,
            "leaf_targetids": np.zeros(int((~is_split).sum()), int),
            "leaf_weights": value[~is_split],
        },
        1,
        np.concatenate(members) if members else None,
    )
    combine = header["model"]["forest"]["combine"]
    if combine["kind"] == "mean_share":
        return graph.add("Div", [sums, graph.constant(float(len(roots)))]), True
    return graph.add("Add", [sums, graph.constant(combine["base"])]), False


def _linear(graph: _Graph, x: str, linear: dict[str, Any]) -> str:
    terms = linear["terms"]
    numeric = [at for at, term in enumerate(terms) if term["kind"] == "numeric"]
    parts = [graph.constant([[linear["intercept"]]])]
    if numeric:
        values = graph.add("Gather", [x, graph.constant(numeric, np.int64)], axis=1)
        size = graph.add("Abs", [values])
        known = graph.add("LessOrEqual", [size, graph.constant(float(np.finfo(np.float32).max))])
        zero = graph.constant(0.0)

        def standardised(values: str, of: list[dict[str, float]]) -> str:
            centred = graph.add("Sub", [values, graph.constant([part["mean"] for part in of])])
            slopes = graph.constant([[part["weight"] / part["scale"]] for part in of])
            return graph.add("MatMul", [graph.add("Where", [known, centred, zero]), slopes])

        parts.append(standardised(values, [terms[at]["value"] for at in numeric]))
        none = {"mean": 0.0, "scale": 1.0, "weight": 0.0}
        if any(terms[at]["signed_log"] for at in numeric):
            log = graph.add("Log", [graph.add("Add", [size, graph.constant(1.0)])])
            log = graph.add("Mul", [graph.add("Sign", [values]), log])
            parts.append(standardised(log, [terms[at]["signed_log"] or none for at in numeric]))
        missing = graph.add("Where", [known, zero, graph.constant([terms[at]["missing_weight"] for at in numeric])])
        parts.append(graph.add("ReduceSum", [missing, graph.constant([1], np.int64)], keepdims=1))
    for at, term in enumerate(terms):
        if term["kind"] != "category":
            continue
        weights = [*term["level_weights"], term["missing_weight"]]
        code = graph.add("Gather", [x, graph.constant([at], np.int64)], axis=1)
        last = graph.constant(float(len(weights) - 1))
        code = graph.add("Where", [graph.add("IsNaN", [code]), last, code])
        parts.append(graph.add("Gather", [graph.constant(weights), graph.add("Cast", [code], to=7)], axis=0))
    total = parts[0]
    for part in parts[1:]:
        total = graph.add("Add", [total, part])
    return total


def _calibrated(graph: _Graph, raw: str, calibrator: dict[str, Any], *, is_share: bool) -> str:
    match calibrator:
        case {"kind": "identity"}:
            return raw if is_share else graph.add("Sigmoid", [raw])
        case {"kind": "logistic", "slope": slope, "intercept": intercept}:
            if is_share:
                low, high = graph.constant(SHARE_MARGIN), graph.constant(1 - SHARE_MARGIN)
                share = graph.add("Min", [graph.add("Max", [raw, low]), high])
                rest = graph.add("Sub", [graph.constant(1.0), share])
                raw = graph.add("Log", [graph.add("Div", [share, rest])])
            line = graph.add("Add", [graph.add("Mul", [raw, graph.constant(slope)]), graph.constant(intercept)])
            return graph.add("Sigmoid", [line])
    return _isotonic(graph, raw, np.array(calibrator["raw_scores"]), np.array(calibrator["probabilities"]))


def _isotonic(graph: _Graph, raw: str, knots: Floats, probabilities: Floats) -> str:
    """Straight lines between knots: a tree finds the piece, whose two ends and width are its leaves."""
    if len(knots) == 1:
        level = graph.constant(probabilities[0])
        return graph.add("Where", [graph.add("IsNaN", [raw]), level, level])
    n_pieces = len(knots) + 1
    ends = np.clip(np.arange(n_pieces), 1, len(knots)) - 1, np.clip(np.arange(n_pieces), 0, len(knots) - 1)
    below, above = ends
    width = np.where(above > below, knots[above] - knots[below], 1.0)
    targets = [knots[below], width, probabilities[below], probabilities[above]]
    sides = _search(0, n_pieces)
    n_nodes = len(sides)
    trees: dict[str, Any] = {
        "tree_roots": [target * n_nodes for target in range(len(targets))],
        "nodes_featureids": np.zeros(len(targets) * n_nodes, int),
        "nodes_modes": np.full(len(targets) * n_nodes, LESS_THAN),
        "nodes_splits": np.tile([knots[piece - 1] for piece, *_ in sides], len(targets)),
        "nodes_missing_value_tracks_true": np.zeros(len(targets) * n_nodes, int),
        "leaf_targetids": np.repeat(np.arange(len(targets)), n_pieces),
        "leaf_weights": np.concatenate(targets),
    }
    for side, is_leaf, child in (("true", 1, 2), ("false", 3, 4)):
        leafs = np.array([node[is_leaf] for node in sides], bool)
        children = np.array([node[child] for node in sides])
        trees[f"nodes_{side}leafs"] = np.tile(leafs, len(targets))
        trees[f"nodes_{side}nodeids"] = np.concatenate(
            [children + target * np.where(leafs, n_pieces, n_nodes) for target in range(len(targets))]
        )
    x0, dx, y0, y1 = (
        graph.add("Gather", [piece, graph.constant([target], np.int64)], axis=1)
        for piece in [graph.trees(raw, trees, len(targets))]
        for target in range(len(targets))
    )
    share = graph.add("Div", [graph.add("Sub", [raw, x0]), dx])
    rise = graph.add("Mul", [graph.add("Sub", [y1, y0]), share])
    return graph.add("Min", [graph.add("Add", [y0, rise]), y1])


def _search(first: int, end: int) -> list[tuple[int, bool, int, bool, int]]:
    """The nodes of a search among pieces `first` to `end - 1`, root first: the piece that is split at its lower end, and
    for both sides whether it is a leaf and which node or piece it is."""
    nodes: list[tuple[int, bool, int, bool, int]] = []

    def grow(first: int, end: int) -> int:
        middle = (first + end) // 2
        at = len(nodes)
        nodes.append((middle, True, first, True, middle))
        left = (True, first) if middle - first == 1 else (False, grow(first, middle))
        right = (True, middle) if end - middle == 1 else (False, grow(middle, end))
        nodes[at] = (middle, left[0], left[1], right[0], right[1])
        return at

    grow(first, end)
    return nodes
