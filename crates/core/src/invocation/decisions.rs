//! What the program decides goes into the turn: the journal gets an entry, and what follows is noted
//! as an effect or an anchor.

use std::{collections::BTreeSet, ops::RangeInclusive};

use headwater_wire::{
    Code, Entry, Failure, Payload, Status, Timestamp,
    command::{Asker, Channel},
    journal::AnswerTo,
    limits,
    turn::EffectTag,
    value::BufferedSignal,
};

use super::{
    Invocation,
    let_go::Why,
    pending::{Pending, What, entry_of},
};
use crate::{
    Retry,
    program::{Decision, End, Progress},
};

impl Invocation {
    pub(super) fn absorb(&mut self, progress: Progress, now: Timestamp) {
        if self.note(progress, now) {
            self.settle_program(now);
        }
    }

    /// Keep what the program has decided for the turn. False: it was stopped.
    fn note(&mut self, progress: Progress, now: Timestamp) -> bool {
        if let Some(reason) = progress.fault {
            self.park_unfinished(reason, now);
            return false;
        }
        self.draft.undecided.extend(progress.decisions);
        if progress.end.is_some() {
            self.draft.end = progress.end;
        }
        true
    }

    /// Bring what the program has decided into the turn, as far as it has room, and give it
    /// the signals that it waits for and that are there.
    pub(super) fn settle_program(&mut self, now: Timestamp) {
        if self.value.status == Status::Queued {
            return;
        }
        loop {
            while let Some(decision) = self.draft.undecided.pop_front() {
                if self.draft_is_full() {
                    self.draft.undecided.push_front(decision);
                    return;
                }
                self.decide(decision, now);
            }
            match self.draft.end.take() {
                Some(End::Done(end)) => return self.finish(end, now),
                Some(End::ContinueAsNew(next)) => return self.continue_as_new(next, now),
                None => {}
            }
            if self.draft_is_full() {
                return;
            }
            let Some((step, index)) = self.matching_signal() else {
                return self.drop_events();
            };
            let BufferedSignal {
                id,
                data,
                channel,
                reply_to,
                ..
            } = self.value.signals.waiting.remove(index);
            if channel == Channel::Update {
                self.open_update(step, &id, reply_to);
            }
            let (t, value) = (self.t(now), data.clone());
            self.push(&Entry::Received { step, t, id, value });
            let progress = self.tell(step, Ok(data), now);
            if !progress.is_none_or(|progress| self.note(progress, now)) {
                return;
            }
        }
    }

    pub(super) fn draft_is_full(&self) -> bool {
        let messages = self.draft.effects.iter().map(EffectTag::messages);
        self.draft.lines.bytes() >= limits::TURN_BYTES_MAX
            || messages.sum::<usize>() + self.draft.sends.len() >= limits::TURN_EFFECTS_MAX
            || self.draft.sent_bytes >= limits::TURN_BYTES_MAX
    }

    /// The first step that waits for a signal which is there, and the place of that signal.
    pub(super) fn matching_signal(&self) -> Option<(u32, usize)> {
        let waiting = &self.value.signals.waiting;
        if waiting.is_empty() || !self.is_live() {
            return None;
        }
        let mut seen = BTreeSet::new();
        self.pending.iter().find_map(|(step, pending)| {
            let What::Signal { name, channel } = &pending.what else {
                return None;
            };
            if !seen.insert((*channel, name.as_str())) {
                return None;
            }
            let index = waiting
                .iter()
                .position(|signal| signal.channel == *channel && signal.name == *name)?;
            Some((*step, index))
        })
    }

    fn decide(&mut self, decision: Decision, now: Timestamp) {
        let (entry, retry) = entry_of(decision);
        self.push(&entry);
        if let Entry::Drop { step, through } = entry {
            return self.drop_steps(step..=through.unwrap_or(step));
        }
        if let Some(begun) = entry.begins() {
            self.journal.steps = *begun.end();
        }
        for (step, pending) in Pending::of_entry(&entry) {
            self.begin_step(step, pending, retry.clone(), now);
        }
        match &entry {
            Entry::Activity { step, .. } => self.draft.effects.push(EffectTag::Task(*step, 1)),
            Entry::Map { .. } => {
                if let Some((first, last)) = entry.begins().map(RangeInclusive::into_inner) {
                    self.draft.effects.push(EffectTag::Tasks(first, last));
                }
            }
            Entry::Run { .. } | Entry::Timer { .. } | Entry::Signal { .. } => {}
            _ => self.act_on_decision(&entry, now),
        }
    }

    fn begin_step(&mut self, step: u32, mut pending: Pending, retry: Retry, now: Timestamp) {
        pending.retry = retry;
        let (due, is_local) = (pending.due(), pending.is_local());
        self.pending.insert(step, pending);
        if let Some(due) = due {
            self.set_wake(step, due, now);
        } else if let (true, Some(anchor)) = (is_local, self.anchor()) {
            self.value.anchors.insert(step, anchor);
        }
    }

    /// What a decision changes in the value or sends to others: each in the room of its feature.
    fn act_on_decision(&mut self, entry: &Entry, now: Timestamp) {
        match entry {
            Entry::Set { .. } | Entry::CustomStatus { .. } | Entry::Patch { .. } => {
                self.state_decided(entry);
            }
            Entry::Child(child) => self.child_decided(child),
            Entry::Answer {
                to: AnswerTo::Hook(id),
                result,
            } => self.hook_answered(id, result),
            Entry::Answer { .. } => self.answer_decided(entry, now),
            Entry::Named { step, name } => self.named_decided(*step, name),
            Entry::Send { .. } | Entry::Emit { .. } => self.send_decided(entry),
            _ => {}
        }
    }

    /// The outcomes of these steps are no longer wanted.
    fn drop_steps(&mut self, steps: RangeInclusive<u32>) {
        for step in steps {
            self.drop_step(step);
        }
    }

    fn drop_step(&mut self, step: u32) {
        self.let_go(step, Why::Dropped);
        let task = |effect: &EffectTag| matches!(effect, EffectTag::Task(of, _) if *of == step);
        self.draft.effects.retain(|effect| !task(effect));
    }

    pub(super) fn finish(&mut self, end: Result<Payload, Failure>, now: Timestamp) {
        let status = match &end {
            Ok(_) => Status::Completed,
            Err(failure) if failure.code == Code::CANCELLED && self.value.cancel.is_some() => {
                Status::Cancelled
            }
            Err(_) => Status::Failed,
        };
        self.finish_as(status, end, now);
    }

    /// End it with this status, whatever it was at.
    pub(super) fn finish_as(
        &mut self,
        status: Status,
        end: Result<Payload, Failure>,
        now: Timestamp,
    ) {
        let why = match status {
            Status::Terminated => Why::Terminated,
            _ => Why::Ended,
        };
        self.let_go_all(why, &[]);
        self.abandon_hooks("has ended");
        self.abandon_deferred_hooks();
        self.value.parked = None;
        self.close_updates(now);
        self.value.signals.waiting.clear();
        self.draft.undecided.clear();
        self.draft.end = None;
        self.draft.effects.retain(|effect| !effect.is_of_step());
        self.value.ended_at = Some(now.max(self.value.updated_at));
        self.value.status = status;
        self.draft.ended = true;
        match end {
            Ok(output) => self.value.output = Some(output),
            Err(error) => self.value.error = Some(error.within_limits()),
        }
        if let Some(program) = self.program.as_mut().map(super::Attached::get) {
            self.logs.extend(program.take_logs());
        }
        self.program = None;
        if self.value.ticket.is_some() {
            self.draft.effects.push(EffectTag::Release);
        }
        if matches!(self.value.asker, Asker::Parent { .. }) {
            self.draft.effects.push(EffectTag::TellParent);
        }
    }
}
