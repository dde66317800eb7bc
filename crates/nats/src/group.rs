//! Group commit. Where the server syncs its disk before each acknowledgement, a write alone costs
//! one sync, and so does an atomic batch of a thousand: so what comes while one commit is under
//! way is gathered and is the next one, across invocations. See `docs/performance.md`.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use async_nats::{HeaderMap, header};
use bytes::Bytes;
use futures::future::join_all;
use headwater_store::{Env, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::{errors::of_publish, link::Link};

/// A batch costs about as much as this many single writes, since the server stages it in files of
/// its own (2.1 ms against 0.12 ms on one disk, 12 ms against 0.45 ms on another).
const BATCH_MIN: usize = 24;

/// Messages that the server takes in one batch.
const BATCH_MAX: usize = 1_000;

/// Bytes after which a batch is closed.
const BATCH_BYTES: usize = 4 << 20;

/// A stream whose writes are gathered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    State,
    Commands,
    Tasks,
}

/// A message to be stored.
pub(crate) struct Write {
    pub(crate) subject: String,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) body: Bytes,
}

impl Write {
    pub(crate) fn new(subject: String, headers: Option<HeaderMap>, body: Bytes) -> Self {
        Self {
            subject,
            headers,
            body,
        }
    }
}

struct Waiting {
    write: Write,
    done: oneshot::Sender<Result<u64, StoreError>>,
}

/// The lanes, one a stream, since a batch is of one stream.
pub(crate) struct Groups {
    lanes: [mpsc::UnboundedSender<Waiting>; 3],
}

impl Groups {
    pub(crate) fn start(link: &Arc<Link>) -> Self {
        let lane = |_| {
            let (send, waiting) = mpsc::unbounded_channel();
            let gather = gather(Arc::downgrade(link), waiting);
            // It ends with the link, which has the sender.
            link.env.spawn(Box::pin(gather));
            send
        };
        Self {
            lanes: [Lane::State, Lane::Commands, Lane::Tasks].map(lane),
        }
    }

    /// Store it with whatever else comes, and await the sequence.
    pub(crate) async fn store(&self, lane: Lane, write: Write) -> Result<u64, StoreError> {
        let (done, result) = oneshot::channel();
        let gone = || StoreError::Unknown("the connection was closed".to_owned());
        let lane = &self.lanes[lane as usize];
        lane.send(Waiting { write, done }).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

async fn gather(link: Weak<Link>, waiting: mpsc::UnboundedReceiver<Waiting>) {
    let mut gathering = Gathering {
        waiting,
        left_over: None,
        last: None,
    };
    while let Some(first) = gathering.first().await {
        let Some(link) = link.upgrade() else { return };
        let group = gathering.group(first, &*link.env).await;
        gathering.commit(&link, group).await;
    }
}

/// A batch that was stored.
struct Batch {
    /// Writes in it, and those that waited when it was stored.
    writers: usize,
    took: Duration,
}

struct Gathering {
    waiting: mpsc::UnboundedReceiver<Waiting>,
    /// It came, and could not be in the batch before.
    left_over: Option<Waiting>,
    last: Option<Batch>,
}

impl Gathering {
    /// None once nobody can come any more.
    async fn first(&mut self) -> Option<Waiting> {
        match self.left_over.take() {
            Some(first) => Some(first),
            None => self.waiting.recv().await,
        }
    }

    /// What is there; after a batch also those who waited for it and come again at once, or two
    /// halves would take turns for ever, each with a batch of its own.
    async fn group(&mut self, first: Waiting, env: &dyn Env) -> Vec<Waiting> {
        let (wanted, patience) = match self.last.take() {
            Some(last) => (last.writers - last.writers / 8, last.took / 4),
            None => (0, Duration::ZERO),
        };
        let mut over = pin!(env.sleep(patience));
        let mut subjects = HashSet::from([first.write.subject.clone()]);
        let mut bytes = first.write.body.len();
        let mut group = vec![first];
        while group.len() < BATCH_MAX && bytes < BATCH_BYTES {
            let next = match self.waiting.try_recv() {
                Ok(next) => next,
                Err(_) if group.len() >= wanted => break,
                Err(_) => tokio::select! { biased;
                    Some(next) = self.waiting.recv() => next,
                    () = &mut over => break,
                },
            };
            // A batch can't expect what it writes itself.
            let expects = next.write.headers.is_some();
            if expects && !subjects.insert(next.write.subject.clone()) {
                self.left_over = Some(next);
                break;
            }
            bytes += next.write.body.len();
            group.push(next);
        }
        group
    }

    async fn commit(&mut self, link: &Link, group: Vec<Waiting>) {
        if group.len() >= BATCH_MIN {
            let begun = link.env.elapsed();
            match batch(link, &group).await {
                Ok(last) => {
                    self.last = Some(Batch {
                        writers: group.len() + self.waiting.len(),
                        took: link.env.elapsed().saturating_sub(begun),
                    });
                    let first = last + 1 - group.len() as u64;
                    for (seq, waiting) in (first..).zip(group) {
                        // Who asked may have gone.
                        let _ = waiting.done.send(Ok(seq));
                    }
                    return;
                }
                Err(StoreError::Unknown(reason)) => {
                    for waiting in group {
                        let _ = waiting.done.send(Err(StoreError::Unknown(reason.clone())));
                    }
                    return;
                }
                // One that fails rejects all: each is asked for by itself.
                Err(error) => {
                    tracing::debug!(%error, writes = group.len(), "a batch was refused");
                }
            }
        }
        let alone = |Waiting { write, done }| async move {
            let _ = done.send(link.publish_alone(write).await);
        };
        join_all(group.into_iter().map(alone)).await;
    }
}

/// Store all or none; answers the last sequence, which follows on those of the others.
async fn batch(link: &Link, group: &[Waiting]) -> Result<u64, StoreError> {
    link.connected(link.timeout).await?;
    // Any name that nobody else has.
    let id = link.client.new_inbox();
    let last = group.len();
    for (number, Waiting { write, .. }) in (1..).zip(group) {
        let mut headers = write.headers.clone().unwrap_or_default();
        headers.insert(header::NATS_BATCH_ID, id.as_str());
        headers.insert(header::NATS_BATCH_SEQUENCE, number.to_string());
        let (subject, body) = (write.subject.clone(), write.body.clone());
        if number == last {
            headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
            let write = Write::new(subject, Some(headers), body);
            return link.publish_alone(write).await;
        }
        let sent = link.client.publish_with_headers(subject, headers, body);
        sent.await
            .map_err(|error| of_publish(&write.subject, &error))?;
    }
    Err(StoreError::Refused("an empty batch".to_owned()))
}
