//! A fork: a new invocation that begins with what another had recorded before it decided a step.
//!
//! The program is replayed over the other's entries and goes on by itself behind them. What they
//! left pending is begun anew: an activity is sent to a worker, a timer set. Children, hooks and
//! signals by name cannot be: there the other's own are meant. So a fork begins before the first
//! of them that had no outcome yet.

use headwater_wire::{
    Code, Entry, Failure, Timestamp, Value,
    command::Start,
    fork::{Fork, Forked},
    journal::{Lines, Sending},
    limits,
    turn::EffectTag,
    value::{Cancelled, Difference, JournalPart},
};

use super::{Birth, Invocation, pending::What, replay};

impl Invocation {
    /// A new invocation from a start that forks another: from its value, and the entries of its
    /// last run. It has no program yet: see [`Invocation::attach`].
    ///
    /// # Errors
    /// Why there can be no such fork; the new invocation is to fail with that.
    pub fn fork(
        start: &Start,
        fork: &Fork,
        birth: &Birth,
        source: &Value,
        entries: &[Entry],
    ) -> Result<Self, Failure> {
        if source.run != fork.run {
            return Err(refused(fork, "it has continued as new since"));
        }
        let decides = |entry: &Entry| {
            entry
                .begins()
                .is_some_and(|steps| *steps.end() >= fork.step)
        };
        let Some(mut end) = entries.iter().position(decides) else {
            return Err(refused(fork, "it has not decided that step"));
        };
        // It starts with the state of the other, and with nothing of its own.
        let start = Start {
            search: Default::default(),
            ..start.clone()
        };
        let entries: Vec<Entry> = entries[..end].iter().map(own).collect();
        loop {
            let mut forked = Self::create(start.clone(), birth.clone());
            forked.begin_with(source, fork, &entries[..end])?;
            let Some(open) = forked.first_of_the_other() else {
                forked.begin_pending();
                return Ok(forked);
            };
            let decides = |entry: &Entry| entry.begins().is_some_and(|steps| steps.contains(&open));
            end = entries.iter().position(decides).unwrap_or_default();
        }
    }

    /// The new invocation of a start whose fork cannot be made: it has failed, and never ran.
    pub fn not_forked(
        start: Start,
        fork: &Fork,
        birth: Birth,
        failure: Failure,
        now: Timestamp,
    ) -> Self {
        let mut failed = Self::create(start, birth);
        let value = &mut failed.value;
        value.forked = Some(Forked {
            of: fork.invocation.clone(),
            run: fork.run,
            step: 0,
            entries: 0,
            epoch: value.created_at,
            began_at: value.created_at,
            seed: value.seed(),
        });
        failed.fail(failure, &[], now);
        failed
    }

    fn begin_with(
        &mut self,
        source: &Value,
        fork: &Fork,
        entries: &[Entry],
    ) -> Result<(), Failure> {
        let unreadable = |error: String| refused(fork, &error);
        let mut lines = Lines::default();
        let mut steps = 0;
        for entry in entries {
            lines
                .push(entry)
                .map_err(|error| unreadable(error.to_string()))?;
            steps = entry.begins().map_or(steps, |begun| *begun.end());
        }
        if lines.bytes() > limits::FORK_BYTES_MAX {
            let message = format!(
                "the journal before step {} of {} has {} bytes, over the limit FORK_BYTES_MAX of {}",
                fork.step,
                fork.invocation,
                lines.bytes(),
                limits::FORK_BYTES_MAX
            );
            return Err(Failure::fatal(Code::TOO_LARGE, message));
        }
        self.journal = JournalPart {
            steps,
            entries: lines.count(),
            tail: lines,
            ..JournalPart::default()
        };
        self.value.forked = Some(Forked {
            of: fork.invocation.clone(),
            run: fork.run,
            step: steps + 1,
            entries: self.journal.entries,
            epoch: source.epoch(),
            began_at: source.run_began_at(),
            seed: source.seed(),
        });
        let t = self.t(self.value.created_at);
        self.value
            .signals
            .taken
            .iter_mut()
            .for_each(|signal| signal.t = t);
        self.restore_pending(entries)
            .map_err(|error| unreadable(error.to_string()))?;
        entries.iter().for_each(|entry| self.restore_state(entry));
        Ok(())
    }

    fn restore_state(&mut self, entry: &Entry) {
        match entry {
            Entry::Carried(carried) => {
                self.value.kv.clone_from(&carried.kv);
                self.value.search.clone_from(&carried.search);
                self.value.custom_status.clone_from(&carried.status);
            }
            Entry::Cancel { t, reason, .. } => {
                self.value.cancel = Some(Cancelled {
                    reason: reason.clone(),
                    at: self.at(*t),
                });
            }
            other => self.state_decided(other),
        }
    }

    /// The first step whose outcome would come from somebody who was asked by the other.
    fn first_of_the_other(&self) -> Option<u32> {
        let of_other =
            |what: &What| what.takes_outcomes() && !matches!(what, What::Activity { .. });
        let mut pending = self.pending.iter();
        let first = pending.find(|(_, pending)| of_other(&pending.what));
        first.map(|(step, _)| *step)
    }

    /// What is pending is begun by this invocation.
    fn begin_pending(&mut self) {
        let now = self.value.created_at;
        for (step, pending) in self.pending.clone() {
            match (pending.due(), &pending.what) {
                (Some(due), _) => self.set_wake(step, due, now),
                (None, What::Run { .. }) => {
                    let anchor = self.anchor();
                    self.value
                        .anchors
                        .extend(anchor.map(|anchor| (step, anchor)));
                }
                (None, What::Activity { .. }) => {
                    let task = EffectTag::Task(step, pending.attempt);
                    self.draft.effects.push(task);
                }
                (None, _) => {}
            }
        }
    }
}

/// An entry as the fork has it: whoever waits for a hook of the other is answered by the other.
fn own(entry: &Entry) -> Entry {
    let mut own = entry.clone();
    if let Entry::Hook { asker, .. } = &mut own {
        *asker = None;
    }
    own
}

fn refused(fork: &Fork, why: &str) -> Failure {
    let Fork {
        invocation, step, ..
    } = fork;
    let message = format!("cannot begin before step {step} of {invocation}: {why}");
    Failure::fatal(Code::FAILED, message)
}

/// As [`replay::compare`], of an entry that another invocation has recorded: what names the
/// invocation itself, its id for example, differs in what it gave to others.
pub(super) fn compare(journal: &Entry, program: &Entry) -> Vec<Difference> {
    let mut difference = replay::compare(journal, program);
    difference
        .retain(|one| ["kind", "name", "topic", "channel", "key"].contains(&one.field.as_str()));
    let (was, is) = (shape(journal), shape(program));
    // As many steps, or the outcomes of those behind would be given to others.
    if difference.is_empty() && (journal.begins(), &was) != (program.begins(), &is) {
        difference.push(replay::field(journal, "decision", was, is));
    }
    difference
}

/// What a decision is without what may name the invocation: inputs, and the ids of others.
fn shape(entry: &Entry) -> String {
    match entry {
        Entry::Child(child) => {
            let detached = if child.detached { "detached " } else { "" };
            format!("{detached}child of workflow {:?}", child.workflow)
        }
        Entry::Send { what, .. } => {
            let is_awaited = matches!(what, Sending::Hook { awaited: true, .. });
            let awaited = if is_awaited { "awaited " } else { "" };
            format!("{awaited}{}", replay::sending(what))
        }
        Entry::Map { .. } | Entry::Drop { .. } | Entry::Answer { .. } | Entry::Set { .. } => {
            replay::describe(entry)
        }
        other => other.kind().to_owned(),
    }
}
