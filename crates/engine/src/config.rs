//! How an engine behaves.

use std::time::Duration;

use headwater_store::members::Liveness;
use headwater_wire::{limits, names::DEFAULT_QUEUE};

/// How an engine behaves. The default suits most.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Task queue that it serves.
    pub queue: String,
    /// Partitions of the queue; none: as they are, or `limits::PARTITIONS_DEFAULT` for a new queue.
    pub partitions: Option<u16>,
    /// Time after which an unanswered delivery comes again; as the store has it.
    pub ack_wait: Duration,
    /// How long an ended invocation is kept unless its start says otherwise.
    pub retention: Duration,
    /// How long a start waits for an engine that has its workflow.
    pub unregistered_grace: Duration,
    /// How long a signal or cancel for an unknown id is held.
    pub absent_grace: Duration,
    /// Invocations kept in memory while nothing happens to them.
    pub cache_max: usize,
    /// How long one is kept while nothing happens to it.
    pub cache_idle: Duration,
    /// Commands under way at the most; anchors that are merely held do not count.
    pub commands_max: usize,
    /// How long a new invocation's first local step may run before the first value is written.
    pub first_value_delay: Duration,
    /// How long local steps may go on when the engine is asked to stop.
    pub stop_grace: Duration,
    /// Replay each turn that was stored, and park an invocation whose program then decides
    /// otherwise: so what is not deterministic is found when it is written, not at the first
    /// crash. Journals of up to 500 entries that
    /// fit into their value. On in debug builds.
    pub verify_replay: bool,
    /// How its death is noticed.
    pub liveness: Liveness,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            queue: DEFAULT_QUEUE.to_owned(),
            partitions: None,
            ack_wait: limits::ACK_WAIT,
            retention: limits::RETENTION,
            unregistered_grace: limits::UNREGISTERED_GRACE,
            absent_grace: limits::ABSENT_GRACE,
            cache_max: 10_000,
            cache_idle: Duration::from_secs(5),
            commands_max: 4_096,
            first_value_delay: Duration::from_millis(10),
            stop_grace: Duration::from_secs(10),
            verify_replay: cfg!(debug_assertions),
            liveness: Liveness::default(),
        }
    }
}
