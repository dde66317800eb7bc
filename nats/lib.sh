# What the scripts of this repository share. Sourced by bash, not run.
# shellcheck shell=bash

# All of these speak on standard error: a script's standard output is its answer.
say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# version_at_least HAVE WANT: both as x.y.z; what follows the numbers is not looked at.
version_at_least() {
    local have want i
    IFS=. read -ra have <<<"${1%%[!0-9.]*}"
    IFS=. read -ra want <<<"$2"
    for i in 0 1 2; do
        if ((${have[i]:-0} != ${want[i]:-0})); then
            ((${have[i]:-0} > ${want[i]:-0}))
            return
        fi
    done
}

# port_taken PORT: whether something on this machine listens on it.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http_get PORT PATH: prints the body that a server on this machine answers with; fails unless the
# answer is 200 and comes within two seconds a line.
http_get() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
        IFS= read -r -t 2 status <&3 || exit 1
        [[ $status == HTTP/*" 200 "* ]] || exit 1
        while IFS= read -r -t 2 line <&3 && [[ $line != $'\r' ]]; do :; done
        while IFS= read -r -t 2 line <&3; do printf '%s\n' "$line"; done
        [[ -z $line ]] || printf '%s\n' "$line"
    ) 2>/dev/null
}

# wait_until SECONDS COMMAND...: tries the command five times a second until it succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

# nats_healthy MONITORING_PORT: JetStream runs there and, in a cluster, has found its leader.
nats_healthy() { http_get "$1" /healthz >/dev/null; }

# nats_cluster_of_three MONITORING_PORT: the server counts all three nodes in, so that a stream
# with three replicas can be placed.
nats_cluster_of_three() {
    local jsz
    jsz=$(http_get "$1" /jsz) && [[ $jsz =~ \"cluster_size\":\ *3[^0-9] ]]
}
