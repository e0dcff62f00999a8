#!/bin/sh
# Fits the same forest with other libraries, one process each, and prints one table; `--help` lists the options.
#
#   benches/peers/run.sh
#   benches/peers/run.sh --rows 1000000 --repeat 1
#   benches/peers/run.sh --engines churn-model biosphere linfa-ensemble smartcore
#
# CHURN_PEERS_VENV names a virtual environment that already holds requirements.txt.
set -eu
cd "$(dirname "$0")/../.."
venv=${CHURN_PEERS_VENV:-.venv/peers}
if [ -z "${CHURN_PEERS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
fi
exec "$venv/bin/python" benches/peers/fit.py "$@"
