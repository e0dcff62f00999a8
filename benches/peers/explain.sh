#!/bin/sh
# Explains the same rows with us, shap, LightGBM and XGBoost on one thread and prints one table; `--help` lists the options.
#
#   benches/peers/explain.sh
#   benches/peers/explain.sh --trees 500 --depth 8
#
# CHURN_EXPLAIN_VENV names a virtual environment that already holds requirements-explain.txt.
set -eu
cd "$(dirname "$0")/../.."
venv=${CHURN_EXPLAIN_VENV:-.venv/peers-explain}
if [ -z "${CHURN_EXPLAIN_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r benches/peers/requirements-explain.txt
fi
exec "$venv/bin/python" benches/peers/explain.py "$@"
