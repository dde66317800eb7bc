//! The client itself, and how it addresses an invocation.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use headwater_store::{Bucket, Env, Message, Read, Store, StoreError};
use headwater_wire::{
    Command, InvocationId, Key, Partition, Payload,
    command::{Cancel, Channel},
    limits,
    names::{Address, DEFAULT_QUEUE},
    topology::Topology,
};
use serde::Serialize;

use crate::{ClientError, ReadAgain, StartCall, replies::Replies};

/// How long the number of partitions is taken as known.
const TOPOLOGY_KEPT: Duration = Duration::from_secs(5);

/// How long a command is tried to be stored.
const PUBLISH_TIME: Duration = Duration::from_secs(10);

/// A client of one installation, cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    pub(crate) read_again: ReadAgain,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) replies: Replies,
    topologies: Mutex<Vec<(String, Duration, u16)>>,
}

impl Client {
    /// A client on a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Self {
        Self {
            inner: Arc::new(Inner {
                replies: Replies::default(),
                topologies: Mutex::new(Vec::new()),
                store,
                env,
            }),
            read_again: ReadAgain::default(),
        }
    }

    /// What tells it, besides hints, to read a value again while it waits.
    #[must_use]
    pub fn reading_again(mut self, read_again: ReadAgain) -> Self {
        self.read_again = read_again;
        self
    }

    /// The store that it works on.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Start a workflow: the returned call takes options, then [`StartCall::send`].
    pub fn start(&self, workflow: impl Into<String>) -> StartCall {
        StartCall::new(self.clone(), workflow.into())
    }

    /// Send a signal; its data is kept until the workflow waits for it. Answers the signal's id.
    pub async fn signal<T: Serialize + ?Sized>(
        &self,
        id: &InvocationId,
        name: &str,
        data: &T,
    ) -> Result<String, ClientError> {
        self.signal_payload(id, name, Payload::encode(data)?, None)
            .await
    }

    /// [`Client::signal`] with encoded data and, to be repeatable, an id of the sender's.
    pub async fn signal_payload(
        &self,
        id: &InvocationId,
        name: &str,
        data: Payload,
        signal_id: Option<String>,
    ) -> Result<String, ClientError> {
        self.send_on(Channel::Signal, id, name, data, signal_id)
            .await
    }

    /// Ask an invocation to end. What it waits for fails as `cancelled`.
    pub async fn cancel(&self, id: &InvocationId, reason: &str) -> Result<(), ClientError> {
        let cancel = Command::Cancel(Cancel {
            id: self.inner.new_id(),
            reason: reason.to_owned(),
        });
        self.send(id, cancel).await
    }

    /// Try a parked invocation again.
    pub async fn resume(&self, id: &InvocationId) -> Result<(), ClientError> {
        let resume = Command::Resume {
            id: self.inner.new_id(),
        };
        self.send(id, resume).await
    }

    pub(crate) async fn send(
        &self,
        id: &InvocationId,
        command: Command,
    ) -> Result<(), ClientError> {
        let to = self.inner.address(id).await?;
        let body = command.encode();
        self.inner.publish(Message::Command { to, body }).await?;
        Ok(())
    }
}

impl Inner {
    /// A UUID that begins with the time (version 7): the keys of one time are neighbours, which
    /// is easier on whoever keeps them than keys that are spread all over.
    pub(crate) fn new_id(&self) -> String {
        let millis = self.env.now().as_micros() / 1_000;
        let mut random = [0; 10];
        random.copy_from_slice(&self.env.random().to_le_bytes()[..10]);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &random)
            .into_uuid()
            .to_string()
    }

    /// Where the commands of an invocation go: its value says it; without one, by its id.
    pub(crate) async fn address(&self, id: &InvocationId) -> Result<Address, ClientError> {
        let key = id.key();
        let record = self
            .store
            .get(Bucket::State, key.as_str(), Read::Any)
            .await?;
        match record {
            Some(record) => {
                let (value, _) = crate::inspect::decode(id.as_str(), &record.value)?;
                Ok(Address {
                    queue: value.queue,
                    partition: value.partition,
                    key,
                })
            }
            None => self.new_address(DEFAULT_QUEUE, id.as_str(), key).await,
        }
    }

    /// Where a new invocation goes, by its partition key or id.
    pub(crate) async fn new_address(
        &self,
        queue: &str,
        hashed: &str,
        key: Key,
    ) -> Result<Address, ClientError> {
        let partitions = self.partitions(queue).await?;
        Ok(Address {
            queue: queue.to_owned(),
            partition: Partition::of(hashed, partitions),
            key,
        })
    }

    async fn partitions(&self, queue: &str) -> Result<u16, ClientError> {
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
                let topology = Topology::decode(&record.value);
                topology
                    .map_err(|error| ClientError::Unreadable {
                        id: key,
                        reason: error.to_string(),
                    })?
                    .partitions
            }
        };
        let mut topologies = self.topologies();
        topologies.retain(|(name, _, _)| name != queue);
        topologies.push((queue.to_owned(), now, partitions));
        Ok(partitions)
    }

    fn topologies(&self) -> std::sync::MutexGuard<'_, Vec<(String, Duration, u16)>> {
        self.topologies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Store a message, also over an outage of some seconds. Every command of a client can be
    /// recognised when it comes twice.
    pub(crate) async fn publish(&self, message: Message) -> Result<u64, StoreError> {
        let deadline = self.env.elapsed() + PUBLISH_TIME;
        let mut pause = Duration::from_millis(20);
        loop {
            let error = match self.store.publish(message.clone()).await {
                Ok(seq) => return Ok(seq),
                Err(error) => error,
            };
            let is_final = matches!(error, StoreError::Refused(_) | StoreError::Conflict);
            if is_final || self.env.elapsed() + pause >= deadline {
                return Err(error);
            }
            self.env.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}
