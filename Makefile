# The verbs of this project; .ci/run calls the same ones.

VENV ?= .venv
IMPORTS = --features churn-model/linfa,churn-model/smartcore

.PHONY: check test docs bench peers golden fuzz

# Formatting, lints and documentation of everything, and the scorer-only build.
check: $(VENV)/bin/ruff
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(IMPORTS) -- -D warnings
	cargo clippy -p churn-model --no-default-features -- -D warnings
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(MAKE) docs

# Everything that is tested.
test:
	cargo test --workspace $(IMPORTS)

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(IMPORTS)

# Times fitting by itself.
bench:
	cargo bench -p churn-benches

# Times fitting beside scikit-learn, LightGBM, XGBoost and YDF, which it installs into $(VENV).
peers:
	benches/peers/run.sh

# Writes golden files of a new format version: make golden FOLDER=churn-model/tests/golden/2
golden:
	cargo run -p churn-model --example make_golden -- $(FOLDER)

# Feeds the model file's reader with damaged files; needs a nightly compiler and cargo-fuzz.
fuzz:
	cargo +nightly fuzz run read_model -- -max_total_time=180

$(VENV)/bin/ruff:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet ruff==0.17.5
