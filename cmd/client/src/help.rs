//! What `--help` adds to the arguments: examples, exit codes, environment.

pub(crate) const ROOT: &str = "\
Examples:
  headwater start hello_workflow --input '\"World\"' --wait
  headwater list --status waiting
  headwater inspect 5c1d0c0e-7f0c-4a6c-9a38-2c6b8a0f3d11
  headwater why 5c1d0c0e-7f0c-4a6c-9a38-2c6b8a0f3d11

Exit codes:
  0   done
  1   the workflow that was waited for failed or was cancelled; a build does not pass its check
  2   usage: arguments, JSON, an id, a payload over its limit, configuration
  3   not found: no such invocation or dead letter, or it has ended and takes nothing any more
  4   timed out: it has not ended in time, and goes on
  5   NATS is unreachable, or refuses
  6   refused because the id exists (start --if-exists reject)
  70  anything else

With --output json a command writes one object or array to stdout (watch: one object a line), and
an error to stderr as {\"error\":{\"code\",\"message\"}}.

Configuration, each stronger than the one before: headwater.toml, NATS_URL and HEADWATER_*
in the environment (HEADWATER_NATS__USER is nats.user), flags. RUST_LOG=debug shows what the
client does. Times are in UTC.";

pub(crate) const START: &str = "\
Examples:
  headwater start                                  hello_workflow with the input \"World\"
  headwater start order --input '{\"item\": 7}'      submit it and go on
  headwater start order --input @order.json --id order-7 --wait --timeout 2m
  headwater start order --id order-7               again: attaches, and says existing: true
  headwater start order --id order-7 --if-exists reject
  headwater start transfer --key account-12        after the other ones of account-12
  headwater start order --search customer=ada --search total=12.5
  HANDLER=order PARTITION_KEY=tenant-a headwater start

With --output json: one object with invocation_id, workflow, partition_key, existing, and as far
as they are known status, output and error.";

pub(crate) const STATUS: &str = "\
Examples:
  headwater status order-7
  headwater status order-7 --output json";

pub(crate) const WAIT: &str = "\
Examples:
  headwater wait order-7
  headwater wait order-7 --timeout 10m --output json

Exit codes: 0 it completed, 1 it failed or was cancelled, 3 no such invocation, 4 not in time.";

pub(crate) const INSPECT: &str = "\
Examples:
  headwater inspect order-7
  headwater inspect order-7 --output json          every entry of the journal, as it is stored

Each step stands on one line: what was decided, then how it ended and when, counted from the
start. `headwater why` tells what an invocation waits for.";

pub(crate) const HISTORY: &str = "\
Examples:
  headwater history order-7
  headwater history order-7 --output json          one array

What was decided and what was given, one entry a line, as they are stored. `headwater inspect`
puts what belongs to a step on one line.";

pub(crate) const EXPORT: &str = "\
Examples:
  headwater export order-7 > journals/order-7.json
  headwater check --build ./my-processor journals

The file also replays under a debugger, as a test: headwater::testing::replay(file, workflow).
It holds the inputs and results of all steps: keep it as you keep those.";

pub(crate) const CHECK: &str = "\
Examples:
  headwater check --build target/release/my-processor journals order-7.json
  headwater check --build target/release/my-processor --live
  headwater check --build target/release/my-processor --live --workflow order

The build replays each journal and connects to nothing. Without this command:
  HEADWATER_CHECK=journals target/release/my-processor

Exit codes: 0 all agree, 1 at least one differs, is missing in the build or cannot be read, 2
nothing could be checked, or the build has not answered.";

pub(crate) const SIGNAL: &str = "\
Examples:
  headwater signal order-7 approval --data '{\"by\": \"ada\"}'
  headwater signal order-7 photo --data @photo.json
  headwater signal order-7 go";

pub(crate) const CANCEL: &str = "\
Examples:
  headwater cancel order-7
  headwater cancel order-7 --reason 'the customer called'
  headwater cancel order-7 && headwater wait order-7

It returns when the request is stored; the workflow then cleans up and ends.";

pub(crate) const RESUME: &str = "\
Examples:
  headwater list --status parked
  headwater why order-7
  headwater resume order-7";

pub(crate) const LIST: &str = "\
Examples:
  headwater list
  headwater list --status failed --workflow order --limit 20
  headwater list --output json                     one array, each with its status and why";

pub(crate) const WATCH: &str = "\
Examples:
  headwater watch                                  what there is, then each change, until Ctrl-C
  headwater watch order-7                          until it has ended
  headwater watch --output json                    one object a line

The same changes with any NATS client: nats kv watch EXECUTION_STATE";

pub(crate) const WHY: &str = "\
Examples:
  headwater why order-7
  headwater why order-7 --output json";

pub(crate) const MEMBERS: &str = "\
Examples:
  headwater members
  headwater members --output json";

pub(crate) const DEAD_LETTERS: &str = "\
Examples:
  headwater dead-letters list
  headwater dead-letters show 3
  headwater dead-letters redrive 3                 after the cause is mended
  headwater dead-letters redrive --all

A message that is still not usable comes back as a new letter.";
