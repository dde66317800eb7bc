//! What the program decides goes into the turn: the journal gets an entry, and what follows is noted
//! as an effect or an anchor.

use std::{collections::BTreeSet, ops::RangeInclusive};

use headwater_wire::{
    Code, Entry, Failure, Payload, Status, Timestamp, limits, turn::EffectTag,
    value::BufferedSignal,
};

use super::{
    Invocation,
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
                Some(End::ContinueAsNew(input)) => return self.continue_as_new(input, now),
                None => {}
            }
            if self.draft_is_full() {
                return;
            }
            let Some((step, index)) = self.matching_signal() else {
                return self.drop_events();
            };
            let BufferedSignal { id, data, .. } = self.value.signals.waiting.remove(index);
            let (t, value) = (self.t(now), data.clone());
            self.push(&Entry::Received { step, t, id, value });
            let progress = self.tell(step, Ok(data), now);
            if !progress.is_none_or(|progress| self.note(progress, now)) {
                return;
            }
        }
    }

    pub(super) fn draft_is_full(&self) -> bool {
        self.draft.lines.bytes() >= limits::TURN_BYTES_MAX
            || self.draft.effects.len() + self.draft.sends.len() >= limits::TURN_EFFECTS_MAX
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
            _ => self.act_on_decision(&entry),
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
    fn act_on_decision(&mut self, entry: &Entry) {
        match entry {
            Entry::Set { .. } | Entry::CustomStatus { .. } | Entry::Patch { .. } => {
                self.state_decided(entry);
            }
            Entry::Child(child) => self.child_decided(child),
            Entry::Named { .. } | Entry::Answer { .. } => self.channel_decided(entry),
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
        self.value.anchors.remove(&step);
        let Some(pending) = self.pending.remove(&step) else {
            return;
        };
        let attempt = pending.timer_attempt();
        if pending.wake.is_some_and(|wake| wake.scheduled) {
            self.unschedule(step, attempt);
        }
        self.draft
            .effects
            .retain(|effect| *effect != EffectTag::Task(step, attempt));
    }

    /// Remove a schedule; one that this very turn would have made is simply not made.
    pub(super) fn unschedule(&mut self, step: u32, attempt: u32) {
        let made = EffectTag::Schedule(step, attempt);
        let effects = &mut self.draft.effects;
        match effects.iter().position(|effect| *effect == made) {
            Some(index) => {
                effects.remove(index);
            }
            None => effects.push(EffectTag::Unschedule(step, attempt)),
        }
    }

    /// Nothing else is waited for any more.
    pub(super) fn keep_pending(&mut self, kept: &[u32]) {
        self.pending.retain(|step, _| kept.contains(step));
        self.value.anchors.retain(|step, _| kept.contains(step));
    }

    pub(super) fn unschedule_all(&mut self, except: &[u32]) {
        let scheduled: Vec<(u32, u32)> = self
            .pending
            .iter()
            .filter(|(step, _)| !except.contains(step))
            .filter(|(_, pending)| pending.wake.is_some_and(|wake| wake.scheduled))
            .map(|(step, pending)| (*step, pending.timer_attempt()))
            .collect();
        for (step, attempt) in scheduled {
            self.unschedule(step, attempt);
        }
    }

    pub(super) fn finish(&mut self, end: Result<Payload, Failure>, now: Timestamp) {
        self.unschedule_all(&[]);
        self.keep_pending(&[]);
        self.value.deferred.clear();
        self.value.parked = None;
        self.value.signals.waiting.clear();
        self.draft.undecided.clear();
        self.draft.end = None;
        self.draft.effects.retain(|effect| !effect.is_of_step());
        self.value.ended_at = Some(now.max(self.value.updated_at));
        self.value.status = match &end {
            Ok(_) => Status::Completed,
            Err(failure) if failure.code == Code::CANCELLED && self.value.cancel.is_some() => {
                Status::Cancelled
            }
            Err(_) => Status::Failed,
        };
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
    }
}
