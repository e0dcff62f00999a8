"""Python code that a call of this package runs may itself call the package."""

from __future__ import annotations

import subprocess
import sys

import churn_model as cm


def test_a_thread_that_an_iterator_waits_for_may_use_other_stores_and_models():
    """On threads that are shared it would wait for this call, for ever."""
    program = """
import churn_model as cm, numpy as np, threading
model = cm.DecisionTreeClassifier().fit(np.arange(100.0).reshape(-1, 1), [0, 1] * 50).model_
other = cm.FeatureStore()
other.ingest(cm.simulate(tenants=3, days=20))
def events():
    for number in range(2):
        for work in (other.states, lambda: model.score(np.ones((5_000, 1), dtype=np.float32), n_jobs=1)):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        yield {"id": str(number)}
cm.FeatureStore().ingest(events(), n_jobs=1)
print("done")
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, timeout=60, check=False)
    assert done.stdout.splitlines() == [b"done"], done.stderr.decode()


def test_python_that_a_long_call_waits_for_may_call_this_package_but_not_use_the_same_store(tmp_path):
    """Each of these hung once: in a process of its own, so that it cannot hang the tests."""
    cm.simulate(tmp_path, tenants=40, days=121, seed=3)
    program = f"""
import churn_model as cm, json, numpy as np
model = cm.DecisionTreeClassifier().fit(np.arange(100.0).reshape(-1, 1), [0, 1] * 50).model_
many = np.ones((2_000, 1), dtype=np.float32)
store = cm.FeatureStore()
refused = []
def size(n_done, n_all):
    try:
        len(store)
    except cm.EventError as error:
        refused.append(str(error))
    assert model.score(many, n_jobs=1).shape == (2_000,)
for n_jobs in (1, 2):
    store.ingest({str(tmp_path)!r}, n_jobs=n_jobs, progress=size)
assert refused and all("the store is at work" in text for text in refused), refused
def events():
    for number in range(3):
        assert len(cm.simulate(tenants=3, days=20, n_jobs=1)) > 0
        yield {{"specversion": "1.0", "id": str(number)}}
cm.FeatureStore().ingest(events(), n_jobs=1)
fit = cm.RandomForestClassifier(n_trees=50, n_jobs=1, progress=lambda done, of: model.score(many, n_jobs=1))
fit.fit(np.random.default_rng(0).normal(size=(5_000, 5)), [0, 1] * 2_500)
print("done")
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, timeout=60, check=False)
    assert done.stdout == b"done\n", done.stderr.decode()
