//! What a workflow sends to others without waiting for anything.

use std::sync::Arc;

use headwater_wire::{
    Code, Entry, Failure, InvocationId, Payload, command::Channel, journal::Sending,
    names::check_name,
};
use serde::Serialize;

use super::{context::Context, shared::Shared};
use crate::{Error, Result, error::payload_error};

impl Context {
    /// Another invocation, to send it something. It need not exist yet: what is sent early waits
    /// for its start for a while, then goes to the dead letters.
    pub fn other(&self, id: impl Into<String>) -> Other {
        Other::new(&self.shared, id, None)
    }

    /// Tell an event to whoever listens now: `Client::events`, or a plain NATS subscriber of
    /// `hints.event.<topic>`. Once, and never on replay, unless a process dies at that moment: then
    /// perhaps twice. It may be lost: what has to arrive is a signal.
    ///
    /// # Errors
    /// A topic that cannot be a name, or data that cannot be encoded. Nothing is told then.
    pub fn emit(&self, topic: impl Into<String>, data: impl Serialize) -> Result<()> {
        let topic = topic.into();
        check_name("topic", &topic).map_err(|error| refused(error.to_string()))?;
        let data = encoded(&format!("data of event {topic:?}"), &data)?;
        let mut state = self.shared.state();
        state.note_numbered(|step| Entry::Emit { step, topic, data });
        Ok(())
    }
}

/// Another invocation, as a workflow sends to it. Made by [`Context::other`].
///
/// Everything is sent once, also over crashes and replays: it bears the id of its step.
#[derive(Clone)]
pub struct Other {
    pub(super) shared: Arc<Shared>,
    pub(super) id: String,
    pub(super) queue: Option<String>,
}

impl Other {
    pub(super) fn new(shared: &Arc<Shared>, id: impl Into<String>, queue: Option<String>) -> Self {
        Self {
            shared: Arc::clone(shared),
            id: id.into(),
            queue,
        }
    }

    /// Its task queue, which matters while it does not exist yet. By default that of the sender.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Send it a signal: kept until it waits for it.
    ///
    /// # Errors
    /// An id or name that cannot be one, or data that cannot be encoded. Nothing is sent then.
    /// The same holds for everything that is sent.
    pub fn signal(&self, name: impl Into<String>, data: impl Serialize) -> Result<()> {
        self.signal_on(Channel::Signal, name.into(), &data)
    }

    /// Put something into one of its queues.
    pub fn enqueue(&self, name: impl Into<String>, data: impl Serialize) -> Result<()> {
        self.signal_on(Channel::Queue, name.into(), &data)
    }

    /// Raise an event in it: lost unless it waits for it at that moment.
    pub fn raise_event(&self, name: impl Into<String>, data: impl Serialize) -> Result<()> {
        self.signal_on(Channel::Event, name.into(), &data)
    }

    /// Ask it to end: what it waits for fails as `cancelled`.
    pub fn cancel(&self, reason: impl Into<String>) -> Result<()> {
        let reason = reason.into();
        self.send(Sending::Cancel { reason })
    }

    /// End it at once, whatever it does, with the code `interrupted`.
    pub fn terminate(&self, reason: impl Into<String>) -> Result<()> {
        let reason = reason.into();
        self.send(Sending::Terminate { reason, code: None })
    }

    /// [`Other::terminate`] with a code of the user's own.
    pub fn terminate_with(&self, reason: impl Into<String>, code: impl Into<String>) -> Result<()> {
        let (reason, code) = (reason.into(), Some(Code::new(code)));
        self.send(Sending::Terminate { reason, code })
    }

    fn signal_on(&self, channel: Channel, name: String, data: &impl Serialize) -> Result<()> {
        check_name(channel.as_str(), &name).map_err(|error| refused(error.to_string()))?;
        let data = encoded(&format!("data of {} {name:?}", channel.as_str()), data)?;
        self.send(Sending::Signal {
            name,
            channel,
            data,
        })
    }

    pub(super) fn send(&self, what: Sending) -> Result<()> {
        let to = InvocationId::new(self.id.as_str()).map_err(|error| refused(error.to_string()))?;
        if let Some(queue) = &self.queue {
            check_name("task queue", queue).map_err(|error| refused(error.to_string()))?;
        }
        let queue = self.queue.clone();
        self.shared.state().note_numbered(|step| Entry::Send {
            step,
            to,
            queue,
            what,
        });
        Ok(())
    }
}

pub(super) fn encoded(what: &str, data: &impl Serialize) -> Result<Payload> {
    Payload::encode(data).map_err(|error| Error::from_failure(payload_error(what, error)))
}

/// What cannot be used as it is: no attempt mends it.
pub(super) fn refused(message: String) -> Error {
    Error::from_failure(Failure::fatal(Code::DECODE, message))
}
