#!/bin/sh
# Counts logins, jobs, data and users per tenant in an event log, with us, DuckDB and Polars, one process each, and
# prints one table; `--help` lists the options.
#
#   benches/peers/features.sh
#   benches/peers/features.sh --events 1000000 --repeat 1
#
# CHURN_FEATURES_VENV names a virtual environment that already holds requirements-features.txt.
set -eu
cd "$(dirname "$0")/../.."
venv=${CHURN_FEATURES_VENV:-.venv/peers-features}
if [ -z "${CHURN_FEATURES_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r benches/peers/requirements-features.txt
fi
exec "$venv/bin/python" benches/peers/features.py "$@"
