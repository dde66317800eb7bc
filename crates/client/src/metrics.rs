//! Figures of a whole installation.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use headwater_store::Depth;
use headwater_wire::Status;

use crate::{Client, ClientError, Filter};

/// Figures of a whole installation, of what is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemMetrics {
    /// Invocations.
    pub invocations: u64,
    /// Their runs: each has one, and one more for each time it continued as new.
    pub executions: u64,
    /// Journal entries of their last runs.
    pub events: u64,
    /// Invocations by status; of a status that none has there is no line.
    pub by_status: BTreeMap<Status, u64>,
}

impl SystemMetrics {
    /// Invocations of a status.
    #[must_use]
    pub fn of(&self, status: Status) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    /// Invocations that have not ended.
    #[must_use]
    pub fn live(&self) -> u64 {
        let live = self
            .by_status
            .iter()
            .filter(|(status, _)| !status.is_ended());
        live.map(|(_, count)| count).sum()
    }
}

impl Client {
    /// Figures of the whole installation. Reads all states: for people, not for programs.
    pub async fn metrics(&self) -> Result<SystemMetrics, ClientError> {
        let mut metrics = SystemMetrics::default();
        let mut states = self.states(&Filter::new()).await?;
        while let Some(state) = states.try_next().await? {
            metrics.invocations += 1;
            metrics.executions += u64::from(state.value.run.continued) + 1;
            metrics.events += state.journal.entries;
            *metrics.by_status.entry(state.value.status).or_default() += 1;
        }
        Ok(metrics)
    }

    /// What waits in the work queues: commands and timers by task queue, tasks by topic. What is
    /// being worked on counts until it is done.
    pub async fn queue_depths(&self) -> Result<Vec<Depth>, ClientError> {
        Ok(self.inner.store.queue_depths().await?)
    }
}
