//! The life of an invocation as people rule it: terminate, pause and resume, delete, and another
//! start for an id that is free again.

use headwater_wire::{
    Code, Command, Failure, Payload, Status, Timestamp,
    command::{Asker, Retention, Start},
    journal::Lines,
    lifecycle::{Delete, Pause, Terminate},
    limits,
    turn::EffectTag,
    value::{Encoder, JournalPart, TakenSignal},
};

use super::{Invocation, replay::Mismatch};
use crate::{
    machine::Placement,
    mutant::{Mutant, is_broken},
};

impl Invocation {
    pub(super) fn place_lifecycle(&self, command: &Command) -> Placement {
        match command {
            Command::Delete(delete) => self.place_delete(delete),
            Command::Prune(prune) => self.place_prune(prune),
            _ if self.value.status.is_ended() => Placement::Drop("the invocation has ended"),
            Command::Pause(pause) => self.place_pause(pause),
            // At once: what the program has still to decide is of no interest.
            _ => Placement::Take,
        }
    }

    pub(super) fn take_lifecycle(&mut self, command: Command, seq: u64, now: Timestamp) {
        match command {
            Command::Terminate(terminate) => self.take_terminate(&terminate, now),
            Command::Pause(pause) => self.take_pause(pause, seq, now),
            Command::Delete(_) => self.take_delete(now),
            Command::Prune(prune) => self.take_prune(&prune),
            _ => {}
        }
    }

    fn place_pause(&self, pause: &Pause) -> Placement {
        match &self.value.parked {
            _ if self.has_taken(&pause.id) => Placement::Taken,
            None => Placement::Take,
            Some(_) => Placement::Drop("the invocation is paused or parked already"),
        }
    }

    fn place_delete(&self, delete: &Delete) -> Placement {
        let ended = self.value.status.is_ended();
        match self.value.deleted_at {
            Some(_) => Placement::Drop("the invocation was deleted before"),
            // What ended it is stored first: others are told of it by what is deleted here.
            None if self.draft.dirty => Placement::Wait,
            None if ended || delete.force => Placement::Take,
            None => Placement::Drop("the invocation has not ended"),
        }
    }

    pub(super) fn place_resume(&self, id: &str) -> Placement {
        match self.value.parked {
            _ if self.has_taken(id) => Placement::Taken,
            // Also if no more can be deferred: this is what makes room.
            Some(_) => Placement::Take,
            None => Placement::Drop("the invocation is neither parked nor paused"),
        }
    }

    /// Where a start of another asker stands; none: it is refused. `at`: when it was stored.
    pub(super) fn place_rival(&self, start: &Start, seq: u64, at: Timestamp) -> Option<Placement> {
        let value = &self.value;
        if value.replaced.is_some_and(|run| run.start == seq) {
            return Some(Placement::Taken);
        }
        let signal = start.signal.as_ref();
        if signal.is_some_and(|signal| self.has_taken(&signal.id)) {
            return None;
        }
        let ended = value.status.is_ended();
        if seq > value.run.start && (value.is_free(at) || (start.replace && ended)) {
            return Some(Placement::Supersede);
        }
        // A parent has its child's outcome to wait for, and brings no signal.
        let signal = signal.filter(|_| !ended && matches!(start.asker, Asker::Request(_)))?;
        Some(match self.buffer_is_full(signal.data.bytes().len()) {
            true => Placement::Wait,
            false => self.place_in_turn(),
        })
    }

    /// Whether a command was meant for the invocation that had this id before. Most say no run;
    /// the order of the stream tells.
    pub(super) fn is_for_the_one_before(&self, command: &Command, seq: u64) -> bool {
        self.value.replaced.is_some()
            && seq < self.value.run.start
            && !matches!(command, Command::Start(_))
    }

    /// A new invocation in the place of this one, which has ended and is settled.
    #[must_use]
    pub fn supersede(self, mut next: Self) -> Self {
        // The swap expects the ended value.
        next.revision = self.revision;
        let JournalPart {
            pages, first_page, ..
        } = self.next_journal();
        (next.journal.pages, next.journal.first_page) = (pages, first_page);
        next.value.replaced = Some(self.value.run);
        // What was taken may come again. It counts from the new one's creation.
        let t = next.t(next.value.created_at);
        let mut taken = self.value.signals.taken;
        taken.iter_mut().for_each(|signal| signal.t = t);
        taken.append(&mut next.value.signals.taken);
        next.value.signals.taken = taken;
        let (first, last) = self.journal.run_pages().into_inner();
        if first <= last && self.value.retention == Some(Retention::Forever) {
            // Nobody else lets them go.
            let expire = EffectTag::ExpirePages(first, last);
            next.draft.effects.push(expire);
        }
        next
    }

    /// Whether a command with this id of its sender's was taken.
    pub(super) fn has_taken(&self, id: &str) -> bool {
        let taken = &self.value.signals.taken;
        taken.iter().any(|taken| taken.id == id)
    }

    /// A pause that came again after it was resumed would pause it once more, and the other way
    /// round: their ids are remembered as those of signals are.
    pub(super) fn remember(&mut self, id: String, seq: u64, now: Timestamp) {
        let t = self.t(now);
        self.value.signals.taken.push(TakenSignal { id, seq, t });
    }

    /// Whether it acts on nothing because somebody said so.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let parked = self.value.parked.as_ref();
        parked.is_some_and(|parked| parked.reason.code == Code::PAUSED)
    }

    /// Whether its program has never begun, and will not before somebody resumes it.
    pub(super) fn is_held_at_its_start(&self) -> bool {
        self.is_paused()
            && self.unfinished
            // What it begins with may stand there already.
            && self.journal.entries <= u64::from(!self.carried.is_empty())
            && self.value.run.continued == 0
    }

    /// Whether a command can be acted on only with the program in memory, which is not there.
    #[must_use]
    pub fn needs_program_for(&self, command: &Command) -> bool {
        let queued = self.value.status == Status::Queued;
        self.needs_program()
            && match command {
                Command::Terminate(_)
                | Command::Pause(_)
                | Command::Delete(_)
                | Command::Prune(_)
                | Command::Heartbeat(_) => false,
                Command::Resume { .. } => !queued,
                Command::Grant(_) => !self.is_paused(),
                _ => !queued && (!self.is_paused() || is_broken(Mutant::PauseActs)),
            }
    }

    /// It ends, whatever it is at. Its program is not asked.
    fn take_terminate(&mut self, terminate: &Terminate, now: Timestamp) {
        let Terminate { reason, code, .. } = terminate;
        let mut message = format!("job [{}] interrupted", self.value.id);
        if !reason.is_empty() {
            message = format!("{message}: {reason}");
        }
        let code = code.clone().unwrap_or(Code::INTERRUPTED);
        let failure = Failure::fatal(code, message);
        self.finish_as(Status::Terminated, Err(failure), now);
    }

    /// All but the fact that it was is forgotten. Its key stays for as long as a message about it
    /// may be under way: an id without a value would be begun anew by its own start.
    fn take_delete(&mut self, now: Timestamp) {
        if !self.value.status.is_ended() || self.value.retention == Some(Retention::Forever) {
            self.expire_run_pages();
        }
        match self.value.status.is_ended() {
            true => self.value.error = None,
            false => {
                let message = format!("job [{}] interrupted: it was deleted", self.value.id);
                let failure = Failure::fatal(Code::INTERRUPTED, message);
                self.finish_as(Status::Terminated, Err(failure), now);
            }
        }
        self.draft.lines = Lines::default();
        self.forget_runs(|_| true);
        self.journal = self.next_journal();
        self.encoder = Encoder::default();
        let deleted_at = now.max(self.value.updated_at);
        let value = &mut self.value;
        value.deleted_at = Some(deleted_at);
        value.input = Payload::null();
        value.output = None;
        value.search.clear();
        value.kv.clear();
        value.custom_status = None;
        value.updates.clear();
        value.answers.clear();
        value.beats.clear();
    }

    /// An empty journal, whose pages nobody who is late can write any more.
    pub(super) fn next_journal(&self) -> JournalPart {
        // Another turn on the same stored value would write the next page: its number is used.
        let used = self.journal.tail.bytes() >= limits::PAGE_BYTES;
        let pages = self.journal.pages + u32::from(used);
        JournalPart {
            pages,
            first_page: pages + 1,
            ..JournalPart::default()
        }
    }

    /// Parked on purpose: what comes is taken and acted on later, local steps that run are cut off
    /// and run again then.
    fn take_pause(&mut self, pause: Pause, seq: u64, now: Timestamp) {
        let Pause { id, reason } = pause;
        self.remember(id, seq, now);
        self.park(paused(reason), now);
    }

    /// What has not begun does so now. Answers whether that was all there is to resume.
    pub(super) fn take_resume(&mut self, id: String, seq: u64, now: Timestamp) -> bool {
        self.remember(id, seq, now);
        if self.value.status == Status::Queued {
            self.value.parked = None;
            return true;
        }
        let begins = self.is_held_at_its_start();
        if begins {
            self.value.parked = None;
            self.take_grant(now);
        }
        begins
    }
}

/// Why a paused invocation stands still.
pub(super) fn paused(reason: String) -> Mismatch {
    Mismatch {
        reason: Failure::new(Code::PAUSED, reason).within_limits(),
        difference: Vec::new(),
    }
}
