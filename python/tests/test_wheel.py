"""A wheel works where nothing but NumPy is installed: tried in an empty environment by `make test-wheels`."""

from __future__ import annotations

import pickle
import subprocess
import sys

import churn_model as cm
import numpy as np


def world() -> tuple[dict[str, list[object]], np.ndarray]:
    random = np.random.default_rng(1)
    columns: dict[str, list[object]] = {
        "job30": random.poisson(4, 400).tolist(),
        "industry": random.choice(["retail", "energy", "it"], 400).tolist(),
        "revenue": [None if missing else 7.5 for missing in random.random(400) < 0.2],
    }
    return columns, np.array(columns["job30"]) < 3


def test_a_table_is_fitted_scored_explained_and_saved(tmp_path):
    columns, churned = world()
    fitted = cm.ChurnClassifier(n_trees=30).fit(columns, churned)
    path = tmp_path / "model.safetensors"
    fitted.model_.save(path)
    model = cm.Model.load(path)
    assert model == fitted.model_ == pickle.loads(pickle.dumps(fitted.model_))
    scores = model.score(columns)
    assert scores[churned].min() > scores[~churned].max()
    one = {name: values[0] for name, values in columns.items()}
    assert model.score(one) == scores[0]
    assert model.reasons(one, k=1)[0].feature == "job30"
    assert cm.evaluate(model, columns, churned).metrics["roc_auc"] > 0.99


def test_events_become_observations():
    store = cm.FeatureStore()
    store.ingest(cm.simulate(tenants=30, seed=4))
    table = store.observations(cm.ObservationPlan())
    assert {"tenant", "observation_date", "churned"} <= set(table.column_names)


def test_importing_the_package_imports_nothing_but_numpy():
    script = "import churn_model, sys; print(sorted({name.split('.')[0] for name in sys.modules}))"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for heavy in ("pandas", "polars", "pyarrow", "sklearn", "matplotlib", "scipy", "tqdm"):
        assert f"'{heavy}'" not in outcome.stdout
