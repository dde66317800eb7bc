#!/usr/bin/env bash
# Fetches what is to be measured, builds the bench and runs it with the arguments given. What
# cannot be had is named, and the rest is measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=nats/lib.sh
source nats/lib.sh

# The last two say why not, if they can't.
HEADWATER_NATS_SERVER=$(nats/nats-server.sh) || unset HEADWATER_NATS_SERVER
HEADWATER_RESTATE_SERVER=$(bench-peers/fetch.sh) || unset HEADWATER_RESTATE_SERVER
export HEADWATER_NATS_SERVER HEADWATER_RESTATE_SERVER

# A target folder of its own also where one is shared: the two workspaces have different dependencies.
export CARGO_TARGET_DIR=$PWD/bench-peers/target
say "Building the bench with restate-sdk and duroxide: cargo build --release (some minutes, once)"
cargo build --release --locked --manifest-path bench-peers/Cargo.toml
exec "$CARGO_TARGET_DIR/release/bench-peers" "$@"
