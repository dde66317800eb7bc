//! Children, seen from both sides: what a parent starts, and what a child tells it at its end.

use std::collections::BTreeMap;

use headwater_wire::{
    Code, Command, Failure, Key, Payload,
    command::{Asker, Cancel, Outcome, Start},
    journal::{ChildSpec, ParentClose},
    lifecycle::Terminate,
    send::{Recipient, Sent, SentCommand},
    task::idempotency_key,
};

use super::{Invocation, let_go::Why};
use crate::{
    machine::{Effect, address},
    program::{LogLevel, LogLine},
};

/// What a message that closes a child costs beside its texts, about.
const CLOSE_BYTES: usize = 100;

impl Invocation {
    /// A child, awaited or detached, stands in the journal: it is started with this turn.
    pub(super) fn child_decided(&mut self, child: &ChildSpec) {
        let asker = self.as_asker(child.step);
        // Not as a new id: a start that is sent again must not run ahead of a child that ended.
        let start = Box::new(Start {
            version: child.version.clone(),
            retention: child.retention,
            ..Start::new(child.workflow.clone(), child.input.clone(), asker)
        });
        let queue = self.queue_of(child).to_owned();
        let (key, command) = match &child.key {
            None => (child.id.key(), SentCommand::Start(start)),
            Some(key) => match Key::of_key_queue(&queue, key) {
                Ok(key) => {
                    let invocation = child.id.clone();
                    (key, SentCommand::Submit { invocation, start })
                }
                Err(error) => {
                    self.draft.broken = Some(error.to_string());
                    return;
                }
            },
        };
        let to = Recipient {
            key,
            queue: Some(queue),
            partition: None,
        };
        // A detached one cannot be dropped any more.
        let of_step = (!child.detached).then_some(child.step);
        let bytes = child.input.bytes().len();
        self.send(of_step, Sent::Command { to, command }, bytes);
    }

    /// Nobody waits for a child any more. One whose start is of this very turn is not started.
    pub(super) fn close_child(&mut self, child: &ChildSpec, why: Why) {
        if child.on_close == ParentClose::Abandon {
            return self.keep_sent(child.step);
        }
        if self.unsend(child.step) {
            return;
        }
        let parent = &self.value.id;
        let reason = match why {
            Why::Dropped => format!("its parent {parent} no longer waits for it"),
            Why::Cancelled => "parent canceled".to_owned(),
            Why::Ended => format!("its parent {parent} has ended"),
            Why::Terminated => format!("its parent {parent} was terminated"),
            Why::Continued => format!("its parent {parent} goes on as new"),
        };
        let key = idempotency_key(parent, self.value.run, child.step);
        let id = format!("{key}/close");
        let bytes = CLOSE_BYTES + 2 * child.id.as_str().len() + id.len() + reason.len();
        if why != Why::Dropped && !self.may_close(bytes) {
            return self.leave_child(child);
        }
        let command = match (child.on_close, why) {
            (ParentClose::Terminate, _) | (_, Why::Terminated) => {
                let code = None;
                SentCommand::Terminate(Terminate { id, reason, code })
            }
            _ => SentCommand::Cancel(Cancel { id, reason }),
        };
        let to = Recipient {
            key: child.id.key(),
            queue: Some(self.queue_of(child).to_owned()),
            partition: None,
        };
        self.send(None, Sent::Command { to, command }, bytes);
    }

    /// There are more children than a value can hold messages for.
    fn leave_child(&mut self, child: &ChildSpec) {
        let message = format!(
            "the child {} is left to itself: there are too many to close at once",
            child.id
        );
        let level = LogLevel::Warn;
        self.logs.push(LogLine { level, message });
    }

    fn queue_of<'a>(&'a self, child: &'a ChildSpec) -> &'a str {
        child.queue.as_deref().unwrap_or(&self.value.queue)
    }

    /// The outcome for the step of another invocation that asked for this one.
    pub(super) fn tell_parent(&self) -> Option<Effect> {
        self.outcome_for(&self.value.asker, self.as_child(self.result()))
    }

    /// How this one has ended, as its parent is told. No attempt of the parent mends a failure.
    fn result(&self) -> Result<Payload, Failure> {
        let value = &self.value;
        if value.deleted_at.is_some() {
            let message = format!("the child {} was deleted", value.id);
            return Err(Failure::fatal(Code::NOT_FOUND, message));
        }
        match &value.error {
            None => Ok(value.output.clone().unwrap_or_default()),
            Some(error) => Err(Failure {
                is_final: true,
                ..error.clone()
            }),
        }
    }

    /// A failure, as a parent is told it: with the child that it is of.
    pub(super) fn as_child(&self, result: Result<Payload, Failure>) -> Result<Payload, Failure> {
        let id = &self.value.id;
        result.map_err(|error| Failure {
            details: error
                .details
                .or_else(|| Payload::encode(&BTreeMap::from([("child", id)])).ok()),
            ..error
        })
    }

    /// An outcome for whoever asked, if it was a step of another invocation.
    pub(super) fn outcome_for(
        &self,
        asker: &Asker,
        result: Result<Payload, Failure>,
    ) -> Option<Effect> {
        let Asker::Parent {
            invocation,
            run,
            step,
            ..
        } = asker
        else {
            return None;
        };
        let id = &self.value.id;
        // Old records do not say where their parent is.
        let own = || address(&self.value.queue, self.value.partition, invocation);
        let outcome = Outcome {
            run: *run,
            step: *step,
            attempt: 1,
            result,
            worker: id.to_string(),
        };
        Some(Effect::Command {
            to: asker.address().unwrap_or_else(own),
            command: Box::new(Command::Outcome(outcome)),
        })
    }
}

/// Whether an outcome of a step follows from this message, which asked for it.
pub(super) fn asked_by(outcome: &Outcome, sent: &Sent) -> bool {
    let Sent::Command { command, .. } = sent else {
        return false;
    };
    let asker = match command {
        SentCommand::Start(start) | SentCommand::Submit { start, .. } => Some(&start.asker),
        SentCommand::Hook(hook) => hook.asker.as_ref(),
        SentCommand::Await(wait) => return (wait.run, wait.step) == (outcome.run, outcome.step),
        _ => None,
    };
    matches!(asker, Some(Asker::Parent { run, step, .. }) if *run == outcome.run && *step == outcome.step)
}
