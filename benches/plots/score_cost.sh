#!/bin/sh
# Draws docs/score_cost.svg from times of this machine; `--help` lists the options, others go to `score_cost`.
#
#   benches/plots/score_cost.sh
#
# CHURN_PLOTS_VENV names a virtual environment that already holds requirements.txt.
set -eu
cd "$(dirname "$0")/../.."
venv=${CHURN_PLOTS_VENV:-.venv/plots}
if [ -z "${CHURN_PLOTS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r benches/plots/requirements.txt
fi
exec "$venv/bin/python" benches/plots/score_cost.py "$@"
