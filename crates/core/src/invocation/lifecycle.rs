//! The life of an invocation as people rule it: terminate, pause and resume.

use headwater_wire::{
    Code, Command, Failure, Status, Timestamp,
    lifecycle::{Pause, Terminate},
    value::TakenSignal,
};

use super::{Invocation, replay::Mismatch};
use crate::machine::Placement;

impl Invocation {
    pub(super) fn place_lifecycle(&self, command: &Command) -> Placement {
        match command {
            Command::Delete(_) => Placement::Foreign("delete is not served by this build"),
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
            _ => {}
        }
    }

    fn place_pause(&self, pause: &Pause) -> Placement {
        match &self.value.parked {
            _ if self.has_taken(&pause.id) => Placement::Taken,
            None => Placement::Take,
            Some(_) if self.is_paused() => Placement::Taken,
            Some(_) => Placement::Drop("the invocation is parked"),
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

    /// Whether a command with this id of its sender's was taken.
    pub(super) fn has_taken(&self, id: &str) -> bool {
        let taken = &self.value.signals.taken;
        taken.iter().any(|taken| taken.id == id)
    }

    /// A pause that came again after it was resumed would pause it once more, and the other way
    /// round: their ids are remembered as those of signals are.
    fn remember(&mut self, id: String, seq: u64, now: Timestamp) {
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
            && self.journal.entries == 0
            && self.value.run.continued == 0
    }

    /// Whether a command can be acted on only with the program in memory, which is not there.
    #[must_use]
    pub fn needs_program_for(&self, command: &Command) -> bool {
        let queued = self.value.status == Status::Queued;
        self.needs_program()
            && match command {
                Command::Terminate(_) | Command::Pause(_) | Command::Delete(_) => false,
                Command::Resume { .. } => !queued,
                Command::Grant(_) => !self.is_paused(),
                _ => !queued && !self.is_paused(),
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

    /// Parked on purpose: what comes is taken and acted on later, local steps that run are cut off
    /// and run again then.
    fn take_pause(&mut self, pause: Pause, seq: u64, now: Timestamp) {
        let Pause { id, reason } = pause;
        self.remember(id, seq, now);
        // What is not in the journal is decided again.
        self.unfinished |= self.has_undecided();
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
            self.act_on_deferred(now);
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
