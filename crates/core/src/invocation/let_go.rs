//! What a step leaves behind elsewhere when nobody waits for it any more: the one place that
//! knows. What this very turn would have sent or set is simply not sent or set.

use headwater_wire::turn::EffectTag;

use super::{Invocation, pending::What};

/// Why nobody waits for a step any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The program has dropped it: the loser of a race.
    Dropped,
    /// Somebody has cancelled the invocation.
    Cancelled,
    /// The invocation has ended.
    Ended,
    /// The invocation was ended at once, and with it what hangs on it.
    Terminated,
    /// The run has ended and another follows.
    Continued,
}

impl Invocation {
    /// Wait for a step no more.
    pub(super) fn let_go(&mut self, step: u32, why: Why) {
        self.value.anchors.remove(&step);
        let Some(pending) = self.pending.remove(&step) else {
            return;
        };
        let attempt = pending.timer_attempt();
        if pending.wake.is_some_and(|wake| wake.scheduled) {
            self.unschedule(step, attempt);
        }
        match &pending.what {
            What::Child(child) => self.close_child(child, why),
            What::Hook { .. } => drop(self.unsend(step)),
            What::Activity { topic, .. } => {
                self.value.beats.remove(&step);
                // While it waits for its next attempt nobody works on it.
                if pending.wake.is_none() {
                    self.stop(step, topic, why);
                }
            }
            What::Named { name } => self.withdraw(step, name, why),
            What::Run { .. } | What::Timer | What::Signal { .. } => {}
        }
    }

    /// Wait for nothing more but these steps.
    pub(super) fn let_go_all(&mut self, why: Why, except: &[u32]) {
        let steps: Vec<u32> = self.pending.keys().copied().collect();
        for step in steps {
            if !except.contains(&step) {
                self.let_go(step, why);
            }
        }
        self.value.anchors.retain(|step, _| except.contains(step));
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
}
