#!/usr/bin/env bash
# The three-node cluster of docker-compose.yml: nats/docker.sh up|down
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=nats/lib.sh
source nats/lib.sh

usage() { die "usage: nats/docker.sh up|down"; }
[[ $# == 1 ]] || usage

mend="Without Docker, make cluster-up starts the same cluster as local processes."
command -v docker >/dev/null || die "Docker is missing: the command docker is not on PATH. $mend"
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null && docker-compose version >/dev/null 2>&1; then
    compose=(docker-compose)
else
    die "Docker Compose is missing: neither 'docker compose' (its plugin) nor 'docker-compose' works. $mend"
fi
docker info >/dev/null 2>&1 ||
    die "No Docker engine answers ('docker info' fails): start it, or ask for access to it. $mend"
compose+=(-p headwater -f docker-compose.yml)

nodes=(nats-1 nats-2 nats-3)
published=("4222 8222" 4223 4224)

health() { docker inspect --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$1" 2>/dev/null; }

all_healthy() {
    local node
    for node in "${nodes[@]}"; do
        [[ $(health "$node") == "running healthy" ]] || return 1
    done
    nats_cluster_of_three 8222
}

# refuse_taken_ports: a port that another program has would leave the cluster half started.
refuse_taken_ports() {
    local i port
    for i in 0 1 2; do
        [[ $(health "${nodes[i]}") != running* ]] || continue
        for port in ${published[i]}; do
            ! port_taken "$port" ||
                die "Port $port, meant for ${nodes[i]}, is taken by another program. If that is a NATS of this repository, end it first: make nats-down or make cluster-down."
        done
    done
}

case $1 in
up)
    refuse_taken_ports
    "${compose[@]}" up -d
    say "Waiting for the three nodes to be healthy"
    if ! wait_until 90 all_healthy; then
        for node in "${nodes[@]}"; do say "$node: $(health "$node" || echo "no container")"; done
        "${compose[@]}" logs --tail 20 >&2 || true
        die "The NATS cluster did not get ready within 90 seconds."
    fi
    echo "NATS cluster is ready"
    ;;
down) "${compose[@]}" down --volumes --remove-orphans ;;
*) usage ;;
esac
