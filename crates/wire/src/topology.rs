//! Topology: how many partitions a task queue has. Bucket CONFIG, key `topology.<queue>`,
//! written by the first engine of the queue or by who changes the count, read by all, for good.

use serde::{Deserialize, Serialize};

use crate::id::encode_token;

/// Partitions of one task queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Where new invocations go: partitions 1 to this.
    pub partitions: u16,
    /// Engines serve partitions 1 to this. It never shrinks: a sleeping invocation of an old
    /// partition has no message there, and yet its signals and outcomes will go there.
    pub serving: u16,
}

impl Topology {
    /// Key in the CONFIG bucket.
    #[must_use]
    pub fn key(queue: &str) -> String {
        format!("topology.{}", encode_token(queue))
    }

    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Read what [`Topology::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
