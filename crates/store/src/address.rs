//! Where commands go: an invocation's value says it; who has none goes by its hash, into as many
//! partitions as its task queue has.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use headwater_wire::{
    Key, Partition, Value, limits,
    names::{Address, DEFAULT_QUEUE},
    send::Recipient,
    topology::Topology,
};

use crate::{Bucket, Env, Read, Store, StoreError};

/// How long the number of partitions is taken as known.
const TOPOLOGY_KEPT: Duration = Duration::from_secs(5);

/// Finds addresses, and remembers for a while how many partitions a task queue has.
pub struct Addresses {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    topologies: Mutex<Vec<(String, Duration, u16)>>,
}

/// Why an address cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value or a topology that cannot be read.
    #[error("{key} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        key: String,
        /// Why.
        reason: String,
    },
}

impl Addresses {
    /// Addresses in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Self {
        Self {
            store,
            env,
            topologies: Mutex::default(),
        }
    }

    /// Where a command goes: as its sender says; else as the recipient's value says; else by its
    /// hash. May be of a moment ago: the engine that gets it passes it on.
    pub async fn of(&self, to: &Recipient) -> Result<Address, AddressError> {
        if let Some(address) = to.address() {
            return Ok(address);
        }
        let key = to.key.clone();
        if !key.is_built_in()
            && let Some(value) = self.value(&key).await?
        {
            return Ok(Address {
                queue: value.queue,
                partition: value.partition,
                key,
            });
        }
        let queue = to.queue.as_deref().unwrap_or(DEFAULT_QUEUE);
        let hashed = to.hashed().map_err(unreadable(key.as_str()))?;
        let mut address = self.new_address(queue, &hashed, key).await?;
        if let Some(partition) = to.partition {
            address.partition = partition;
        }
        Ok(address)
    }

    async fn value(&self, key: &Key) -> Result<Option<Value>, AddressError> {
        let read = self.store.get(Bucket::State, key.as_str(), Read::Any);
        let Some(record) = read.await? else {
            return Ok(None);
        };
        let (value, _) = Value::decode(&record.value).map_err(unreadable(key.as_str()))?;
        Ok(Some(value))
    }

    /// Where something new goes, by its partition key or id.
    pub async fn new_address(
        &self,
        queue: &str,
        hashed: &str,
        key: Key,
    ) -> Result<Address, AddressError> {
        let partitions = self.partitions(queue).await?;
        Ok(Address {
            queue: queue.to_owned(),
            partition: Partition::of(hashed, partitions),
            key,
        })
    }

    async fn partitions(&self, queue: &str) -> Result<u16, AddressError> {
        let now = self.env.elapsed();
        let known = self
            .topologies()
            .iter()
            .find(|(name, read, _)| name == queue && now.saturating_sub(*read) < TOPOLOGY_KEPT)
            .map(|(_, _, partitions)| *partitions);
        if let Some(partitions) = known {
            return Ok(partitions);
        }
        let key = Topology::key(queue);
        let record = self.store.get(Bucket::Config, &key, Read::Any).await?;
        let partitions = match record {
            // No engine has served this queue yet; the first one takes these over.
            None => limits::PARTITIONS_DEFAULT,
            Some(record) => {
                let topology = Topology::decode(&record.value).map_err(unreadable(&key))?;
                topology.partitions
            }
        };
        let mut topologies = self.topologies();
        topologies.retain(|(name, _, _)| name != queue);
        topologies.push((queue.to_owned(), now, partitions));
        Ok(partitions)
    }

    fn topologies(&self) -> MutexGuard<'_, Vec<(String, Duration, u16)>> {
        self.topologies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable<E: std::fmt::Display>(key: &str) -> impl FnOnce(E) -> AddressError {
    move |error| AddressError::Unreadable {
        key: key.to_owned(),
        reason: error.to_string(),
    }
}
