//! Members: engines and workers that are alive. Written by each process every `HEARTBEAT` with
//! a time to live of `MEMBER_TTL`, read by engines (partition spread, who has a workflow) and
//! people (`headwater members`). Key `<role>.<id>`. A hint: nothing about correctness rests on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes commands.
    Engine,
    /// Runs activities.
    Worker,
}

impl Role {
    /// As it stands in the key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Worker => "worker",
        }
    }
}

/// One living engine or worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it does.
    pub role: Role,
    /// Unique for the life of the process.
    pub id: String,
    /// Task queue that an engine serves; empty for a worker.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub queue: String,
    /// Machine it runs on, as far as known.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Version of the Headwater build.
    pub build: String,
    /// Since when.
    pub started_at: Timestamp,
    /// Workflows of an engine, with their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflows: BTreeMap<String, Vec<String>>,
    /// Topics of a worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
}

impl Member {
    /// Key in the MEMBERS bucket.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.role.as_str(), self.id)
    }

    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Read what [`Member::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
