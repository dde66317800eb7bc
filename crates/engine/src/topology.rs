//! How many partitions the queue has: read at the start, written by the first engine or by
//! one whose configuration says otherwise.

use std::sync::Arc;

use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use headwater_store::{Bucket, Change, Env, Expect, Read, Store, StoreError, Ttl};
use headwater_wire::{limits, topology::Topology};

use crate::{emit::Backoff, router::Shared};

/// The topology of a queue, made or changed as `wanted` says. An engine may start in the middle
/// of an outage: then it waits.
pub(crate) async fn settle(
    store: &Arc<dyn Store>,
    env: &Arc<dyn Env>,
    queue: &str,
    wanted: Option<u16>,
) -> Result<Topology, StoreError> {
    let mut backoff = Backoff::new("reading the topology");
    loop {
        match try_settle(store, queue, wanted).await {
            Err(error @ (StoreError::Unavailable(_) | StoreError::Unknown(_))) => {
                backoff.wait(env, &error).await;
            }
            settled => return settled,
        }
    }
}

async fn try_settle(
    store: &Arc<dyn Store>,
    queue: &str,
    wanted: Option<u16>,
) -> Result<Topology, StoreError> {
    let key = Topology::key(queue);
    loop {
        let record = store.get(Bucket::Config, &key, Read::Leader).await?;
        let found: Option<Topology> = match &record {
            Some(record) => Some(decode(&record.value)?),
            None => None,
        };
        let mut next = found.unwrap_or_else(|| {
            let partitions = wanted.unwrap_or(limits::PARTITIONS_DEFAULT);
            Topology {
                partitions,
                // Clients that came before any engine have spread their commands by the default.
                serving: partitions.max(limits::PARTITIONS_DEFAULT),
            }
        });
        if let Some(wanted) = wanted
            && wanted != next.partitions
        {
            tracing::info!(
                queue,
                from = next.partitions,
                to = wanted,
                "changing the number of partitions"
            );
            next.partitions = wanted;
            next.serving = next.serving.max(wanted);
        }
        if found == Some(next) {
            return Ok(next);
        }
        let expect = Expect::Revision(record.map_or(0, |record| record.revision));
        match store
            .put(Bucket::Config, &key, encode(next)?, expect, Ttl::Never)
            .await
        {
            Ok(_) => return Ok(next),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
}

/// The topology of the engine's queue, whenever it changes.
pub(crate) fn follow(shared: &Arc<Shared>) -> BoxStream<'static, Topology> {
    let backoff = Backoff::new("watching the topology");
    let watches = stream::unfold(
        (Arc::clone(shared), backoff),
        async |(shared, mut backoff)| {
            let key = Topology::key(&shared.config.queue);
            loop {
                match shared.store.watch(Bucket::Config, Some(&key)).await {
                    Ok(changes) => return Some((changes, (shared, backoff))),
                    Err(error) => backoff.wait(&shared.env, &error).await,
                }
            }
        },
    );
    let decode = |change: Result<Change, StoreError>| async move {
        match change {
            Ok(Change::Put(record)) => decode(&record.value).ok(),
            _ => None,
        }
    };
    watches.flatten().filter_map(decode).boxed()
}

fn decode(bytes: &[u8]) -> Result<Topology, StoreError> {
    Topology::decode(bytes).map_err(|error| {
        StoreError::Refused(format!(
            "the topology in bucket CONFIG is not readable: {error}"
        ))
    })
}

fn encode(topology: Topology) -> Result<Bytes, StoreError> {
    topology
        .encode()
        .map(Bytes::from)
        .map_err(|error| StoreError::Refused(error.to_string()))
}
