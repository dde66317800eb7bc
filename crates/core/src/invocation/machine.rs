//! Where a command stands, and the invocation as the engine drives it.

use headwater_wire::{
    Code, Command, Failure, Status, Timestamp,
    command::{Channel, Outcome, Start},
    limits,
    names::TimerId,
    turn::{LastTurn, Root},
    value::Deferred,
};

use super::{Invocation, children::asked_by};
use crate::{
    machine::{Effect, Machine, Placement, Turn, root_of},
    mutant::{Mutant, is_broken},
    program::LogLine,
};

impl Machine for Invocation {
    fn tidy(&mut self, now: Timestamp) {
        if self.remembers_too_many() {
            self.forget_old_signals(now);
        }
    }

    fn place(&self, command: &Command, seq: u64, stored_at: Timestamp) -> Placement {
        // Whatever something hangs on, or the last turn rests on, was taken.
        let root = root_of(command, seq);
        if !matches!(command, Command::Start(_))
            && (self.is_anchor(&root) || self.value.turn.roots.contains(&root))
        {
            return Placement::Taken;
        }
        if self.is_for_the_one_before(command, seq) {
            return self.place_late(command);
        }
        match command {
            Command::Start(start) => self.place_start(start, seq, stored_at),
            Command::Submit(_) | Command::Release(_) => Placement::Foreign(
                "a command for the queue of a partition key, sent to an invocation",
            ),
            Command::Await(_) | Command::Unawait(_) => {
                Placement::Foreign("a command for a signal box, sent to an invocation")
            }
            Command::Terminate(_) | Command::Pause(_) | Command::Delete(_) | Command::Prune(_) => {
                self.place_lifecycle(command)
            }
            Command::Heartbeat(heartbeat) => self.place_heartbeat(heartbeat),
            Command::Hook(hook) => self.place_hook(hook),
            Command::Outcome(outcome) => self.place_outcome(outcome),
            Command::TimerFired(timer) => self.place_timer(*timer),
            Command::Signal(signal) => self.place_signal(signal),
            Command::Cancel(_) => {
                let deferred = |deferred: &Deferred| matches!(deferred, Deferred::Cancel { .. });
                if self.value.cancel.is_some() || self.value.deferred.iter().any(deferred) {
                    Placement::Taken
                } else if self.value.status.is_ended() {
                    Placement::Drop("the invocation has ended")
                } else {
                    self.place_in_turn()
                }
            }
            Command::Resume { id } => self.place_resume(id),
            Command::Grant(ticket) => match &self.value.ticket {
                Some(own) if own == ticket && self.value.status == Status::Queued => {
                    self.place_in_turn()
                }
                Some(own) if own == ticket => Placement::Taken,
                _ => Placement::Drop("a grant for another ticket"),
            },
        }
    }

    fn take(&mut self, command: Command, seq: u64, now: Timestamp) {
        self.take_command(command, seq, now);
    }

    fn has_turn(&self) -> bool {
        self.draft.dirty
    }

    fn turn_is_full(&self) -> bool {
        self.draft_is_full() || (self.draft.dirty && self.has_more())
    }

    fn prepare(&mut self, now: Timestamp, id: String) -> Result<Turn, String> {
        self.make_turn(now, id)
    }

    fn committed(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn last_turn(&self) -> &LastTurn {
        &self.value.turn
    }

    fn effects(&self) -> Vec<Effect> {
        self.last_effects()
    }

    fn proves(&self, command: &Command, effect: &Effect) -> bool {
        match (command, effect) {
            (Command::Outcome(outcome), Effect::Task { task, .. }) => {
                outcome.run == task.run
                    && outcome.step == task.step
                    && outcome.attempt == task.attempt
            }
            (Command::Heartbeat(beat), Effect::Task { task, .. }) => {
                beat.run == task.run && beat.step == task.step && beat.attempt == task.attempt
            }
            (Command::Outcome(outcome), Effect::Send(sent)) => asked_by(outcome, sent),
            (Command::TimerFired(fired), Effect::Schedule { timer, .. }) => fired == timer,
            _ => false,
        }
    }

    fn is_anchor(&self, root: &Root) -> bool {
        // A turn that could not hold all goes on by the commands that it rests on.
        let goes_on = self.value.turn.partial
            && self.value.parked.is_none()
            && self.value.status != Status::Queued;
        self.value.anchors.values().any(|anchor| anchor == root)
            || (goes_on && self.value.turn.roots.contains(root))
    }

    fn take_logs(&mut self) -> Vec<LogLine> {
        let mut logs = std::mem::take(&mut self.logs);
        if let Some(program) = self.program.as_mut().map(super::Attached::get) {
            logs.extend(program.take_logs());
        }
        logs
    }

    fn replies(&self) -> Vec<Effect> {
        match &self.value.reply_to {
            Some(inbox) if self.value.status.is_ended() => vec![Effect::Reply {
                inbox: inbox.clone(),
                reply: Box::new(self.reply(false)),
            }],
            _ => Vec::new(),
        }
    }
}

impl Invocation {
    /// Take it, unless the program has first to finish what it decided.
    pub(super) fn place_in_turn(&self) -> Placement {
        let finishing = self.value.parked.is_none() && self.has_more();
        match self.deferred_is_full() || finishing {
            true => Placement::Wait,
            false => Placement::Take,
        }
    }

    /// What was meant for the invocation that had the id before: who waits for an answer is told.
    fn place_late(&self, command: &Command) -> Placement {
        match command {
            Command::Hook(hook) => self.place_late_hook(hook),
            Command::Signal(signal) if signal.channel == Channel::Update => {
                Self::place_late_update(signal)
            }
            _ => Placement::Drop("it was for the invocation that had the id before"),
        }
    }

    /// Whether so many ids of signals are remembered that no more can be taken for the moment.
    pub(super) fn remembers_too_many(&self) -> bool {
        self.value.signals.taken.len() >= 2 * limits::SIGNALS_TAKEN_MAX
    }

    fn deferred_is_full(&self) -> bool {
        let bytes = |deferred: &Deferred| match deferred {
            Deferred::Hook { input, .. } => input.bytes().len(),
            Deferred::Outcome {
                value: Some(value), ..
            } => value.bytes().len(),
            Deferred::Outcome {
                error: Some(error), ..
            } => error.message.len(),
            _ => 0,
        };
        let deferred = &self.value.deferred;
        (self.value.parked.is_some() || self.value.status == Status::Queued)
            && (deferred.len() >= limits::DEFERRED_MAX
                || deferred.iter().map(bytes).sum::<usize>() >= limits::TURN_BYTES_MAX)
    }

    /// `at`: when the start was stored in COMMANDS.
    fn place_start(&self, start: &Start, seq: u64, at: Timestamp) -> Placement {
        if start.asker != self.value.asker {
            let placed = self.place_rival(start, seq, at);
            return placed.unwrap_or_else(|| self.refuse_start(start));
        }
        match (&start.ticket, &self.value.ticket) {
            // The same request was queued twice: the second ticket has nobody to use it.
            (Some(ticket), own) if own.as_ref() != Some(ticket) => {
                Placement::Tell(self.release_other(start).into_iter().collect())
            }
            // Whoever asks again may have missed the answer. If it rests on this very command,
            // the answer is settled before that is acknowledged.
            _ if self.value.status.is_ended() && !self.rests_on(seq) => match self.tell_parent() {
                Some(outcome) => Placement::Tell(vec![outcome]),
                None => Placement::Taken,
            },
            _ => Placement::Taken,
        }
    }

    fn rests_on(&self, seq: u64) -> bool {
        self.value.turn.roots.contains(&Root::Command(seq))
    }

    /// Another asked for this id: told before the start is acknowledged.
    fn refuse_start(&self, start: &Start) -> Placement {
        let mut tell: Vec<Effect> = self.release_other(start).into_iter().collect();
        if let Some(inbox) = &start.reply_to {
            tell.push(Effect::Reply {
                inbox: inbox.clone(),
                reply: Box::new(self.reply(true)),
            });
        }
        let taken = format!("the invocation id {} is taken", self.value.id);
        let taken = self.as_child(Err(Failure::fatal(Code::EXISTS, taken)));
        tell.extend(self.outcome_for(&start.asker, taken));
        Placement::Tell(tell)
    }

    fn release_other(&self, start: &Start) -> Option<Effect> {
        let ticket = start.ticket.clone()?;
        let key = headwater_wire::Key::of_key_queue(&self.value.queue, &ticket.key).ok()?;
        // The queue of a key lives on the partition of the key, and the start came from there.
        Some(Effect::Command {
            to: headwater_wire::names::Address {
                key,
                ..self.address()
            },
            command: Box::new(Command::Release(ticket)),
        })
    }

    pub(super) fn place_outcome(&self, outcome: &Outcome) -> Placement {
        let Outcome {
            run, step, attempt, ..
        } = outcome;
        if *run != self.value.run && !is_broken(Mutant::NoRun) {
            return Placement::Drop("the outcome of another run");
        }
        let deferred = |deferred: &Deferred| matches!(deferred, Deferred::Outcome { step: s, attempt: a, .. } if s == step && a == attempt);
        let Some(pending) = self.pending.get(step) else {
            return self.place_ended(*step);
        };
        let other_attempt = *attempt != pending.attempt && is_broken(Mutant::NoAttempt);
        let takes_outcomes = pending.what.takes_outcomes();
        if other_attempt && takes_outcomes {
            self.place_in_turn()
        } else if !takes_outcomes || *attempt > pending.attempt {
            Placement::Drop("the outcome of an attempt that was never made")
        } else if *attempt < pending.attempt || self.value.deferred.iter().any(deferred) {
            Placement::Taken
        } else if pending.wake.is_some() {
            // By a stale value only: a fresh one has begun the attempt.
            Placement::Drop("the outcome of an attempt that has not begun")
        } else {
            self.place_in_turn()
        }
    }

    pub(super) fn place_timer(&self, timer: TimerId) -> Placement {
        let TimerId { run, step, attempt } = timer;
        if run != self.value.run {
            return Placement::Drop("a timer of another run");
        }
        let deferred = |deferred: &Deferred| matches!(deferred, Deferred::Timer { step: s, attempt: a } if *s == step && *a == attempt);
        let Some(pending) = self.pending.get(&step) else {
            return self.place_ended(step);
        };
        if attempt > pending.timer_attempt() {
            Placement::Drop("a timer that was never set")
        } else if attempt < pending.timer_attempt()
            || pending.wake.is_none()
            || self.value.deferred.iter().any(deferred)
        {
            Placement::Taken
        } else {
            self.place_in_turn()
        }
    }

    /// A step that is not pending: over, or not known to this value.
    pub(super) fn place_ended(&self, step: u32) -> Placement {
        if step <= self.journal.steps {
            Placement::Taken
        } else {
            Placement::Drop("the outcome of a step that this invocation has not decided")
        }
    }
}
