#!/usr/bin/env bash
# NATS as background processes on this machine: one server, or a cluster of three.
#   nats/local.sh up|down single|cluster
# Logs, process ids and stores lie in .nats/<single|cluster>; `down` keeps the stores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=nats/lib.sh
source nats/lib.sh

usage() { die "usage: nats/local.sh up|down single|cluster"; }
[[ $# == 2 ]] || usage
action=$1 kind=$2

# name, configuration, client port, monitoring port, route port
case $kind in
single)
    servers=("server nats/server.conf 4222 8222 -")
    clients="nats://127.0.0.1:4222"
    ready="NATS server is ready"
    ;;
cluster)
    servers=(
        "n1 nats/cluster/n1.conf 4222 8222 6222"
        "n2 nats/cluster/n2.conf 4223 8223 6223"
        "n3 nats/cluster/n3.conf 4224 8224 6224"
    )
    clients="nats://127.0.0.1:4222 (4223, 4224)"
    ready="NATS cluster is ready"
    ;;
*) usage ;;
esac
home=$PWD/.nats/$kind

# running NAME CONF: prints the process id if that server of ours runs. The id alone proves
# nothing, it may belong to another process by now.
running() {
    local pid
    pid=$(cat "$home/$1.pid" 2>/dev/null) && [[ -n $pid ]] || return 1
    [[ $(ps -ww -p "$pid" -o args= 2>/dev/null) == *" -c $PWD/$2 "* ]] || return 1
    printf '%s\n' "$pid"
}

ended() { ! running "$1" "$2" >/dev/null; }

down() {
    local server name conf pid stopped=0
    for server in "${servers[@]}"; do
        read -r name conf _ <<<"$server"
        if pid=$(running "$name" "$conf"); then
            kill -TERM "$pid" 2>/dev/null || true
            stopped=$((stopped + 1))
        fi
    done
    for server in "${servers[@]}"; do
        read -r name conf _ <<<"$server"
        if pid=$(running "$name" "$conf") && ! wait_until 10 ended "$name" "$conf"; then
            say "$name does not end by itself: killed"
            kill -KILL "$pid" 2>/dev/null || true
            wait_until 5 ended "$name" "$conf" || die "$name (process $pid) cannot be ended"
        fi
        rm -f "$home/$name.pid"
    done
    if ((stopped == 0)); then
        echo "NATS ($kind) was not running"
    else
        echo "NATS ($kind) stopped; its data stays in ${home#"$PWD/"}"
    fi
}

all_ready() {
    local server monitoring
    for server in "${servers[@]}"; do
        read -r _ _ _ monitoring _ <<<"$server"
        nats_healthy "$monitoring" || return 1
        [[ $kind == single ]] || nats_cluster_of_three "$monitoring" || return 1
    done
}

some_died() {
    local server name conf
    for server in "${servers[@]}"; do
        read -r name conf _ <<<"$server"
        running "$name" "$conf" >/dev/null || return 0
    done
    return 1
}

ready_or_died() { all_ready || some_died; }

# detached COMMAND...: runs in a session of its own where the system can, and takes this
# subshell's process id.
detached() {
    if command -v setsid >/dev/null; then
        exec setsid "$@"
    fi
    exec nohup "$@"
}

up() {
    local server name conf ports port binary
    # First look at all the ports, so that nothing is half started.
    for server in "${servers[@]}"; do
        read -r name conf ports <<<"$server"
        running "$name" "$conf" >/dev/null && continue
        for port in ${ports//-/}; do
            ! port_taken "$port" ||
                die "Port $port is taken by another program. If that is a NATS of this repository, end it first: make nats-down, make cluster-down or make docker-down."
        done
    done
    binary=$(nats/nats-server.sh)
    for server in "${servers[@]}"; do
        read -r name conf ports <<<"$server"
        if running "$name" "$conf" >/dev/null; then
            say "$name runs already"
            continue
        fi
        mkdir -p "$home/$name"
        # In the background for good: the terminal's Ctrl-C and its end do not reach it.
        detached "$binary" -c "$PWD/$conf" -sd "$home/$name" -l "$home/$name.log" \
            </dev/null >/dev/null 2>"$home/$name.err" &
        echo "$!" >"$home/$name.pid"
    done
    wait_until 30 ready_or_died || true
    if ! all_ready; then
        for server in "${servers[@]}"; do
            read -r name conf _ <<<"$server"
            running "$name" "$conf" >/dev/null || say "$name has ended:"
            tail -n 5 "$home/$name.log" "$home/$name.err" >&2 2>/dev/null || true
        done
        down >&2
        die "NATS ($kind) did not get ready within 30 seconds."
    fi
    echo "Clients: $clients; monitoring: http://127.0.0.1:8222; logs and data: ${home#"$PWD/"}"
    echo "$ready"
}

case $action in
up) up ;;
down) down ;;
*) usage ;;
esac
