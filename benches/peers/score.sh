#!/bin/sh
# Scores the same rows with us and other libraries on one thread and prints one table; `--help` lists the options.
#
#   benches/peers/score.sh
#   benches/peers/score.sh --trees 500 --depth 8
#
# Needs a C++ compiler for the code that YDF writes. CHURN_PEERS_VENV names a virtual environment that already holds
# requirements.txt.
set -eu
cd "$(dirname "$0")/../.."
venv=${CHURN_PEERS_VENV:-.venv/peers}
if [ -z "${CHURN_PEERS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r benches/peers/requirements.txt
fi
exec "$venv/bin/python" benches/peers/score.py "$@"
