//! The journals of runs that are over.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use headwater_core::Archive;
use headwater_store::{Bucket, Expect, StoreError, Ttl};
use headwater_wire::runs::journal_key;

use super::Actor;
use crate::emit::Backoff;

/// How long it takes until what is forgotten is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1);

impl Actor {
    /// Store what a run leaves, before the turn that ends it. If that turn is never stored, it is
    /// named by no value, and goes when its time is over.
    pub(super) async fn store_archive(&self, archive: Archive) {
        let page = Bytes::from(archive.page);
        let ttl = Ttl::After(archive.ttl);
        let mut backoff = Backoff::new("storing the journal of a run that is over");
        while let Err(error) = self.put_part(&archive.name, page.clone(), ttl).await {
            if let StoreError::Refused(_) = error {
                tracing::warn!(key = %self.address.key, %error, "the journal of a run that is over is not kept");
                return;
            }
            backoff.wait(&self.shared.env, &error).await;
        }
    }

    /// Let go of what no value names any more: written over with nothing, for a moment. If it fails
    /// it has a time to live.
    pub(super) async fn forget_parts(&self, parts: Vec<String>) {
        let ttl = Ttl::After(FORGOTTEN_AFTER);
        let puts = parts
            .iter()
            .map(|part| self.put_part(part, Bytes::new(), ttl));
        for forgotten in join_all(puts).await {
            if let Err(error) = forgotten {
                tracing::debug!(key = %self.address.key, %error, "the journal of a run goes later");
            }
        }
    }

    async fn put_part(&self, part: &str, bytes: Bytes, ttl: Ttl) -> Result<(), StoreError> {
        let key = journal_key(&self.address.key, part);
        let store = &self.shared.store;
        let put = store.put(Bucket::Journal, &key, bytes, Expect::Any, ttl);
        put.await.map(drop)
    }
}
