//! Commands: intents addressed to an invocation or a built-in program, in a work-queue stream
//! until they have been dealt with. Written by clients, workers, engines and the server's
//! scheduler; read by engines. Protobuf (`headwater.v1.Command`).

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Failure, InvocationId, Payload, Run, id::IdError, names::TimerId, payload::PayloadError, pb,
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
    },
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Run of the invocation.
    pub run: Run,
    /// Step, from 1.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Result.
    pub result: Result<Payload, Failure>,
    /// Worker that ran it, for people.
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
        }
    }
}

fn need<T>(field: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    field.ok_or(DecodeError::Missing(name))
}

fn need_text(field: String, name: &'static str) -> Result<String, DecodeError> {
    if field.is_empty() {
        return Err(DecodeError::Missing(name));
    }
    Ok(field)
}

fn optional_text(field: String) -> Option<String> {
    (!field.is_empty()).then_some(field)
}

impl From<Command> for pb::command::Kind {
    fn from(command: Command) -> Self {
        match command {
            Command::Start(start) => Self::Start(start.into()),
            Command::Outcome(outcome) => Self::Outcome(outcome.into()),
            Command::Signal(Signal { id, name, data }) => Self::Signal(pb::Signal {
                id,
                name,
                data: Some(data.into()),
            }),
            Command::TimerFired(TimerId { run, step, attempt }) => {
                Self::TimerFired(pb::TimerFired {
                    run: Some(run.into()),
                    step,
                    attempt,
                })
            }
            Command::Cancel(Cancel { id, reason }) => Self::Cancel(pb::Cancel { id, reason }),
            Command::Resume { id } => Self::Resume(pb::Resume { id }),
            Command::Submit(Submit { invocation, start }) => Self::Submit(pb::Submit {
                invocation: invocation.into(),
                start: Some(start.into()),
            }),
            Command::Grant(ticket) => Self::Grant(pb::Grant {
                ticket: Some(ticket.into()),
            }),
            Command::Release(ticket) => Self::Release(pb::Release {
                ticket: Some(ticket.into()),
            }),
        }
    }
}

impl TryFrom<pb::command::Kind> for Command {
    type Error = DecodeError;
    fn try_from(kind: pb::command::Kind) -> Result<Self, DecodeError> {
        use pb::command::Kind;
        Ok(match kind {
            Kind::Start(start) => Self::Start(start.try_into()?),
            Kind::Outcome(outcome) => Self::Outcome(outcome.try_into()?),
            Kind::Signal(signal) => Self::Signal(Signal {
                id: need_text(signal.id, "signal.id")?,
                name: need_text(signal.name, "signal.name")?,
                data: need(signal.data, "signal.data")?.try_into()?,
            }),
            Kind::TimerFired(timer) => Self::TimerFired(TimerId {
                run: need(timer.run, "timer_fired.run")?.into(),
                step: timer.step,
                attempt: timer.attempt,
            }),
            Kind::Cancel(cancel) => Self::Cancel(Cancel {
                id: cancel.id,
                reason: cancel.reason,
            }),
            Kind::Resume(resume) => Self::Resume { id: resume.id },
            Kind::Submit(submit) => Self::Submit(Submit {
                invocation: InvocationId::new(submit.invocation)?,
                start: need(submit.start, "submit.start")?.try_into()?,
            }),
            Kind::Grant(grant) => Self::Grant(need(grant.ticket, "grant.ticket")?.into()),
            Kind::Release(release) => Self::Release(need(release.ticket, "release.ticket")?.into()),
        })
    }
}

impl From<Ticket> for pb::Ticket {
    fn from(ticket: Ticket) -> Self {
        Self {
            key: ticket.key,
            number: ticket.number,
        }
    }
}

impl From<pb::Ticket> for Ticket {
    fn from(ticket: pb::Ticket) -> Self {
        Self {
            key: ticket.key,
            number: ticket.number,
        }
    }
}

impl From<Asker> for pb::Asker {
    fn from(asker: Asker) -> Self {
        let kind = match asker {
            Asker::Request(id) => pb::asker::Kind::Request(id),
            Asker::Parent {
                invocation,
                run,
                step,
            } => pb::asker::Kind::Parent(pb::Parent {
                invocation: invocation.into(),
                run: Some(run.into()),
                step,
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<pb::Asker> for Asker {
    type Error = DecodeError;
    fn try_from(asker: pb::Asker) -> Result<Self, DecodeError> {
        match need(asker.kind, "start.asker.kind")? {
            pb::asker::Kind::Request(id) => {
                Ok(Self::Request(need_text(id, "start.asker.request")?))
            }
            pb::asker::Kind::Parent(parent) => Ok(Self::Parent {
                invocation: InvocationId::new(parent.invocation)?,
                run: need(parent.run, "start.asker.parent.run")?.into(),
                step: parent.step,
            }),
        }
    }
}

impl From<Start> for pb::Start {
    fn from(start: Start) -> Self {
        Self {
            workflow: start.workflow,
            version: start.version.unwrap_or_default(),
            input: Some(start.input.into()),
            asker: Some(start.asker.into()),
            reply_to: start.reply_to.unwrap_or_default(),
            ticket: start.ticket.map(Into::into),
            granted: start.granted,
            retention_seconds: match start.retention {
                Some(Retention::Seconds(seconds)) => seconds,
                _ => 0,
            },
            retain_forever: start.retention == Some(Retention::Forever),
            new_id: start.new_id,
        }
    }
}

impl TryFrom<pb::Start> for Start {
    type Error = DecodeError;
    fn try_from(start: pb::Start) -> Result<Self, DecodeError> {
        Ok(Self {
            workflow: need_text(start.workflow, "start.workflow")?,
            version: optional_text(start.version),
            input: start.input.map_or(Ok(Payload::null()), TryInto::try_into)?,
            asker: need(start.asker, "start.asker")?.try_into()?,
            reply_to: optional_text(start.reply_to),
            ticket: start.ticket.map(Into::into),
            granted: start.granted,
            new_id: start.new_id,
            retention: match (start.retain_forever, start.retention_seconds) {
                (true, _) => Some(Retention::Forever),
                (false, 0) => None,
                (false, seconds) => Some(Retention::Seconds(seconds)),
            },
        })
    }
}

impl From<Outcome> for pb::Outcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            run: Some(outcome.run.into()),
            step: outcome.step,
            attempt: outcome.attempt,
            worker: outcome.worker,
            result: Some(match outcome.result {
                Ok(payload) => pb::outcome::Result::Ok(payload.into()),
                Err(failure) => pb::outcome::Result::Error(failure.into()),
            }),
        }
    }
}

impl TryFrom<pb::Outcome> for Outcome {
    type Error = DecodeError;
    fn try_from(outcome: pb::Outcome) -> Result<Self, DecodeError> {
        Ok(Self {
            run: need(outcome.run, "outcome.run")?.into(),
            step: outcome.step,
            attempt: outcome.attempt,
            result: match need(outcome.result, "outcome.result")? {
                pb::outcome::Result::Ok(payload) => Ok(payload.try_into()?),
                pb::outcome::Result::Error(failure) => Err(failure.try_into()?),
            },
            worker: outcome.worker,
        })
    }
}
