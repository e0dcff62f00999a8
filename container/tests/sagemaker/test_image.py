"""The image in an engine: version 2 of the SageMaker SDK in local mode, and containers with few rights."""

import csv
import json
import os
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, NoEngine
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.serializers import CSVSerializer
from serving import CONTAINER, ORIGINAL_ROWS, SAMPLE, free_port

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CONTAINER.parent / "target"))
ARCHIVE = Path(os.environ.get("CHURN_IMAGE", TARGET / "container" / "churn-x86_64.tar"))
MOST_MEGABYTES = 10


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A running engine; what needs one is skipped where none can start."""
    try:
        running = Engine()
    except NoEngine as reason:
        pytest.skip(f"no container engine here: {reason}")
    with running:
        yield running


@pytest.fixture(scope="module")
def image(engine: Engine) -> str:
    """The name of the loaded image."""
    assert ARCHIVE.exists(), f"{ARCHIVE} is missing: run `make image`, or set CHURN_IMAGE"
    return engine.load(ARCHIVE)


@pytest.fixture
def session(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSession:
    """The SDK's local mode, on our engine."""
    aws = {"AWS_DEFAULT_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in {**aws, "DOCKER_HOST": engine.host, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    # The SDK reports home otherwise, and waits a long while for a network that there is not.
    options = tmp_path / "config.yaml"
    options.write_text("{SchemaVersion: '1.0', SageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}}")
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(options))
    session = LocalSession()
    session.config = {"local": {"container_root": str(tmp_path), "serving_port": free_port()}}
    return session


def fitted(image: str, session: LocalSession, folder: Path, hosts: int = 1) -> Estimator:
    """A job that has ended."""
    estimator = Estimator(
        image,
        role="arn:aws:iam::111122223333:role/anything",
        instance_count=hosts,
        instance_type="local",
        output_path=f"file://{folder}/output",
        sagemaker_session=session,
        hyperparameters=json.loads((SAMPLE / "input/config/hyperparameters.json").read_text()),
    )
    channels = {name: f"file://{SAMPLE}/input/data/{name}" for name in ("train", "validation")}
    estimator.fit(channels)
    return estimator


@pytest.mark.parametrize("hosts", [1, 2])
def test_local_mode_fits_deploys_and_predicts(hosts: int, image: str, session: LocalSession, tmp_path: Path) -> None:
    estimator = fitted(image, session, tmp_path, hosts)
    with tarfile.open(estimator.model_data.removeprefix("file://")) as model:
        assert [name for name in model.getnames() if name.endswith(".safetensors")]
    if hosts > 1:
        return
    predictor = estimator.deploy(1, "local", serializer=CSVSerializer(), deserializer=JSONDeserializer())
    try:
        answer = predictor.predict("\n".join(ORIGINAL_ROWS))
        assert [list(prediction) for prediction in answer["predictions"]] == [["score", "predicted_label"]] * 2
    finally:
        predictor.delete_endpoint()


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_a_batch_transform_answers_every_row_in_order(
    strategy: str, image: str, session: LocalSession, tmp_path: Path
) -> None:
    with (SAMPLE / "input/data/validation/companies.csv").open() as file:
        rows = [row[1:] for row in csv.reader(file)][:50]
    batch = tmp_path / "batch"
    batch.mkdir()
    (batch / "rows.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    estimator = fitted(image, session, tmp_path)
    transformer = estimator.transformer(
        1,
        "local",
        strategy=strategy,
        assemble_with="Line",
        accept="text/csv",
        output_path=f"file://{tmp_path}/answers",
    )
    # Waiting for it would need AWS's logs.
    transformer.transform(f"file://{batch}", content_type="text/csv", split_type="Line", wait=False, logs=False)
    lines = (tmp_path / "answers/rows.csv.out").read_text().splitlines()
    scores = [float(line) for line in lines if line]
    assert len(scores) == len(rows)
    assert len(set(scores)) > len(rows) / 4


@pytest.fixture(scope="module")
def model(image: str, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like /opt/ml in which the container has trained, as anybody and without any right."""
    base = tmp_path_factory.mktemp("ml")
    for path in SAMPLE.rglob("*"):
        if path.is_file():
            copy = base / path.relative_to(SAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    for folder in ("model", "output"):
        (base / folder).mkdir()
        (base / folder).chmod(0o777)
    rights = ["--read-only", "--tmpfs", "/tmp", "--user", "65532:65532", "--cap-drop", "ALL", "--network", "none"]
    base.chmod(0o755)
    engine.docker("run", "--rm", *rights, "--volume", f"{base}:/opt/ml", image, "train")
    assert list((base / "model").glob("*.safetensors"))
    return base / "model"


def test_a_container_without_rights_serves_and_stops_at_once(image: str, engine: Engine, model: Path) -> None:
    port = free_port()
    rights = ["--read-only", "--user", "65532:65532", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    name = engine.docker(
        *("run", "--detach", "--network", "host", "--env", f"SAGEMAKER_BIND_TO_PORT={port}", *rights),
        *("--memory", "64m", "--volume", f"{model}:/opt/ml/model:ro", image, "serve"),
    )
    end = time.monotonic() + 10
    while not is_ready(port):
        assert time.monotonic() < end, engine.docker("logs", name)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", ORIGINAL_ROWS[0].encode(), {"Content-Type": "text/csv"}
    )
    with urllib.request.urlopen(request) as answer:
        assert len(json.load(answer)["predictions"]) == 1
    started = time.monotonic()
    engine.docker("stop", "--time", "30", name)
    assert time.monotonic() - started < 5
    assert engine.docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name) == "0 false"


def is_ready(port: int) -> bool:
    """Whether /ping is answered by 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_the_image_is_small_and_says_what_sagemaker_asks(image: str, engine: Engine) -> None:
    [described] = json.loads(engine.docker("image", "inspect", image))
    assert described["Size"] < MOST_MEGABYTES * 1e6
    labels = described["Config"]["Labels"]
    for capability in ("accept-bind-to-port", "multi-models"):
        assert labels[f"com.amazonaws.sagemaker.capabilities.{capability}"] == "true"
    assert described["Config"]["ExposedPorts"] == {"8080/tcp": {}}
    assert described["Config"]["User"] == ""
