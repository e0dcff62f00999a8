#!/bin/sh
# Scores the same rows with us and other libraries on one thread and prints one table; `--help` lists the options.
#
#   benches/peers/score.sh
#   benches/peers/score.sh --trees 500 --depth 8 --skip tl2cgen
#   benches/peers/score.sh --all --json target/score.json
#
# Needs gcc and g++ for the code that libraries write. CHURN_PEERS_VENV names a virtual environment that already holds
# requirements.txt and requirements-score.txt.
set -eu
cd "$(dirname "$0")/../.."
venv=${CHURN_PEERS_VENV:-.venv/peers-score}
if [ -z "${CHURN_PEERS_VENV:-}" ]; then
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
    install -r benches/peers/requirements.txt
    # A library that cannot be installed leaves an empty line in the table.
    install -r benches/peers/requirements-score.txt || sed 's/ *#.*//; /^$/d' benches/peers/requirements-score.txt |
        while read -r peer; do install "$peer" || true; done
fi
exec "$venv/bin/python" benches/peers/score.py "$@"
