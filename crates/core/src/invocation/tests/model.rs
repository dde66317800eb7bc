//! Decisions of the programming model that no future of the context makes yet, by a program that
//! decides what it is told to.

use std::task::Poll;

use headwater_wire::{
    InvocationId,
    command::Channel,
    journal::{ActivityOptions, ChildSpec, Of, ParentClose, Sending},
    send::{Recipient, Sent, SentCommand},
    signal_box::Unawait,
};

use super::*;
use crate::program::{Progress, Workflow};

/// Decides the first of these at its start, and one more group with each outcome.
#[derive(Clone)]
struct Scripted(Vec<Vec<Decision>>, usize);

impl Workflow for Scripted {
    fn instantiate(&self, _: Arc<ProgramInfo>) -> Box<dyn Program> {
        Box::new(self.clone())
    }
}

impl Scripted {
    fn next(&mut self) -> Progress {
        self.1 += 1;
        Progress {
            decisions: self.0.get(self.1 - 1).cloned().unwrap_or_default(),
            ..Progress::default()
        }
    }
}

impl Program for Scripted {
    fn again(&self, _: Arc<ProgramInfo>) -> Box<dyn Program> {
        Box::new(Self(self.0.clone(), 0))
    }
    fn start(&mut self, _: Timestamp) -> Progress {
        self.next()
    }
    fn deliver(&mut self, _: u32, _: Result<Payload, Failure>, _: Timestamp) -> Progress {
        self.next()
    }
    fn cancel(&mut self, _: Failure, _: Timestamp) -> Progress {
        Progress::default()
    }
    fn set_replaying(&mut self, _: bool) {}
    fn take_logs(&mut self) -> Vec<LogLine> {
        Vec::new()
    }
    fn release_local(&mut self, _: u32, _: u32) {}
    fn poll_local(&mut self, _: &mut TaskContext<'_>) -> Poll<LocalOutcome> {
        Poll::Pending
    }
}

fn begin(groups: Vec<Vec<Decision>>) -> Driver {
    Driver::begin(Arc::new(Scripted(groups, 0)), "null")
}

fn map(step: u32, count: u32) -> Decision {
    Decision::Map {
        step,
        name: "square".into(),
        topic: "math".into(),
        inputs: (0..count).map(|n| Payload::encode(&n).unwrap()).collect(),
        options: Some(ActivityOptions {
            timeout_ms: Some(1_000),
            heartbeat_ms: None,
            session: None,
        }),
        retry: Retry::fixed(Duration::from_secs(1)).max_attempts(2),
    }
}

fn child(step: u32, detached: bool) -> ChildSpec {
    ChildSpec {
        step,
        id: InvocationId::new(format!("child-{step}")).unwrap(),
        workflow: "other".into(),
        version: None,
        queue: None,
        key: None,
        input: Payload::null(),
        detached,
        on_close: ParentClose::Cancel,
        retention: None,
    }
}

fn set(key: &str, value: u32) -> Decision {
    Decision::Note(Entry::Set {
        of: Of::Kv,
        key: key.into(),
        value: Some(Payload::encode(&value).unwrap()),
    })
}

#[test]
fn a_map_is_one_entry_and_a_step_for_each_input() {
    let dropped = Decision::Drop {
        step: 2,
        through: Some(3),
    };
    let mut driver = begin(vec![vec![map(1, 3)], vec![dropped]]);
    assert_eq!(driver.entries().len(), 1);
    assert_eq!(driver.invocation.value.pending, 3);
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Tasks(1, 3)]
    );
    let tasks: Vec<_> = driver.invocation.effects();
    let inputs: Vec<_> = tasks
        .iter()
        .map(|effect| match effect {
            Effect::Task { task, .. } => {
                assert_eq!(task.options.timeout(), Some(Duration::from_secs(1)));
                (task.step, task.input.decode::<u32>().unwrap())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(inputs, [(1, 0), (2, 1), (3, 2)]);
    driver.outcome(1, 1, Ok("0"));
    assert!(
        driver.invocation.pending.is_empty(),
        "the others are dropped"
    );
}

#[test]
fn each_step_of_a_map_has_the_retries_of_the_map() {
    let mut driver = begin(vec![vec![map(1, 2)]]);
    let failed = |attempt| {
        Command::Outcome(Outcome {
            run: Run {
                start: START,
                continued: 0,
            },
            step: 2,
            attempt,
            result: Err(Failure::new(Code::FAILED, "no")),
            worker: String::new(),
        })
    };
    driver.give(failed(1));
    assert!(driver.invocation.pending[&2].wake.is_some());
    driver.pass(Duration::from_secs(1));
    driver.give(failed(2));
    assert!(!driver.invocation.pending.contains_key(&2), "gave up");
    assert!(driver.invocation.pending.contains_key(&1));
}

#[test]
fn children_named_signals_and_hooks_end_with_an_outcome_of_their_step() {
    let named = Decision::Named {
        step: 2,
        name: "paid".into(),
    };
    let hook = Decision::Hook {
        step: 3,
        to: InvocationId::new("other").unwrap(),
        queue: None,
        name: "count".into(),
        input: Payload::null(),
    };
    let awaited = Decision::Child(Box::new(child(1, false)));
    let mut driver = begin(vec![vec![awaited, named, hook]]);
    let waits = driver.invocation.value.waits.clone();
    let kinds: Vec<_> = waits
        .iter()
        .map(|w| (w.kind.as_str(), w.name.as_str()))
        .collect();
    let expected = [("child", "child-1"), ("named", "paid"), ("hook", "count")];
    assert_eq!(kinds, expected);
    assert_eq!(driver.status(), Status::Waiting);
    assert!(
        driver
            .invocation
            .value
            .why
            .contains("waits for child child-1")
    );
    for step in 1..=3 {
        driver.outcome(step, 1, Ok("null"));
    }
    assert!(driver.invocation.pending.is_empty());
}

#[test]
fn notes_are_numbered_or_not_await_nothing_and_are_compared_on_replay() {
    let signal = Decision::Signal {
        step: 3,
        name: "go".into(),
        channel: Channel::Signal,
    };
    let send = Decision::Note(Entry::Send {
        step: 1,
        to: InvocationId::new("other").unwrap(),
        queue: None,
        what: Sending::Cancel { reason: "r".into() },
    });
    let detached = Decision::Note(Entry::Child(Box::new(child(2, true))));
    let patch = Decision::Note(Entry::Patch { id: "p".into() });
    let all = |value: u32| {
        vec![vec![
            send.clone(),
            patch.clone(),
            detached.clone(),
            set("k", value),
            signal.clone(),
        ]]
    };
    let driver = begin(all(1));
    assert_eq!(driver.entries().len(), 5);
    assert_eq!(driver.invocation.value.pending, 1);
    let patches = &driver.load().program_info().patches;
    assert!(patches.contains("p"), "a replay knows the patch");

    let attach = |groups: Vec<Vec<Decision>>| {
        let mut loaded = driver.load();
        let program = Box::new(Scripted(groups, 0));
        loaded.attach(program, driver.run_pages(), driver.now)
    };
    let other = attach(all(2)).unwrap_err();
    let difference = &other.difference[0];
    assert_eq!(
        (
            difference.field.as_str(),
            difference.journal.as_str(),
            difference.program.as_str()
        ),
        ("value", "1", "2")
    );
    let mut unpatched = all(1);
    unpatched[0].remove(1);
    attach(unpatched).expect("a patch that is no longer asked for is no difference");
}

#[test]
fn channels_have_names_of_their_own() {
    let wait = |step, channel| Decision::Signal {
        step,
        name: "n".into(),
        channel,
    };
    let both = vec![wait(1, Channel::Queue), wait(2, Channel::Signal)];
    let mut driver = begin(vec![both]);
    driver.signal("s1", "n", "1");
    let waits = &driver.invocation.value.waits;
    let left: Vec<_> = waits.iter().map(|w| (w.step, w.kind.as_str())).collect();
    assert_eq!(left, [(1, "queue")], "the signal went to the signal's wait");
}

#[test]
fn what_a_turn_sends_stands_in_its_value_and_only_there() {
    let signal = |step| Decision::Signal {
        step,
        name: "go".into(),
        channel: Channel::Signal,
    };
    let mut driver = begin(vec![vec![signal(1)], vec![signal(2)]]);
    let sent = |step| Sent::Command {
        to: Recipient {
            key: headwater_wire::Key::of_signal_box("default", "n").unwrap(),
            queue: None,
            partition: None,
        },
        command: SentCommand::Unawait(Unawait {
            invocation: InvocationId::new("inv").unwrap(),
            run: Run::default(),
            step,
        }),
    };
    driver.invocation.send(Some(7), sent(7), 1);
    driver.invocation.send(None, sent(8), 1);
    assert!(driver.invocation.effects().is_empty(), "of the turn before");
    assert!(driver.invocation.unsend(7));
    assert!(!driver.invocation.unsend(8));
    driver.store();
    assert_eq!(driver.invocation.value.turn.effects, [EffectTag::Send(0)]);
    let again = driver.load();
    assert_eq!(again.effects(), [Effect::Send(Box::new(sent(8)))]);
    driver.signal("s", "go", "null");
    assert!(driver.invocation.value.sends.is_empty());
    assert!(driver.invocation.effects().is_empty());
}
