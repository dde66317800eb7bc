//! Taking inputs: the journal gets an entry, the program is told, its decisions follow.

use headwater_wire::{
    Code, Command, Entry, Failure, InvocationId, Payload, Run, Timestamp,
    ask::Hook,
    command::{Cancel, Outcome, Signal, Start},
    limits,
    names::TimerId,
    task::idempotency_key,
    turn::{EffectTag, Root},
    value::{Cancelled, Deferred, Status},
};

use super::{
    Invocation, TimerRights,
    let_go::Why,
    pending::{Wake, What},
};
use crate::{
    machine::{Placement, root_of},
    mutant::{Mutant, is_broken},
    program::{LocalOutcome, Progress},
};

impl Invocation {
    /// Take a command that [`place`](crate::Machine::place) says to take.
    pub(super) fn take_command(&mut self, command: Command, seq: u64, now: Timestamp) {
        if let Command::Heartbeat(heartbeat) = command {
            return self.take_heartbeat(heartbeat, seq);
        }
        self.add_root(root_of(&command, seq));
        let command = match command {
            // All that it brings to an invocation that has its id.
            Command::Start(Start {
                signal: Some(signal),
                ..
            }) => Command::Signal(*signal),
            command => command,
        };
        match command {
            Command::Grant(_) => return self.take_grant(now),
            Command::Terminate(_) | Command::Pause(_) | Command::Delete(_) | Command::Prune(_) => {
                return self.take_lifecycle(command, seq, now);
            }
            Command::Resume { id } if self.take_resume(id.clone(), seq, now) => return,
            Command::Cancel(Cancel { reason, .. }) if self.is_held_at_its_start() => {
                return self.take_cancel(reason, now);
            }
            _ => {}
        }
        if self.value.parked.is_some() {
            if self.program.is_none() {
                return self.defer(command, seq, now);
            }
            self.unpark(now);
            if self.is_moot(&command) {
                return;
            }
            if self.has_more() {
                return self.defer(command, seq, now);
            }
        }
        match command {
            Command::Outcome(Outcome {
                step,
                attempt,
                result,
                ..
            }) => self.take_outcome(step, attempt, result, now),
            Command::TimerFired(TimerId { step, .. }) => self.wake_step(step, now),
            Command::Signal(signal) => self.take_signal(signal, seq, now),
            Command::Cancel(Cancel { reason, .. }) => self.take_cancel(reason, now),
            Command::Hook(hook) => self.take_hook(hook, seq, now),
            Command::Heartbeat(_)
            | Command::Grant(_)
            | Command::Start(_)
            | Command::Resume { .. }
            | Command::Terminate(_)
            | Command::Pause(_)
            | Command::Delete(_)
            | Command::Prune(_)
            | Command::Submit(_)
            | Command::Release(_)
            | Command::Await(_)
            | Command::Unawait(_) => {}
        }
    }

    /// Whether what was deferred has ended the step or the run that a command is for.
    fn is_moot(&self, command: &Command) -> bool {
        let placement = match command {
            Command::Outcome(outcome) => self.place_outcome(outcome),
            Command::TimerFired(timer) => self.place_timer(*timer),
            _ => return false,
        };
        matches!(placement, Placement::Drop(_) | Placement::Taken)
    }

    /// Whether an outcome of a local step of this process, whose turn was lost, still is the
    /// outcome of an attempt that is to be made.
    #[must_use]
    pub fn wants_local(&self, outcome: &LocalOutcome, in_hand: &dyn Fn(&Root) -> bool) -> bool {
        let LocalOutcome { step, attempt, .. } = outcome;
        let pending = self.pending.get(step);
        self.is_live()
            && pending.is_some_and(|p| p.is_local() && !p.running && p.attempt == *attempt)
            && self.value.anchors.get(step).is_some_and(in_hand)
    }

    /// Take the outcome of a local step of this process.
    pub fn take_local(&mut self, outcome: LocalOutcome, now: Timestamp) {
        let LocalOutcome {
            step,
            attempt,
            result,
        } = outcome;
        if step == 0 {
            let reason = result.err().unwrap_or_else(|| {
                Failure::fatal(Code::NONDETERMINISM, "the workflow went on by itself")
            });
            return self.park_unfinished(reason, now);
        }
        let Some(anchor) = self.value.anchors.get(&step).copied() else {
            return;
        };
        match is_broken(Mutant::NoInheritance) {
            true => self.draft.dirty = true,
            false => self.add_root(anchor),
        }
        self.take_outcome(step, attempt, result, now);
    }

    /// Fire the timers that are due and that this engine may fire. Answers whether any was.
    pub fn fire_due(&mut self, now: Timestamp, rights: &TimerRights<'_>) -> bool {
        if !self.is_live() {
            return false;
        }
        let due: Vec<u32> = self
            .pending
            .iter()
            .filter(|(step, pending)| {
                pending.due().is_some_and(|due| due <= now)
                    && self.may_fire(**step, pending, rights)
            })
            .map(|(step, _)| *step)
            .collect();
        let run = self.value.run;
        for step in &due {
            // What an earlier one made the program decide has to be in the journal first; and
            // the steps of another run are other steps.
            if self.has_more() || self.draft_is_full() || self.value.run != run {
                break;
            }
            // An earlier one may have ended the invocation or dropped this one.
            let Some(pending) = self.pending.get(step) else {
                continue;
            };
            let root = match (pending.wake, self.value.anchors.get(step)) {
                (Some(wake), _) if wake.scheduled => {
                    Root::Timer(self.timer_id(*step, pending.timer_attempt()))
                }
                (_, Some(anchor)) => *anchor,
                _ => continue,
            };
            let pending_attempt = pending.timer_attempt();
            self.add_root(root);
            if is_broken(Mutant::FiringCancels) && matches!(root, Root::Timer(_)) {
                self.unschedule(*step, pending_attempt);
            }
            self.wake_step(*step, now);
        }
        !due.is_empty()
    }

    /// Go on with what the last turn could not hold. It rests on the same commands.
    pub fn go_on(&mut self, now: Timestamp) {
        if self.has_more() && self.is_live() && !self.draft.dirty {
            self.draft.roots.clone_from(&self.value.turn.roots);
            self.draft.dirty = true;
            self.settle_program(now);
            self.act_on_deferred(now);
        }
    }

    /// Count that the handling of a command that came again and again is begun once more.
    /// Answers the count; it is cleared by the next turn that takes something.
    pub fn suspect_crash(&mut self) -> u32 {
        self.value.suspected_crashes += 1;
        self.draft.dirty = true;
        if self.draft.roots.is_empty() {
            self.draft.roots.clone_from(&self.value.turn.roots);
        }
        self.value.suspected_crashes
    }

    /// End it without its program. What follows rests on `roots`, commands in hand.
    pub fn fail(&mut self, failure: Failure, roots: &[Root], now: Timestamp) {
        self.draft.dirty = true;
        for root in roots {
            self.add_root(*root);
        }
        if self.draft.roots.is_empty() {
            self.draft.roots.clone_from(&self.value.turn.roots);
        }
        self.finish(Err(failure), now);
    }

    fn add_root(&mut self, root: Root) {
        if !self.draft.roots.contains(&root) {
            self.draft.roots.push(root);
        }
        self.draft.dirty = true;
        self.value.suspected_crashes = 0;
    }

    /// What new local work of this turn hangs on.
    pub(super) fn anchor(&self) -> Option<Root> {
        let roots = &self.draft.roots;
        let command = roots.iter().find(|root| matches!(root, Root::Command(_)));
        command.or_else(|| roots.first()).copied()
    }

    /// Milliseconds since creation; never before what was recorded last. Rounded up: a program
    /// whose clock was behind the real one would sleep too short by that.
    pub(super) fn t(&self, now: Timestamp) -> u64 {
        let at = now.max(self.value.updated_at);
        let micros = at.since(self.value.epoch()).as_micros();
        u64::try_from(micros.div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    pub(super) fn push(&mut self, entry: &Entry) {
        if let Err(error) = self.draft.lines.push(entry) {
            self.draft.broken = Some(error.to_string());
        }
    }

    fn take_outcome(
        &mut self,
        step: u32,
        attempt: u32,
        result: Result<Payload, Failure>,
        now: Timestamp,
    ) {
        let t = self.t(now);
        match result {
            Ok(value) => {
                let told = value.clone();
                self.push(&Entry::Done { step, t, value });
                self.conclude(step, Ok(told), now);
            }
            Err(failure) => self.attempt_failed(step, attempt, failure.within_limits(), now),
        }
    }

    fn attempt_failed(&mut self, step: u32, attempt: u32, failure: Failure, now: Timestamp) {
        let t = self.t(now);
        let Some(pending) = self.pending.get_mut(&step) else {
            return;
        };
        let gives_up = pending.retry.gives_up_on(&failure);
        let wait = match gives_up {
            true => None,
            false => {
                let seed = retry_seed(&self.value.id, self.value.run, step, attempt);
                pending.retry.after(attempt, seed)
            }
        };
        if let Some(wait) = wait {
            let due = now.after(wait);
            pending.attempt = attempt + 1;
            pending.running = false;
            pending.error = Some(failure.message.clone());
            let next = pending.attempt;
            self.push(&Entry::Retry {
                step,
                t,
                attempt: next,
                due,
                error: failure,
            });
            return self.set_wake(step, due, now);
        }
        let error = if gives_up || attempt == 1 {
            failure
        } else {
            let message = format!("gave up after {attempt} attempts: {}", failure.message);
            Failure {
                message,
                code: Code::RETRIES_EXHAUSTED,
                ..failure
            }
        };
        self.push(&Entry::Failed {
            step,
            t,
            attempt,
            error: error.clone(),
        });
        self.conclude(step, Err(error), now);
    }

    /// A step has its final outcome: the program goes on.
    fn conclude(&mut self, step: u32, outcome: Result<Payload, Failure>, now: Timestamp) {
        if let Some(progress) = self.tell(step, outcome, now) {
            self.absorb(progress, now);
        }
    }

    /// A step has its final outcome: tell the program, if it is in memory.
    pub(super) fn tell(
        &mut self,
        step: u32,
        outcome: Result<Payload, Failure>,
        now: Timestamp,
    ) -> Option<Progress> {
        self.pending.remove(&step);
        self.value.anchors.remove(&step);
        self.value.beats.remove(&step);
        let at = self.at(self.t(now));
        let program = self.program.as_mut().map(super::Attached::get)?;
        Some(program.deliver(step, outcome, at))
    }

    /// Sleep until `due`: in memory if it is near, else by a schedule.
    pub(super) fn set_wake(&mut self, step: u32, due: Timestamp, now: Timestamp) {
        let scheduled = due.since(now) > limits::SHORT_TIMER_MAX;
        let anchor = self.anchor();
        let Some(pending) = self.pending.get_mut(&step) else {
            return;
        };
        pending.wake = Some(Wake { due, scheduled });
        let attempt = pending.timer_attempt();
        if scheduled {
            self.value.anchors.remove(&step);
            self.draft.effects.push(EffectTag::Schedule(step, attempt));
        } else if let Some(anchor) = anchor {
            self.value.anchors.insert(step, anchor);
        }
    }

    /// A timer is due: a sleep is over, or the next attempt begins.
    fn wake_step(&mut self, step: u32, now: Timestamp) {
        self.reach_due(step);
        let t = self.t(now);
        self.push(&Entry::Fired { step, t });
        let anchor = self.anchor();
        let Some(pending) = self.pending.get_mut(&step) else {
            return;
        };
        pending.wake = None;
        self.value.anchors.remove(&step);
        let attempt = pending.attempt;
        match pending.what {
            What::Run { .. } => {
                if let Some(anchor) = anchor {
                    self.value.anchors.insert(step, anchor);
                }
            }
            What::Activity { .. } => self.draft.effects.push(EffectTag::Task(step, attempt)),
            What::Timer
            | What::Signal { .. }
            | What::Named { .. }
            | What::Child(_)
            | What::Hook { .. } => self.conclude(step, Ok(Payload::null()), now),
        }
    }

    /// A schedule fires by the server's clock, which may be ahead of this one: the program must not
    /// find that it is still before the time that it slept until.
    fn reach_due(&mut self, step: u32) {
        let pending = self.pending.get(&step);
        let sleep = pending.filter(|pending| matches!(pending.what, What::Timer));
        if let Some(due) = sleep.and_then(|pending| pending.due()) {
            self.value.updated_at = self.value.updated_at.max(due);
        }
    }

    fn take_signal(&mut self, signal: Signal, seq: u64, now: Timestamp) {
        self.remember(signal.id.clone(), seq, now);
        self.value.signals.waiting.push(signal.into());
        if self.is_live() {
            self.settle_program(now);
        }
    }

    fn take_cancel(&mut self, reason: String, now: Timestamp) {
        self.value.cancel = Some(Cancelled {
            reason: reason.clone(),
            at: now,
        });
        let failure = cancelled(&reason);
        if self.value.status == Status::Queued || self.is_held_at_its_start() {
            return self.finish(Err(failure), now);
        }
        let t = self.t(now);
        let program = self.program.as_mut().map(super::Attached::get);
        let shielded = program.map_or_else(Vec::new, |program| program.shielded());
        self.let_go_all(Why::Cancelled, &shielded);
        self.push(&Entry::Cancel {
            t,
            reason,
            shielded,
        });
        let at = self.at(t);
        if let Some(program) = self.program.as_mut().map(super::Attached::get) {
            let progress = program.cancel(failure, at);
            self.absorb(progress, now);
        }
    }

    /// Its turn has come: the program starts. That of a paused one starts when it is resumed.
    pub(super) fn take_grant(&mut self, now: Timestamp) {
        self.value.status = Status::Running;
        if self.is_paused() {
            return;
        }
        let t = self.t(now);
        self.push(&Entry::Granted { t });
        let at = self.at(t);
        if let Some(program) = self.program.as_mut().map(super::Attached::get) {
            let progress = program.start(at);
            self.unfinished = false;
            self.absorb(progress, now);
        }
        self.act_on_deferred(now);
    }

    fn defer(&mut self, command: Command, seq: u64, now: Timestamp) {
        let deferred = match command {
            Command::Outcome(outcome) => {
                let (value, error) = match outcome.result {
                    Ok(value) => (Some(value), None),
                    Err(error) => (None, Some(error)),
                };
                Deferred::Outcome {
                    step: outcome.step,
                    attempt: outcome.attempt,
                    value,
                    error,
                }
            }
            Command::TimerFired(TimerId { step, attempt, .. }) => Deferred::Timer { step, attempt },
            Command::Cancel(Cancel { reason, .. }) => Deferred::Cancel { reason },
            Command::Signal(signal) => return self.take_signal(signal, seq, now),
            Command::Hook(hook) => return self.defer_hook(hook, seq, now),
            _ => return,
        };
        self.value.deferred.push(deferred);
    }

    /// Act on what was taken meanwhile. Local work hangs on the command that resumes it, and so
    /// does every timer that is near: whether it once had a schedule or an anchor cannot be seen
    /// any more.
    fn unpark(&mut self, now: Timestamp) {
        self.value.parked = None;
        if let Some(anchor) = self.anchor() {
            for (step, pending) in &mut self.pending {
                let near = pending.wake.as_mut().filter(|wake| {
                    !wake.scheduled || wake.due.since(now) <= limits::SHORT_TIMER_MAX
                });
                let is_near = near.map(|wake| wake.scheduled = false).is_some();
                if pending.is_local() || is_near {
                    self.value.anchors.insert(*step, anchor);
                }
            }
        }
        self.settle_program(now);
        self.act_on_deferred(now);
    }

    /// Act on what was deferred, one after another, as far as the turn has room.
    pub(super) fn act_on_deferred(&mut self, now: Timestamp) {
        while !self.value.deferred.is_empty()
            && self.is_live()
            && !self.has_undecided()
            && !self.draft_is_full()
        {
            match self.value.deferred.remove(0) {
                Deferred::Outcome {
                    step,
                    attempt,
                    value,
                    error,
                } if self.pending.contains_key(&step) => {
                    let result = match error {
                        Some(error) => Err(error),
                        None => Ok(value.unwrap_or_default()),
                    };
                    self.take_outcome(step, attempt, result, now);
                }
                Deferred::Timer { step, .. } if self.pending.contains_key(&step) => {
                    self.wake_step(step, now);
                }
                Deferred::Cancel { reason } if !self.value.status.is_ended() => {
                    self.take_cancel(reason, now);
                }
                Deferred::Hook {
                    id,
                    name,
                    input,
                    asker,
                } => {
                    let hook = Hook {
                        id,
                        name,
                        input,
                        asker,
                    };
                    self.begin_hook(hook, now);
                }
                _ => {}
            }
        }
    }
}

/// What the jitter of a wait is drawn from: the same in every engine.
fn retry_seed(id: &InvocationId, run: Run, step: u32, attempt: u32) -> u64 {
    let text = format!("{}/{attempt}", idempotency_key(id, run, step));
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// What a cancelled invocation's waits fail with.
pub(super) fn cancelled(reason: &str) -> Failure {
    let reason = match reason {
        "" => "no reason was given",
        reason => reason,
    };
    Failure::fatal(Code::CANCELLED, reason)
}
