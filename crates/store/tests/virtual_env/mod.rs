//! An [`Env`] on virtual time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use headwater_store::{Env, TaskHandle};
use headwater_wire::Timestamp;

/// The clock of a tokio runtime whose time is paused: it goes on when everyone sleeps.
pub(crate) struct VirtualEnv {
    origin: tokio::time::Instant,
    /// How often someone has begun to sleep.
    pub(crate) sleeps: AtomicUsize,
    drawn: AtomicU64,
}

#[allow(clippy::disallowed_methods)] // this is an Env
impl VirtualEnv {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: tokio::time::Instant::now(),
            sleeps: AtomicUsize::new(0),
            drawn: AtomicU64::new(0),
        })
    }
}

#[allow(clippy::disallowed_methods)] // this is an Env
impl Env for VirtualEnv {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).after(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let handle = tokio::spawn(task).abort_handle();
        TaskHandle::new(move || handle.abort())
    }

    fn random(&self) -> u128 {
        u128::from(self.drawn.fetch_add(1, Ordering::Relaxed))
    }
}
