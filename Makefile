# The verbs of this project; .ci/run calls the same ones.

VENV ?= .venv
# Importers and the Lambda function: what is left out of a usual build.
IMPORTS = --features churn-model/linfa,churn-model/smartcore,churn-model/xgboost,churn-model/lightgbm,churn-serve/lambda

.PHONY: check build test test-bare test-python test-container test-deployment test-endpoint test-sagemaker test-streaming test-kcl test-kafka \
	demo-streaming 	test-spark test-flink test-wheels native wheels notebooks docs image bench peers peers-score peers-features \
	peers-python peers-serving peers-streaming one-row-python real-logs golden schemas fuzz

# Formatting, lints and documentation of everything, and the scorer-only build.
check: $(VENV)/bin/ruff
	cargo fmt --all --check
	cd fuzz && cargo fmt --check
	cargo clippy --workspace --all-targets $(IMPORTS) -- -D warnings
	cargo clippy -p churn-model -p churn-events -p churn-features -p churn-simulator -p churn-training-data \
		--no-default-features -- -D warnings
	cargo clippy -p churn-serve --no-default-features --features lambda -- -D warnings
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(MAKE) docs

# All programs, tests and the Python extension together: built one by one, each would have other features of what they
# share, and compile it anew.
BUILD = --workspace $(IMPORTS)
build:
	cargo build $(BUILD) --lib --bins --tests --examples

# Everything that is tested.
test: build $(VENV)/cloudevents
	cargo test $(BUILD)
	$(VENV)/bin/python events/tests/cloudevents_check.py
	$(MAKE) test-python test-container test-deployment

# The scorer by itself, which `check` only compiles: built without learners it shares nothing with the build above.
test-bare:
	cargo test -p churn-model --no-default-features

# The container's program as a process, asked by the conformance cases, boto3, awscli and careless clients. It is built
# with what the tests above have built.
test-container: $(VENV)/container/installed
	cargo test $(BUILD) --test program
	$(VENV)/container/bin/python -m pytest -q container/tests --ignore container/tests/sagemaker

# Both SageMaker SDKs, and the image in an engine of its own, which needs root and apt-get install docker.io
# docker-compose; where none can start, pytest says so and skips that part.
test-sagemaker: image $(VENV)/sagemaker2/installed $(VENV)/sagemaker3/installed
	cargo test $(BUILD) --test program
	$(VENV)/sagemaker2/bin/python -m pytest -q -rs container/tests/sagemaker --ignore container/tests/sagemaker/test_v3.py
	$(VENV)/sagemaker3/bin/python -m pytest -q -rs container/tests/sagemaker/test_v3.py

# The Python extension, beside the modules that import it.
NATIVE = python/py_src/churn_model/_native
native: build
	rm -f $(NATIVE).so $(NATIVE).*.so
	cp $${CARGO_TARGET_DIR:-target}/debug/lib_native.so $(NATIVE).so

# The Python package, with the newest libraries and the estimators with the oldest.
test-python: native $(VENV)/newest/installed $(VENV)/oldest/installed
	cd python && PYTHONPATH=py_src ../$(VENV)/newest/bin/python -m pytest -q -n 2 -m "not spark and not flink"
	cd python && PYTHONPATH=py_src ../$(VENV)/oldest/bin/python -m pytest -q -n 2 tests/test_estimators.py tests/test_from_sklearn.py

# The Lambda function that asks an endpoint; apart from the others, because the AWS SDK takes minutes to build.
test-endpoint:
	cargo clippy -p churn-serve --features sagemaker-endpoint --all-targets -- -D warnings
	cargo test -p churn-serve --features sagemaker-endpoint --test lambda

# The CloudFormation templates, against an AWS that is not there, and the manifests of Kubernetes and systemd.
test-deployment: $(VENV)/deployment/installed
	$(VENV)/deployment/bin/python -m pytest -q --import-mode importlib examples

# Kinesis, S3, DynamoDB and Lambda, against emulators; needs Node. Apart from the others, because the AWS SDK takes minutes
# to build, and a consumer of 100,000 events that is killed twenty times takes its time, too.
AWS = -p churn-streaming --features kinesis,s3,lambda
test-streaming: $(VENV)/streaming/installed
	cargo clippy $(AWS) --all-targets -- -D warnings
	cargo clippy -p churn-streaming --no-default-features --features dynamodb --bins -- -D warnings
	cargo test $(AWS)
	cargo build $(AWS) --bins --examples
	cargo build -p churn-train -p churn-simulator
	$(VENV)/streaming/bin/python -m pytest -q streaming/tests --ignore streaming/tests/test_kcl.py

# `consume --kcl` under the real daemon of the Kinesis Client Library, five minutes; needs Java 17 and Node.
test-kcl: $(VENV)/streaming/installed $(VENV)/kcl/installed
	cargo build -p churn-streaming -p churn-simulator -p churn-train --bins
	JARS=$(VENV)/kcl/jars $(VENV)/streaming/bin/python -m pytest -q -s streaming/tests/test_kcl.py

# What reads and writes Kafka, against brokers in the tests' own process; apart from the others, because it builds librdkafka.
test-kafka:
	cargo clippy -p churn-streaming --features kafka --all-targets -- -D warnings
	cargo clippy -p churn-streaming --no-default-features --features kafka --bins -- -D warnings
	cargo test -p churn-streaming --features kafka --lib --bins --test kafka

# The whole way on this machine: simulated producers, a Kinesis emulator, consume, and the aws command as reader.
demo-streaming: $(VENV)/streaming/installed
	cargo build --release -p churn-simulator -p churn-train
	cargo build --release -p churn-streaming --features kinesis,s3 --bin consume
	$(VENV)/streaming/bin/python examples/streaming/demo.py --programs $${CARGO_TARGET_DIR:-target}/release

# Spark, on this machine; needs Java 17.
test-spark: native $(VENV)/newest/installed
	$(VENV)/newest/bin/pip install --quiet pyspark==4.3.0
	cd python && PYTHONPATH=py_src ../$(VENV)/newest/bin/python -m pytest -q -m spark

# Flink, on this machine; needs Java 17, and brings its own older libraries.
test-flink: native $(VENV)/newest/installed $(VENV)/flink/installed
	cd python && PYTHONPATH=py_src ../$(VENV)/flink/bin/python -m pytest -q -m flink tests/test_flink.py

# Wheels for the Python at hand and for every CPython from 3.10 on, in target/wheels.
wheels: $(VENV)/newest/installed
	cd python && ../$(VENV)/newest/bin/maturin build --profile wheel --interpreter ../$(VENV)/newest/bin/python
	cd python && ../$(VENV)/newest/bin/maturin build --profile wheel --features abi3

# Installs the wheels into an empty environment of each Python that is found, and tries them.
test-wheels: wheels
	python/tests/wheels.sh target/wheels

# Runs the notebooks of examples/ with the optimised build, and writes them back with their outputs.
notebooks: $(VENV)/newest/installed
	cd python && VIRTUAL_ENV=$(abspath $(VENV)/newest) ../$(VENV)/newest/bin/maturin develop --profile wheel --skip-install
	PYTHONPATH=$(abspath python/py_src) $(VENV)/newest/bin/python examples/run.py

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(IMPORTS)

# The container image, as target/container/churn-x86_64.tar; needs musl-tools. For Graviton: TARGET=aarch64-unknown-linux-musl.
TARGET ?= x86_64-unknown-linux-musl
image:
	rustup target add $(TARGET)
	container/build.sh $(TARGET)

# Times fitting, scoring, explaining and features by themselves.
bench:
	cargo bench -p churn-benches

# Times fitting beside scikit-learn, LightGBM, XGBoost and YDF, which it installs into a folder of $(VENV).
peers:
	CHURN_PEERS_VENV=$${CHURN_PEERS_VENV:-$(VENV)/peers} benches/peers/run.sh

# Times scoring beside twelve libraries on three shapes of forest.
peers-score:
	benches/peers/score.sh --all

# Times the way from events to features beside DuckDB and Polars.
peers-features:
	benches/peers/features.sh

# Times the Python package beside scikit-learn, LightGBM, XGBoost and YDF.
peers-python: wheels $(VENV)/peers-python/installed
	$(VENV)/peers-python/bin/pip install --quiet --no-index --no-deps --force-reinstall --find-links target/wheels churn-model
	$(VENV)/peers-python/bin/python benches/python/peers.py

# What a call from Python adds to the Rust scorer's own time.
one-row-python: wheels $(VENV)/peers-python/installed
	$(VENV)/peers-python/bin/pip install --quiet --no-index --no-deps --force-reinstall --find-links target/wheels churn-model
	$(VENV)/peers-python/bin/python benches/python/one_row.py

# Times the server beside gunicorn, flask and scikit-learn, on one core; needs apt-get install wrk.
peers-serving: image $(VENV)/peers-serving/installed
	cargo build --release -p churn-simulator
	python3 benches/serving/run.py $${CARGO_TARGET_DIR:-target}/$(TARGET)/image/churn \
		$${CARGO_TARGET_DIR:-target}/container/churn-x86_64.tar \
		$${CARGO_TARGET_DIR:-target}/release/simulate $(VENV)/peers-serving

# Times `consume` beside a scikit-learn endpoint asked at every event, and a PyFlink job with our wheel; needs Java 17.
peers-streaming: wheels $(VENV)/peers-streaming/installed
	cargo build --release -p churn-streaming --bin consume
	cargo build --release -p churn-benches --bin stream_case
	$(VENV)/peers-streaming/bin/pip install --quiet --no-index --no-deps --force-reinstall \
		--find-links $${CARGO_TARGET_DIR:-target}/wheels churn-model
	$(VENV)/peers-streaming/bin/python benches/streaming/run.py $${CARGO_TARGET_DIR:-target}/release

# Compares all windows with brute force on two real logs, and trains on one: make real-logs DATA=folder
real-logs:
	CHURN_REAL_LOGS=$(abspath $(DATA)) cargo test -p churn-train --test real_logs -- --ignored --nocapture

# Writes golden files of a new format version: make golden FOLDER=churn-model/tests/golden/2
golden:
	cargo run -p churn-model --example make_golden -- $(FOLDER)

# Writes the JSON Schemas of the event types.
schemas:
	cargo run -p churn-events --example make_schemas -- docs/schemas

# Feeds readers with damaged model files, scorer files, events, states, request bodies and records; needs a nightly
# compiler and cargo-fuzz.
fuzz:
	cargo +nightly fuzz run read_model -- -max_total_time=180
	cargo +nightly fuzz run read_scorer -- -max_total_time=180
	cargo +nightly fuzz run decode_event -- -max_total_time=180
	cargo +nightly fuzz run read_state -- -max_total_time=180
	cargo +nightly fuzz run read_body -- -max_total_time=180
	cargo +nightly fuzz run read_records -- -max_total_time=180

# What the events are checked against.
$(VENV)/cloudevents:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet cloudevents==2.2.0 jsonschema==4.26.0 rfc3339-validator==0.1.4
	touch $@

$(VENV)/newest/installed: python/requirements-test.txt
	python3 -m venv $(VENV)/newest
	$(VENV)/newest/bin/pip install --quiet -r python/requirements-test.txt
	touch $@

$(VENV)/oldest/installed: python/requirements-oldest.txt
	python3 -m venv $(VENV)/oldest
	$(VENV)/oldest/bin/pip install --quiet -r python/requirements-oldest.txt
	touch $@

$(VENV)/deployment/installed: examples/requirements.txt
	python3 -m venv $(VENV)/deployment
	$(VENV)/deployment/bin/pip install --quiet -r $<
	touch $@

$(VENV)/flink/installed:
	python3 -m venv $(VENV)/flink
	$(VENV)/flink/bin/pip install --quiet apache-flink==2.3.0 pytest
	touch $@

$(VENV)/peers-python/installed: benches/python/requirements.txt
	python3 -m venv $(VENV)/peers-python
	$(VENV)/peers-python/bin/pip download --quiet --no-deps --dest target/peer-wheels -r $<
	$(VENV)/peers-python/bin/pip install --quiet --find-links target/peer-wheels -r $<
	touch $@

$(VENV)/container/installed: container/requirements-test.txt
	python3 -m venv $(VENV)/container
	$(VENV)/container/bin/pip install --quiet -r $<
	touch $@

$(VENV)/sagemaker%/installed: container/tests/sagemaker/requirements-v%.txt
	python3 -m venv $(VENV)/sagemaker$*
	$(VENV)/sagemaker$*/bin/pip install --quiet -r $<
	touch $@

$(VENV)/peers-serving/installed: benches/serving/requirements.txt
	python3 -m venv $(VENV)/peers-serving
	$(VENV)/peers-serving/bin/pip install --quiet -r $<
	touch $@

$(VENV)/peers-streaming/installed: benches/streaming/requirements.txt
	python3 -m venv $(VENV)/peers-streaming
	$(VENV)/peers-streaming/bin/pip install --quiet -r $<
	touch $@

$(VENV)/streaming/installed: streaming/requirements-test.txt $(addprefix streaming/tests/emulators/package,.json -lock.json)
	python3 -m venv $(VENV)/streaming
	$(VENV)/streaming/bin/pip install --quiet -r $<
	cp $(filter %.json,$^) $(VENV)/streaming
	cd $(VENV)/streaming && npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

# The daemon's jars, from a wheel that has them; nothing of it is installed.
$(VENV)/kcl/installed: $(VENV)/streaming/installed
	mkdir -p $(VENV)/kcl
	$(VENV)/streaming/bin/pip download --quiet --no-deps --dest $(VENV)/kcl kclpy-ext==3.1.3.post4
	cd $(VENV)/kcl && unzip -qoj kclpy_ext-*.whl 'amazon_kclpy/jars/*' -d jars
	touch $@

$(VENV)/bin/ruff:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet ruff==0.17.5
