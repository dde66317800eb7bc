//! What an activity can do beside its work.

use std::sync::Arc;

use headwater_client::{Client, StartCall};
use headwater_worker::ActivityContext;

/// A client for activities, on the store that their worker is on.
pub trait ActivityClient {
    /// A client. What it does is done by every attempt: see [`ActivityClient::start`].
    fn client(&self) -> Client;

    /// Start a workflow, with an id of this step. An attempt that starts the same workflows in the
    /// same order as the one before attaches to what that has started.
    fn start(&self, workflow: impl Into<String>) -> StartCall;
}

impl ActivityClient for ActivityContext {
    fn client(&self) -> Client {
        Client::new(Arc::clone(self.store()), Arc::clone(self.env()))
    }

    fn start(&self, workflow: impl Into<String>) -> StartCall {
        let id = self.next_started_id();
        self.client()
            .start(workflow)
            .id(id.as_str())
            .request(id.as_str())
    }
}
