//! An invocation: its value, its journal, what is pending, and the program that decides.
//!
//! Two layers. What is pending follows from the journal alone; the program is replayed beside
//! it and has to decide the same. So an engine can settle an invocation whose program it
//! cannot run.

mod beats;
mod channels;
mod check;
mod children;
mod continue_as_new;
mod decisions;
mod effects;
mod fork;
mod hooks;
mod inputs;
mod let_go;
mod lifecycle;
mod machine;
mod named;
mod pending;
mod query;
mod replay;
mod runs;
mod sends;
mod state;
mod stops;
mod turn;
mod updates;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use headwater_wire::{
    InvocationId, Partition, Run, Status, Timestamp, Value,
    command::{Asker, Retention, Start},
    journal::{Carried, JournalError, Lines},
    limits,
    names::TimerId,
    send::Sent,
    turn::{EffectTag, LastTurn, Root},
    value::{Encoder, JournalPart, Parked, Signals, TakenSignal, Value as StoredValue, ValueError},
};

use self::{lifecycle::paused, pending::Pending};
use crate::{
    mutant::{Mutant, is_broken},
    program::{Decision, End, LocalOutcome, LogLine, Program, ProgramInfo},
};

pub use check::{CheckError, Checked};
pub use hooks::answer_of_nobody;
pub use replay::Mismatch;

/// An invocation in an engine's memory.
pub struct Invocation {
    value: Value,
    journal: JournalPart,
    encoder: Encoder,
    revision: u64,
    /// What has neither ended nor been dropped, by step.
    pending: BTreeMap<u32, Pending>,
    /// What the run began with, and the patches that its journal says it has.
    carried: Carried,
    patches: BTreeSet<String>,
    /// Hooks that run and whom they answer.
    hooks: BTreeMap<String, Asker>,
    /// What clients can wait for has changed.
    shows_more: bool,
    /// The latest version of its workflow that this engine has, if it is another.
    latest: Option<String>,
    program: Option<Attached>,
    draft: Draft,
    /// The program may have decided more than the journal holds: it was never run to the end of
    /// it, or it was stopped there. Then a replay may go on where the journal ends.
    unfinished: bool,
    default_retention: Duration,
    ended_by_last_turn: bool,
    continued_by_last_turn: bool,
    logs: Vec<LogLine>,
}

/// A program in use. User futures can be sent but not shared between threads; behind a mutex
/// that is only ever reached exclusively, the invocation as a whole can be.
struct Attached(std::sync::Mutex<Box<dyn Program>>);

impl Attached {
    fn new(program: Box<dyn Program>) -> Self {
        Self(std::sync::Mutex::new(program))
    }

    fn get(&mut self) -> &mut dyn Program {
        self.0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .as_mut()
    }
}

/// The turn that is being made.
#[derive(Default)]
struct Draft {
    /// Something has to be stored.
    dirty: bool,
    /// Entries of this turn.
    lines: Lines,
    roots: Vec<Root>,
    effects: Vec<EffectTag>,
    /// Messages to others, with the step that sends each if it can still be dropped, and their
    /// size. The value holds those of the turn before until this one is made.
    sends: Vec<(Option<u32>, Sent)>,
    sent_bytes: usize,
    /// Size of what lets go of something elsewhere, about.
    closing_bytes: usize,
    /// Decided by the program, not yet in the journal.
    undecided: VecDeque<Decision>,
    end: Option<End>,
    /// The invocation ends with this turn.
    ended: bool,
    /// The run that this turn ends, if another follows: that of the stored value.
    continued_from: Option<Run>,
    /// The page of that run that this turn writes.
    page: Option<(u32, String)>,
    /// The other entries of that run, as a page has them.
    archive: Option<String>,
    /// Parts of the journal of earlier runs that are let go.
    forgotten: Vec<String>,
    /// Encoding an entry failed: a bug, told when the turn is prepared.
    broken: Option<String>,
}

/// A value or journal that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A page or the tail.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal contradicts itself.
    #[error("the journal contradicts itself at entry {entry}: {reason}")]
    Inconsistent {
        /// Entry, from 1.
        entry: usize,
        /// How.
        reason: String,
    },
}

/// Which timers an engine may fire.
pub struct TimerRights<'a> {
    /// Long ones, whose schedule comes here as well. (Elsewhere it would be acted on there too.)
    pub scheduled: bool,
    /// Short ones, whose anchor is in hand.
    pub in_hand: &'a dyn Fn(&Root) -> bool,
}

/// Where and when an invocation is created.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Id.
    pub id: InvocationId,
    /// Task queue that its start came on.
    pub queue: String,
    /// Partition that its start came on.
    pub partition: Partition,
    /// Sequence of the start in COMMANDS.
    pub seq: u64,
    /// When the start was stored.
    pub at: Timestamp,
    /// Version of the workflow that will run it.
    pub version: String,
    /// Retention unless the start says otherwise.
    pub default_retention: Duration,
}

impl Invocation {
    /// A new invocation from its start. It has no program yet: see [`Invocation::attach`].
    #[must_use]
    pub fn create(start: Start, birth: Birth) -> Self {
        let Birth {
            id,
            queue,
            partition,
            seq,
            at,
            version,
            default_retention,
        } = birth;
        let queued = start.ticket.is_some() && !start.granted;
        let paused = start.paused.then(|| {
            let Mismatch { reason, difference } = paused("it was started paused".to_owned());
            Parked {
                reason,
                at,
                difference,
            }
        });
        let mut signals = Signals::default();
        if let Some(signal) = start.signal {
            signals.taken.push(TakenSignal {
                id: signal.id.clone(),
                seq,
                t: 0,
            });
            signals.waiting.push((*signal).into());
        }
        let value = Value {
            format: limits::VALUE_FORMAT,
            id,
            workflow: start.workflow,
            version,
            status: if queued {
                Status::Queued
            } else {
                Status::Running
            },
            why: String::new(),
            waits: Vec::new(),
            pending: 0,
            partition_key: start.ticket.as_ref().map(|ticket| ticket.key.clone()),
            queue,
            partition,
            created_at: at,
            updated_at: at,
            ended_at: None,
            deleted_at: None,
            input: start.input,
            output: None,
            error: None,
            search: start.search,
            kv: BTreeMap::new(),
            custom_status: None,
            run: Run {
                start: seq,
                continued: 0,
            },
            run_started_at: None,
            asker: start.asker,
            ticket: start.ticket,
            reply_to: start.reply_to,
            retention: start.retention,
            result_ttl_ms: start.result_ttl_ms,
            replaced: None,
            runs: Vec::new(),
            forked: None,
            signals,
            updates: BTreeMap::new(),
            answers: Vec::new(),
            cancel: None,
            parked: paused,
            deferred: Vec::new(),
            suspected_crashes: 0,
            anchors: BTreeMap::new(),
            beats: BTreeMap::new(),
            turn: LastTurn::default(),
            sends: Vec::new(),
        };
        let draft = Draft {
            dirty: true,
            roots: vec![Root::Command(seq)],
            ..Draft::default()
        };
        let mut invocation = Self {
            value,
            journal: JournalPart::default(),
            encoder: Encoder::default(),
            revision: 0,
            pending: BTreeMap::new(),
            carried: Carried::default(),
            patches: BTreeSet::new(),
            hooks: BTreeMap::new(),
            shows_more: false,
            latest: None,
            program: None,
            draft,
            unfinished: true,
            default_retention,
            ended_by_last_turn: false,
            continued_by_last_turn: false,
            logs: Vec::new(),
        };
        invocation.carry_state();
        invocation
    }

    /// The state.
    #[must_use]
    pub fn value(&self) -> &StoredValue {
        &self.value
    }

    /// Entries of its run's journal, pages included.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.journal.entries
    }

    /// Pages of its journal: what [`Invocation::attach`] has to be given.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.journal.run_pages().count()
    }

    /// Whether this page of the JOURNAL bucket is of its run.
    #[must_use]
    pub fn has_page(&self, number: u32) -> bool {
        self.journal.run_pages().contains(&number)
    }

    /// What a program of this invocation may know.
    #[must_use]
    pub fn program_info(&self) -> Arc<ProgramInfo> {
        Arc::new(ProgramInfo {
            id: self.value.id.clone(),
            run: self.value.run,
            workflow: self.value.workflow.clone(),
            version: self.value.version.clone(),
            partition_key: self.value.partition_key.clone(),
            input: self.value.input.clone(),
            parent: match &self.value.asker {
                Asker::Parent { invocation, .. } => Some(invocation.clone()),
                Asker::Request(_) => None,
            },
            carried: self.carried.clone(),
            patches: self.patches.clone(),
            seed: self.value.seed(),
        })
    }

    /// Whether it can act on commands: it has a program and is not parked or ended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.program.is_some() && self.value.parked.is_none()
    }

    /// Whether a program is needed to act on a command.
    #[must_use]
    pub fn needs_program(&self) -> bool {
        !self.value.status.is_ended() && self.program.is_none()
    }

    /// Whether the last turn made here ended it: who waits for that is to be told.
    #[must_use]
    pub fn ended_by_last_turn(&self) -> bool {
        self.ended_by_last_turn
    }

    /// Whether the last turn made here ended a run that another follows.
    #[must_use]
    pub fn continued_by_last_turn(&self) -> bool {
        self.continued_by_last_turn
    }

    /// Whether it was ever stored.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.revision != 0
    }

    /// Whether local steps run in this process.
    #[must_use]
    pub fn has_running_steps(&self) -> bool {
        self.pending.values().any(|pending| pending.running)
    }

    /// Whether the program has decided more than the last turn could hold, or something that was
    /// deferred is still to be acted on.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.value.status != Status::Queued
            && (self.has_undecided()
                || (self.is_live() && !self.value.deferred.is_empty())
                || self.matching_signal().is_some())
    }

    fn has_undecided(&self) -> bool {
        !self.draft.undecided.is_empty() || self.draft.end.is_some()
    }

    /// Whether it has to be replayed to go on by itself, without a further command.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        self.needs_program()
            && self.is_stored()
            && self.value.parked.is_none()
            && self.value.status != Status::Queued
            && (self.value.turn.partial || !self.value.deferred.is_empty())
    }

    /// Whether the draft of a new invocation can wait for its first local step: nothing but
    /// local steps follows from the start, and all they rest on is the stored start.
    #[must_use]
    pub fn may_run_before_first_value(&self) -> bool {
        self.revision == 0
            && self.value.turn.number == 0
            // The clock of a later run is not that of the start.
            && self.value.run.continued == 0
            && self.is_live()
            && !self.has_more()
            && self.draft.effects.is_empty()
            && self.draft.sends.is_empty()
            && !self.pending.is_empty()
            && self.journal.steps as usize == self.pending.len()
            && self.pending.values().all(Pending::is_local)
    }

    /// Let the local steps run whose anchor is in hand and that do not run yet.
    pub fn release_locals(&mut self, in_hand: &dyn Fn(&Root) -> bool) {
        if !self.is_live() {
            return;
        }
        let Some(program) = self.program.as_mut().map(Attached::get) else {
            return;
        };
        for (step, pending) in &mut self.pending {
            let anchored = self.value.anchors.get(step).is_some_and(in_hand);
            if anchored && let Some(attempt) = pending.release() {
                program.release_local(*step, attempt);
            }
        }
    }

    /// Drive the local steps that run; ready with the outcome of one.
    pub fn poll_local(&mut self, cx: &mut TaskContext<'_>) -> Poll<LocalOutcome> {
        match &mut self.program {
            Some(program) => program.get().poll_local(cx),
            None => Poll::Pending,
        }
    }

    /// When the next timer is due that this engine may fire: by [`TimerRights`].
    #[must_use]
    pub fn next_due(&self, rights: &TimerRights<'_>) -> Option<Timestamp> {
        if !self.is_live() {
            return None;
        }
        self.pending
            .iter()
            .filter(|(step, pending)| self.may_fire(**step, pending, rights))
            .filter_map(|(_, pending)| pending.due())
            .min()
    }

    /// When it goes on by itself, if it waits for nothing but scheduled timers.
    #[must_use]
    pub fn sleeps_until(&self) -> Option<Timestamp> {
        let scheduled = |pending: &Pending| Some(pending.wake.filter(|wake| wake.scheduled)?.due);
        let due: Option<Vec<Timestamp>> = self.pending.values().map(scheduled).collect();
        due?.into_iter().min()
    }

    fn may_fire(&self, step: u32, pending: &Pending, rights: &TimerRights<'_>) -> bool {
        match pending.wake {
            None => false,
            Some(wake) if wake.scheduled => rights.scheduled,
            Some(_) => self.value.anchors.get(&step).is_some_and(rights.in_hand),
        }
    }

    fn timer_id(&self, step: u32, attempt: u32) -> TimerId {
        TimerId {
            run: self.value.run,
            step,
            attempt,
        }
    }

    fn retention(&self) -> Retention {
        if is_broken(Mutant::ShortRetention) {
            return Retention::Seconds(2);
        }
        let default = Retention::Seconds(self.default_retention.as_secs());
        // Nothing is kept for good that was deleted.
        let own = self
            .value
            .retention
            .filter(|own| *own != Retention::Forever || self.value.deleted_at.is_none());
        match own.unwrap_or(default) {
            Retention::Forever => Retention::Forever,
            Retention::Seconds(seconds) => {
                Retention::Seconds(seconds.max(limits::RETENTION_MIN.as_secs()))
            }
        }
    }
}
