//! What an invocation has sent to others: it stands in the value of the turn that sends it, so
//! that it can be sent again without the program. Readable JSON.

use serde::{Deserialize, Serialize};

use crate::{
    InvocationId, Key, Partition, Payload,
    ask::{Answer, Hook, Stop},
    command::{Cancel, Outcome, Signal, Start, Submit},
    id::{IdError, Owner},
    lifecycle::Terminate,
    names::Address,
    signal_box::{Await, Unawait},
};

/// One message of a turn to somebody else. Named by [`EffectTag::Send`](crate::turn::EffectTag).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// A command: settled like any effect.
    Command {
        /// To whom.
        to: Recipient,
        /// What.
        command: SentCommand,
    },
    /// To the workers of a topic. A hint.
    Stop {
        /// The topic.
        topic: String,
        /// What is no longer wanted.
        stop: Stop,
    },
    /// An event for whoever listens. A hint.
    Event {
        /// What it is called.
        topic: String,
        /// Its data.
        data: Payload,
    },
    /// The answer to an update. A hint.
    Answer {
        /// Inbox of who asked.
        inbox: String,
        /// The answer.
        answer: Answer,
    },
}

/// A command that one invocation or built-in program may send to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentCommand {
    /// Create a child.
    Start(Box<Start>),
    /// Queue a child behind others of its partition key.
    Submit {
        /// The child.
        invocation: InvocationId,
        /// How to start it.
        start: Box<Start>,
    },
    /// The outcome of a step of the recipient.
    Outcome(Outcome),
    /// A signal.
    Signal(Signal),
    /// Ask it to end.
    Cancel(Cancel),
    /// End it at once.
    Terminate(Terminate),
    /// Run a hook of it.
    Hook(Hook),
    /// To a signal box.
    Await(Await),
    /// To a signal box.
    Unawait(Unawait),
}

impl SentCommand {
    /// Whether it begins a child.
    #[must_use]
    pub fn begins_child(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Submit { .. })
    }
}

impl From<SentCommand> for crate::Command {
    fn from(command: SentCommand) -> Self {
        match command {
            SentCommand::Start(start) => Self::Start(*start),
            SentCommand::Submit { invocation, start } => Self::Submit(Submit {
                invocation,
                start: *start,
            }),
            SentCommand::Outcome(outcome) => Self::Outcome(outcome),
            SentCommand::Signal(signal) => Self::Signal(signal),
            SentCommand::Cancel(cancel) => Self::Cancel(cancel),
            SentCommand::Terminate(terminate) => Self::Terminate(terminate),
            SentCommand::Hook(hook) => Self::Hook(hook),
            SentCommand::Await(wait) => Self::Await(wait),
            SentCommand::Unawait(wait) => Self::Unawait(wait),
        }
    }
}

/// To whom a command goes, as far as the sender knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Invocation or built-in program.
    pub key: Key,
    /// Task queue; none: that of its value, or else the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Partition of the queue; none: that of its value, or else of [`Recipient::hashed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
}

impl Recipient {
    /// Its address, if nothing has to be looked up.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Some(Address {
            queue: self.queue.clone()?,
            partition: self.partition?,
            key: self.key.clone(),
        })
    }

    /// The text whose hash gives its partition while there is no value that says otherwise.
    pub fn hashed(&self) -> Result<String, IdError> {
        Ok(match self.key.owner()? {
            Owner::Invocation(id) => id.into(),
            Owner::KeyQueue { partition_key, .. } => partition_key,
            Owner::SignalBox { name, .. } => name,
        })
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Self {
            key: address.key,
            queue: Some(address.queue),
            partition: Some(address.partition),
        }
    }
}
