//! Arbitrary records of the programming model: children, state, channels, life cycle.

use std::collections::BTreeMap;

use headwater_wire::{
    Code, Command, Entry, Payload, Run, Timestamp,
    ask::{Answer, Heartbeat, Hook, Progress, Query, Stop},
    command::Cancel,
    fork::{Fork, Forked},
    journal::{ActivityOptions, AnswerTo, Carried, ChildSpec, Of, ParentClose, Sending},
    lifecycle::{Delete, Pause, Terminate},
    runs::{EndedRun, Prune},
    send::{Recipient, Sent, SentCommand},
    signal_box::{Await, Unawait},
    value::{Answered, Beat, CustomStatus, OpenUpdate},
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

use super::{
    asker, channel, id, key, name, outcome, partition, payload, result, retention, run, signal,
    start, text, time,
};

pub(crate) fn options() -> BoxedStrategy<ActivityOptions> {
    let ms = || option::of(1..=u64::MAX);
    (ms(), ms(), option::of(name()))
        .prop_map(|(timeout_ms, heartbeat_ms, session)| ActivityOptions {
            timeout_ms,
            heartbeat_ms,
            session,
        })
        .boxed()
}

fn terminate() -> BoxedStrategy<Terminate> {
    (text(), text(), option::of(name().prop_map(Code::new)))
        .prop_map(|(id, reason, code)| Terminate { id, reason, code })
        .boxed()
}

fn hook() -> BoxedStrategy<Hook> {
    (name(), name(), payload(), option::of(asker()))
        .prop_map(|(id, name, input, asker)| Hook {
            id,
            name,
            input,
            asker,
        })
        .boxed()
}

fn waits() -> BoxedStrategy<Await> {
    (id(), name(), partition(), run(), any::<u32>())
        .prop_map(|(invocation, queue, partition, run, step)| Await {
            invocation,
            queue,
            partition,
            run,
            step,
        })
        .boxed()
}

fn unwaits() -> BoxedStrategy<Unawait> {
    (id(), run(), any::<u32>())
        .prop_map(|(invocation, run, step)| Unawait {
            invocation,
            run,
            step,
        })
        .boxed()
}

pub(crate) fn model_command() -> BoxedStrategy<Command> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u64>());
    prop_oneof![
        terminate().prop_map(Command::Terminate),
        (text(), text()).prop_map(|(id, reason)| Command::Pause(Pause { id, reason })),
        (text(), any::<bool>()).prop_map(|(id, force)| Command::Delete(Delete { id, force })),
        (run(), numbers, payload()).prop_map(|(run, (step, attempt, number), details)| {
            Command::Heartbeat(Heartbeat {
                run,
                step,
                attempt,
                number,
                details,
            })
        }),
        hook().prop_map(Command::Hook),
        waits().prop_map(Command::Await),
        unwaits().prop_map(Command::Unawait),
        (text(), any::<u32>(), option::of(1..i64::MAX)).prop_map(|(id, keep_last, before)| {
            Command::Prune(Prune {
                id,
                keep_last,
                ended_before: before.map(Timestamp::from_micros),
            })
        }),
    ]
    .boxed()
}

pub(crate) fn query() -> BoxedStrategy<Query> {
    (text(), id(), text(), partition(), name(), payload(), name())
        .prop_map(
            |(id, invocation, queue, partition, name, data, reply_to)| Query {
                id,
                invocation,
                queue,
                partition,
                name,
                data,
                reply_to,
            },
        )
        .boxed()
}

pub(crate) fn answer() -> BoxedStrategy<Answer> {
    (text(), result())
        .prop_map(|(id, result)| Answer { id, result })
        .boxed()
}

pub(crate) fn stop() -> BoxedStrategy<Stop> {
    (id(), run(), vec(any::<u32>(), 0..3), text())
        .prop_map(|(invocation, run, steps, reason)| Stop {
            invocation,
            run,
            steps,
            reason,
        })
        .boxed()
}

pub(crate) fn progress() -> BoxedStrategy<Progress> {
    (id(), run(), any::<[u32; 2]>(), text(), payload())
        .prop_map(|(invocation, run, numbers, activity, data)| Progress {
            invocation,
            run,
            step: numbers[0],
            attempt: numbers[1],
            activity,
            data,
        })
        .boxed()
}

fn child() -> BoxedStrategy<ChildSpec> {
    let close = prop::sample::select(vec![
        ParentClose::Cancel,
        ParentClose::Terminate,
        ParentClose::Abandon,
    ]);
    let texts = (
        name(),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    let rest = (any::<bool>(), close, option::of(retention()));
    (any::<u32>(), id(), texts, payload(), rest)
        .prop_map(|(step, id, texts, input, rest)| ChildSpec {
            step,
            id,
            workflow: texts.0,
            version: texts.1,
            queue: texts.2,
            key: texts.3,
            input,
            detached: rest.0,
            on_close: rest.1,
            retention: rest.2,
        })
        .boxed()
}

fn sending() -> BoxedStrategy<Sending> {
    prop_oneof![
        (name(), channel(), payload()).prop_map(|(name, channel, data)| Sending::Signal {
            name,
            channel,
            data
        }),
        text().prop_map(|reason| Sending::Cancel { reason }),
        (text(), option::of(text().prop_map(Code::new)))
            .prop_map(|(reason, code)| Sending::Terminate { reason, code }),
        (name(), payload(), any::<bool>()).prop_map(|(name, input, awaited)| Sending::Hook {
            name,
            input,
            awaited
        }),
    ]
    .boxed()
}

fn custom_status() -> BoxedStrategy<CustomStatus> {
    (any::<u64>(), payload())
        .prop_map(|(version, value)| CustomStatus { version, value })
        .boxed()
}

fn pairs() -> BoxedStrategy<BTreeMap<String, Payload>> {
    btree_map(text(), payload(), 0..2).boxed()
}

pub(crate) fn model_entry() -> BoxedStrategy<Entry> {
    let (step, t) = (any::<u32>(), any::<u64>());
    let answer_to = prop_oneof![
        step.prop_map(AnswerTo::Update),
        text().prop_map(AnswerTo::Hook)
    ];
    let of = prop::sample::select(vec![Of::Kv, Of::Search]);
    let map = (
        step,
        name(),
        name(),
        option::of(options()),
        vec(payload(), 0..3),
    );
    prop_oneof![
        map.prop_map(|(step, name, topic, options, inputs)| Entry::Map {
            step,
            name,
            topic,
            options,
            inputs
        }),
        child().prop_map(|child| Entry::Child(Box::new(child))),
        (step, name()).prop_map(|(step, name)| Entry::Named { step, name }),
        (step, id(), option::of(text()), sending()).prop_map(|(step, to, queue, what)| {
            Entry::Send {
                step,
                to,
                queue,
                what,
            }
        }),
        (step, name(), payload()).prop_map(|(step, topic, data)| Entry::Emit { step, topic, data }),
        (answer_to, result()).prop_map(|(to, result)| Entry::Answer { to, result }),
        (of, text(), option::of(payload())).prop_map(|(of, key, value)| Entry::Set {
            of,
            key,
            value
        }),
        option::of(payload()).prop_map(|value| Entry::CustomStatus { value }),
        text().prop_map(|id| Entry::Patch { id }),
        (pairs(), pairs(), option::of(custom_status()))
            .prop_map(|(kv, search, status)| Entry::Carried(Carried { kv, search, status })),
        (t, text(), text(), payload(), option::of(asker())).prop_map(
            |(t, id, name, input, asker)| Entry::Hook {
                t,
                id,
                name,
                input,
                asker
            }
        ),
    ]
    .boxed()
}

pub(crate) fn sent() -> BoxedStrategy<Sent> {
    let to =
        (key(), option::of(text()), option::of(partition())).prop_map(|(key, queue, partition)| {
            Recipient {
                key,
                queue,
                partition,
            }
        });
    let command = prop_oneof![
        start().prop_map(|start| SentCommand::Start(Box::new(start))),
        (id(), start()).prop_map(|(invocation, start)| SentCommand::Submit {
            invocation,
            start: Box::new(start)
        }),
        outcome().prop_map(SentCommand::Outcome),
        signal().prop_map(SentCommand::Signal),
        (text(), text()).prop_map(|(id, reason)| SentCommand::Cancel(Cancel { id, reason })),
        terminate().prop_map(SentCommand::Terminate),
        hook().prop_map(SentCommand::Hook),
        waits().prop_map(SentCommand::Await),
        unwaits().prop_map(SentCommand::Unawait),
    ];
    prop_oneof![
        4 => (to, command).prop_map(|(to, command)| Sent::Command { to, command }),
        1 => (text(), stop()).prop_map(|(topic, stop)| Sent::Stop { topic, stop }),
        1 => (text(), payload()).prop_map(|(topic, data)| Sent::Event { topic, data }),
        1 => (text(), answer()).prop_map(|(inbox, answer)| Sent::Answer { inbox, answer }),
    ]
    .boxed()
}

/// What a value holds beside what every invocation has.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) kv: BTreeMap<String, Payload>,
    pub(crate) custom_status: Option<CustomStatus>,
    pub(crate) result_ttl_ms: Option<u64>,
    pub(crate) replaced: Option<Run>,
    pub(crate) runs: Vec<EndedRun>,
    pub(crate) forked: Option<Forked>,
    pub(crate) updates: BTreeMap<u32, OpenUpdate>,
    pub(crate) answers: Vec<Answered>,
    pub(crate) beats: BTreeMap<u32, Beat>,
    pub(crate) sends: Vec<Sent>,
}

pub(crate) fn fork() -> BoxedStrategy<Fork> {
    (id(), run(), any::<u32>())
        .prop_map(|(invocation, run, step)| Fork {
            invocation,
            run,
            step,
        })
        .boxed()
}

fn forked() -> BoxedStrategy<Forked> {
    (fork(), any::<u64>(), time(), time(), text())
        .prop_map(|(fork, entries, epoch, began_at, seed)| Forked {
            of: fork.invocation,
            run: fork.run,
            step: fork.step,
            entries,
            epoch,
            began_at,
            seed,
        })
        .boxed()
}

fn ended_run() -> BoxedStrategy<EndedRun> {
    let pages = option::of((any::<u32>(), any::<u32>()));
    let times = (time(), time(), any::<u64>());
    (run(), text(), times, pages, option::of(text()))
        .prop_map(|(run, version, times, pages, archive)| EndedRun {
            run,
            version,
            started_at: times.0,
            ended_at: times.1,
            entries: times.2,
            pages,
            archive,
        })
        .boxed()
}

pub(crate) fn model() -> BoxedStrategy<Model> {
    let update =
        (text(), option::of(text())).prop_map(|(id, reply_to)| OpenUpdate { id, reply_to });
    let answered =
        (text(), any::<u64>(), result()).prop_map(|(id, t, result)| Answered { id, t, result });
    let beat =
        (any::<u32>(), any::<u64>(), payload()).prop_map(|(attempt, number, details)| Beat {
            attempt,
            number,
            details,
        });
    let ends = (
        option::of(time()),
        option::of(any::<u64>()),
        option::of(run()),
        vec(ended_run(), 0..2),
        option::of(forked()),
    );
    (
        ends,
        pairs(),
        option::of(custom_status()),
        btree_map(any::<u32>(), update, 0..2),
        vec(answered, 0..2),
        btree_map(any::<u32>(), beat, 0..2),
        vec(sent(), 0..2),
    )
        .prop_map(
            |(ends, kv, custom_status, updates, answers, beats, sends)| Model {
                deleted_at: ends.0,
                kv,
                custom_status,
                result_ttl_ms: ends.1,
                replaced: ends.2,
                runs: ends.3,
                forked: ends.4,
                updates,
                answers,
                beats,
                sends,
            },
        )
        .boxed()
}
