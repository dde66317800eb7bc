//! A store, a clock, and what is to happen to activities.

use std::{
    future::{Future, ready},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use headwater_client::{Client, ReadAgain};
use headwater_core::Error;
use headwater_store::{Env, Store, memory::MemoryStore};
use headwater_wire::{Namespace, Timestamp};
use headwater_worker::{Activities, ActivityError};
use serde::{Serialize, de::DeserializeOwned};

use super::{env::Clock, faults::Faults, running::Running};
use crate::{Processor, ProcessorError};

type Mock = Box<dyn Fn(&mut Activities) -> Result<(), ActivityError> + Send>;

/// Storage in memory on virtual time, and the processors in it. Cheap to clone.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<Clock>,
    store: Arc<dyn Store>,
    mocks: Mutex<Vec<Mock>>,
    faults: Arc<Faults>,
    /// They run on, whether or not the test keeps them.
    running: Mutex<Vec<Running>>,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = Clock::new();
        let env: Arc<dyn Env> = Arc::clone(&clock) as _;
        Self {
            inner: Arc::new(Inner {
                store: MemoryStore::new(env, Namespace::default()),
                clock,
                mocks: Mutex::default(),
                faults: Arc::default(),
                running: Mutex::default(),
            }),
        }
    }

    /// A processor in this world: register your workflows and activities, then hand it to
    /// [`World::start`].
    #[must_use]
    pub fn processor(&self) -> Processor {
        let env: Arc<dyn Env> = Arc::clone(&self.inner.clock) as _;
        Processor::on(Arc::clone(&self.inner.store), env)
    }

    /// Start a processor: its engine and its worker, each as a process of its own that can be
    /// killed. A world may have several, of different builds.
    ///
    /// # Errors
    /// As [`Processor::start`], and for a mock whose name cannot be one.
    pub async fn start(&self, mut processor: Processor) -> Result<Running, ProcessorError> {
        let inner = &self.inner;
        for mock in lock(&inner.mocks).iter() {
            mock(&mut processor.activities)?;
        }
        let faults = Arc::clone(&inner.faults);
        processor
            .activities
            .intercept(move |context| faults.attempt(&context.activity));
        let running = Running::new(&inner.clock, &inner.store, processor);
        running.begin().await?;
        lock(&inner.running).push(running.clone());
        Ok(running)
    }

    /// A client in this world.
    #[must_use]
    pub fn client(&self) -> Client {
        let env: Arc<dyn Env> = Arc::clone(&self.inner.clock) as _;
        Client::new(Arc::clone(&self.inner.store), env).reading_again(ReadAgain::OnChange)
    }

    /// Have a closure answer for an activity, in the place of the registered one if there is one.
    /// For processors that are started after this.
    pub fn mock<In, Out>(
        &self,
        activity: &str,
        answer: impl Fn(In) -> Result<Out, Error> + Send + Sync + 'static,
    ) where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
    {
        let (activity, answer) = (activity.to_owned(), Arc::new(answer));
        let mock: Mock = Box::new(move |activities| {
            let answer = Arc::clone(&answer);
            activities.replace(&activity, move |_, input: In| ready(answer(input)))
        });
        lock(&self.inner.mocks).push(mock);
    }

    /// Let the next so many attempts at an activity fail with this error, without being made.
    pub fn fail(&self, activity: &str, times: usize, error: Error) {
        self.inner
            .faults
            .add(activity, times, &error.into_failure());
    }

    /// How many attempts at an activity were begun, failed ones included.
    #[must_use]
    pub fn attempts(&self, activity: &str) -> u64 {
        self.inner.faults.attempts(activity)
    }

    /// Let time pass, with all that is due in it.
    pub async fn advance(&self, time: Duration) {
        self.sleep(time).await;
    }

    pub(super) fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<> {
        self.inner.clock.sleep(time)
    }

    /// Time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.inner.clock.elapsed()
    }

    /// What a clock on the wall shows; a world begins at 2027-01-15 08:00:00 UTC.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// How often anything in this world has slept and woken: what waits costs nothing, so a week
    /// of sleep is a handful.
    #[must_use]
    pub fn wake_ups(&self) -> u64 {
        self.inner.clock.wake_ups()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
