//! Hooks: further functions of a workflow, run beside its main one.
//!
//! What asks for one is taken once, by its id, as a signal is. Its answer stands in the journal;
//! whoever waits for it is a step of another invocation, and is told as by a child.

use headwater_wire::{
    Code, Command, Entry, Failure, Key, Payload, Status, Timestamp,
    ask::Hook,
    command::{Asker, Outcome},
    limits,
    send::{Recipient, Sent, SentCommand},
    value::Deferred,
};

use super::Invocation;
use crate::machine::{Effect, Placement};

impl Invocation {
    pub(super) fn place_hook(&self, hook: &Hook) -> Placement {
        if self.has_taken(&hook.id) {
            Placement::Taken
        } else if hook.id.len() > limits::SENDER_ID_BYTES_MAX {
            Placement::Foreign("a hook whose id is longer than SENDER_ID_BYTES_MAX")
        } else if self.value.status.is_ended() {
            self.place_late_hook(hook)
        } else if self.remembers_too_many() || self.open_hooks() >= limits::HOOKS_AWAITED_MAX {
            Placement::Wait
        } else {
            self.place_in_turn()
        }
    }

    /// Of an invocation that has ended: who waits for it is told.
    pub(super) fn place_late_hook(&self, hook: &Hook) -> Placement {
        let has_ended = Failure::fatal(Code::UNANSWERED, unanswered("has ended"));
        match self.hook_outcome(hook.asker.as_ref(), Err(has_ended)) {
            Some(outcome) => Placement::Tell(vec![outcome]),
            None => Placement::Drop("the invocation has ended"),
        }
    }

    /// Hooks that somebody waits for, begun or not.
    fn open_hooks(&self) -> usize {
        let awaited =
            |deferred: &&Deferred| matches!(deferred, Deferred::Hook { asker: Some(_), .. });
        self.hooks.len() + self.value.deferred.iter().filter(awaited).count()
    }

    pub(super) fn take_hook(&mut self, hook: Hook, seq: u64, now: Timestamp) {
        match self.is_live() && self.value.status != Status::Queued {
            true => {
                self.remember(hook.id.clone(), seq, now);
                self.begin_hook(hook, now);
            }
            false => self.defer_hook(hook, seq, now),
        }
    }

    /// Run it once the invocation can act again.
    pub(super) fn defer_hook(&mut self, hook: Hook, seq: u64, now: Timestamp) {
        self.remember(hook.id.clone(), seq, now);
        let Hook {
            id,
            name,
            input,
            asker,
        } = hook;
        self.value.deferred.push(Deferred::Hook {
            id,
            name,
            input,
            asker,
        });
    }

    pub(super) fn begin_hook(&mut self, hook: Hook, now: Timestamp) {
        let Hook {
            id,
            name,
            input,
            asker,
        } = hook;
        let t = self.t(now);
        self.push(&Entry::Hook {
            t,
            id: id.clone(),
            name: name.clone(),
            input: input.clone(),
            asker: asker.clone(),
        });
        if let Some(asker) = asker {
            self.hooks.insert(id.clone(), asker);
        }
        let at = self.at(t);
        if let Some(program) = self.program.as_mut().map(super::Attached::get) {
            let progress = program.hook(&id, &name, input, at);
            self.absorb(progress, now);
        }
    }

    /// A hook has ended, and whoever waits for it is told.
    pub(super) fn hook_answered(&mut self, id: &str, result: &Result<Payload, Failure>) {
        if let Some(asker) = self.hooks.remove(id) {
            self.answer_hook(&asker, result.clone());
        }
    }

    /// The run ends, and the hooks that run with it. `how`: what it does.
    pub(super) fn abandon_hooks(&mut self, how: &str) {
        let failure = Failure::fatal(Code::UNANSWERED, unanswered(how));
        for asker in std::mem::take(&mut self.hooks).into_values() {
            self.answer_hook(&asker, Err(failure.clone()));
        }
    }

    /// The invocation ends, and with it the hooks that have not even begun.
    pub(super) fn abandon_deferred_hooks(&mut self) {
        let failure = Failure::fatal(Code::UNANSWERED, unanswered("has ended"));
        for deferred in std::mem::take(&mut self.value.deferred) {
            if let Deferred::Hook {
                asker: Some(asker), ..
            } = deferred
            {
                self.answer_hook(&asker, Err(failure.clone()));
            }
        }
    }

    fn answer_hook(&mut self, asker: &Asker, result: Result<Payload, Failure>) {
        let Some(Effect::Command { to, command }) = self.hook_outcome(Some(asker), result) else {
            return;
        };
        let Command::Outcome(outcome) = *command else {
            return;
        };
        let bytes = size(&outcome);
        let to = Recipient {
            key: to.key,
            queue: Some(to.queue),
            partition: Some(to.partition),
        };
        let command = SentCommand::Outcome(outcome);
        self.send(None, Sent::Command { to, command }, bytes);
    }

    fn hook_outcome(
        &self,
        asker: Option<&Asker>,
        result: Result<Payload, Failure>,
    ) -> Option<Effect> {
        self.outcome_for(asker?, result)
    }
}

/// What the asker of a hook is told if there is no such invocation; none: nobody waits for it.
#[must_use]
pub fn answer_of_nobody(hook: &Hook, key: &Key) -> Option<Effect> {
    let asker = hook.asker.as_ref()?;
    let Asker::Parent { run, step, .. } = asker else {
        return None;
    };
    let message = format!(
        "there is no invocation {key} that could run hook {:?}",
        hook.name
    );
    let outcome = Outcome {
        run: *run,
        step: *step,
        attempt: 1,
        result: Err(Failure::fatal(Code::NOT_FOUND, message)),
        worker: key.to_string(),
    };
    Some(Effect::Command {
        to: asker.address()?,
        command: Box::new(Command::Outcome(outcome)),
    })
}

fn size(outcome: &Outcome) -> usize {
    match &outcome.result {
        Ok(value) => value.bytes().len(),
        Err(failure) => failure.message.len(),
    }
}

fn unanswered(how: &str) -> String {
    format!("the invocation {how} and does not answer its hooks any more")
}
