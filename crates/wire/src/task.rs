//! Tasks: one attempt at a remote step, for a worker. Written by engines to `tasks.<topic>`,
//! read by workers, gone once the worker has published the outcome. Protobuf
//! (`headwater.v1.Task`). Replies are hints to waiting clients (`headwater.v1.Reply`).

use std::fmt::Write as _;

use bytes::Bytes;
use prost::Message;

use crate::{
    Failure, InvocationId, Partition, Payload, Run, command::DecodeError, journal::ActivityOptions,
    names::Address, pb,
};

/// One attempt at a remote step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Invocation that waits for it.
    pub invocation: InvocationId,
    /// Its task queue: where the outcome goes.
    pub queue: String,
    /// Its partition.
    pub partition: Partition,
    /// Its run.
    pub run: Run,
    /// Step, from 1.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Activity to run.
    pub activity: String,
    /// Its input.
    pub input: Payload,
    /// Workflow that asks, for people.
    pub workflow: String,
    /// What the worker has to keep to.
    pub options: ActivityOptions,
    /// Details of the last heartbeat of the attempts before.
    pub heartbeat: Option<Payload>,
}

impl Task {
    /// Where the outcome goes.
    #[must_use]
    pub fn reply_address(&self) -> Address {
        Address {
            queue: self.queue.clone(),
            partition: self.partition,
            key: self.invocation.key(),
        }
    }

    /// Stable over all attempts at the step: `<invocation>/<run>/<step>`.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        idempotency_key(&self.invocation, self.run, self.step)
    }

    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Task {
            invocation: self.invocation.into(),
            queue: self.queue,
            partition: u32::from(self.partition.0),
            run: Some(self.run.into()),
            step: self.step,
            attempt: self.attempt,
            activity: self.activity,
            input: Some(self.input.into()),
            workflow: self.workflow,
            timeout_ms: self.options.timeout_ms.unwrap_or_default(),
            heartbeat_ms: self.options.heartbeat_ms.unwrap_or_default(),
            heartbeat: self.heartbeat.map(Into::into),
            session: self.options.session.unwrap_or_default(),
        }
        .encode_to_vec()
        .into()
    }

    /// Read a message from TASKS. Never panics; says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let task = pb::Task::decode(bytes)?;
        Ok(Self {
            invocation: InvocationId::new(task.invocation)?,
            queue: task.queue,
            partition: Partition(
                u16::try_from(task.partition)
                    .map_err(|_| DecodeError::Missing("task.partition (in range)"))?,
            ),
            run: task.run.ok_or(DecodeError::Missing("task.run"))?.into(),
            step: task.step,
            attempt: task.attempt,
            activity: task.activity,
            input: task
                .input
                .ok_or(DecodeError::Missing("task.input"))?
                .try_into()?,
            workflow: task.workflow,
            options: ActivityOptions {
                timeout_ms: (task.timeout_ms > 0).then_some(task.timeout_ms),
                heartbeat_ms: (task.heartbeat_ms > 0).then_some(task.heartbeat_ms),
                session: Some(task.session).filter(|session| !session.is_empty()),
            },
            heartbeat: task.heartbeat.map(TryInto::try_into).transpose()?,
        })
    }
}

/// What a step hands to the outside world to have its effect once: `<invocation>/<run>/<step>`.
#[must_use]
pub fn idempotency_key(invocation: &InvocationId, run: Run, step: u32) -> String {
    let id = invocation.as_str();
    let mut key = String::with_capacity(id.len() + 32);
    key.push_str(id);
    // Writing to a string cannot fail.
    let _ = write!(key, "/{}.{}/{step}", run.start, run.continued);
    key
}

/// What a waiting client is told. A hint: the value is the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Which invocation.
    pub invocation: InvocationId,
    /// The id existed when the start arrived, asked for by another.
    pub exists: bool,
    /// Status as in EXECUTION_STATE; empty while it has not ended.
    pub status: String,
    /// Output of a completed one.
    pub output: Option<Payload>,
    /// Error of any other that has ended.
    pub error: Option<Failure>,
}

impl Reply {
    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Reply {
            invocation: self.invocation.into(),
            exists: self.exists,
            status: self.status,
            output: self.output.map(Into::into),
            error: self.error.map(Into::into),
        }
        .encode_to_vec()
        .into()
    }

    /// Read a reply.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reply = pb::Reply::decode(bytes)?;
        Ok(Self {
            invocation: InvocationId::new(reply.invocation)?,
            exists: reply.exists,
            status: reply.status,
            output: reply.output.map(TryInto::try_into).transpose()?,
            error: reply.error.map(TryInto::try_into).transpose()?,
        })
    }
}
