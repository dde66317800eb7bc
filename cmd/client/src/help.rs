//! What `--help` adds to the arguments: examples, exit codes, environment.

pub(crate) const ROOT: &str = "\
Examples:
  headwater start hello_workflow --input '\"World\"' --wait
  headwater list --status waiting
  headwater inspect 5c1d0c0e-7f0c-4a6c-9a38-2c6b8a0f3d11
  headwater why 5c1d0c0e-7f0c-4a6c-9a38-2c6b8a0f3d11

Exit codes:
  0   done
  1   the workflow that was waited for failed, was cancelled, or refused what it was asked; a
      build does not pass its check
  2   usage: arguments, JSON, an id, a payload over its limit, configuration
  3   not found: no such invocation or dead letter, or it has ended and takes nothing any more
  4   timed out: it has not ended in time, and goes on
  5   NATS is unreachable, or refuses
  6   refused because the id exists (start --if-exists reject), or goes on (delete)
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
  headwater start order --id order-7 --if-exists replace
  headwater start order --id order-7 --ttl 10m     its result answers for so long, then it runs anew
  headwater start order --id order-7 --paused      it begins with `headwater resume order-7`
  headwater start cart --id cart-1 --signal 'add={\"item\": 7}'
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
  headwater history monitor-1 --run 3              of a run that has continued as new
  headwater history order-7 --output json          one array

What was decided and what was given, one entry a line, as they are stored. `headwater inspect`
puts what belongs to a step on one line.";

pub(crate) const RUNS: &str = "\
Examples:
  headwater runs monitor-1
  headwater history monitor-1 --run 3
  headwater runs monitor-1 --output json           one array

The last 16 that have continued as new, and the current one. Their journals are kept as long as
an ended invocation is.";

pub(crate) const PRUNE: &str = "\
Examples:
  headwater prune monitor-1                        all but the current run
  headwater prune monitor-1 --keep-last 3
  headwater prune monitor-1 --keep-last 3 --older-than 2h
  headwater prune --where 'workflow=monitor' --keep-last 3 --rate 50

Key-value pairs and search attributes stay, whichever run wrote them.";

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
  headwater check --build target/release/my-processor --live --where 'version=1.2.0'

The build replays each journal and connects to nothing. Without this command:
  HEADWATER_CHECK=journals target/release/my-processor

Exit codes: 0 all agree, 1 at least one differs, is missing in the build or cannot be read, 2
nothing could be checked, or the build has not answered.";

pub(crate) const SIGNAL: &str = "\
Examples:
  headwater signal order-7 approval --data '{\"by\": \"ada\"}'
  headwater signal order-7 photo --data @photo.json
  headwater signal order-7 go
  headwater signal --where 'workflow=order and key=ada' go --dry-run
  headwater signal --by-name paid-7 --data '{\"by\": \"ada\"}' --keep 1h

`headwater list --help` tells what can stand in --where. Those that have ended are left alone.";

pub(crate) const ENQUEUE: &str = "\
Examples:
  headwater enqueue cart-1 items '{\"item\": 7}'
  headwater enqueue cart-1 items @item.json

Items are taken in their order, each once; `headwater raise` is for what counts only now.";

pub(crate) const RAISE: &str = "\
Examples:
  headwater raise order-7 price-changed 12.5
  headwater raise order-7 stop

An event that comes before the workflow waits for it is gone; `headwater signal` keeps it.";

pub(crate) const UPDATE: &str = "\
Examples:
  headwater update order-7 approve '{\"by\": \"ada\"}'
  headwater update order-7 approve '{\"by\": \"ada\"}' --timeout 2m

Exit codes: 0 it answered, 1 it refused, 3 no such invocation or it has ended, 4 no answer in time:
it may be taken and answered yet.";

pub(crate) const QUERY: &str = "\
Examples:
  headwater query order-7 state
  headwater query order-7 price '{\"item\": 7}' --output json

Exit codes: 0 it answered, 1 it did not, with the reason, 3 no such invocation, 4 no engine that
has its workflow answers.";

pub(crate) const CANCEL: &str = "\
Examples:
  headwater cancel order-7
  headwater cancel order-7 --reason 'the customer called'
  headwater cancel order-7 && headwater wait order-7
  headwater cancel --where 'status=waiting and created<1 week ago' --dry-run
  headwater cancel --where 'status=waiting and created<1 week ago' --rate 50

It returns when the request is stored; the workflow then cleans up and ends.";

pub(crate) const TERMINATE: &str = "\
Examples:
  headwater terminate order-7
  headwater terminate order-7 --reason 'over budget' --code budget
  headwater terminate order-7 && headwater wait order-7
  headwater terminate --where 'workflow=order and created<1 week ago' --dry-run

It returns when the request is stored. `headwater cancel` lets the workflow clean up instead.";

pub(crate) const PAUSE: &str = "\
Examples:
  headwater pause order-7 --reason 'the warehouse is closed'
  headwater list --status paused
  headwater resume order-7
  headwater pause --where 'workflow=order' && headwater resume --where 'status=paused' --rate 20

Signals, results and timers that come meanwhile are kept, and acted on once it is resumed.";

pub(crate) const DELETE: &str = "\
Examples:
  headwater delete order-7
  headwater delete order-7 --force                 ends it first if it goes on
  headwater delete order-7 --tree                  with its children, and theirs
  headwater delete --where 'ended<2 days ago' --rate 50

Exit codes: 0 it is being deleted, 3 no such invocation, 6 it goes on, or its parent does.";

pub(crate) const RESUME: &str = "\
Examples:
  headwater list --status parked
  headwater why order-7
  headwater resume order-7
  headwater resume --where 'status=parked and workflow=order' --rate 10";

pub(crate) const LIST: &str = "\
Examples:
  headwater list
  headwater list --status failed --workflow order --limit 20
  headwater list --where 'workflow=order and search.total>=10 and created<2h ago'
  headwater list --where 'parent=order-7'
  headwater list --limit 20 --after 1763719200000000/order-7
  headwater list --output json                     one array, each with its status and why

--where takes conditions with `and` between them:
  status                                   = != in    status in (failed, cancelled)
  id workflow version queue key parent     = != in    null: there is none
  created updated ended      = != < <= > >=           2026-11-21, 2026-11-21T08:30:00Z, 2h ago
  search.ATTRIBUTE           = != < <= > >= in        a number, true, false, null, else a text
In quotes anything is a text: id='order 7'.

More than --limit: the last line tells the --after of the next page; in JSON it is the cursor of
the last object.";

pub(crate) const TREE: &str = "\
Examples:
  headwater tree order-7
  headwater tree order-7 --output json             each with its children";

pub(crate) const METRICS: &str = "\
Examples:
  headwater metrics
  headwater metrics --output json

It counts what is kept, so of ended ones only those within their retention. An invocation that
has continued as new is several executions; journal entries are those of the last one. A
processor tells its own figures at GET /metrics.";

pub(crate) const DEPTHS: &str = "\
Examples:
  headwater depths
  headwater depths --output json

What is being worked on counts until it is done, so a busy system never shows nothing. Tasks that
only grow: no worker takes from that topic (`headwater members`).";

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
