//! Who has an id, as far as a start can see before it is sent. The engine decides.

use std::time::Duration;

use headwater_store::{Bucket, Read};
use headwater_wire::{Command, InvocationId, Run};

use crate::{Client, ClientError};

/// How long the one that is to be replaced may take to end.
const REPLACE_TIME: Duration = Duration::from_secs(30);

/// Who has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Nobody,
    /// One that has ended, and whose id is free for another start.
    Free(Run),
    /// One that has ended.
    Ended(Run),
    /// One that goes on, or whose start waits in COMMANDS.
    GoesOn,
}

impl Client {
    pub(crate) async fn holder(
        &self,
        id: &InvocationId,
        queue: &str,
    ) -> Result<Holder, ClientError> {
        let (key, inner) = (id.key(), &self.inner);
        let record = inner
            .store
            .get(Bucket::State, key.as_str(), Read::Leader)
            .await?;
        if let Some(record) = record {
            let (value, _) = crate::inspect::decode(id.as_str(), &record.value)?;
            return Ok(match value.status.is_ended() {
                _ if value.is_free(inner.env.now()) => Holder::Free(value.run),
                true => Holder::Ended(value.run),
                false => Holder::GoesOn,
            });
        }
        let first = inner.store.first_command(queue, &key, 0).await?;
        let starts = |body: &[u8]| matches!(Command::decode(body), Ok(Command::Start(_)));
        Ok(match first {
            Some((_, body)) if starts(&body) => Holder::GoesOn,
            _ => Holder::Nobody,
        })
    }

    /// End whoever has the id. Answers who had it at last, which does not go on.
    pub(crate) async fn make_way(
        &self,
        id: &InvocationId,
        queue: &str,
    ) -> Result<Holder, ClientError> {
        let deadline = self.inner.env.elapsed() + REPLACE_TIME;
        loop {
            match self.holder(id, queue).await? {
                Holder::GoesOn => {}
                holder => return Ok(holder),
            }
            match self.terminate(id, "replaced by another start").await {
                Err(ClientError::AlreadyEnded { .. } | ClientError::NotFound(_)) => continue,
                sent => sent?,
            }
            let left = deadline.saturating_sub(self.inner.env.elapsed());
            self.wait_started(id, None, left).await?;
        }
    }
}
