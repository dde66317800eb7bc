#!/usr/bin/env bash
# The main job, shown: a workflow on a real NATS server, and what a kill -9 in its middle does.
# Everything runs in a temporary folder on free ports and is ended and removed at the end. Needs
# the binaries in bin/ (make build); `make demo` builds them first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=nats/lib.sh
source nats/lib.sh

# The workflow that is crashed: it greets the three names of its input, one step each.
crash_workflow=${CRASH_WORKFLOW:-three_hellos}
crash_input=${CRASH_INPUT:-'["Ada","Grace","Linus"]'}
bin=${DEMO_BIN_DIR:-$PWD/bin}

for binary in hello-service headwater-processor headwater; do
    [[ -x $bin/$binary ]] || die "$bin/$binary is missing: run make build first, or make demo."
done
nats_server=$(nats/nats-server.sh)

work=$(mktemp -d "${TMPDIR:-/tmp}/headwater-demo.XXXXXX")
service_log=$work/hello-service.log
processor_log=$work/processor.log
pids=()

# From here on a failure shows the logs first and its reason last.
reason=
# shellcheck disable=SC2317 # called by lib.sh too
die() {
    reason=$*
    exit 1
}

# shellcheck disable=SC2317 # called by the trap
finish() {
    local status=$? pid
    trap - EXIT
    trap '' INT TERM
    if ((status != 0)); then
        say ""
        say "The last lines of each log:"
        tail -n 20 "$work"/*.log >&2 2>/dev/null || true
        say ""
        say "The demo failed (exit code $status). ${reason:-The command shown last did not succeed.}"
    fi
    for pid in "${pids[@]:+${pids[@]}}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]:+${pids[@]}}"; do
        wait_until 10 ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
title() { printf '\n%s== %s ==%s\n' "$bold" "$*" "$plain"; }
tell() { printf '%s# %s%s\n' "$dim" "$*" "$plain"; }
show() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; }

# A finished process that has not been waited for is still known to kill -0, so ask for its state.
ended() {
    local state
    state=$(ps -p "$1" -o stat= 2>/dev/null) || return 0
    [[ -z $state || $state == Z* ]]
}

# run COMMAND...: shows a command as one would type it, and runs it.
run() {
    local shown="" word
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=:-]*) shown+=" '$word'" ;;
        *) shown+=" $word" ;;
        esac
    done
    show "${shown# }"
    PATH=$bin:$PATH "$@"
}

# started PID LOG WHAT: fails with the log's end if the process just started is gone.
started() { ! ended "$1" || die "$3 ended at once: $(tail -n 3 "$2" 2>/dev/null)"; }

# calls: the service's own lines, one a call that reached it.
calls() { grep -F 'Received SayHello request' "$service_log" || true; }
count_calls() { calls | wc -l | tr -d ' '; }
calls_reach() { (($(count_calls) >= $1)); }

start_processor() {
    show "headwater-processor &"
    NATS_URL=$NATS_URL HELLO_SERVICE_ADDR=$HELLO_SERVICE_ADDR \
        "$bin/headwater-processor" >>"$processor_log" 2>&1 &
    processor=$!
    pids+=("$processor")
}

title "The stage: a NATS server, a gRPC service, a processor"

"$nats_server" -c nats/server.conf -p -1 -m -1 -sd "$work/store" --ports_file_dir "$work" \
    >"$work/nats-server.log" 2>&1 &
nats=$!
pids+=("$nats")
ports_known() { ended "$nats" || { ports_file=("$work"/*.ports) && [[ -s ${ports_file[0]} ]]; }; }
wait_until 15 ports_known || die "The NATS server did not start within 15 seconds."
started "$nats" "$work/nats-server.log" nats-server
ports=$(<"${ports_file[0]}")
[[ $ports =~ \"nats\":\[\"(nats://[^\"]+)\" ]] || die "No client port in $ports"
export NATS_URL=${BASH_REMATCH[1]}
[[ $ports =~ \"monitoring\":\[\"http://[^\"]*:([0-9]+)\" ]] || die "No monitoring port in $ports"
wait_until 15 nats_healthy "${BASH_REMATCH[1]}" || die "JetStream did not get ready within 15 seconds."
tell "NATS with JetStream is all that Headwater needs; this one is at $NATS_URL, its store in $work"
show "export NATS_URL=$NATS_URL"

show "hello-service --port 0 --delay 500ms &"
"$bin/hello-service" --port 0 --delay 500ms >"$service_log" 2>&1 &
service=$!
pids+=("$service")
service_listens() { ended "$service" || grep -q 'HelloService listening on' "$service_log"; }
wait_until 15 service_listens || die "HelloService did not start within 15 seconds."
started "$service" "$service_log" hello-service
port=$(sed -n 's/.*HelloService listening on :\([0-9]*\).*/\1/p' "$service_log")
export HELLO_SERVICE_ADDR=127.0.0.1:$port
tell "The service answers after half a second and writes a line for each call that reaches it"
show "export HELLO_SERVICE_ADDR=$HELLO_SERVICE_ADDR"

start_processor
tell "The processor holds the workflows; it keeps nothing of its own, so one can start or kill any number"

title "Act 1: a durable workflow"
run headwater start hello_workflow --input '"World"' --id demo-hello --wait
tell "The client put one command on a stream; the result came back when the workflow had ended"
run headwater inspect demo-hello
tell "The whole execution is one readable value in the bucket EXECUTION_STATE: state, and a journal line for each step"

title "Act 2: kill -9 in the middle"
before=$(count_calls)
run headwater start "$crash_workflow" --input "$crash_input" --id demo-crash
tell "Three calls of half a second each, one after the other; nobody waits for them this time"
second_call() { ended "$processor" || calls_reach $((before + 2)); }
wait_until 30 second_call || true
started "$processor" "$processor_log" headwater-processor
calls_reach $((before + 2)) ||
    die "The second step did not reach the service within 30 seconds."
show "kill -9 $processor"
disown "$processor" # or the shell adds a word of its own about the kill
kill -KILL "$processor"
wait_until 5 ended "$processor"
tell "The service had just logged the second call: the processor died while it waited for the answer"
run headwater status demo-crash
tell "The invocation is still there: its state lies in NATS, with the first step's outcome in the journal"
start_processor
tell "A new processor, with an empty memory; the server hands it the dead one's command after ack_wait (5 s)"
run headwater wait demo-crash --timeout 60s
run headwater inspect demo-crash
tell "Completed. What did the service see of all this? Its own log, since the start of act 2:"
show "grep 'Received SayHello' hello-service.log"
calls | tail -n "+$((before + 1))"

# The proof, in numbers: the first step's call is there once. Where the steps cannot be told apart by
# name, their number tells: the call under way at the kill may be there twice, no other.
total=$(($(count_calls) - before))
act=$(calls | tail -n "+$((before + 1))" | sed 's/.*request: //')
first=$(head -n 1 <<<"$act")
first_calls=$(grep -cxF -- "$first" <<<"$act")
if (($(sort -u <<<"$act" | wc -l) > 1 && first_calls != 1)); then
    die "The first step ($first) was called $first_calls times: a finished step was run again."
fi
((total <= 4)) || die "The service was called $total times for three steps and one kill: a finished step was run again."
tell "Step 1 ($first) had finished before the kill and was called once: its outcome came from the journal"
((total == 3)) || tell "The call that the kill cut off was made again ($total calls for 3 steps): a step runs at least once, its outcome counts once"

title "Done"
