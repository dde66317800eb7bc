//! Events, queues, and signals by their name alone, from the workflow's side.

use std::{marker::PhantomData, sync::Arc};

use headwater_wire::{command::Channel, failure::cut, limits::NAME_BYTES_MAX};
use serde::de::DeserializeOwned;

use super::{
    calls::{SignalWait, Source},
    context::Context,
    shared::Shared,
};

impl Context {
    /// Wait for an event of this name that is raised from now on: unlike a signal, one that was
    /// raised earlier is gone. Waits of one name are served in the order of the calls.
    pub fn event<T: DeserializeOwned>(&self, name: impl Into<String>) -> SignalWait<T> {
        wait(&self.shared, Channel::Event, &name.into())
    }

    /// Wait for a signal that is sent to its name alone (`Client::signal_named`), by somebody who
    /// knows no id. One that came earlier is taken, if it is still kept (for 10 minutes, unless
    /// its sender said otherwise). Each is given to one wait of all the workflows of the task
    /// queue, to the one that has waited longest; to one that is no longer wanted, to none.
    pub fn wait_for<T: DeserializeOwned>(&self, name: impl Into<String>) -> SignalWait<T> {
        wait_on(&self.shared, Source::Box, &name.into())
    }

    /// A queue of this invocation: what clients and other workflows put into it is kept in their
    /// order, also from run to run, and each item is taken once.
    #[must_use]
    pub fn queue(&self, name: impl Into<String>) -> Queue<'_> {
        Queue {
            shared: &self.shared,
            name: name.into(),
        }
    }
}

/// A queue of an invocation. Made by [`Context::queue`].
pub struct Queue<'a> {
    shared: &'a Arc<Shared>,
    name: String,
}

impl Queue<'_> {
    /// Wait for the next item. One that is no longer awaited takes none.
    pub fn pop<T: DeserializeOwned>(&self) -> SignalWait<T> {
        wait(self.shared, Channel::Queue, &self.name)
    }
}

pub(super) fn wait<T>(shared: &Arc<Shared>, channel: Channel, name: &str) -> SignalWait<T> {
    wait_on(shared, Source::Channel(channel), name)
}

/// A name over `NAME_BYTES_MAX` is cut.
fn wait_on<T>(shared: &Arc<Shared>, source: Source, name: &str) -> SignalWait<T> {
    SignalWait {
        shared: Arc::clone(shared),
        source,
        name: cut(name, NAME_BYTES_MAX).to_owned(),
        timeout: None,
        output: PhantomData,
    }
}
