//! Virtual time, and processes that can be killed.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use headwater_store::{Env, TaskHandle};
use headwater_wire::Timestamp;
use tokio::task::JoinSet;

/// When a world begins: 2027-01-15 08:00:00 UTC.
const BEGINNING: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// The clock of a world: that of a runtime whose time is paused, so that it jumps when everyone
/// waits. Random numbers are drawn in order, so that a test is the same every time.
pub(super) struct Clock {
    origin: tokio::time::Instant,
    wake_ups: Arc<AtomicU64>,
    drawn: AtomicU64,
}

#[allow(clippy::disallowed_methods)] // this is an Env
impl Clock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: tokio::time::Instant::now(),
            wake_ups: Arc::default(),
            drawn: AtomicU64::new(0),
        })
    }

    /// How often somebody slept and woke.
    pub(super) fn wake_ups(&self) -> u64 {
        self.wake_ups.load(Relaxed)
    }
}

#[allow(clippy::disallowed_methods)] // this is an Env
impl Env for Clock {
    fn now(&self) -> Timestamp {
        BEGINNING.after(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (sleep, wake_ups) = (tokio::time::sleep(duration), Arc::clone(&self.wake_ups));
        Box::pin(async move {
            sleep.await;
            wake_ups.fetch_add(1, Relaxed);
        })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let handle = tokio::spawn(task).abort_handle();
        TaskHandle::new(move || handle.abort())
    }

    fn random(&self) -> u128 {
        let drawn = 2 * self.drawn.fetch_add(1, Relaxed);
        u128::from(mixed(drawn)) << 64 | u128::from(mixed(drawn + 1))
    }
}

/// Numbers in a row, spread over all bits: ids are made of some of them. (SplitMix64)
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A process: everything that was spawned in it ends when it is killed.
pub(super) struct Process {
    clock: Arc<Clock>,
    /// None once it was killed.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Process {
    pub(super) fn new(clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            tasks: Mutex::new(Some(JoinSet::new())),
        })
    }

    /// End it as `kill -9` does. A task that is at work ends when it next waits.
    pub(super) fn kill(&self) {
        let tasks = self.tasks().take();
        drop(tasks); // which aborts them
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Env for Process {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else {
            return TaskHandle::new(|| ()); // nothing begins in a dead process
        };
        while tasks.try_join_next().is_some() {}
        let handle = tasks.spawn(task);
        TaskHandle::new(move || handle.abort())
    }

    fn random(&self) -> u128 {
        self.clock.random()
    }
}
