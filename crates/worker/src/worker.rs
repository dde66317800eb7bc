//! A worker: its membership, and a loop for each topic.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use headwater_store::{
    Env, Source, Store, TaskHandle, Verdict,
    members::{self, Liveness},
};
use headwater_wire::{
    limits,
    member::{Member, Role},
    topic::any_tag,
};
use tokio::sync::{mpsc, watch};

use crate::{
    Activities, WorkerMetrics,
    follow::follow,
    run::Shared,
    stops::{Stops, listen},
    tags::TagFilter,
};

/// How a worker behaves. The default suits most.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Attempts under way at the most, for each topic.
    pub concurrency: usize,
    /// Time after which an unanswered task comes again; as the store has it.
    pub ack_wait: Duration,
    /// How long attempts may go on when the worker is asked to stop.
    pub stop_grace: Duration,
    /// How long an attempt may go on once it was told that nobody wants its outcome.
    pub cancel_grace: Duration,
    /// How often an attempt that goes on looks whether its outcome is still wanted, in case it was
    /// not told.
    pub cancel_check: Duration,
    /// Which tasks of the topics of its activities it takes.
    pub tags: TagFilter,
    /// How its death is noticed.
    pub liveness: Liveness,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            concurrency: 256,
            ack_wait: limits::ACK_WAIT,
            stop_grace: Duration::from_secs(10),
            cancel_grace: limits::ACTIVITY_CANCEL_GRACE,
            cancel_check: limits::ACTIVITY_CANCEL_CHECK,
            tags: TagFilter::Default,
            liveness: Liveness::default(),
        }
    }
}

/// A worker that is about to start.
pub struct Worker {
    /// Where tasks come from and outcomes go.
    pub store: Arc<dyn Store>,
    /// Clock, randomness and spawning.
    pub env: Arc<dyn Env>,
    /// How it behaves.
    pub config: WorkerConfig,
    /// What it can run.
    pub activities: Activities,
    /// What it counts.
    pub metrics: WorkerMetrics,
    /// Machine that it runs on, for people.
    pub host: String,
    /// Process id, for people.
    pub pid: u32,
}

/// A running worker.
pub struct WorkerHandle {
    shared: Arc<Shared>,
    member: Member,
    stop: watch::Sender<bool>,
    /// Closed once every topic has ended.
    ended: mpsc::Receiver<()>,
    beating: TaskHandle,
}

impl Worker {
    /// Join the members and begin to take tasks.
    #[must_use]
    pub fn start(self) -> WorkerHandle {
        let Self {
            store,
            env,
            config,
            activities,
            metrics,
            host,
            pid,
        } = self;
        let id = format!("{:012x}", env.random() & 0xffff_ffff_ffff);
        let member = Member {
            role: Role::Worker,
            id: id.clone(),
            queue: String::new(),
            host,
            pid,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: env.now(),
            workflows: std::collections::BTreeMap::new(),
            topics: told_topics(&activities, &config.tags),
        };
        let beating = members::heartbeat(Arc::clone(&store), &env, &member, config.liveness);
        let (stop, stopping) = watch::channel(false);
        let (ending, ended) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            store,
            env,
            config,
            activities,
            metrics,
            stops: Stops::default(),
            id,
        });
        let taking = Taking {
            stopping,
            concurrency: shared.config.concurrency,
            _ending: ending,
        };
        for topic in shared.activities.topics() {
            for topic in shared.config.tags.topics(topic) {
                taking.begin(&shared, topic);
            }
        }
        if shared.config.tags != TagFilter::None {
            let follow = follow(Arc::clone(&shared), taking, member.clone());
            shared.env.spawn(Box::pin(follow));
        }
        WorkerHandle {
            shared,
            member,
            stop,
            ended,
            beating,
        }
    }
}

/// What every loop that takes tasks needs.
#[derive(Clone)]
pub(crate) struct Taking {
    pub(crate) stopping: watch::Receiver<bool>,
    /// Attempts under way at the most.
    pub(crate) concurrency: usize,
    /// Dropped by each loop at its end.
    _ending: mpsc::Sender<()>,
}

impl Taking {
    /// The same for a loop that may be asked to stop by itself.
    pub(crate) fn apart(&self, stopping: watch::Receiver<bool>, concurrency: usize) -> Self {
        Self {
            stopping,
            concurrency,
            ..self.clone()
        }
    }

    /// Begin to take tasks of a topic.
    pub(crate) fn begin(&self, shared: &Arc<Shared>, topic: String) {
        let listen = listen(Arc::clone(shared), topic.clone(), self.stopping.clone());
        shared.env.spawn(Box::pin(listen));
        let take = take(Arc::clone(shared), topic, self.clone());
        shared.env.spawn(Box::pin(take));
    }
}

/// The topics that a worker says it takes from.
fn told_topics(activities: &Activities, tags: &TagFilter) -> Vec<String> {
    let topics = activities.topics().iter();
    topics
        .flat_map(|topic| {
            let any = (*tags == TagFilter::Any).then(|| any_tag(topic));
            tags.topics(topic).into_iter().chain(any)
        })
        .collect()
}

impl WorkerHandle {
    /// Id of the worker among the members.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.member.id
    }

    /// What it says of itself to the other members.
    #[must_use]
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.shared.metrics
    }

    /// Stop taking tasks, let those under way end within the grace, leave. What is cut short
    /// comes again elsewhere.
    pub async fn stop(self) {
        let grace = self.shared.config.stop_grace;
        self.stop_within(grace).await;
    }

    /// [`WorkerHandle::stop`] with another grace than that of the configuration.
    pub async fn stop_within(mut self, grace: Duration) {
        // Nobody listening means that everything has ended already.
        let _ = self.stop.send(true);
        tokio::select! {
            biased;
            _ = self.ended.recv() => {}
            () = self.shared.env.sleep(grace) => {
                tracing::warn!("stopping while activities run; they come again elsewhere");
            }
        }
        self.beating.abort();
        members::leave(&self.shared.store, &self.member).await;
    }
}

/// Take the tasks of one topic, as many at a time as there is room for, until asked to stop.
async fn take(shared: Arc<Shared>, topic: String, mut taking: Taking) {
    let topic: Arc<str> = topic.into();
    let source = Source::Topic(topic.to_string());
    let mut pause = Duration::from_millis(50);
    let mut consumer = loop {
        match shared.store.consume(&source).await {
            Ok(consumer) => break consumer,
            Err(error) => {
                tracing::warn!(%error, ?source, "cannot take tasks, trying again");
                shared.env.sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    };
    let (done, mut finished) = mpsc::unbounded_channel::<()>();
    let mut running = 0_usize;
    consumer.request(taking.concurrency);
    loop {
        tokio::select! {
            biased;
            Some(()) = finished.recv() => {
                running -= 1;
                consumer.request(1);
            }
            () = asked_to_stop(&mut taking.stopping) => break,
            delivery = consumer.next() => {
                running += 1;
                let (task, topic, done) = (Arc::clone(&shared), Arc::clone(&topic), done.clone());
                shared.env.spawn(Box::pin(async move {
                    task.handle(delivery, &topic).await;
                    // The loop outlives its tasks.
                    let _ = done.send(());
                }));
            }
        }
    }
    // What has come and was not begun goes back, once nothing can come here any more: else it
    // would come again at once, and each time count as a death of its worker.
    let mut not_begun = Vec::new();
    while let Some(delivery) = consumer.next().now_or_never() {
        not_begun.push(delivery);
    }
    drop(consumer);
    for delivery in not_begun {
        let verdict = Verdict::Nak(Duration::ZERO);
        shared.store.answer(&delivery.token, verdict).await;
    }
    while running > 0 && finished.recv().await.is_some() {
        running -= 1;
    }
}

pub(crate) async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that the handle is gone: nobody is left to run activities for.
    let _ = stopping.wait_for(|stop| *stop).await;
}
