#!/usr/bin/env bash
# Installs the wheels of a folder into an empty environment of each Python that is found, and tries them there.
set -euo pipefail
wheels=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for version in 3.10 3.11 3.12 3.13 3.14; do
    python=
    # pyenv has names on the path for versions that it does not run.
    for found in $(command -v "python$version" || true) ~/.pyenv/versions/"$version".*/bin/python; do
        "$found" -c "" 2>/dev/null && python=$found && break
    done
    if [ -z "$python" ]; then
        echo "CPython $version: not on this machine, not tried"
        continue
    fi
    for wheel in "$wheels"/churn_model-*-"cp${version/./}"-"cp${version/./}"-*.whl "$wheels"/churn_model-*-abi3-*.whl; do
        [ -e "$wheel" ] || continue
        environment="$folder/$version-$(basename "$wheel")"
        "$python" -m venv "$environment"
        "$environment/bin/pip" install --quiet "$wheel" pytest
        (cd tests && "$environment/bin/python" -m pytest -q -p no:cacheprovider test_wheel.py) >"$folder/log" 2>&1 || {
            cat "$folder/log"
            echo "CPython $version: $(basename "$wheel") FAILED"
            exit 1
        }
        echo "CPython $version: $(basename "$wheel"), $(($(stat -c %s "$wheel") / 1024)) KiB: $(tail -1 "$folder/log")"
    done
done
