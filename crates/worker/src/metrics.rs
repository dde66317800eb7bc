//! What a worker counts.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Counters of one worker.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    /// Tasks taken, repeats included.
    pub tasks: Counter,
    /// Attempts that succeeded.
    pub succeeded: Counter,
    /// Attempts that failed.
    pub failed: Counter,
    /// Tasks not run, or cut off, since nobody wanted their outcome any more.
    pub stopped: Counter,
    /// Tasks given up to DEAD_LETTERS.
    pub dead_letters: Counter,
    /// Attempts under way.
    pub running: Gauge,
    /// Seconds that attempts take.
    pub attempt_seconds: Histogram,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        let buckets = prometheus_client::metrics::histogram::exponential_buckets(0.000_25, 2.0, 20);
        Self {
            tasks: Counter::default(),
            succeeded: Counter::default(),
            failed: Counter::default(),
            stopped: Counter::default(),
            dead_letters: Counter::default(),
            running: Gauge::default(),
            attempt_seconds: Histogram::new(buckets),
        }
    }
}

/// What a worker has counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Tasks taken, repeats included.
    pub tasks: u64,
    /// Attempts that succeeded.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Tasks not run, or cut off, since nobody wanted their outcome any more.
    pub stopped: u64,
    /// Tasks given up to DEAD_LETTERS.
    pub dead_letters: u64,
    /// Attempts under way.
    pub running: i64,
}

impl WorkerMetrics {
    /// What it has counted so far.
    #[must_use]
    pub fn counts(&self) -> WorkerCounts {
        WorkerCounts {
            tasks: self.tasks.get(),
            succeeded: self.succeeded.get(),
            failed: self.failed.get(),
            stopped: self.stopped.get(),
            dead_letters: self.dead_letters.get(),
            running: self.running.get(),
        }
    }

    /// Make them part of what a process tells Prometheus.
    pub fn register(&self, registry: &mut Registry) {
        let worker = registry.sub_registry_with_prefix("headwater_worker");
        let counters = [
            ("tasks", "Tasks taken, repeats included", &self.tasks),
            ("succeeded", "Attempts that succeeded", &self.succeeded),
            ("failed", "Attempts that failed", &self.failed),
            (
                "stopped",
                "Tasks that nobody wanted any more",
                &self.stopped,
            ),
            ("dead_letters", "Tasks given up", &self.dead_letters),
        ];
        for (name, help, counter) in counters {
            worker.register(name, help, counter.clone());
        }
        worker.register("running", "Attempts under way", self.running.clone());
        worker.register(
            "attempt_seconds",
            "Seconds that attempts take",
            self.attempt_seconds.clone(),
        );
    }
}
