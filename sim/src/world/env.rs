//! Clock, randomness and spawning as one process sees them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use headwater_store::{Env, TaskHandle};
use headwater_wire::Timestamp;

use super::{Pid, World};
use crate::dice::Dice;

/// When every world begins, in microseconds of Unix time.
const EPOCH_MICROS: i64 = 1_800_000_000_000_000;

/// The [`Env`] of one process.
pub struct ProcessEnv {
    world: Arc<World>,
    pid: Pid,
    /// How far its wall clock is ahead of the server's, in microseconds.
    skew_micros: i64,
    dice: Mutex<Dice>,
}

impl ProcessEnv {
    /// The world as a process sees it; its ids are drawn from the seed and the process.
    #[must_use]
    pub fn new(world: &Arc<World>, pid: Pid, seed: u64, skew_micros: i64) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            pid,
            skew_micros,
            dice: Mutex::new(Dice::new(seed, &format!("process {pid}"))),
        })
    }
}

impl Env for ProcessEnv {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(EPOCH_MICROS + self.skew_micros).after(self.world.now())
    }

    fn elapsed(&self) -> Duration {
        self.world.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.world.sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        self.world.spawn(self.pid, task)
    }

    fn random(&self) -> u128 {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        dice.wide_bits()
    }
}
