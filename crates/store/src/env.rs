//! The one door to clock, randomness and spawning. Engine, worker and client use nothing else,
//! so that a simulation can drive the real code.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use headwater_wire::Timestamp;

/// Clock, randomness and spawning.
pub trait Env: Send + Sync + 'static {
    /// Wall clock: for people, due times and the program's clock.
    fn now(&self) -> Timestamp;

    /// Monotonic time since some fixed point: for intervals.
    fn elapsed(&self) -> Duration;

    /// Wait.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Run beside the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle;

    /// 128 random bits.
    fn random(&self) -> u128;
}

/// Aborts its task when asked to; dropping it lets the task go on.
pub struct TaskHandle(Box<dyn FnOnce() + Send + Sync>);

impl TaskHandle {
    /// A handle whose abort runs `abort`.
    pub fn new(abort: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Box::new(abort))
    }

    /// End the task at its next await point.
    pub fn abort(self) {
        (self.0)();
    }
}

/// The world as it is, on the tokio runtime that it is used from.
#[derive(Clone, Debug)]
pub struct TokioEnv {
    origin: tokio::time::Instant,
}

#[allow(clippy::disallowed_methods)] // the one door
impl TokioEnv {
    /// The world.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }

    /// The world, to be shared.
    #[must_use]
    pub fn shared() -> Arc<dyn Env> {
        Arc::new(Self::new())
    }
}

impl Default for TokioEnv {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(clippy::disallowed_methods)] // the one door
impl Env for TokioEnv {
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let handle = tokio::spawn(task).abort_handle();
        TaskHandle::new(move || handle.abort())
    }

    fn random(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}
