"""The log that all ways score, and the one forest that they score it with."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import churn_model as cm
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))
from fit_case import FEATURES_PER_SPLIT, MAX_DEPTH, MIN_LEAF, N_TREES

N_TENANTS, N_DAYS = 500, 60
#: As in `benches/src/stream.rs`.
LOG_OPTIONS = ["--users", "20", "--sessions", "3", "--jobs", "1.5"]
#: Tenants whose events the slow ways are asked about.
N_SAMPLED = 10
#: The log has nothing of charges, revenue or sentiment that trees could split by: tenants of the simulator have.
N_SIMULATED, N_SIMULATED_DAYS = 500, 365
SEED = 1


@dataclass(frozen=True)
class Event:
    """An event, and what the forest is asked right after it."""

    line: bytes
    row: list[float]


@dataclass(frozen=True)
class Case:
    """What everybody is given."""

    lines: list[bytes]
    forest: RandomForestClassifier
    #: The same forest, as a model file and as scikit-learn's pickle.
    model: Path
    pickle: Path
    events: list[Event]

    def log(self, n_events: int) -> Path:
        """The first events of the log, as a file."""
        path = self.model.with_name(f"log-{n_events}.jsonl")
        if not path.exists():
            path.write_bytes(b"".join(line + b"\n" for line in self.lines[:n_events]))
        return path


def case(stream_case: Path, world: Path) -> Case:
    """Draws the log, fits the forest, and imports it."""
    command = [stream_case, "log", "--out", world / "log", "--tenants", str(N_TENANTS), "--days", str(N_DAYS)]
    subprocess.run([*command, *LOG_OPTIONS], check=True, stdout=subprocess.DEVNULL)
    (file,) = (world / "log").iterdir()
    lines = file.read_bytes().splitlines()
    frame = observations(lines)
    numbers = [name for name in frame.columns if name != "industry"]
    levels = sorted(frame["industry"].dropna().unique())
    encoder = OneHotEncoder(categories=[levels], handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("industry", encoder, ["industry"]), ("numbers", "passthrough", numbers)])
    x = columns.fit_transform(frame).astype(np.float32)
    y = labels(frame[numbers])
    forest = RandomForestClassifier(
        n_estimators=N_TREES,
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_LEAF,
        max_features=FEATURES_PER_SPLIT,
        n_jobs=2,
        random_state=SEED,
    )
    forest.fit(x, y).set_params(n_jobs=1)
    model = cm.Model.from_sklearn(Pipeline([("columns", columns), ("forest", forest)]), x=frame)
    if model.feature_names != list(frame.columns):
        sys.exit(f"the forest asks for {len(model.feature_names)} features of {len(frame.columns)}")
    model.save(world / "model.safetensors")
    (world / "forest.pickle").write_bytes(pickle.dumps(forest))
    events = list(sampled(lines, levels))
    return Case(lines, forest, world / "model.safetensors", world / "forest.pickle", events)


def observations(lines: list[bytes]) -> pd.DataFrame:
    """All features of the log's tenants on every day, and of some simulated ones."""
    store, frames = cm.FeatureStore(keep_log=False), []
    for date, some in groupby(lines, lambda line: coming_midnight(json.loads(line))):
        store.ingest(b"\n".join(some))
        frames.append(store.features_at(date))
    names = frames[0].column_names[1:]
    simulated = cm.FeatureStore()
    simulated.ingest(cm.simulate(tenants=N_SIMULATED, days=N_SIMULATED_DAYS, seed=SEED))
    frames.append(simulated.observations())
    return pd.concat([pd.DataFrame({name: frame.column(name) for name in names}) for frame in frames])


def labels(numbers: pd.DataFrame) -> np.ndarray:
    """Labels that take all the depth there is: waves over the ranks of all features, and some noise."""
    random = np.random.default_rng(SEED)
    ranks = numbers.rank(pct=True).fillna(0.0).to_numpy()
    waves = np.sin(2 * np.pi * (random.integers(1, 4, ranks.shape[1]) * ranks + random.random(ranks.shape[1])))
    strengths = waves @ random.standard_normal(ranks.shape[1])
    return strengths + random.standard_normal(len(ranks)) > np.quantile(strengths, 0.7)


def sampled(lines: list[bytes], levels: list[str]) -> Iterator[Event]:
    """The events of some tenants, each with the features right after it."""
    stores = {f"t-{number:06}": cm.FeatureStore(keep_log=False) for number in range(N_SAMPLED)}
    for line in lines:
        event = json.loads(line)
        store = stores.get(event["subject"])
        if store is None or not store.ingest(line).counted:
            continue
        features = store.features_at(coming_midnight(event))
        industry, *numbers = (features.column(name)[0] for name in features.column_names[1:])
        yield Event(line, [*(float(industry == level) for level in levels), *map(float, numbers)])


def coming_midnight(event: dict[str, str]) -> dt.date:
    """The observation date of a score at an event, as `consume --score events` has it."""
    received_at = event.get("recordedtime", event["time"])
    return dt.date.fromisoformat(received_at[:10]) + dt.timedelta(days=1)
