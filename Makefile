# The verbs of this project; .ci/run calls the same ones.

VENV ?= .venv
IMPORTS = --features churn-model/linfa,churn-model/smartcore

.PHONY: check test docs bench peers golden schemas fuzz

# Formatting, lints and documentation of everything, and the scorer-only build.
check: $(VENV)/bin/ruff
	cargo fmt --all --check
	cd fuzz && cargo fmt --check
	cargo clippy --workspace --all-targets $(IMPORTS),churn-benches/rust-peers -- -D warnings
	cargo clippy -p churn-model --no-default-features -- -D warnings
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(MAKE) docs

# Everything that is tested.
test: $(VENV)/cloudevents
	cargo test --workspace $(IMPORTS)
	cargo test -p churn-model --no-default-features
	cargo test -p churn-events --no-default-features --lib
	$(VENV)/bin/python events/tests/cloudevents_check.py

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(IMPORTS)

# Times fitting by itself.
bench:
	cargo bench -p churn-benches

# Times fitting beside scikit-learn, LightGBM, XGBoost and YDF, which it installs into a folder of $(VENV).
peers:
	CHURN_PEERS_VENV=$${CHURN_PEERS_VENV:-$(VENV)/peers} benches/peers/run.sh

# Writes golden files of a new format version: make golden FOLDER=churn-model/tests/golden/2
golden:
	cargo run -p churn-model --example make_golden -- $(FOLDER)

# Writes the JSON Schemas of the event types.
schemas:
	cargo run -p churn-events --example make_schemas -- docs/schemas

# Feeds the model file's reader with damaged files; needs a nightly compiler and cargo-fuzz.
fuzz:
	cargo +nightly fuzz run read_model -- -max_total_time=180

# What the events are checked against.
$(VENV)/cloudevents:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet cloudevents==1.12.0 jsonschema==4.25.1 rfc3339-validator==0.1.4
	touch $@

$(VENV)/bin/ruff:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet ruff==0.17.5
