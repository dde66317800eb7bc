//! L2: chains of steps between two work queues. Each side takes a message, publishes the other
//! side's, awaits that it is stored, and acknowledges what it took.

use std::{sync::Arc, time::Instant};

use async_nats::jetstream::{
    Context, Message,
    consumer::{AckPolicy, PullConsumer, pull},
    stream::{Config, RetentionPolicy, StorageType},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};

use crate::{
    error::{BenchError, Doing as _},
    window::{Control, Load, Sample},
};

pub(crate) const WHAT: &str = "work-queue ping-pong steps, 0.25 kB";

const PAYLOAD_BYTES: usize = 256;
/// Messages of one pull.
const PULL_MAX: usize = 1_000;

/// A work queue of one side.
#[derive(Clone, Copy)]
struct Queue {
    stream: &'static str,
    /// Subjects are this, a dot and the number of the chain.
    prefix: &'static str,
}

const TASKS: Queue = Queue {
    stream: "BENCH_TASKS",
    prefix: "bench.task",
};
const RESULTS: Queue = Queue {
    stream: "BENCH_RESULTS",
    prefix: "bench.result",
};

/// Both queues.
pub(crate) struct Table {
    js: Context,
}

impl Table {
    pub(crate) async fn make(js: &Context, replicas: usize) -> Result<Self, BenchError> {
        for queue in [TASKS, RESULTS] {
            let config = Config {
                name: queue.stream.to_owned(),
                subjects: vec![format!("{}.*", queue.prefix)],
                retention: RetentionPolicy::WorkQueue,
                storage: StorageType::File,
                num_replicas: replicas,
                ..Config::default()
            };
            js.create_stream(config)
                .await
                .doing("making a queue of the limits")?;
        }
        Ok(Self { js: js.clone() })
    }

    pub(crate) async fn delete(self) -> Result<(), BenchError> {
        for queue in [TASKS, RESULTS] {
            let deleted = self.js.delete_stream(queue.stream).await;
            deleted.doing("deleting a queue of the limits")?;
        }
        Ok(())
    }

    /// Both sides, and the first task of each chain.
    pub(crate) async fn load(&self, name: String, chains: usize) -> Result<Load, BenchError> {
        let mut load = Load::new(name);
        let worker = Side::new(&self.js, TASKS, RESULTS, None).await?;
        let engine = Side::new(&self.js, RESULTS, TASKS, Some(chains)).await?;
        load.spawn(|control| worker.run(control));
        load.spawn(|control| engine.run(control));
        let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
        for chain in 0..chains {
            let subject = format!("{}.{chain}", TASKS.prefix);
            let sent = self.js.publish(subject, payload.clone()).await;
            sent.doing("a first task")?.await.doing("a first task")?;
        }
        Ok(load)
    }
}

struct Side {
    js: Context,
    consumer: PullConsumer,
    from: Queue,
    to: Queue,
    /// When each chain was last here, if this side counts its steps.
    seen: Option<Vec<Option<Instant>>>,
}

impl Side {
    async fn new(
        js: &Context,
        from: Queue,
        to: Queue,
        chains: Option<usize>,
    ) -> Result<Self, BenchError> {
        let config = pull::Config {
            durable_name: Some("side".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        let consumer = js.create_consumer_on_stream(config, from.stream).await;
        Ok(Self {
            js: js.clone(),
            consumer: consumer.doing("making a consumer of the limits")?,
            from,
            to,
            seen: chains.map(|chains| vec![None; chains]),
        })
    }

    async fn run(mut self, control: Arc<Control>) -> Result<Vec<Sample>, BenchError> {
        let pull = self.consumer.stream().max_messages_per_batch(PULL_MAX);
        let mut messages = pull.messages().await.doing("pulling")?;
        let stopped = control.stopped();
        tokio::pin!(stopped);
        let mut under_way = FuturesUnordered::new();
        let mut samples = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => return Ok(samples),
                Some(done) = under_way.next() => done?,
                message = messages.next() => {
                    let Some(message) = message else {
                        return Err(BenchError::Ended("ping-pong"));
                    };
                    let message = message.doing("pulling")?;
                    let chain = message.subject.strip_prefix(self.from.prefix).unwrap_or_default().to_owned();
                    if let Some(sample) = see(&mut self.seen, &chain) {
                        samples.push(sample);
                        control.complete();
                    }
                    under_way.push(relay(self.js.clone(), format!("{}{chain}", self.to.prefix), message));
                }
            }
        }
    }
}

/// The step that has ended with this message, if this side counts them.
fn see(seen: &mut Option<Vec<Option<Instant>>>, chain: &str) -> Option<Sample> {
    let number: usize = chain.strip_prefix('.')?.parse().ok()?;
    let at = Instant::now();
    let before = seen.as_mut()?.get_mut(number)?.replace(at)?;
    Some(Sample {
        at,
        took: at - before,
    })
}

async fn relay(js: Context, subject: String, message: Message) -> Result<(), BenchError> {
    let sent = js.publish(subject, message.payload.clone()).await;
    sent.doing("a bare step")?.await.doing("a bare step")?;
    message.ack().await.map_err(|error| BenchError::Nats {
        what: "acknowledging a bare step",
        reason: error.to_string(),
    })
}
