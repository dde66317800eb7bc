//! Waiting for a signal that is addressed by its name alone: the box of the name is told who waits,
//! and gives its signal as the outcome of the step.

use headwater_wire::{
    Key,
    id::IdError,
    send::{Recipient, Sent, SentCommand},
    signal_box::{Await, Unawait},
};

use super::{Invocation, let_go::Why};
use crate::program::{LogLevel, LogLine};

/// What a message to a box costs beside its texts, about.
const MESSAGE_BYTES: usize = 120;

impl Invocation {
    /// The wait stands in the journal: the box is told with this turn.
    pub(super) fn named_decided(&mut self, step: u32, name: &str) {
        let wait = Await {
            invocation: self.value.id.clone(),
            queue: self.value.queue.clone(),
            partition: self.value.partition,
            run: self.value.run,
            step,
        };
        self.tell_box(Some(step), name, SentCommand::Await(wait));
    }

    /// Nobody waits any more, and the step has no outcome: the box gives its signal to another, also
    /// if one is on its way here.
    pub(super) fn withdraw(&mut self, step: u32, name: &str, why: Why) {
        if self.unsend(step) {
            return;
        }
        let bytes = MESSAGE_BYTES + self.value.id.as_str().len() + name.len();
        if why != Why::Dropped && !self.may_close(bytes) {
            let message = format!("the box of signal {name:?} is not told that nobody waits");
            let level = LogLevel::Warn;
            return self.logs.push(LogLine { level, message });
        }
        let wait = Unawait {
            invocation: self.value.id.clone(),
            run: self.value.run,
            step,
        };
        self.tell_box(None, name, SentCommand::Unawait(wait));
    }

    fn tell_box(&mut self, of_step: Option<u32>, name: &str, command: SentCommand) {
        match box_of(&self.value.queue, name) {
            Ok(to) => {
                let bytes = MESSAGE_BYTES + self.value.id.as_str().len() + name.len();
                self.send(of_step, Sent::Command { to, command }, bytes);
            }
            Err(error) => self.draft.broken = Some(error.to_string()),
        }
    }
}

/// The box of a name in a task queue.
fn box_of(queue: &str, name: &str) -> Result<Recipient, IdError> {
    Ok(Recipient {
        key: Key::of_signal_box(queue, name)?,
        queue: Some(queue.to_owned()),
        partition: None,
    })
}
