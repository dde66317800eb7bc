//! Continue-as-new: one turn ends a run and begins the next.
//!
//! The invocation stays what it is, with its id, who asked for it, its place among those of its
//! partition key, and its signals. Journal, steps and input are the new run's. The new program
//! starts at once, so that one write holds the end of the one and the first decisions of the
//! other; both rest on the roots of the turn. Only in another version of the workflow it begins
//! with the next turn, in an engine that has it.

use headwater_wire::{
    Code, Entry, Failure, Timestamp,
    names::TimerId,
    turn::EffectTag,
    value::{Deferred, JournalPart},
};

use super::{Attached, Invocation, Mismatch, inputs::cancelled, let_go::Why};
use crate::{
    mutant::{Mutant, is_broken},
    program::{End, NextRun, NextVersion},
};

impl Invocation {
    /// The latest version of its workflow that this engine has, if that is another: a run that
    /// continues goes on in it, unless the program says otherwise.
    pub fn offer_version(&mut self, latest: Option<String>) {
        self.latest = latest;
    }

    pub(super) fn continue_as_new(&mut self, next: NextRun, now: Timestamp) {
        if let Some(cancel) = &self.value.cancel {
            // This run was told; another would not be, and could not be cancelled any more.
            let failure = cancelled(&cancel.reason);
            return self.finish(Err(failure), now);
        }
        if self.draft.continued_from.is_some() {
            // Every run is stored: the next turn goes on.
            self.draft.end = Some(End::ContinueAsNew(next));
            return;
        }
        self.end_run(now);
        self.value.run.continued += 1;
        self.value.input = next.input;
        self.start_run(next.version, now);
    }

    /// Nothing of the run is wanted any more. Its late outcomes and timers are known by their
    /// run; what has no run in it goes with it.
    fn end_run(&mut self, now: Timestamp) {
        let run = self.value.run;
        self.let_go_all(Why::Continued, &[]);
        self.abandon_hooks("goes on as new");
        self.draft.effects.retain(|effect| !effect.is_of_step());
        for effect in &mut self.draft.effects {
            if let EffectTag::Unschedule(step, attempt) = *effect {
                *effect = EffectTag::UnscheduleOf(TimerId { run, step, attempt });
            }
        }
        if is_broken(Mutant::ForgetSignals) {
            self.value.signals.taken.clear();
        }
        self.drop_events();
        self.close_updates_of_run(now);
        self.value
            .deferred
            .retain(|deferred| matches!(deferred, Deferred::Cancel { .. } | Deferred::Hook { .. }));
        // Another turn on the same stored value would write this page: its number is used.
        self.draft.page = self.turn_page();
        self.list_run(now);
        self.expire_run_pages();
        self.journal = JournalPart {
            pages: self.journal.pages,
            first_page: self.journal.pages + 1,
            ..JournalPart::default()
        };
        self.patches.clear();
        self.draft.continued_from = Some(run);
    }

    fn start_run(&mut self, version: NextVersion, now: Timestamp) {
        let start = self.at(self.t(now));
        self.value.run_started_at = Some(start);
        self.carry_state();
        if let Some(other) = self.other_version(version) {
            self.value.version = other;
            if let Some(mut ended) = self.program.take() {
                self.logs.extend(ended.get().take_logs());
            }
        }
        let info = self.program_info();
        let Some(ended) = self.program.as_mut().map(Attached::get) else {
            self.unfinished = true; // whoever has the program starts it
            return;
        };
        self.logs.extend(ended.take_logs());
        let mut program = ended.again(info);
        let progress = program.start(start);
        self.program = Some(Attached::new(program));
        if let Some(End::ContinueAsNew(_)) = progress.end {
            return self.park_unfinished(spins(), now);
        }
        self.absorb(progress, now);
    }

    /// The version of the next run, if it is not that of the one before.
    fn other_version(&self, version: NextVersion) -> Option<String> {
        let chosen = match version {
            NextVersion::Latest => self.latest.clone(),
            NextVersion::Same => None,
            NextVersion::Exact(version) => Some(version),
        };
        chosen.filter(|version| *version != self.value.version)
    }

    /// A run that has begun in another version than the one before must not continue at once
    /// either.
    pub(super) fn expect_no_spin(
        &self,
        end: Option<&End>,
        entries: &[Entry],
    ) -> Result<(), Mismatch> {
        let given = |entry: &Entry| !entry.is_decision() && !matches!(entry, Entry::Carried(_));
        let continues = matches!(end, Some(End::ContinueAsNew(_))) && self.value.run.continued > 0;
        match continues && self.value.parked.is_none() && !entries.iter().any(given) {
            true => Err(Mismatch {
                reason: spins(),
                difference: Vec::new(),
            }),
            false => Ok(()),
        }
    }
}

fn spins() -> Failure {
    Failure::fatal(
        Code::FAILED,
        "a run that continued another has continued as new itself without awaiting anything, \
         which would go on for ever; await a step, a sleep or a signal before",
    )
}
