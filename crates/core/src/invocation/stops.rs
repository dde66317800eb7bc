//! Telling workers that nobody wants the outcome of an activity any more. Hints: one that is lost
//! is made up by the worker, which looks at the value.

use headwater_wire::{ask::Stop, limits::STOPPED_STEPS_MAX, send::Sent, turn::EffectTag};

use super::{Invocation, let_go::Why};

/// What a hint costs in the value beside its texts, about.
const STOP_BYTES: usize = 100;

impl Invocation {
    /// The task of this step has left, or may have: whoever works on it is told to stop.
    pub(super) fn stop(&mut self, step: u32, topic: &str, why: Why) {
        if self.emits_task(step) {
            return;
        }
        // Nothing of a run that is over is wanted.
        let all = matches!(why, Why::Ended | Why::Terminated | Why::Continued);
        let reason = why.of_step();
        if let Some(stop) = self.stop_of(topic, reason) {
            if !all && stop.steps.len() < STOPPED_STEPS_MAX {
                stop.steps.push(step);
            }
            return;
        }
        let bytes = STOP_BYTES + topic.len() + self.value.id.as_str().len();
        let stop = Stop {
            invocation: self.value.id.clone(),
            run: self.value.run,
            steps: if all { Vec::new() } else { vec![step] },
            reason: reason.to_owned(),
        };
        let topic = topic.to_owned();
        self.send(None, Sent::Stop { topic, stop }, bytes);
    }

    /// What this turn tells the workers of a topic for this reason already.
    fn stop_of(&mut self, topic: &str, reason: &str) -> Option<&mut Stop> {
        let sends = self.draft.sends.iter_mut().rev();
        sends.map(|(_, sent)| sent).find_map(|sent| match sent {
            Sent::Stop { topic: to, stop } if to == topic && stop.reason == reason => Some(stop),
            _ => None,
        })
    }

    /// Whether this very turn would have sent the task of a step: it is simply not sent.
    fn emits_task(&self, step: u32) -> bool {
        self.draft.effects.iter().any(|effect| match *effect {
            EffectTag::Task(of, _) => of == step,
            EffectTag::Tasks(first, last) => (first..=last).contains(&step),
            _ => false,
        })
    }
}

impl Why {
    /// What the worker of a step is told.
    fn of_step(self) -> &'static str {
        match self {
            Self::Dropped => "the workflow no longer waits for it",
            Self::Cancelled => "the workflow was cancelled",
            Self::Ended => "the workflow has ended",
            Self::Terminated => "the workflow was terminated",
            Self::Continued => "the workflow goes on as new",
        }
    }
}
