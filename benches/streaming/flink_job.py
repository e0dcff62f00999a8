"""A PyFlink job that scores at every event with the wheel: flink_job.py LOG MODEL FOLDER STATE MODE.

Lines of CloudEvents come from a file and are keyed by tenant; a process function takes each into the tenant's state, reads
its features, scores them, and JSON goes into files. One slot, one Python worker, no checkpoints.

STATE says where a tenant's state is: with `flink`, in a keyed state of Flink's, as the bytes that `FeatureStore.states`
gives, which is what a checkpoint of Flink's would save; with `python`, in a store per tenant in the Python worker, which
no checkpoint would save. With `none` nothing is scored: what it takes to carry events there and back. MODE is Flink's
`python.execution-mode`: `process`, its default, or `thread`, with Python inside the JVM.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyflink.common import Configuration, Encoder, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.file_system import FileSink, FileSource, StreamFormat
from pyflink.datastream.state import ValueStateDescriptor

#: Tenant, id of the event, when it was received, and all of it as a line.
Event = tuple[str, str, str, str]


def main() -> None:
    """Runs the job to the end of the log."""
    log, model, folder, place, mode = sys.argv[1:]
    configuration = Configuration()
    configuration.set_string("python.executable", sys.executable)
    configuration.set_string("python.client.executable", sys.executable)
    configuration.set_string("python.execution-mode", mode)
    environment = StreamExecutionEnvironment.get_execution_environment(configuration)
    environment.set_parallelism(1)
    source = FileSource.for_record_stream_format(StreamFormat.text_line_format(), log).build()
    sink = FileSink.for_row_format(folder, Encoder.simple_string_encoder()).build()
    lines = environment.from_source(source, WatermarkStrategy.no_watermarks(), "log")
    events = lines.map(parsed, output_type=Types.TUPLE([Types.STRING()] * 4))
    scorer = Scorer(Path(model).read_bytes(), place)
    events.key_by(lambda event: event[0], key_type=Types.STRING()).process(scorer, Types.STRING()).sink_to(sink)
    environment.execute("score")


def parsed(line: str) -> Event:
    """What the job itself reads of an event."""
    event = json.loads(line)
    return event["subject"], event["id"], event.get("recordedtime", event["time"]), line


class Scorer(KeyedProcessFunction):
    """Scores a tenant at each event of it that counts."""

    def __init__(self, model: bytes, place: str) -> None:
        self.model_file, self.place = model, place

    def open(self, runtime_context: RuntimeContext) -> None:
        """Loads the model, once in each worker."""
        import churn_model as cm
        import pyarrow as pa

        self.cm, self.pa = cm, pa
        self.model = cm.Model.from_bytes(self.model_file)
        self.stores: dict[str, cm.FeatureStore] = {}
        self.state = runtime_context.get_state(ValueStateDescriptor("state", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, value: Event, ctx: Any) -> Iterator[str]:
        """One event in, one score or none out."""
        tenant, event, received_at, line = value
        if self.place == "none":
            yield json.dumps({"companyID": tenant, "event": event, "score": None})
            return
        store = self.of_flink(tenant) if self.place == "flink" else self.of_python(tenant)
        counted = store.ingest(line.encode(), n_jobs=1).counted
        if self.place == "flink":
            self.state.update(store.states().column("state")[0])
        if counted:
            # The coming midnight, as in `consume --score events`.
            date = dt.date.fromisoformat(received_at[:10]) + dt.timedelta(days=1)
            names = self.model.feature_names
            features = store.features_at(date, features=names, n_jobs=1)
            score = self.model.score({name: features.column(name)[0] for name in names}, n_jobs=1)
            yield json.dumps({"companyID": tenant, "event": event, "score": score})

    def of_python(self, tenant: str) -> Any:
        """The tenant's own store, in the memory of this process."""
        store = self.stores.get(tenant)
        if store is None:
            store = self.stores[tenant] = self.cm.FeatureStore(keep_log=False)
        return store

    def of_flink(self, tenant: str) -> Any:
        """A store made of the tenant's state, as Flink keeps it."""
        store = self.cm.FeatureStore(keep_log=False)
        state = self.state.value()
        if state is not None:
            store.merge_states(
                self.pa.record_batch({"tenant": [tenant], "state": self.pa.array([state], self.pa.binary())})
            )
        return store


if __name__ == "__main__":
    main()
