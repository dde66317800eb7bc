//! The signal box: the built-in program that keeps signals addressed by a name alone until somebody
//! waits for one. Its value, and the commands to it, which engines write and read. (What is put
//! into it is a [`Signal`](crate::command::Signal).)

use serde::{Deserialize, Serialize};

use crate::{
    InvocationId, Partition, Payload, Run, Status, Timestamp, limits::VALUE_FORMAT, send::Sent,
    turn::LastTurn, value::ValueError,
};

/// A step waits for the next signal of the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Await {
    /// Whose step.
    pub invocation: InvocationId,
    /// Its task queue: where the outcome goes.
    pub queue: String,
    /// Its partition.
    pub partition: Partition,
    /// Its run.
    pub run: Run,
    /// The step, from 1.
    pub step: u32,
}

/// A step no longer waits. Sent only by a value in which it has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unawait {
    /// Whose step.
    pub invocation: InvocationId,
    /// Its run.
    pub run: Run,
    /// The step, from 1.
    pub step: u32,
}

/// The value of a signal box: the signals of a name that nobody waited for yet, or the steps that
/// wait for one. One key of EXECUTION_STATE, readable JSON, written by engines by compare-and-swap.
/// One that nobody waits at expires after twice the retention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalBoxValue {
    /// Format version, `VALUE_FORMAT`.
    pub format: u32,
    /// What this is, for people: `signal box`.
    pub program: String,
    /// Name of its signals.
    pub name: String,
    /// Always `waiting`.
    pub status: Status,
    /// What for, in one sentence.
    pub why: String,
    /// Task queue.
    pub queue: String,
    /// Partition.
    pub partition: Partition,
    /// When this value was written.
    pub updated_at: Timestamp,
    /// Steps that wait for a signal, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Await>,
    /// Signals that wait for a step, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<KeptSignal>,
    /// Signals that were given to a step, as long as they would be kept: it may yet say that it no
    /// longer waits, and has not got it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<Served>,
    /// Steps that were given a signal or no longer wait, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<Over>,
    /// When last a step waited no more whose await had not come. The await may come after it is
    /// forgotten who that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Timestamp>,
    /// Ids of signals taken, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
    /// The last turn's number, id and roots.
    pub turn: LastTurn,
    /// The last turn's effects: outcomes for steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<Sent>,
}

/// A signal in a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSignal {
    /// The sender's id.
    pub id: String,
    /// Its data.
    pub data: Payload,
    /// When it is dropped unless a step has waited for it.
    pub kept_until: Timestamp,
}

/// A signal that was given to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Run of the step, which tells whose it is.
    pub run: Run,
    /// The step.
    pub step: u32,
    /// The signal.
    pub signal: KeptSignal,
}

/// A step that waits no more: an await of it that comes again is not a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Over {
    /// Run of the step, which tells whose it is.
    pub run: Run,
    /// The step.
    pub step: u32,
    /// Since when.
    pub at: Timestamp,
}

/// The id of a signal that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The sender's id.
    pub id: String,
    /// When.
    pub at: Timestamp,
}

impl SignalBoxValue {
    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, ValueError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Read what [`SignalBoxValue::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let value: Self =
            serde_json::from_slice(bytes).map_err(|error| ValueError::of(bytes, error))?;
        match value.format {
            found if found > VALUE_FORMAT => Err(ValueError::Newer { found }),
            _ => Ok(value),
        }
    }
}
