//! A processor in a world: its engine and its worker, killed and started at will.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use headwater_engine::{Engine, EngineConfig, EngineError, EngineHandle, EngineMetrics, Registry};
use headwater_store::{
    Env, Store,
    members::{self, Liveness},
};
use headwater_wire::member::Member;
use headwater_worker::{Activities, Worker, WorkerConfig, WorkerHandle, WorkerMetrics};

use super::{
    crashing::Crashing,
    env::{Clock, Process},
};
use crate::Processor;

/// A processor at work in a [`World`](super::World). Its engine and its worker are processes of
/// their own: what one of them had in hand when it was killed comes again to the next after the
/// 5 s in which a delivery is to be answered.
#[derive(Clone)]
pub struct Running {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    clock: Arc<Clock>,
    store: Arc<dyn Store>,
    /// What an engine of this build is.
    engine_build: Option<(EngineConfig, Registry)>,
    worker_build: Option<(WorkerConfig, Activities)>,
    engine: Mutex<Option<(Arc<Process>, EngineHandle)>>,
    worker: Mutex<Option<(Arc<Process>, WorkerHandle)>>,
    /// Turns until the engine crashes; 0: it does not.
    turns_left: AtomicU64,
    /// Turns until it crashes with one that is not stored; 0: it does not.
    turns_to_begin: AtomicU64,
}

impl Running {
    pub(super) fn new(clock: &Arc<Clock>, store: &Arc<dyn Store>, build: Processor) -> Self {
        let told = Liveness::Told;
        let (registry, activities) = (build.registry, build.activities);
        let engine = build.engine.map(|config| EngineConfig {
            liveness: told,
            ..config
        });
        let worker = build.worker.map(|config| WorkerConfig {
            liveness: told,
            ..config
        });
        Self {
            inner: Arc::new(Inner {
                clock: Arc::clone(clock),
                store: Arc::clone(store),
                engine_build: engine.map(|config| (config, registry)),
                worker_build: worker
                    .filter(|_| !activities.is_empty())
                    .map(|config| (config, activities)),
                engine: Mutex::default(),
                worker: Mutex::default(),
                turns_left: AtomicU64::new(0),
                turns_to_begin: AtomicU64::new(0),
            }),
        }
    }

    pub(super) async fn begin(&self) -> Result<(), EngineError> {
        self.start_worker();
        self.inner.start_engine().await
    }

    /// Kill the engine, as `kill -9` does. What is under way waits for another.
    pub fn kill_engine(&self) {
        self.inner.kill_engine();
    }

    /// Start an engine of this build, if none runs.
    pub fn start_engine(&self) {
        let inner = Arc::clone(&self.inner);
        self.inner.clock.spawn(Box::pin(async move {
            if let Err(error) = inner.start_engine().await {
                tracing::error!(%error, "the engine does not start again");
            }
        }));
    }

    /// Kill the engine and start another.
    pub fn crash_engine(&self) {
        self.kill_engine();
        self.start_engine();
    }

    /// Crash the engine as soon as it has stored so many further turns, at the worst moment: the
    /// last of them is stored, and nothing that follows from it has happened yet. Another is
    /// started, which does not crash.
    pub fn crash_engine_after(&self, turns: u64) {
        self.inner.turns_left.store(turns, Relaxed);
    }

    /// Crash the engine in the last of so many further turns, as it is about to store it: what has
    /// to be stored before is stored, the turn is not. Another is started, which does not crash.
    pub fn crash_engine_before(&self, turns: u64) {
        self.inner.turns_to_begin.store(turns, Relaxed);
    }

    /// Kill the worker: the attempts that it has begun come again elsewhere.
    pub fn kill_worker(&self) {
        let killed = lock(&self.inner.worker).take();
        if let Some((process, worker)) = killed {
            process.kill();
            self.inner.tell_death(worker.member());
        }
    }

    /// Start a worker of this build, if none runs.
    pub fn start_worker(&self) {
        let mut worker = lock(&self.inner.worker);
        if let (None, Some((config, activities))) = (worker.as_ref(), &self.inner.worker_build) {
            let process = Process::new(Arc::clone(&self.inner.clock));
            let handle = Worker {
                store: Arc::clone(&self.inner.store),
                env: Arc::clone(&process) as Arc<dyn Env>,
                config: config.clone(),
                activities: activities.clone(),
                metrics: WorkerMetrics::default(),
                host: "test".to_owned(),
                pid: std::process::id(),
            };
            *worker = Some((process, handle.start()));
        }
    }

    /// Kill the worker and start another.
    pub fn crash_worker(&self) {
        self.kill_worker();
        self.start_worker();
    }
}

impl Inner {
    async fn start_engine(self: &Arc<Self>) -> Result<(), EngineError> {
        let Some((config, registry)) = &self.engine_build else {
            return Ok(());
        };
        if lock(&self.engine).is_some() {
            return Ok(());
        }
        let process = Process::new(Arc::clone(&self.clock));
        let engine = Engine {
            store: Crashing::new(&self.store, self),
            env: Arc::clone(&process) as Arc<dyn Env>,
            config: config.clone(),
            registry: registry.clone(),
            metrics: EngineMetrics::default(),
            host: "test".to_owned(),
            pid: std::process::id(),
        };
        let handle = engine.start().await?;
        *lock(&self.engine) = Some((process, handle));
        Ok(())
    }

    fn kill_engine(&self) {
        let killed = lock(&self.engine).take();
        if let Some((process, engine)) = killed {
            process.kill();
            self.tell_death(engine.member());
        }
    }

    /// Nobody listens for heartbeats here: they would cost a wake-up every two seconds.
    fn tell_death(&self, member: &Member) {
        let (store, member) = (Arc::clone(&self.store), member.clone());
        let leave = async move { members::leave(&store, &member).await };
        self.clock.spawn(Box::pin(leave));
    }

    /// A turn was stored. True: the engine is dead now.
    pub(super) fn turn_stored(self: &Arc<Self>) -> bool {
        self.crash_at_last(&self.turns_left)
    }

    /// A turn is about to be stored. True: the engine is dead now.
    pub(super) fn turn_begins(self: &Arc<Self>) -> bool {
        self.crash_at_last(&self.turns_to_begin)
    }

    fn crash_at_last(self: &Arc<Self>, turns_left: &AtomicU64) -> bool {
        let count = |left: u64| left.checked_sub(1);
        let is_last = turns_left.fetch_update(Relaxed, Relaxed, count) == Ok(1);
        if is_last {
            let running = Running {
                inner: Arc::clone(self),
            };
            running.crash_engine();
        }
        is_last
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
