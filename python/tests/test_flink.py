"""Flink gives what one process gives, bit for bit, from the Table API and from SQL."""

from __future__ import annotations

import os
import shutil
import sys

import churn_model as cm
import numpy as np
import pytest

pytestmark = pytest.mark.flink

if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Flink needs Java 17, and there is no java on the path", allow_module_level=True)
pytest.importorskip("pyflink", reason="pip install 'churn-model[flink]'")
pd = pytest.importorskip("pandas")

N_ROWS = 3_000


@pytest.fixture(scope="module")
def environment():
    from pyflink.table import EnvironmentSettings, TableEnvironment

    # Workers are other processes: they have to find the same Python and the same package.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    environment = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    environment.get_config().set("parallelism.default", "2")
    environment.get_config().set("python.executable", sys.executable)
    return environment


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(5)
    share = np.where(random.random(N_ROWS) < 0.1, np.nan, random.random(N_ROWS))
    return pd.DataFrame(
        {
            "share": share,
            "tenant": [f"tenant-{row}" for row in range(N_ROWS)],
            "industry": random.choice(["IT", "Banking", None], N_ROWS),
            "logins": random.poisson(5, N_ROWS),
            "is_billed": random.random(N_ROWS) < 0.5,
        }
    )


@pytest.fixture(scope="module")
def model(frame) -> cm.Model:
    x = frame[["industry", "logins", "share", "is_billed"]]
    churned = (frame["logins"] < 4) & (frame["share"].fillna(0.5) < 0.8)
    return cm.RandomForestClassifier(n_trees=20, seed=1).fit(x, churned).model_


def by_tenant(found, frame) -> bytes:
    return found.set_index("tenant")["score"].loc[frame["tenant"]].to_numpy().tobytes()


def test_scores_of_a_table_are_those_of_one_process(environment, frame, model, tmp_path):
    from churn_model.flink import score

    file = tmp_path / "model.safetensors"
    model.save(file)
    table = environment.from_pandas(frame)
    expected = model.score(frame[model.feature_names]).tobytes()
    for given in (model, file, file.read_bytes()):
        found = score(table, given, keep=["tenant"]).to_pandas()
        assert list(found.columns) == ["tenant", "score"]
        assert by_tenant(found, frame) == expected


def test_sql_scores_rows_that_it_has_selected(environment, frame, model):
    from churn_model.flink import scorer

    environment.create_temporary_view("features", environment.from_pandas(frame))
    environment.create_temporary_function("churn_score", scorer(model))
    arguments = ", ".join(model.feature_names)
    query = f"SELECT tenant, churn_score({arguments}) AS score FROM features WHERE logins = 12"
    few = frame[frame["logins"] == 12]
    assert 0 < len(few) < 50
    assert by_tenant(environment.sql_query(query).to_pandas(), few) == model.score(few[model.feature_names]).tobytes()


def test_a_column_that_is_not_there_is_named(environment, frame, model):
    from churn_model.flink import score

    with pytest.raises(cm.ColumnError, match="not there: logins"):
        score(environment.from_pandas(frame.drop(columns="logins")), model, keep=["tenant"])
