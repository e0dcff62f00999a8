#!/usr/bin/env bash
# Builds the program for a target and packs it: container/build.sh [TARGET]; see README.md here.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-x86_64-unknown-linux-musl}
folder=${CARGO_TARGET_DIR:-target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
cargo fetch --locked --target "$target"

# Messages hold paths of source files. They are made the same for every checkout, home folder and registry mirror.
flags=(--remap-path-prefix="$PWD=/churn" --remap-path-prefix="$(rustc --print sysroot)=/rust")
for registry in "$cargo_home"/registry/src/*; do
    flags+=(--remap-path-prefix="$registry=/registry")
done
separated=$(printf '\x1f%s' "${flags[@]}")
CARGO_ENCODED_RUSTFLAGS=${separated:1} \
    cargo build --locked --profile image --target "$target" -p churn-container --bin churn

mkdir -p "$folder/container"
cargo run --locked --quiet -p churn-container --no-default-features --bin image -- \
    "$folder/$target/image/churn" "$folder/container/churn-${target%%-*}.tar"
