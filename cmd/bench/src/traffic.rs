//! Messages and bytes that the server stores.
//!
//! Messages are differences of the streams' last sequences, so the server counts them. Bytes
//! it does not tell once it has removed them again (history 1, work queues), so a core
//! subscription to the same subjects adds them up, in the server's own measure of a record.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_nats::{ConnectOptions, Message, jetstream::Context};
use futures::StreamExt as _;
use headwater::wire::Namespace;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    error::{BenchError, Doing as _},
    server::Server,
};

/// Messages that may wait in a tap: it must not lose any.
pub(crate) const TAP_CAPACITY: usize = 1 << 20;

/// After a load, engine and worker may still write: their counts must stand still for so long.
const QUIET: Duration = Duration::from_millis(250);

/// How long is waited for that.
const QUIET_PATIENCE: Duration = Duration::from_secs(10);

/// Streams of an installation that a workflow writes to.
const STREAMS: usize = 4;

/// A stream, and the subjects that go into it.
struct Stream {
    name: String,
    subjects: Vec<String>,
}

fn streams() -> [Stream; STREAMS] {
    let ns = Namespace::default();
    let bucket = |bucket: String| Stream {
        name: format!("KV_{bucket}"),
        subjects: vec![format!("$KV.{bucket}.>")],
    };
    [
        Stream {
            name: ns.commands_stream(),
            subjects: ns.commands_subjects(),
        },
        Stream {
            name: ns.tasks_stream(),
            subjects: vec![ns.tasks_subject()],
        },
        bucket(ns.state_bucket()),
        bucket(ns.journal_bucket()),
    ]
}

/// A number for each stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PerStream([f64; STREAMS]);

impl PerStream {
    pub(crate) fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] - before.0[index]))
    }

    /// For one of so many.
    pub(crate) fn per(self, count: u64) -> Self {
        Self(self.0.map(|number| number / count.max(1) as f64))
    }

    /// The median of each.
    pub(crate) fn median(all: &[Self]) -> Self {
        let of = |index: usize| {
            let mut numbers: Vec<f64> = all.iter().map(|each| each.0[index]).collect();
            crate::stats::median(&mut numbers).unwrap_or_default()
        };
        Self(std::array::from_fn(of))
    }
}

impl serde::Serialize for PerStream {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = streams().map(|stream| stream.name);
        serializer.collect_map(names.into_iter().zip(self.0))
    }
}

/// How many messages each stream has ever stored, once that stands still.
pub(crate) async fn stored(js: &Context) -> Result<PerStream, BenchError> {
    let started = Instant::now();
    let mut last = stored_now(js).await?;
    while started.elapsed() < QUIET_PATIENCE {
        sleep(QUIET).await;
        let now = stored_now(js).await?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}

async fn stored_now(js: &Context) -> Result<PerStream, BenchError> {
    let mut counts = [0.0; STREAMS];
    for (count, stream) in counts.iter_mut().zip(streams()) {
        let found = js
            .get_stream(stream.name)
            .await
            .doing("asking for a stream")?;
        *count = found.cached_info().state.last_sequence as f64;
    }
    Ok(PerStream(counts))
}

/// Forget the values of ended invocations, so that every cell finds the same empty buckets.
pub(crate) async fn forget_values(js: &Context) -> Result<(), BenchError> {
    let [_, _, state, journal] = streams();
    for bucket in [state, journal] {
        let found = js
            .get_stream(bucket.name)
            .await
            .doing("asking for a bucket")?;
        found.purge().await.doing("purging a bucket")?;
    }
    Ok(())
}

/// Messages and bytes of each stream.
#[derive(Default)]
struct Counter {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// Listens to all that is published to the streams, on a connection of its own.
pub(crate) struct Tap {
    counters: Arc<[Counter; STREAMS]>,
    before: PerStream,
    _listeners: JoinSet<()>,
}

/// What was written while a tap was open.
pub(crate) struct Written {
    /// Bytes of what was published; none if the tap has missed messages.
    pub(crate) bytes: Option<PerStream>,
    /// Messages that the server did not store: swaps that were lost, repeats.
    pub(crate) refused: f64,
}

impl Tap {
    pub(crate) async fn open(server: &Server) -> Result<Self, BenchError> {
        let options = ConnectOptions::new().subscription_capacity(TAP_CAPACITY);
        let client = server.connect_with(options).await?;
        let counters: Arc<[Counter; STREAMS]> = Arc::default();
        let mut listeners = JoinSet::new();
        for (index, stream) in streams().into_iter().enumerate() {
            for subject in stream.subjects {
                let mut messages = client.subscribe(subject).await.doing("tapping a subject")?;
                let counters = Arc::clone(&counters);
                listeners.spawn(async move {
                    while let Some(message) = messages.next().await {
                        counters[index].messages.fetch_add(1, Relaxed);
                        counters[index]
                            .bytes
                            .fetch_add(record_bytes(&message), Relaxed);
                    }
                });
            }
        }
        // Asked over the tap's own connection: with the answer, its subscriptions are in force.
        let before = stored(&async_nats::jetstream::new(client)).await?;
        for counter in counters.iter() {
            counter.messages.store(0, Relaxed);
            counter.bytes.store(0, Relaxed);
        }
        Ok(Self {
            counters,
            before,
            _listeners: listeners,
        })
    }

    /// What was written since it was opened; waits until nothing more comes.
    pub(crate) async fn close(self, js: &Context) -> Result<Written, BenchError> {
        let stored = stored(js).await?.since(self.before);
        let read = |of: fn(&Counter) -> &AtomicU64| {
            PerStream(std::array::from_fn(|index| {
                of(&self.counters[index]).load(Relaxed) as f64
            }))
        };
        let (seen, bytes) = (read(|c| &c.messages), read(|c| &c.bytes));
        let refused = seen.since(stored);
        let complete = refused.0.iter().all(|more| *more >= 0.0);
        Ok(Written {
            bytes: complete.then_some(bytes),
            refused: refused.total().max(0.0),
        })
    }
}

/// What a message takes in a file store: the server's `fileStoreMsgSize`.
pub(crate) fn record_bytes(message: &Message) -> u64 {
    let framing = 22 + 8 + message.subject.len() + message.payload.len();
    let headers = message.headers.as_ref().map_or(0, |headers| {
        let lines: usize = headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
            .map(|(name, value)| name.to_string().len() + value.as_str().len() + ": \r\n".len())
            .sum();
        4 + "NATS/1.0\r\n".len() + lines + "\r\n".len()
    });
    (framing + headers) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_size_that_the_server_gives_it() {
        let mut message = Message {
            subject: "a.b".into(),
            reply: None,
            payload: "12345".into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        };
        assert_eq!(record_bytes(&message), 22 + 3 + 5 + 8);
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-TTL", "60");
        message.headers = Some(headers);
        assert_eq!(record_bytes(&message), 22 + 3 + 4 + 26 + 5 + 8);
    }
}
