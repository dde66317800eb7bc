//! What was done to whom, from when to when.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headwater::wire::Timestamp;

use crate::clock::{self, Clock};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kill -9` of a processor.
    ProcessorKilled,
    /// A processor was paused: a zombie once it goes on.
    ProcessorPaused,
    /// `kill -9` of a worker.
    WorkerKilled,
    /// `kill -9` of a server.
    ServerKilled,
    /// A server was cut off.
    ServerCut,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::ProcessorKilled,
        Self::ProcessorPaused,
        Self::WorkerKilled,
        Self::ServerKilled,
        Self::ServerCut,
    ];

    pub(crate) fn is_of_servers(self) -> bool {
        matches!(self, Self::ServerKilled | Self::ServerCut)
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::ProcessorKilled => "kill -9 of a processor",
            Self::ProcessorPaused => "pause of a processor",
            Self::WorkerKilled => "kill -9 of a worker",
            Self::ServerKilled => "kill -9 of a NATS server",
            Self::ServerCut => "network cut of a NATS server",
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The process with its life, or the server.
    pub(crate) target: String,
    pub(crate) at: Timestamp,
    /// When the target was at work again.
    pub(crate) until: Timestamp,
}

/// What the lanes write down while the run goes on; cheap to clone.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) clock: Clock,
    /// When the clock began.
    pub(crate) began: Timestamp,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    faults: Vec<Fault>,
    /// Process with its life, by the id of its engine.
    engines: HashMap<String, String>,
    unexpected: Vec<String>,
}

impl Log {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            began: clock::now(),
            shared: Arc::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault happens now; it lasts until [`Log::over`].
    pub(crate) fn begins(&self, kind: Kind, target: &str) -> usize {
        let at = clock::now();
        let target = target.to_owned();
        let mut shared = self.shared();
        shared.faults.push(Fault {
            kind,
            target,
            at,
            until: Timestamp::from_micros(i64::MAX),
        });
        shared.faults.len() - 1
    }

    /// The target of a fault is at work again.
    pub(crate) fn over(&self, fault: usize) {
        let mut shared = self.shared();
        if let Some(fault) = shared.faults.get_mut(fault) {
            fault.until = clock::now();
        }
    }

    /// Which process an engine is.
    pub(crate) fn is_engine(&self, engine: String, process: &str) {
        self.shared().engines.insert(engine, process.to_owned());
    }

    /// Something happened that no fault explains.
    pub(crate) fn unexpected(&self, what: String) {
        self.clock.say(&format!("UNEXPECTED: {what}"));
        self.shared().unexpected.push(what);
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.shared().faults.clone()
    }

    pub(crate) fn engines(&self) -> HashMap<String, String> {
        self.shared().engines.clone()
    }

    pub(crate) fn what_was_unexpected(&self) -> Vec<String> {
        self.shared().unexpected.clone()
    }
}
