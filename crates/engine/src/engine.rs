//! An engine: its membership, and a loop for each partition that it pulls.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture};
use headwater_store::{Env, Source, Store, StoreError, TaskHandle, members};
use headwater_wire::{
    Namespace, Partition, limits,
    member::{Member, Role},
    names::{NameError, check_name},
};
use tokio::sync::watch;

use crate::{EngineConfig, EngineMetrics, Registry, partitions, query, router::Shared, topology};

/// Deliveries that a partition loop lets the server send ahead.
const WINDOW: usize = 256;

/// An engine that is about to start.
pub struct Engine {
    /// Where everything is stored.
    pub store: Arc<dyn Store>,
    /// Clock, randomness and spawning.
    pub env: Arc<dyn Env>,
    /// How it behaves.
    pub config: EngineConfig,
    /// What it can run.
    pub registry: Registry,
    /// What it counts.
    pub metrics: EngineMetrics,
    /// Machine that it runs on, for people.
    pub host: String,
    /// Process id, for people.
    pub pid: u32,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The queue's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Too many partitions, or none.
    #[error("{0} partitions are not possible: use 1 to {max}", max = limits::PARTITIONS_MAX)]
    Partitions(u16),
    /// A retention that the rules do not allow.
    #[error("a retention of {0:?} is too short: use at least {min:?}, since an id must not be forgotten while a message about it may be under way", min = limits::RETENTION_MIN)]
    Retention(Duration),
    /// Storage.
    #[error("the topology of the task queue cannot be read or written: {0}")]
    Store(#[from] StoreError),
}

/// A running engine.
pub struct EngineHandle {
    shared: Arc<Shared>,
    member: Member,
    stop: watch::Sender<bool>,
    supervising: TaskHandle,
    tasks: Vec<TaskHandle>,
}

impl Engine {
    /// Join the members and begin to pull.
    pub async fn start(self) -> Result<EngineHandle, EngineError> {
        let Self {
            store,
            env,
            config,
            registry,
            metrics,
            host,
            pid,
        } = self;
        check(&config)?;
        let topology = topology::settle(&store, &env, &config.queue, config.partitions).await?;
        let id = short_id(env.random());
        let member = Member {
            role: Role::Engine,
            id: id.clone(),
            queue: config.queue.clone(),
            host,
            pid,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: env.now(),
            workflows: registry.list(),
            topics: Vec::new(),
        };
        let (members, watching) = members::view(Arc::clone(&store), &env, config.liveness);
        let beating = members::heartbeat(Arc::clone(&store), &env, &member, config.liveness);
        let (stop, stopping) = watch::channel(false);
        let shared = Shared::new(store, env, config, registry, metrics, members, id, stopping);
        let supervisor = Supervisor {
            shared: Arc::clone(&shared),
            member: member.clone(),
            serving: topology.serving,
            loops: BTreeMap::new(),
            told: String::new(),
        };
        let supervising = shared.env.spawn(Box::pin(supervisor.run()));
        let answering = shared
            .env
            .spawn(Box::pin(query::serve(Arc::clone(&shared))));
        Ok(EngineHandle {
            shared,
            member,
            stop,
            supervising,
            tasks: vec![watching, beating, answering],
        })
    }
}

fn check(config: &EngineConfig) -> Result<(), EngineError> {
    check_name("task queue", &config.queue)?;
    if let Some(partitions) = config.partitions
        && !(1..=limits::PARTITIONS_MAX).contains(&partitions)
    {
        return Err(EngineError::Partitions(partitions));
    }
    if config.retention < limits::RETENTION_MIN {
        return Err(EngineError::Retention(config.retention));
    }
    Ok(())
}

/// Enough to tell the processes of an installation apart; 48 bits in hex.
fn short_id(random: u128) -> String {
    format!("{:012x}", random & 0xffff_ffff_ffff)
}

impl EngineHandle {
    /// Id of the engine among the members.
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
    pub fn metrics(&self) -> &EngineMetrics {
        &self.shared.metrics
    }

    /// Stop pulling, let what is under way come to a stored turn, hand back the rest, leave.
    pub async fn stop(self) {
        // The actors give themselves the grace; a little more, and they are left to their crash recovery.
        let grace = self.shared.config.stop_grace + Duration::from_secs(1);
        self.stop_within(grace).await;
    }

    /// [`EngineHandle::stop`], but what is not at a stored turn after this long is left to its crash
    /// recovery: another engine goes on with it.
    pub async fn stop_within(self, grace: Duration) {
        // Nobody listening means that everything has ended already.
        let _ = self.stop.send(true);
        self.supervising.abort();
        tokio::select! {
            biased;
            () = self.shared.drained() => {}
            () = self.shared.env.sleep(grace) => {
                tracing::warn!("stopping while invocations are at work; they go on elsewhere");
            }
        }
        for task in self.tasks {
            task.abort();
        }
        members::leave(&self.shared.store, &self.member).await;
    }
}

/// Starts and ends partition loops as the members come and go.
struct Supervisor {
    shared: Arc<Shared>,
    member: Member,
    serving: u16,
    loops: BTreeMap<Partition, TaskHandle>,
    /// What was said to be pulled.
    told: String,
}

impl Supervisor {
    async fn run(mut self) {
        let mut members = self.shared.members.clone();
        let mut stopping = self.shared.stopping.clone();
        let mut topologies = topology::follow(&self.shared);
        // The first picture, or soon alone: an overlap costs no more than a lost swap.
        tokio::select! {
            biased;
            _ = members.changed() => {}
            () = self.shared.env.sleep(Duration::from_millis(500)) => {}
        }
        loop {
            self.adjust();
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => break,
                changed = members.changed() => if changed.is_err() { break },
                Some(topology) = topologies.next() => self.serving = topology.serving,
            }
        }
    }

    fn adjust(&mut self) {
        let wanted = {
            let members = self.shared.members.borrow();
            partitions::owned(&members, &self.member, self.serving)
        };
        let lost: Vec<Partition> = self
            .loops
            .keys()
            .filter(|partition| !wanted.contains(partition))
            .copied()
            .collect();
        for partition in lost {
            if let Some(task) = self.loops.remove(&partition) {
                task.abort();
            }
        }
        self.shared.set_pulled(wanted.clone());
        for partition in wanted {
            if !self.loops.contains_key(&partition) {
                let pull: BoxFuture<'static, ()> =
                    Box::pin(pull(Arc::clone(&self.shared), partition));
                let task = self.shared.env.spawn(pull);
                self.loops.insert(partition, task);
            }
        }
        self.tell();
    }
}

impl Supervisor {
    /// Say which consumers are pulled, whenever that changes.
    fn tell(&mut self) {
        let queue = &self.shared.config.queue;
        let name =
            |partition: &Partition| Namespace::default().partition_consumer(queue, *partition);
        let pulled = self.loops.keys().map(name).collect::<Vec<_>>().join(", ");
        if pulled == self.told {
            return;
        }
        match self.told.is_empty() {
            true => tracing::info!("Processor started, consuming from {pulled}"),
            false => tracing::info!("Members have changed, now consuming from {pulled}"),
        }
        self.told = pulled;
    }
}

/// However the supervisor ends, nothing pulls any more: also if it is aborted before it was told.
impl Drop for Supervisor {
    fn drop(&mut self) {
        for (_, partition) in std::mem::take(&mut self.loops) {
            partition.abort();
        }
    }
}

/// Take the commands of one partition and route them, until aborted.
async fn pull(shared: Arc<Shared>, partition: Partition) {
    let source = Source::Partition {
        queue: shared.config.queue.clone(),
        partition,
    };
    let mut backoff = crate::emit::Backoff::new("consuming a partition");
    loop {
        let mut consumer = match shared.store.consume(&source).await {
            Ok(consumer) => consumer,
            Err(error) => {
                backoff.wait(&shared.env, &error).await;
                continue;
            }
        };
        consumer.request(WINDOW);
        loop {
            let delivery = consumer.next().await;
            shared.route(delivery).await;
            consumer.request(1);
        }
    }
}
