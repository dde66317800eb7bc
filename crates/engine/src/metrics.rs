//! What an engine counts.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Counters of one engine.
#[derive(Clone, Debug)]
pub struct EngineMetrics {
    /// Commands taken from COMMANDS, repeats included.
    pub commands: Counter,
    /// Turns stored.
    pub turns: Counter,
    /// Swaps that another engine won.
    pub swaps_lost: Counter,
    /// Swaps whose answer did not come.
    pub swaps_unknown: Counter,
    /// Outcomes of local steps.
    pub local_steps: Counter,
    /// Tasks published.
    pub tasks: Counter,
    /// Attempts that failed and will be tried again.
    pub retries: Counter,
    /// Commands dropped because nothing waits for them.
    pub dropped: Counter,
    /// Commands given up to DEAD_LETTERS.
    pub dead_letters: Counter,
    /// Commands given back because this engine can't run them.
    pub given_back: Counter,
    /// Invocations ended.
    pub ended: Counter,
    /// Invocations parked.
    pub parked: Counter,
    /// Invocations in memory.
    pub live: Gauge,
    /// Seconds from a command being stored to the turn that took it being stored.
    pub turn_seconds: Histogram,
}

impl Default for EngineMetrics {
    fn default() -> Self {
        let buckets = prometheus_client::metrics::histogram::exponential_buckets(0.000_25, 2.0, 18);
        Self {
            commands: Counter::default(),
            turns: Counter::default(),
            swaps_lost: Counter::default(),
            swaps_unknown: Counter::default(),
            local_steps: Counter::default(),
            tasks: Counter::default(),
            retries: Counter::default(),
            dropped: Counter::default(),
            dead_letters: Counter::default(),
            given_back: Counter::default(),
            ended: Counter::default(),
            parked: Counter::default(),
            live: Gauge::default(),
            turn_seconds: Histogram::new(buckets),
        }
    }
}

impl EngineMetrics {
    /// Make them part of what a process tells Prometheus.
    pub fn register(&self, registry: &mut Registry) {
        let engine = registry.sub_registry_with_prefix("headwater_engine");
        let counters = [
            (
                "commands",
                "Commands taken, repeats included",
                &self.commands,
            ),
            ("turns", "Turns stored", &self.turns),
            (
                "swaps_lost",
                "Swaps that another engine won",
                &self.swaps_lost,
            ),
            (
                "swaps_unknown",
                "Swaps without an answer",
                &self.swaps_unknown,
            ),
            ("local_steps", "Outcomes of local steps", &self.local_steps),
            ("tasks", "Tasks published", &self.tasks),
            (
                "retries",
                "Failed attempts to be tried again",
                &self.retries,
            ),
            ("dropped", "Late or unknown commands dropped", &self.dropped),
            ("dead_letters", "Commands given up", &self.dead_letters),
            (
                "given_back",
                "Commands given back to other engines",
                &self.given_back,
            ),
            ("ended", "Invocations ended", &self.ended),
            ("parked", "Invocations parked", &self.parked),
        ];
        for (name, help, counter) in counters {
            engine.register(name, help, counter.clone());
        }
        engine.register("live", "Invocations in memory", self.live.clone());
        engine.register(
            "turn_seconds",
            "Seconds from a command being stored to its turn being stored",
            self.turn_seconds.clone(),
        );
    }
}
