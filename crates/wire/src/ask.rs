//! What is asked and told while an invocation runs: hooks and heartbeats, which are commands, and
//! queries, answers, stops and progress, which are hints on core NATS and may be lost.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

use crate::{
    Failure, InvocationId, Partition, Payload, Run,
    command::{Asker, DecodeError, need, need_text, or_null, partition},
    payload, pb,
};

/// Run a further function of the workflow beside its main one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Chosen by the sender: the same id is taken once.
    pub id: String,
    /// Which function.
    pub name: String,
    /// Its input.
    pub input: Payload,
    /// Who waits for its result; none: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asker: Option<Asker>,
}

/// An attempt at an activity is alive, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Run of the invocation.
    pub run: Run,
    /// Step, from 1.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Grows with each heartbeat of the attempt.
    pub number: u64,
    /// What the next attempt is told.
    pub details: Payload,
}

/// A question to the engine that pulls a partition. A hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Chosen by the sender, repeated in the answer.
    pub id: String,
    /// Of which invocation.
    pub invocation: InvocationId,
    /// Its task queue.
    pub queue: String,
    /// Its partition.
    pub partition: Partition,
    /// Which query.
    pub name: String,
    /// Its input.
    pub data: Payload,
    /// Inbox for the answer.
    pub reply_to: String,
}

/// The answer to a query or an update. A hint: that to an update stands in the value too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Id of the query or update.
    pub id: String,
    /// The answer.
    #[serde(with = "payload::result")]
    pub result: Result<Payload, Failure>,
}

/// Nobody wants the outcome of these steps any more. A hint to the workers of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Whose steps.
    pub invocation: InvocationId,
    /// Of which run.
    pub run: Run,
    /// Which; none: all of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<u32>,
    /// Why, for people.
    pub reason: String,
}

/// What an activity tells while it runs. A hint to whoever listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// For which invocation it runs.
    pub invocation: InvocationId,
    /// Its run.
    pub run: Run,
    /// Step, from 1.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// The activity.
    pub activity: String,
    /// What it tells.
    pub data: Payload,
}

impl Query {
    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Query {
            id: self.id,
            invocation: self.invocation.into(),
            queue: self.queue,
            partition: u32::from(self.partition.0),
            name: self.name,
            data: Some(self.data.into()),
            reply_to: self.reply_to,
        }
        .encode_to_vec()
        .into()
    }

    /// Read a query. Never panics; says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let query = pb::Query::decode(bytes)?;
        Ok(Self {
            id: query.id,
            invocation: InvocationId::new(query.invocation)?,
            queue: query.queue,
            partition: partition(query.partition, "query.partition (in range)")?,
            name: need_text(query.name, "query.name")?,
            data: or_null(query.data)?,
            reply_to: need_text(query.reply_to, "query.reply_to")?,
        })
    }
}

impl Answer {
    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Answer {
            id: self.id,
            result: Some(match self.result {
                Ok(payload) => pb::answer::Result::Ok(payload.into()),
                Err(failure) => pb::answer::Result::Error(failure.into()),
            }),
        }
        .encode_to_vec()
        .into()
    }

    /// Read an answer. Never panics; says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let answer = pb::Answer::decode(bytes)?;
        Ok(Self {
            id: answer.id,
            result: match need(answer.result, "answer.result")? {
                pb::answer::Result::Ok(payload) => Ok(payload.try_into()?),
                pb::answer::Result::Error(failure) => Err(failure.try_into()?),
            },
        })
    }
}

impl Stop {
    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Stop {
            invocation: self.invocation.into(),
            run: Some(self.run.into()),
            steps: self.steps,
            reason: self.reason,
        }
        .encode_to_vec()
        .into()
    }

    /// Read a stop. Never panics; says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let stop = pb::Stop::decode(bytes)?;
        Ok(Self {
            invocation: InvocationId::new(stop.invocation)?,
            run: need(stop.run, "stop.run")?.into(),
            steps: stop.steps,
            reason: stop.reason,
        })
    }
}

impl Progress {
    /// As it travels.
    #[must_use]
    pub fn encode(self) -> Bytes {
        pb::Progress {
            invocation: self.invocation.into(),
            run: Some(self.run.into()),
            step: self.step,
            attempt: self.attempt,
            activity: self.activity,
            data: Some(self.data.into()),
        }
        .encode_to_vec()
        .into()
    }

    /// Read what an activity told. Never panics; says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let progress = pb::Progress::decode(bytes)?;
        Ok(Self {
            invocation: InvocationId::new(progress.invocation)?,
            run: need(progress.run, "progress.run")?.into(),
            step: progress.step,
            attempt: progress.attempt,
            activity: progress.activity,
            data: or_null(progress.data)?,
        })
    }
}
