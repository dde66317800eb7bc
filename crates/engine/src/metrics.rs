//! What an engine counts.

use std::collections::BTreeMap;

use headwater_wire::Code;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// What codes of the user's own are counted as.
const USERS_OWN: &str = "user";

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
    /// Invocations begun.
    pub started: Counter,
    /// Runs that continued as new.
    pub continued: Counter,
    /// Children begun, detached ones too.
    pub children: Counter,
    /// Invocations ended, however they did.
    pub ended: Counter,
    /// Those that ended otherwise than well, by the code of their error.
    pub failed: Family<[(&'static str, String); 1], Counter>,
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
            started: Counter::default(),
            continued: Counter::default(),
            children: Counter::default(),
            ended: Counter::default(),
            failed: Family::default(),
            parked: Counter::default(),
            live: Gauge::default(),
            turn_seconds: Histogram::new(buckets),
        }
    }
}

/// What an engine has counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineCounts {
    /// Invocations begun.
    pub started: u64,
    /// Invocations ended, however they did.
    pub ended: u64,
    /// Those of them that ended otherwise than well, by the code of their error: one of the
    /// catalogue, or `user` for codes of the user's own.
    pub failed: BTreeMap<String, u64>,
    /// Runs that continued as new.
    pub continued: u64,
    /// Children begun.
    pub children: u64,
    /// Invocations parked.
    pub parked: u64,
    /// Turns stored.
    pub turns: u64,
    /// Outcomes of local steps.
    pub local_steps: u64,
    /// Tasks published.
    pub tasks: u64,
    /// Commands dropped because nothing waits for them.
    pub dropped: u64,
    /// Commands given up to DEAD_LETTERS.
    pub dead_letters: u64,
    /// Invocations in memory.
    pub live: i64,
}

impl EngineMetrics {
    /// What it has counted so far.
    #[must_use]
    pub fn counts(&self) -> EngineCounts {
        let words = Code::ALL.iter().map(Code::as_str).chain([USERS_OWN]);
        let count = |code: &str| {
            let labels = [("code", code.to_owned())];
            Some((code.to_owned(), self.failed.get(&labels)?.get()))
        };
        EngineCounts {
            started: self.started.get(),
            ended: self.ended.get(),
            failed: words.filter_map(count).collect(),
            continued: self.continued.get(),
            children: self.children.get(),
            parked: self.parked.get(),
            turns: self.turns.get(),
            local_steps: self.local_steps.get(),
            tasks: self.tasks.get(),
            dropped: self.dropped.get(),
            dead_letters: self.dead_letters.get(),
            live: self.live.get(),
        }
    }

    /// Count an end that was none of the good ones.
    pub(crate) fn count_failure(&self, code: &Code) {
        // Codes of the user's own are without number, and so would be what Prometheus keeps.
        let word = match Code::ALL.contains(code) {
            true => code.as_str(),
            false => USERS_OWN,
        };
        let labels = [("code", word.to_owned())];
        self.failed.get_or_create(&labels).inc();
    }

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
            ("started", "Invocations begun", &self.started),
            ("continued", "Runs that continued as new", &self.continued),
            ("children", "Children begun", &self.children),
            ("ended", "Invocations ended", &self.ended),
            ("parked", "Invocations parked", &self.parked),
        ];
        for (name, help, counter) in counters {
            engine.register(name, help, counter.clone());
        }
        engine.register(
            "failed",
            "Invocations that ended otherwise than well, by the code of their error",
            self.failed.clone(),
        );
        engine.register("live", "Invocations in memory", self.live.clone());
        engine.register(
            "turn_seconds",
            "Seconds from a command being stored to its turn being stored",
            self.turn_seconds.clone(),
        );
    }
}
