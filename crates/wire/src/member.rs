//! Members: engines and workers that are alive. Written by each process every `HEARTBEAT` with
//! a time to live of `MEMBER_TTL`, read by engines (partition spread, who has a workflow) and
//! people (`headwater members`). Key `<role>.<id>`. A hint: nothing about correctness rests on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    topic::{any_tag, tag_of, without_slot},
};

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

/// Which of these members has a share, by rendezvous hashing: whoever sees the same members answers
/// the same, and a death moves only the shares of the dead.
pub fn owner<'a>(ids: impl IntoIterator<Item = &'a str>, share: u16) -> Option<&'a str> {
    let weight = |id: &&str| xxhash_rust::xxh3::xxh3_64_with_seed(id.as_bytes(), u64::from(share));
    ids.into_iter().max_by_key(weight)
}

impl Member {
    /// Whether it is a worker that takes tasks of a topic, or those of its sessions.
    #[must_use]
    pub fn takes(&self, topic: &str) -> bool {
        let topic = without_slot(topic);
        let any = || tag_of(topic).map(|_| any_tag(topic));
        self.role == Role::Worker
            && (self.topics.iter().any(|own| own == topic)
                || any().is_some_and(|any| self.topics.contains(&any)))
    }

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
