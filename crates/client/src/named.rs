//! Signals that are addressed by their name alone.

use std::{future::IntoFuture, time::Duration};

use futures::future::BoxFuture;
use headwater_store::Message;
use headwater_wire::{
    Command, IntoDuration, Key, Payload,
    command::Signal,
    duration::DurationError,
    id::check_id,
    names::{DEFAULT_QUEUE, check_name},
    payload::PayloadError,
};
use serde::Serialize;

use crate::{Client, ClientError};

impl Client {
    /// Send a signal to its name alone: to whichever workflow waits for it (`Context::wait_for`),
    /// or will within 10 minutes. One workflow gets it, the one that has waited longest.
    ///
    /// Await it to send it; that answers the signal's id.
    pub fn signal_named<T: Serialize + ?Sized>(
        &self,
        name: impl Into<String>,
        data: &T,
    ) -> NamedSignal {
        self.signal_named_payload(name, Payload::encode(data))
    }

    /// [`Client::signal_named`] with encoded data.
    pub fn signal_named_payload(
        &self,
        name: impl Into<String>,
        data: Result<Payload, PayloadError>,
    ) -> NamedSignal {
        NamedSignal {
            client: self.clone(),
            queue: DEFAULT_QUEUE.to_owned(),
            name: name.into(),
            data,
            keep: None,
            id: None,
        }
    }
}

/// A signal to a name. Made by [`Client::signal_named`].
#[must_use = "nothing is sent until it is awaited"]
pub struct NamedSignal {
    client: Client,
    queue: String,
    name: String,
    data: Result<Payload, PayloadError>,
    keep: Option<Result<Duration, DurationError>>,
    id: Option<String>,
}

impl NamedSignal {
    /// Task queue of the workflows that wait for it.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// How long it is kept while nobody waits for it, instead of 10 minutes; at most 10 years.
    pub fn keep(mut self, time: impl IntoDuration) -> Self {
        self.keep = Some(time.into_duration());
        self
    }

    /// An id of the sender's, to be repeatable: the same id is taken once.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    async fn send(self) -> Result<String, ClientError> {
        let Self {
            client,
            queue,
            name,
            data,
            keep,
            id,
        } = self;
        check_name("task queue", &queue)?;
        check_name("signal", &name)?;
        let keep = keep.transpose()?;
        let id = id.unwrap_or_else(|| client.inner.new_id());
        check_id(&id)?;
        let signal = Signal {
            keep_ms: keep.map(|keep| u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).max(1)),
            ..Signal::new(id.clone(), name.clone(), data?.checked()?)
        };
        let key = Key::of_signal_box(&queue, &name)?;
        let to = client.inner.new_address(&queue, &name, key).await?;
        let body = Command::Signal(signal).encode();
        client.inner.publish(Message::Command { to, body }).await?;
        Ok(id)
    }
}

impl IntoFuture for NamedSignal {
    type Output = Result<String, ClientError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
