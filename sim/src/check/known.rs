//! What the checkers know: every value that was stored, read with the wire crate alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use headwater_wire::{
    Command, Key, Payload, Run, Value, key_queue::KeyQueueValue, names::TimerId, value::JournalPart,
};

use super::{boxes::SeenBox, steps::Execution};

/// Everything that was stored so far.
pub struct Known {
    /// Least time that an ended value has to live.
    pub(super) retention: Duration,
    /// By key.
    pub(super) invocations: BTreeMap<String, Seen>,
    /// By key.
    pub(super) queues: BTreeMap<String, KeyQueueValue>,
    /// By key.
    pub(super) boxes: BTreeMap<String, SeenBox>,
    /// By key in the JOURNAL bucket.
    pub(super) pages: BTreeMap<String, Bytes>,
    /// By sequence: to whom, and what.
    pub(super) commands: BTreeMap<u64, (Key, Command)>,
    /// Sequences of commands that went to DEAD_LETTERS.
    pub(super) dead: BTreeSet<u64>,
    /// Subjects on which somebody was told something.
    pub(super) hinted: BTreeSet<String>,
    /// Tickets released, by key of the queue and number.
    pub(super) released: BTreeSet<(String, u64)>,
    /// Steps that ran, by idempotency key and attempt.
    pub(super) ran: BTreeMap<(String, u32), Execution>,
    /// Steps that ran again.
    pub(super) repeats: Vec<Repeat>,
    /// When two engines were found to be at a key, by key.
    pub(super) contended: BTreeMap<String, Vec<Duration>>,
    /// Starts of children and outcomes for parents that were ever published: by the key, run and
    /// step of the parent.
    pub(super) asked: BTreeSet<(String, Run, u32)>,
    pub(super) told: BTreeSet<(String, Run, u32)>,
    /// Hooks that were ever asked for, by the id of the request.
    pub(super) hooks: BTreeSet<String>,
    /// Awaits of signal boxes that were ever published, and those that were withdrawn.
    pub(super) boxed: BTreeSet<(Run, u32, bool)>,
    /// Ticket that was let run last, by key of the queue.
    pub(super) last_let_run: BTreeMap<String, u64>,
}

/// A step that ran again with the same attempt.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// Invocation.
    pub key: String,
    /// Idempotency key and attempt, for people.
    pub what: String,
    /// When it ran first.
    pub first: Duration,
    /// When it ran again.
    pub again: Duration,
}

/// An invocation as it was stored.
pub(super) struct Seen {
    pub(super) value: Value,
    pub(super) journal: JournalPart,
    /// Steps that the run has decided.
    pub(super) decided: u32,
    /// Steps without an outcome.
    pub(super) open: BTreeMap<u32, Open>,
    /// For each step of each run, the highest attempt that may have begun.
    pub(super) begun: BTreeMap<(Run, u32), u32>,
    /// Inputs of activities.
    pub(super) inputs: BTreeMap<(Run, u32), Payload>,
    /// Children that were ever decided.
    pub(super) children: BTreeSet<(Run, u32)>,
    /// Timers that were ever set.
    pub(super) timers: BTreeSet<(Run, u32, u32)>,
    /// Starts that were ever taken.
    pub(super) starts: BTreeSet<u64>,
    /// Ids of signals that were ever taken, and those that the program was given.
    pub(super) taken: BTreeSet<String>,
    pub(super) received: BTreeSet<String>,
    /// Signals that came by their name alone.
    pub(super) named: usize,
    /// Steps that waited for one when their run continued as new: whether it came, the turn that
    /// ended the run does not say, but who gets none says so to the box.
    pub(super) named_at_end: Vec<(Run, u32)>,
    /// Effects that have happened, as [`Seen::effect_done`] names them.
    pub(super) done: BTreeSet<String>,
    /// Somebody asked it to end.
    pub(super) cancelled: bool,
}

/// A step without an outcome.
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) attempt: u32,
    /// Between two attempts.
    pub(super) waits: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A local step, an activity, or one of a map.
    Work,
    Timer,
    Signal,
    Named,
    Child,
    Hook,
}

impl Kind {
    /// Whether its outcome comes as a command, or from the engine's own process.
    pub(super) fn takes_outcomes(self) -> bool {
        matches!(self, Self::Work | Self::Named | Self::Child | Self::Hook)
    }
}

impl Known {
    pub(super) fn new(retention: Duration) -> Self {
        Self {
            retention,
            invocations: BTreeMap::new(),
            queues: BTreeMap::new(),
            boxes: BTreeMap::new(),
            pages: BTreeMap::new(),
            commands: BTreeMap::new(),
            dead: BTreeSet::new(),
            hinted: BTreeSet::new(),
            released: BTreeSet::new(),
            ran: BTreeMap::new(),
            repeats: Vec::new(),
            contended: BTreeMap::new(),
            asked: BTreeSet::new(),
            hooks: BTreeSet::new(),
            told: BTreeSet::new(),
            boxed: BTreeSet::new(),
            last_let_run: BTreeMap::new(),
        }
    }

    /// Every invocation that was ever stored, by key, as it was stored last.
    pub fn values(&self) -> impl Iterator<Item = (&String, &Value)> {
        let seen = self.invocations.iter();
        seen.map(|(key, seen)| (key, &seen.value))
    }

    /// An invocation as it was stored last.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.invocations.get(key).map(|seen| &seen.value)
    }

    /// Steps that ran again with the same attempt.
    #[must_use]
    pub fn repeats(&self) -> &[Repeat] {
        &self.repeats
    }

    /// Two engines are at a key: one has lost a swap, or written after the other.
    pub(super) fn contended(&mut self, key: &str, at: Duration) {
        self.contended.entry(key.to_owned()).or_default().push(at);
    }

    /// The engine that has written the value of an invocation.
    pub(super) fn writer(&self, key: &str) -> Option<String> {
        let (engine, _) = self.invocations.get(key)?.value.turn.id.rsplit_once('-')?;
        Some(engine.to_owned())
    }

    /// Whether two engines were at a key between these times.
    #[must_use]
    pub fn was_contended(&self, key: &str, from: Duration, to: Duration) -> bool {
        let contended = self.contended.get(key).into_iter().flatten();
        contended.into_iter().any(|at| (from..=to).contains(at))
    }

    /// The key that a command was sent to.
    #[must_use]
    pub fn key_of_command(&self, seq: u64) -> Option<String> {
        self.commands.get(&seq).map(|(key, _)| key.to_string())
    }

    /// Commands that were dead-lettered.
    #[must_use]
    pub fn dead(&self) -> usize {
        self.dead.len()
    }

    /// The one result that a step of the simulation has, whoever runs it and however often.
    #[must_use]
    pub fn answer(idempotency_key: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(idempotency_key.as_bytes()) % 1_000_000
    }
}

impl Seen {
    /// Note that an effect has happened.
    pub(super) fn effect_done(&mut self, name: String) {
        self.done.insert(name);
    }

    pub(super) fn has_timer(&self, timer: TimerId) -> bool {
        let TimerId { run, step, attempt } = timer;
        self.timers.contains(&(run, step, attempt))
    }
}
