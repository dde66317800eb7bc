//! A fork: a new invocation that begins with what another one has recorded.

use serde::{Deserialize, Serialize};

use crate::{InvocationId, Run, Timestamp, Value};

/// In a start: begin with what another invocation had recorded before it decided a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Which.
    pub invocation: InvocationId,
    /// Its run, which has to be its last.
    pub run: Run,
    /// The first step that is decided anew, from 1.
    pub step: u32,
}

/// In a value: what its first run began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forked {
    /// Of which invocation.
    pub of: InvocationId,
    /// Of which run.
    pub run: Run,
    /// The first step that was decided anew; 0: none, it could not be forked and has failed.
    pub step: u32,
    /// So many entries of the journal are the other's.
    pub entries: u64,
    /// From when the times in the journal count.
    pub epoch: Timestamp,
    /// When the other's run began: the program's clock starts there.
    pub began_at: Timestamp,
    /// What the random numbers of the run are drawn from.
    pub seed: String,
}

impl Value {
    /// From when the times in its journal count.
    #[must_use]
    pub fn epoch(&self) -> Timestamp {
        let forked = self.forked.as_ref();
        forked.map_or(self.created_at, |forked| forked.epoch)
    }

    /// Whence the journal of its run is, if the run began with entries of another.
    #[must_use]
    pub fn forked_run(&self) -> Option<&Forked> {
        let forked = self.forked.as_ref();
        forked.filter(|_| self.run.continued == 0)
    }

    /// When its run began, by its program's clock.
    #[must_use]
    pub fn run_began_at(&self) -> Timestamp {
        let forked = self.forked_run().map(|forked| forked.began_at);
        self.run_started_at.or(forked).unwrap_or(self.created_at)
    }

    /// What the random numbers of its run are drawn from.
    #[must_use]
    pub fn seed(&self) -> String {
        match self.forked_run() {
            Some(forked) => forked.seed.clone(),
            None => format!("{}/{}", self.id, self.run),
        }
    }
}
