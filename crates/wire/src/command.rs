//! Commands: intents addressed to an invocation or a built-in program, in a work-queue stream
//! until they have been dealt with. Written by clients, workers, engines and the server's
//! scheduler; read by engines. Protobuf (`headwater.v1.Command`).

mod convert;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Failure, InvocationId, Partition, Payload, Run,
    ask::{Heartbeat, Hook},
    fork::Fork,
    id::IdError,
    lifecycle::{Delete, Pause, Terminate},
    names::{Address, TimerId},
    payload::{self, PayloadError},
    pb,
    runs::Prune,
    signal_box::{Await, Unawait},
};

/// A message that is not a command or task of ours.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf of the expected type.
    #[error("not a headwater.v1 message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// A field that must be there is not.
    #[error("the field {0} is missing")]
    Missing(&'static str),
    /// The kind of command is unknown: it comes from a newer build, or is no command at all.
    #[error("a command of no kind that this build knows")]
    UnknownKind,
    /// A payload that is not what it says.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// An id that cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// An intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Create the invocation and run it.
    Start(Start),
    /// One attempt at a step has ended.
    Outcome(Outcome),
    /// A signal for the invocation.
    Signal(Signal),
    /// A durable timer is due.
    TimerFired(TimerId),
    /// Ask the invocation to end.
    Cancel(Cancel),
    /// Try a parked or paused invocation again.
    Resume {
        /// Chosen by the sender.
        id: String,
    },
    /// To a key queue: queue an invocation.
    Submit(Submit),
    /// From a key queue: the invocation's turn has come.
    Grant(Ticket),
    /// To a key queue: the invocation that held the ticket has ended.
    Release(Ticket),
    /// End the invocation at once.
    Terminate(Terminate),
    /// Act on nothing until it is resumed.
    Pause(Pause),
    /// Forget what an ended invocation held.
    Delete(Delete),
    /// An attempt at an activity is alive.
    Heartbeat(Heartbeat),
    /// Run a further function of the workflow.
    Hook(Hook),
    /// To a signal box: a step waits for its next signal.
    Await(Await),
    /// To a signal box: a step no longer waits.
    Unawait(Unawait),
    /// Forget runs that are over.
    Prune(Prune),
}

/// Create an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Workflow name.
    pub workflow: String,
    /// Workflow version; none: the latest that the engine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its input.
    pub input: Payload,
    /// Who asks.
    pub asker: Asker,
    /// Inbox for the outcome: a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Place in the queue of its partition key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// With a ticket: its turn has already come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub granted: bool,
    /// How long the ended invocation is kept; none: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// The id was made for this start: nobody else can have used it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_id: bool,
    /// The id is free for another start so many milliseconds after the end, at least 1; none:
    /// once it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_ttl_ms: Option<u64>,
    /// Search attributes to begin with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub search: BTreeMap<String, Payload>,
    /// A signal for the invocation, whether this start creates it or finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Box<Signal>>,
    /// Begin with what another invocation has recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Box<Fork>>,
    /// Create it paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Take the place of one that has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

impl Start {
    /// A start with nothing but what each has.
    #[must_use]
    pub fn new(workflow: impl Into<String>, input: Payload, asker: Asker) -> Self {
        Self {
            workflow: workflow.into(),
            version: None,
            input,
            asker,
            reply_to: None,
            ticket: None,
            granted: false,
            retention: None,
            new_id: false,
            result_ttl_ms: None,
            search: BTreeMap::new(),
            signal: None,
            fork: None,
            paused: false,
            replace: false,
        }
    }
}

/// How long an ended invocation is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retention {
    /// For this many seconds.
    Seconds(u64),
    /// For good.
    Forever,
}

impl Retention {
    /// As a time to live; none means for good.
    #[must_use]
    pub fn ttl(self) -> Option<Duration> {
        match self {
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Self::Forever => None,
        }
    }
}

/// Who asked for an invocation. The same asker again attaches; another is told that the id exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// A client's request, by an id of the client's choice.
    Request(String),
    /// A step of another invocation.
    Parent {
        /// Id of the parent.
        invocation: InvocationId,
        /// Run of the parent.
        run: Run,
        /// Step of the parent.
        step: u32,
        /// Task queue of the parent; empty in records of old: that of the child.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        queue: String,
        /// Partition of the parent, with its queue.
        #[serde(default, skip_serializing_if = "is_none")]
        partition: Partition,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_none(partition: &Partition) -> bool {
    partition.0 == 0
}

impl Asker {
    /// Where the outcome goes, if a step of another invocation asked and its record says where.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Parent {
                invocation,
                queue,
                partition,
                ..
            } if !queue.is_empty() => Some(Address {
                queue: queue.clone(),
                partition: *partition,
                key: invocation.key(),
            }),
            _ => None,
        }
    }
}

/// A place in the queue of a partition key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The partition key.
    pub key: String,
    /// Sequence in COMMANDS of the submission.
    pub number: u64,
}

/// One attempt at a step has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Run of the invocation.
    pub run: Run,
    /// Step, from 1.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Result.
    #[serde(with = "payload::result")]
    pub result: Result<Payload, Failure>,
    /// Worker that ran it, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker: String,
}

/// A signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Chosen by the sender: the same id is taken once.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Its data.
    pub data: Payload,
    /// What it is sent on.
    #[serde(default, skip_serializing_if = "Channel::is_signal")]
    pub channel: Channel,
    /// Inbox for the answer to an update: a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// To a signal box: how many milliseconds it is kept while nobody waits for it, at least 1;
    /// none: [`NAMED_SIGNAL_KEPT`](crate::limits::NAMED_SIGNAL_KEPT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_ms: Option<u64>,
}

impl Signal {
    /// A signal on the channel of signals.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, data: Payload) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            data,
            channel: Channel::Signal,
            reply_to: None,
            keep_ms: None,
        }
    }
}

/// What a signal is sent on. Each has names of its own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Kept until a step waits for it.
    #[default]
    Signal,
    /// For steps that wait at that moment; else gone.
    Event,
    /// Kept in order until it is popped.
    Queue,
    /// Kept until it is taken, then answered.
    Update,
}

impl Channel {
    /// Whether it is that of signals, which goes without saying.
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    #[must_use]
    pub fn is_signal(&self) -> bool {
        *self == Self::Signal
    }

    /// The word in the JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Event => "event",
            Self::Queue => "queue",
            Self::Update => "update",
        }
    }
}

/// Ask an invocation to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Chosen by the sender.
    pub id: String,
    /// Why, for people.
    pub reason: String,
}

/// Queue an invocation behind others of its partition key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// The invocation to start.
    pub invocation: InvocationId,
    /// How to start it.
    pub start: Start,
}

impl Command {
    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Command {
            kind: Some(self.into()),
        }
        .encode_to_vec()
        .into()
    }

    /// Read a message from COMMANDS. Never panics; says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let command = pb::Command::decode(bytes)?;
        command.kind.ok_or(DecodeError::UnknownKind)?.try_into()
    }

    /// What kind of command it is, as logs and metrics call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Outcome(_) => "outcome",
            Self::Signal(_) => "signal",
            Self::TimerFired(_) => "timer",
            Self::Cancel(_) => "cancel",
            Self::Resume { .. } => "resume",
            Self::Submit(_) => "submit",
            Self::Grant(_) => "grant",
            Self::Release(_) => "release",
            Self::Terminate(_) => "terminate",
            Self::Pause(_) => "pause",
            Self::Delete(_) => "delete",
            Self::Heartbeat(_) => "heartbeat",
            Self::Hook(_) => "hook",
            Self::Await(_) => "await",
            Self::Unawait(_) => "unawait",
            Self::Prune(_) => "prune",
        }
    }
}

pub(crate) fn need<T>(field: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    field.ok_or(DecodeError::Missing(name))
}

pub(crate) fn need_text(field: String, name: &'static str) -> Result<String, DecodeError> {
    if field.is_empty() {
        return Err(DecodeError::Missing(name));
    }
    Ok(field)
}

pub(crate) fn optional_text(field: String) -> Option<String> {
    (!field.is_empty()).then_some(field)
}

/// A payload that may go without saying.
pub(crate) fn or_null(payload: Option<pb::Payload>) -> Result<Payload, DecodeError> {
    Ok(payload.map_or(Ok(Payload::null()), TryInto::try_into)?)
}

/// A partition, or the reason why it cannot be one.
pub(crate) fn partition(number: u32, field: &'static str) -> Result<Partition, DecodeError> {
    let number = u16::try_from(number).map_err(|_| DecodeError::Missing(field))?;
    Ok(Partition(number))
}
