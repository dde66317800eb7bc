//! Waiting for the end of an invocation: a hint wakes, the value decides.

use std::time::Duration;

use futures::{StreamExt, stream::BoxStream};
use headwater_store::{Bucket, Change, Env, Read, StoreError};
use headwater_wire::{Failure, InvocationId, Payload, Run, Status, Value, task::Reply};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::{Client, ClientError};

/// Hints can be lost: the value is read this often at first, then less and less.
const READ_FIRST: Duration = Duration::from_millis(500);
const READ_LAST: Duration = Duration::from_secs(5);

/// What tells a waiting client, besides hints, that it is time to read the value again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAgain {
    /// Time: after half a second, then less and less often, down to every 5 s.
    #[default]
    OnTime,
    /// A watch of the value. It costs a consumer for each wait, so this is for a store in memory,
    /// where time may jump by weeks.
    OnChange,
}

/// A [`ReadAgain`] at work.
pub(crate) enum Again {
    After(Duration),
    Changed(BoxStream<'static, Result<Change, StoreError>>),
}

impl Again {
    /// Wait until it is time to read, at most for the time that is left.
    pub(crate) async fn wait(&mut self, env: &dyn Env, left: Duration) {
        match self {
            Self::After(pause) => {
                env.sleep((*pause).min(left)).await;
                *pause = (*pause * 2).min(READ_LAST);
            }
            Self::Changed(changes) => tokio::select! {
                biased;
                change = changes.next() => if !matches!(change, Some(Ok(_))) {
                    *self = Self::After(READ_FIRST);
                },
                () = env.sleep(left) => {}
            },
        }
    }
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub id: InvocationId,
    /// `completed`, `failed`, `cancelled` or `terminated`.
    pub status: Status,
    /// Output of a completed one.
    pub output: Option<Payload>,
    /// Error of any other.
    pub error: Option<Failure>,
}

impl Ended {
    /// Its output; anything but `completed` is [`ClientError::Failed`].
    pub fn output<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        match (&self.output, &self.error) {
            (Some(output), _) => Ok(output.decode()?),
            (None, error) => Err(ClientError::Failed {
                id: self.id.clone(),
                status: self.status,
                failure: error.clone().unwrap_or_else(|| {
                    Failure::new(headwater_wire::Code::FAILED, "no reason was recorded")
                }),
            }),
        }
    }

    fn of_reply(reply: Reply) -> Option<Self> {
        let status: Status = reply.status.parse().ok()?;
        status.is_ended().then_some(Self {
            id: reply.invocation,
            status,
            output: reply.output,
            error: reply.error,
        })
    }
}

impl Client {
    /// Wait for the end of an invocation that exists, or whose start is under way.
    pub async fn wait(&self, id: &InvocationId, timeout: Duration) -> Result<Ended, ClientError> {
        self.state_or_start(id).await?;
        self.wait_started(id, None, timeout).await
    }

    /// What tells when to read the value of an invocation again; by time, first after `first`.
    pub(crate) async fn again(
        &self,
        id: &InvocationId,
        first: Duration,
    ) -> Result<Again, ClientError> {
        match self.read_again {
            ReadAgain::OnTime => Ok(Again::After(first)),
            ReadAgain::OnChange => {
                let key = id.key();
                let changes = self.inner.store.watch(Bucket::State, Some(key.as_str()));
                Ok(Again::Changed(changes.await?))
            }
        }
    }

    /// Whether a start for this id is in COMMANDS.
    pub(crate) async fn start_is_pending(&self, id: &InvocationId) -> Result<bool, ClientError> {
        let to = self.inner.address(id).await?;
        let first = self.inner.store.first_command(&to.queue, &to.key, 0);
        Ok(first.await?.is_some())
    }

    /// Wait for the end of an invocation whose start was submitted.
    /// `replaces`: the run of an ended one that has the id until the start is taken.
    pub(crate) async fn wait_started(
        &self,
        id: &InvocationId,
        replaces: Option<Run>,
        timeout: Duration,
    ) -> Result<Ended, ClientError> {
        let inner = &self.inner;
        let deadline = inner.env.elapsed().saturating_add(timeout);
        let mut ended = inner
            .store
            .listen(&inner.store.ended_subject(&id.key()))
            .await?;
        let mut again = self.again(id, READ_FIRST).await?;
        loop {
            if let Some(ended) = self.read_end(id, replaces).await? {
                return Ok(ended);
            }
            let left = deadline.saturating_sub(inner.env.elapsed());
            if left.is_zero() {
                let id = id.clone();
                return Err(ClientError::Timeout { id, timeout });
            }
            tokio::select! {
                biased;
                hint = ended.next() => {
                    if let Some(ended) = hint.and_then(|body| Reply::decode(&body).ok()).and_then(Ended::of_reply) {
                        return Ok(ended);
                    }
                }
                () = again.wait(inner.env.as_ref(), left) => {}
            }
        }
    }

    /// Wait for the reply to a start. None: it may have been lost, read the value. The flag
    /// says that the invocation was another's.
    pub(crate) async fn await_reply(
        &self,
        id: &InvocationId,
        replaces: Option<Run>,
        mut reply: oneshot::Receiver<Reply>,
        deadline: Duration,
    ) -> Result<Option<(Option<Ended>, bool)>, ClientError> {
        let inner = &self.inner;
        let mut again = self.again(id, READ_FIRST).await?;
        let answer = loop {
            let left = deadline.saturating_sub(inner.env.elapsed());
            if left.is_zero() {
                break None;
            }
            tokio::select! {
                biased;
                reply = &mut reply => {
                    break reply.ok().map(|reply| {
                        let exists = reply.exists;
                        (Ended::of_reply(reply), exists)
                    });
                }
                () = again.wait(inner.env.as_ref(), left) => {
                    if let Some(ended) = self.read_end(id, replaces).await? {
                        break Some((Some(ended), false));
                    }
                }
            }
        };
        drop(reply);
        inner.replies.forget(id);
        Ok(answer)
    }

    /// How it has ended, if it has.
    async fn read_end(
        &self,
        id: &InvocationId,
        replaces: Option<Run>,
    ) -> Result<Option<Ended>, ClientError> {
        let Some(value) = self.read_ended(id, Read::Any).await? else {
            return Ok(None);
        };
        if replaces != Some(value.run) {
            return ended(value).map(Some);
        }
        if self.start_is_pending(id).await? {
            return Ok(None);
        }
        // It was taken, or refused: then what was there before is what there is.
        let value = self.read_ended(id, Read::Leader).await?;
        value.map(ended).transpose()
    }

    async fn read_ended(
        &self,
        id: &InvocationId,
        read: Read,
    ) -> Result<Option<Value>, ClientError> {
        let key = id.key();
        let record = self.inner.store.get(Bucket::State, key.as_str(), read);
        let Ok(Some(record)) = record.await else {
            // None, or an outage: wait on, the deadline decides.
            return Ok(None);
        };
        let (value, _) = crate::inspect::decode(id.as_str(), &record.value)?;
        Ok(value.status.is_ended().then_some(value))
    }
}

fn ended(value: Value) -> Result<Ended, ClientError> {
    match value.deleted_at {
        Some(_) => Err(ClientError::NotFound(value.id)),
        None => Ok(Ended {
            id: value.id,
            status: value.status,
            output: value.output,
            error: value.error,
        }),
    }
}
