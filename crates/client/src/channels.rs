//! What is sent to an invocation beside signals: items of its queues, events, and hooks.

use headwater_wire::{
    Command, InvocationId, Payload,
    ask::Hook,
    command::{Channel, Signal},
    id::check_id,
    names::check_name,
};
use serde::Serialize;

use crate::{Client, ClientError};

impl Client {
    /// Put an item into a queue of an invocation: it is kept, in order, until the workflow takes
    /// it. Answers the item's id.
    pub async fn enqueue<T: Serialize + ?Sized>(
        &self,
        id: &InvocationId,
        queue: &str,
        item: &T,
    ) -> Result<String, ClientError> {
        let item = Payload::encode(item)?;
        self.send_on(Channel::Queue, id, queue, item, None).await
    }

    /// Raise an event for an invocation. If its workflow does not wait for it when it comes, it is
    /// gone, and nothing but a warning of the engine tells so. Answers the event's id.
    pub async fn raise_event<T: Serialize + ?Sized>(
        &self,
        id: &InvocationId,
        name: &str,
        data: &T,
    ) -> Result<String, ClientError> {
        let data = Payload::encode(data)?;
        self.send_on(Channel::Event, id, name, data, None).await
    }

    /// Have an invocation run one of its hooks (`Context::on_hook`), beside what else it does.
    /// Nobody is told of its result: what has to be answered is an update. Answers the id of the
    /// request.
    pub async fn hook<T: Serialize + ?Sized>(
        &self,
        id: &InvocationId,
        name: &str,
        input: &T,
    ) -> Result<String, ClientError> {
        check_name("hook", name)?;
        let hook = Hook {
            id: self.inner.new_id(),
            name: name.to_owned(),
            input: Payload::encode(input)?,
            asker: None,
        };
        let hook_id = hook.id.clone();
        self.send(id, Command::Hook(hook)).await?;
        Ok(hook_id)
    }

    /// Send encoded data on a channel with, to be repeatable, an id of the sender's.
    pub async fn send_on(
        &self,
        channel: Channel,
        id: &InvocationId,
        name: &str,
        data: Payload,
        signal_id: Option<String>,
    ) -> Result<String, ClientError> {
        check_name(channel.as_str(), name)?;
        let signal_id = signal_id.unwrap_or_else(|| self.inner.new_id());
        check_id(&signal_id)?;
        let signal = Signal {
            channel,
            ..Signal::new(signal_id.clone(), name, data.checked()?)
        };
        self.send(id, Command::Signal(signal)).await?;
        Ok(signal_id)
    }
}
