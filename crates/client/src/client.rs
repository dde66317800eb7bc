//! The client itself, and how it addresses an invocation.

use std::{sync::Arc, time::Duration};

use headwater_store::{Env, Message, Store, StoreError, address::Addresses};
use headwater_wire::{
    Command, InvocationId, Key, Payload,
    command::{Cancel, Channel},
    names::Address,
    send::Recipient,
};
use serde::Serialize;

use crate::{ClientError, ReadAgain, StartCall, replies::Replies};

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
    addresses: Addresses,
}

impl Client {
    /// A client on a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Self {
        Self {
            inner: Arc::new(Inner {
                replies: Replies::default(),
                addresses: Addresses::new(Arc::clone(&store), Arc::clone(&env)),
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

    /// Try a parked invocation again, let a paused one go on.
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
        let to = Recipient {
            key: id.key(),
            queue: None,
            partition: None,
        };
        Ok(self.addresses.of(&to).await?)
    }

    /// Where a new invocation goes, by its partition key or id.
    pub(crate) async fn new_address(
        &self,
        queue: &str,
        hashed: &str,
        key: Key,
    ) -> Result<Address, ClientError> {
        Ok(self.addresses.new_address(queue, hashed, key).await?)
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
