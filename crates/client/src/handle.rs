//! One invocation, with every verb of the client but the id.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use headwater_wire::{Code, Entry, InvocationId, Run, Status, task::Reply};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::{
    Client, ClientError, Deleted, DeletedTree, Ended, Execution, IfExists, Prune, Pruned,
    StartCall, State, Tree, WatchEvent,
};

/// One invocation: started, attached to, or named by its id.
///
/// ```no_run
/// # async fn example(client: headwater_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let mut order = client.handle(&"order-7".parse()?);
/// order.signal("approval", "ada").await?;
/// let receipt: String = order.result(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Handle {
    client: Client,
    id: InvocationId,
    /// None: the id was given.
    started: Option<Started>,
}

/// What a start knows of its invocation.
pub(crate) struct Started {
    pub(crate) existing: bool,
    pub(crate) reply: Option<oneshot::Receiver<Reply>>,
    /// The run of the ended one whose place it takes.
    pub(crate) replaces: Option<Run>,
    if_exists: IfExists,
}

impl Started {
    pub(crate) fn new(if_exists: IfExists) -> Self {
        Self {
            existing: false,
            reply: None,
            replaces: None,
            if_exists,
        }
    }
}

impl State {
    /// Where it stands, as one number: over 0 while it goes on (how many steps it waits for, at
    /// least 1), 0 once it has completed or failed, -1,000,000,000 if it was cancelled or
    /// terminated.
    #[must_use]
    pub fn status_number(&self) -> i64 {
        match self.value.status {
            Status::Completed | Status::Failed => 0,
            Status::Cancelled | Status::Terminated => -1_000_000_000,
            _ => i64::from(self.value.pending.max(1)),
        }
    }
}

impl Client {
    /// An invocation by its id. Nothing is read: whether there is one, its verbs tell.
    #[must_use]
    pub fn handle(&self, id: &InvocationId) -> Handle {
        Handle {
            client: self.clone(),
            id: id.clone(),
            started: None,
        }
    }
}

impl Handle {
    pub(crate) fn started(client: Client, id: InvocationId, started: Started) -> Self {
        Self {
            client,
            id,
            started: Some(started),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &InvocationId {
        &self.id
    }

    /// Whether it existed before the start that this handle is of.
    #[must_use]
    pub fn existing(&self) -> bool {
        self.started.as_ref().is_some_and(|start| start.existing)
    }

    /// Wait for its end, however it ends.
    pub async fn wait(&mut self, timeout: Duration) -> Result<Ended, ClientError> {
        let Some(started) = &mut self.started else {
            return self.client.wait(&self.id, timeout).await;
        };
        let deadline = self.client.inner.env.elapsed().saturating_add(timeout);
        if let Some(reply) = started.reply.take() {
            let answer = self
                .client
                .await_reply(&self.id, started.replaces, reply, deadline)
                .await?;
            if let Some((ended, exists)) = answer {
                started.existing |= exists;
                if exists && started.if_exists != IfExists::Attach {
                    return Err(ClientError::Exists(self.id.clone()));
                }
                if let Some(ended) = ended {
                    return Ok(ended);
                }
            }
        }
        let left = deadline.saturating_sub(self.client.inner.env.elapsed());
        let waited = self
            .client
            .wait_started(&self.id, started.replaces, left)
            .await;
        waited.map_err(|error| match error {
            ClientError::Timeout { id, .. } => ClientError::Timeout { id, timeout },
            error => error,
        })
    }

    /// Wait for its end and decode its output; anything but `completed` is an error.
    pub async fn result<T: DeserializeOwned>(
        &mut self,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        self.wait(timeout).await?.output()
    }

    /// Its state: [`Client::state`].
    pub async fn state(&self) -> Result<State, ClientError> {
        self.client.state(&self.id).await
    }

    /// Where it stands.
    pub async fn status(&self) -> Result<Status, ClientError> {
        Ok(self.state().await?.value.status)
    }

    /// Why it stands there: [`Client::why`].
    pub async fn why(&self) -> Result<Vec<String>, ClientError> {
        self.client.why(&self.id).await
    }

    /// The journal of its last run: [`Client::history`].
    pub async fn history(&self) -> Result<Vec<Entry>, ClientError> {
        self.client.history(&self.state().await?).await
    }

    /// Its runs, the first of them first: [`Client::executions`].
    pub async fn executions(&self) -> Result<Vec<Execution>, ClientError> {
        self.client.executions(&self.id).await
    }

    /// The journal of one of its runs: [`Client::history_of`].
    pub async fn history_of(&self, number: u32) -> Result<Vec<Entry>, ClientError> {
        self.client.history_of(&self.id, number).await
    }

    /// It as one JSON document: [`Client::export`].
    pub async fn export(&self) -> Result<Bytes, ClientError> {
        self.client.export(&self.id).await
    }

    /// Its state after the next change: [`Client::wait_for_change`].
    pub async fn wait_for_change(
        &self,
        after: u64,
        timeout: Duration,
    ) -> Result<State, ClientError> {
        self.client.wait_for_change(&self.id, after, timeout).await
    }

    /// Its state and each change: [`Client::watch`].
    pub async fn watch(
        &self,
    ) -> Result<BoxStream<'static, Result<WatchEvent, ClientError>>, ClientError> {
        self.client.watch(Some(&self.id)).await
    }

    /// It with its children, and theirs: [`Client::tree`].
    pub async fn tree(&self) -> Result<Tree, ClientError> {
        self.client.tree(&self.id).await
    }

    /// Have it run one of its hooks: [`Client::hook`].
    pub async fn hook<T: Serialize + ?Sized>(
        &self,
        name: &str,
        input: &T,
    ) -> Result<String, ClientError> {
        self.client.hook(&self.id, name, input).await
    }

    /// Send it a signal: [`Client::signal`].
    pub async fn signal<T: Serialize + ?Sized>(
        &self,
        name: &str,
        data: &T,
    ) -> Result<String, ClientError> {
        self.client.signal(&self.id, name, data).await
    }

    /// Ask it to do something, and wait for its answer: [`Client::update`].
    pub async fn update<Q: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        name: &str,
        request: &Q,
        timeout: Duration,
    ) -> Result<R, ClientError> {
        self.client.update(&self.id, name, request, timeout).await
    }

    /// Ask it about itself: [`Client::query`].
    pub async fn query<Q: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        name: &str,
        input: &Q,
    ) -> Result<R, ClientError> {
        self.client.query(&self.id, name, input).await
    }

    /// Ask it to end: [`Client::cancel`].
    pub async fn cancel(&self, reason: &str) -> Result<(), ClientError> {
        self.client.cancel(&self.id, reason).await
    }

    /// End it at once: [`Client::terminate`].
    pub async fn terminate(&self, reason: &str) -> Result<(), ClientError> {
        self.client.terminate(&self.id, reason).await
    }

    /// End it at once with a code of the caller's own: [`Client::terminate_with`].
    pub async fn terminate_with(
        &self,
        reason: &str,
        code: Option<Code>,
    ) -> Result<(), ClientError> {
        self.client.terminate_with(&self.id, reason, code).await
    }

    /// Let it act on nothing until it is resumed: [`Client::pause`].
    pub async fn pause(&self, reason: &str) -> Result<(), ClientError> {
        self.client.pause(&self.id, reason).await
    }

    /// Forget it once it has ended: [`Client::delete`].
    pub async fn delete(&self, force: bool) -> Result<Deleted, ClientError> {
        self.client.delete(&self.id, force).await
    }

    /// Start another with what it has recorded before a step: [`Client::fork`].
    pub async fn fork(&self, step: u32) -> Result<StartCall, ClientError> {
        self.client.fork(&self.id, step).await
    }

    /// Forget it with its children, and theirs: [`Client::delete_tree`].
    pub async fn delete_tree(
        &self,
        force: bool,
        timeout: Duration,
    ) -> Result<DeletedTree, ClientError> {
        self.client.delete_tree(&self.id, force, timeout).await
    }

    /// Forget runs of it that are over: [`Client::prune`].
    pub async fn prune(&self, which: &Prune) -> Result<Pruned, ClientError> {
        self.client.prune(&self.id, which).await
    }

    /// Let it go on when it is paused, or try it again when it is parked: [`Client::resume`].
    pub async fn resume(&self) -> Result<(), ClientError> {
        self.client.resume(&self.id).await
    }
}
