//! The value of a key queue: who holds a partition key, and who waits for it. One key of
//! EXECUTION_STATE, readable JSON, written by engines by compare-and-swap. An idle one expires after
//! twice the retention.

use serde::{Deserialize, Serialize};

use crate::{
    InvocationId, Partition, Status, Timestamp, command::Start, limits::VALUE_FORMAT,
    turn::LastTurn, value::ValueError,
};

/// The value of a key queue: one invocation of a partition key at a time, in submission order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyQueueValue {
    /// Format version, `VALUE_FORMAT`.
    pub format: u32,
    /// What this is, for people: `key queue`.
    pub program: String,
    /// The partition key.
    pub partition_key: String,
    /// `running` while an invocation holds the key, else `waiting`.
    pub status: Status,
    /// Why, in one sentence.
    pub why: String,
    /// Task queue.
    pub queue: String,
    /// Partition.
    pub partition: Partition,
    /// When this value was written.
    pub updated_at: Timestamp,
    /// Every submission up to this sequence has been taken.
    pub taken_through: u64,
    /// Who holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Queued>,
    /// Who waits for it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Queued>,
    /// The last turn's number, id and roots.
    pub turn: LastTurn,
    /// The last turn's effects: commands to invocations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<Send>,
}

impl KeyQueueValue {
    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, ValueError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Read what [`KeyQueueValue::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let value: Self =
            serde_json::from_slice(bytes).map_err(|error| ValueError::of(bytes, error))?;
        match value.format {
            found if found > VALUE_FORMAT => Err(ValueError::Newer { found }),
            _ => Ok(value),
        }
    }
}

/// An invocation in a key queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Ticket number.
    pub ticket: u64,
    /// The invocation.
    pub invocation: InvocationId,
}

/// A command that a key queue sends to an invocation of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// Create it.
    Start {
        /// The invocation.
        invocation: InvocationId,
        /// How.
        start: Box<Start>,
    },
    /// Its turn has come.
    Grant {
        /// The invocation.
        invocation: InvocationId,
        /// Its ticket.
        ticket: u64,
    },
}
