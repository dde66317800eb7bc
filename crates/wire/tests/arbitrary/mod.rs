//! Arbitrary valid records: everything that this build can write. Each test file uses its part.
#![allow(dead_code)]

mod model;
pub(crate) mod signal_box;

pub(crate) use model::*;

use headwater_wire::{
    Code, Command, Entry, Failure, InvocationId, Key, Partition, Payload, Run, Status, Task,
    Timestamp, Value,
    command::{Asker, Cancel, Channel, Outcome, Retention, Signal, Start, Submit, Ticket},
    journal::Lines,
    key_queue::{KeyQueueValue, Queued, Send},
    member::{Member, Role},
    names::{Address, TimerId},
    task::Reply,
    topology::Topology,
    turn::{EffectTag, LastTurn, Root},
    value::{
        BufferedSignal, Cancelled, Deferred, Difference, JournalPart, Parked, Signals, TakenSignal,
        Wait,
    },
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

/// Text of any kind: quotes, line breaks and control characters too.
pub(crate) fn text() -> BoxedStrategy<String> {
    prop_oneof![4 => "[a-z]{0,6}", 2 => "\\PC{0,8}", 1 => any::<String>()].boxed()
}

/// A name or id: not empty, within the limit.
pub(crate) fn name() -> BoxedStrategy<String> {
    let fits = |text: &String| (1..=128).contains(&text.len());
    prop_oneof![
        6 => "[a-z]{1,6}".prop_map(String::from),
        2 => "\\PC{1,8}".prop_map(String::from),
        1 => "[.*> $=/KQS-]{1,6}".prop_map(String::from),
        1 => any::<String>().prop_filter("1 to 128 bytes", fits),
    ]
    .boxed()
}

pub(crate) fn id() -> BoxedStrategy<InvocationId> {
    name()
        .prop_map(|text| InvocationId::new(text).unwrap())
        .boxed()
}

pub(crate) fn key() -> BoxedStrategy<Key> {
    let queue = prop_oneof![Just("default".to_owned()), name()];
    prop_oneof![
        id().prop_map(|id| id.key()),
        (queue.clone(), name()).prop_map(|(queue, key)| Key::of_key_queue(&queue, &key).unwrap()),
        (queue, name()).prop_map(|(queue, name)| Key::of_signal_box(&queue, &name).unwrap()),
    ]
    .boxed()
}

pub(crate) fn partition() -> BoxedStrategy<Partition> {
    any::<u16>().prop_map(Partition).boxed()
}

pub(crate) fn address() -> BoxedStrategy<Address> {
    (name(), partition(), key())
        .prop_map(|(queue, partition, key)| Address {
            queue,
            partition,
            key,
        })
        .boxed()
}

pub(crate) fn run() -> BoxedStrategy<Run> {
    (any::<u64>(), any::<u32>())
        .prop_map(|(start, continued)| Run { start, continued })
        .boxed()
}

pub(crate) fn timer() -> BoxedStrategy<TimerId> {
    (run(), any::<u32>(), any::<u32>())
        .prop_map(|(run, step, attempt)| TimerId { run, step, attempt })
        .boxed()
}

pub(crate) fn time() -> BoxedStrategy<Timestamp> {
    prop_oneof![
        4 => 0i64..4_000_000_000_000_000,
        1 => any::<i64>(),
    ]
    .prop_map(Timestamp::from_micros)
    .boxed()
}

/// JSON in any layout, with what the wrapper of other encodings looks like.
fn json() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#"{"$payload":{"encoding":"x","base64":"AQI="}}"#.to_owned()),
        Just(r#"{"$payload":{"encoding":"json","base64":"MQ=="}}"#.to_owned()),
        Just(r#"{"$payload":{"encoding":"x","base64":"?"}}"#.to_owned()),
    ];
    let space = "[ \t\r\n]{0,2}";
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let field = (text(), inner.clone())
            .prop_map(|(name, value)| format!("{}:{value}", serde_json::to_string(&name).unwrap()));
        prop_oneof![
            (vec(inner.clone(), 0..3), space).prop_map(|(items, space)| format!(
                "[{space}{}{space}]",
                items.join(&format!(",{space}"))
            )),
            (vec(field, 0..3), space).prop_map(|(fields, space)| format!(
                "{{{space}{}{space}}}",
                fields.join(&format!("{space},"))
            )),
            inner.prop_map(|value| format!(r#"{{"$payload":{value}}}"#)),
        ]
    })
    .boxed()
}

pub(crate) fn payload() -> BoxedStrategy<Payload> {
    let encoding = name().prop_filter("that of JSON is JSON", |name| name != "json");
    prop_oneof![
        3 => json().prop_map(|text| Payload::from_json_text(&text).unwrap()),
        1 => Just(Payload::null()),
        1 => (encoding, vec(any::<u8>(), 0..20))
            .prop_map(|(encoding, bytes)| Payload::Other { encoding, bytes: bytes.into() }),
    ]
    .boxed()
}

pub(crate) fn failure() -> BoxedStrategy<Failure> {
    (text(), text(), any::<bool>(), option::of(payload()))
        .prop_map(|(code, message, is_final, details)| Failure {
            code: Code::new(code),
            message,
            is_final,
            details,
        })
        .boxed()
}

pub(crate) fn retention() -> BoxedStrategy<Retention> {
    prop_oneof![
        (1..=u64::MAX).prop_map(Retention::Seconds),
        Just(Retention::Forever)
    ]
    .boxed()
}

pub(crate) fn asker() -> BoxedStrategy<Asker> {
    prop_oneof![
        name().prop_map(Asker::Request),
        (id(), run(), any::<u32>(), text(), partition()).prop_map(
            |(invocation, run, step, queue, partition)| Asker::Parent {
                invocation,
                run,
                step,
                queue,
                partition,
            }
        ),
    ]
    .boxed()
}

pub(crate) fn ticket() -> BoxedStrategy<Ticket> {
    (text(), any::<u64>())
        .prop_map(|(key, number)| Ticket { key, number })
        .boxed()
}

pub(crate) fn start() -> BoxedStrategy<Start> {
    let names = (name(), option::of(name()), option::of(name()));
    let flags = any::<[bool; 4]>();
    let later = (
        option::of(1..=u64::MAX),
        btree_map(text(), payload(), 0..2),
        option::of(signal().prop_map(Box::new)),
    );
    (
        names,
        payload(),
        asker(),
        option::of(ticket()),
        option::of(retention()),
        flags,
        later,
    )
        .prop_map(
            |(names, input, asker, ticket, retention, flags, later)| Start {
                workflow: names.0,
                version: names.1,
                reply_to: names.2,
                input,
                asker,
                ticket,
                retention,
                granted: flags[0],
                new_id: flags[1],
                paused: flags[2],
                replace: flags[3],
                result_ttl_ms: later.0,
                search: later.1,
                signal: later.2,
            },
        )
        .boxed()
}

pub(crate) fn result() -> BoxedStrategy<Result<Payload, Failure>> {
    prop_oneof![payload().prop_map(Ok), failure().prop_map(Err)].boxed()
}

pub(crate) fn command() -> BoxedStrategy<Command> {
    prop_oneof![
        start().prop_map(Command::Start),
        outcome().prop_map(Command::Outcome),
        signal().prop_map(Command::Signal),
        timer().prop_map(Command::TimerFired),
        (text(), text()).prop_map(|(id, reason)| Command::Cancel(Cancel { id, reason })),
        text().prop_map(|id| Command::Resume { id }),
        (id(), start())
            .prop_map(|(invocation, start)| Command::Submit(Submit { invocation, start })),
        ticket().prop_map(Command::Grant),
        ticket().prop_map(Command::Release),
        model_command(),
    ]
    .boxed()
}

pub(crate) fn outcome() -> BoxedStrategy<Outcome> {
    (run(), any::<u32>(), any::<u32>(), result(), text())
        .prop_map(|(run, step, attempt, result, worker)| Outcome {
            run,
            step,
            attempt,
            result,
            worker,
        })
        .boxed()
}

pub(crate) fn channel() -> BoxedStrategy<Channel> {
    prop::sample::select(vec![
        Channel::Signal,
        Channel::Event,
        Channel::Queue,
        Channel::Update,
    ])
    .boxed()
}

pub(crate) fn signal() -> BoxedStrategy<Signal> {
    let keep = option::of(1..=u64::MAX);
    (
        name(),
        name(),
        payload(),
        channel(),
        option::of(name()),
        keep,
    )
        .prop_map(|(id, name, data, channel, reply_to, keep_ms)| Signal {
            id,
            name,
            data,
            channel,
            reply_to,
            keep_ms,
        })
        .boxed()
}

pub(crate) fn task() -> BoxedStrategy<Task> {
    let numbers = (run(), any::<u32>(), any::<u32>());
    (
        id(),
        partition(),
        numbers,
        (text(), text(), text()),
        payload(),
        options(),
        option::of(payload()),
    )
        .prop_map(
            |(invocation, partition, (run, step, attempt), texts, input, options, heartbeat)| {
                Task {
                    invocation,
                    queue: texts.0,
                    partition,
                    run,
                    step,
                    attempt,
                    activity: texts.1,
                    input,
                    workflow: texts.2,
                    options,
                    heartbeat,
                }
            },
        )
        .boxed()
}

pub(crate) fn reply() -> BoxedStrategy<Reply> {
    let ends = (option::of(payload()), option::of(failure()));
    (id(), any::<bool>(), text(), ends)
        .prop_map(|(invocation, exists, status, (output, error))| Reply {
            invocation,
            exists,
            status,
            output,
            error,
        })
        .boxed()
}

pub(crate) fn entry() -> BoxedStrategy<Entry> {
    let (step, t) = (any::<u32>(), any::<u64>());
    prop_oneof![
        (step, name()).prop_map(|(step, name)| Entry::Run { step, name }),
        (step, name(), name(), payload(), option::of(options())).prop_map(
            |(step, name, topic, input, options)| Entry::Activity {
                step,
                name,
                topic,
                input,
                options
            }
        ),
        (step, time()).prop_map(|(step, due)| Entry::Timer { step, due }),
        (step, name(), channel()).prop_map(|(step, name, channel)| Entry::Signal {
            step,
            name,
            channel
        }),
        (step, option::of(step)).prop_map(|(step, through)| Entry::Drop { step, through }),
        (step, t, payload()).prop_map(|(step, t, value)| Entry::Done { step, t, value }),
        (step, t, step, failure()).prop_map(|(step, t, attempt, error)| Entry::Failed {
            step,
            t,
            attempt,
            error
        }),
        (step, t, step, time(), failure()).prop_map(|(step, t, attempt, due, error)| {
            Entry::Retry {
                step,
                t,
                attempt,
                due,
                error,
            }
        }),
        (step, t).prop_map(|(step, t)| Entry::Fired { step, t }),
        (step, t, text(), payload()).prop_map(|(step, t, id, value)| Entry::Received {
            step,
            t,
            id,
            value
        }),
        t.prop_map(|t| Entry::Granted { t }),
        (t, text(), vec(step, 0..3)).prop_map(|(t, reason, shielded)| Entry::Cancel {
            t,
            reason,
            shielded
        }),
        model_entry(),
    ]
    .boxed()
}

pub(crate) fn lines() -> BoxedStrategy<Lines> {
    vec(entry(), 0..4)
        .prop_map(|entries| {
            let mut lines = Lines::default();
            for entry in &entries {
                lines.push(entry).unwrap();
            }
            lines
        })
        .boxed()
}

pub(crate) fn root() -> BoxedStrategy<Root> {
    prop_oneof![
        any::<u64>().prop_map(Root::Command),
        timer().prop_map(Root::Timer)
    ]
    .boxed()
}

pub(crate) fn effect() -> BoxedStrategy<EffectTag> {
    let two = (any::<u32>(), any::<u32>());
    prop_oneof![
        two.prop_map(|(step, attempt)| EffectTag::Task(step, attempt)),
        two.prop_map(|(step, attempt)| EffectTag::Schedule(step, attempt)),
        two.prop_map(|(step, attempt)| EffectTag::Unschedule(step, attempt)),
        timer().prop_map(EffectTag::UnscheduleOf),
        two.prop_map(|(first, last)| EffectTag::ExpirePages(first, last)),
        Just(EffectTag::Release),
        any::<u32>().prop_map(EffectTag::Send),
        two.prop_map(|(first, last)| EffectTag::Tasks(first, last)),
        Just(EffectTag::TellParent),
    ]
    .boxed()
}

pub(crate) fn last_turn() -> BoxedStrategy<LastTurn> {
    (
        any::<u64>(),
        text(),
        vec(root(), 0..3),
        vec(effect(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(number, id, roots, effects, partial)| LastTurn {
            number,
            id,
            roots,
            effects,
            partial,
        })
        .boxed()
}

pub(crate) fn status() -> BoxedStrategy<Status> {
    prop::sample::select(vec![
        Status::Queued,
        Status::Running,
        Status::Waiting,
        Status::Paused,
        Status::Parked,
        Status::Completed,
        Status::Failed,
        Status::Cancelled,
        Status::Terminated,
        Status::ContinuedAsNew,
    ])
    .boxed()
}

fn wait() -> BoxedStrategy<Wait> {
    let maybe = (
        option::of(text()),
        option::of(time()),
        option::of(any::<u32>()),
        option::of(text()),
    );
    (any::<u32>(), text(), text(), maybe)
        .prop_map(|(step, kind, name, (topic, until, attempt, error))| Wait {
            step,
            kind,
            name,
            topic,
            until,
            attempt,
            error,
        })
        .boxed()
}

fn signals() -> BoxedStrategy<Signals> {
    let waiting = (text(), text(), payload(), channel(), option::of(text())).prop_map(
        |(id, name, data, channel, reply_to)| BufferedSignal {
            id,
            name,
            data,
            channel,
            reply_to,
        },
    );
    let taken =
        (text(), any::<u64>(), any::<u64>()).prop_map(|(id, seq, t)| TakenSignal { id, seq, t });
    (vec(waiting, 0..2), vec(taken, 0..2))
        .prop_map(|(waiting, taken)| Signals { waiting, taken })
        .boxed()
}

fn parked() -> BoxedStrategy<Parked> {
    let difference =
        (any::<u32>(), text(), text(), text()).prop_map(|(step, field, journal, program)| {
            Difference {
                step,
                field,
                journal,
                program,
            }
        });
    (failure(), time(), vec(difference, 0..2))
        .prop_map(|(reason, at, difference)| Parked {
            reason,
            at,
            difference,
        })
        .boxed()
}

fn deferred() -> BoxedStrategy<Deferred> {
    let two = (any::<u32>(), any::<u32>());
    prop_oneof![
        (two, option::of(payload()), option::of(failure())).prop_map(
            |((step, attempt), value, error)| Deferred::Outcome {
                step,
                attempt,
                value,
                error
            }
        ),
        two.prop_map(|(step, attempt)| Deferred::Timer { step, attempt }),
        text().prop_map(|reason| Deferred::Cancel { reason }),
        (text(), text(), payload(), option::of(asker())).prop_map(|(id, name, input, asker)| {
            Deferred::Hook {
                id,
                name,
                input,
                asker,
            }
        }),
    ]
    .boxed()
}

pub(crate) fn value() -> BoxedStrategy<(Value, JournalPart)> {
    let who = (
        id(),
        (name(), text(), name(), text()),
        status(),
        option::of(text()),
        partition(),
        run(),
    );
    let times = (time(), time(), option::of(time()), option::of(time()));
    let data = (
        payload(),
        option::of(payload()),
        option::of(failure()),
        btree_map(text(), payload(), 0..2),
    );
    let asked = (
        asker(),
        option::of(ticket()),
        option::of(text()),
        option::of(retention()),
    );
    let cancelled = option::of((text(), time()).prop_map(|(reason, at)| Cancelled { reason, at }));
    let held = (
        vec(wait(), 0..2),
        signals(),
        cancelled,
        option::of(parked()),
        vec(deferred(), 0..2),
        btree_map(any::<u32>(), root(), 0..3),
        last_turn(),
    );
    let counts = (
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u64>(),
        any::<u32>(),
        any::<u32>(),
    );
    (who, times, data, asked, held, counts, lines(), model())
        .prop_map(|(who, times, data, asked, held, counts, tail, model)| {
            let (id, (workflow, version, queue, why), status, partition_key, partition, run) = who;
            let value = Value {
                format: 1,
                id,
                workflow,
                version,
                status,
                why,
                waits: held.0,
                pending: counts.0,
                partition_key,
                queue,
                partition,
                created_at: times.0,
                updated_at: times.1,
                ended_at: times.2,
                deleted_at: model.deleted_at,
                input: data.0,
                output: data.1,
                error: data.2,
                search: data.3,
                kv: model.kv,
                custom_status: model.custom_status,
                run,
                run_started_at: times.3,
                asker: asked.0,
                ticket: asked.1,
                reply_to: asked.2,
                retention: asked.3,
                result_ttl_ms: model.result_ttl_ms,
                replaced: model.replaced,
                runs: model.runs,
                signals: held.1,
                updates: model.updates,
                answers: model.answers,
                cancel: held.2,
                parked: held.3,
                deferred: held.4,
                suspected_crashes: counts.1,
                anchors: held.5,
                beats: model.beats,
                turn: held.6,
                sends: model.sends,
            };
            let journal = JournalPart {
                steps: counts.2,
                entries: counts.3,
                pages: counts.4,
                first_page: counts.5,
                tail,
            };
            (value, journal)
        })
        .boxed()
}

pub(crate) fn key_queue() -> BoxedStrategy<KeyQueueValue> {
    let queued =
        || (any::<u64>(), id()).prop_map(|(ticket, invocation)| Queued { ticket, invocation });
    let send = prop_oneof![
        (id(), start()).prop_map(|(invocation, start)| Send::Start {
            invocation,
            start: Box::new(start)
        }),
        (id(), any::<u64>()).prop_map(|(invocation, ticket)| Send::Grant { invocation, ticket }),
    ];
    let texts = (text(), text(), text(), text());
    let held = (
        option::of(queued()),
        vec(queued(), 0..3),
        last_turn(),
        vec(send, 0..2),
    );
    (texts, status(), partition(), time(), any::<u64>(), held)
        .prop_map(
            |(texts, status, partition, updated_at, taken_through, held)| KeyQueueValue {
                format: 1,
                program: texts.0,
                partition_key: texts.1,
                status,
                why: texts.2,
                queue: texts.3,
                partition,
                updated_at,
                taken_through,
                holder: held.0,
                waiting: held.1,
                turn: held.2,
                sends: held.3,
            },
        )
        .boxed()
}

pub(crate) fn member() -> BoxedStrategy<Member> {
    let role = prop_oneof![Just(Role::Engine), Just(Role::Worker)];
    let has = (
        btree_map(text(), vec(text(), 0..3), 0..3),
        vec(text(), 0..3),
    );
    (
        role,
        (text(), text(), text(), text()),
        any::<u32>(),
        time(),
        has,
    )
        .prop_map(
            |(role, texts, pid, started_at, (workflows, topics))| Member {
                role,
                id: texts.0,
                queue: texts.1,
                host: texts.2,
                pid,
                build: texts.3,
                started_at,
                workflows,
                topics,
            },
        )
        .boxed()
}

pub(crate) fn topology() -> BoxedStrategy<Topology> {
    (any::<u16>(), any::<u16>())
        .prop_map(|(partitions, serving)| Topology {
            partitions,
            serving,
        })
        .boxed()
}
