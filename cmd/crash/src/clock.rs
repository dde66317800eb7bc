//! Time: one clock of one machine for ledger, faults and servers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwater::wire::Timestamp;
use tokio::time::Instant;

pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since_epoch.unwrap_or_default().as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// This much before a point in time.
pub(crate) fn before(at: Timestamp, duration: Duration) -> Timestamp {
    let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(micros))
}

/// The beginning of a run, to which its faults and lines are relative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) async fn until(self, after: Duration) {
        tokio::time::sleep_until(self.0 + after).await;
    }

    /// Print a line with its time.
    pub(crate) fn say(self, line: &str) {
        println!("[{:6.1} s] {line}", self.elapsed().as_secs_f64());
    }
}
