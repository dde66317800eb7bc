//! A step that has been decided and has no final outcome yet.

use headwater_wire::{Entry, Payload, Timestamp};

use crate::{Retry, program::Decision};

/// A pending step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pending {
    pub(super) what: What,
    /// Attempt under way, or next while it waits for it; from 1.
    pub(super) attempt: u32,
    /// Sleeping, or waiting before the next attempt.
    pub(super) wake: Option<Wake>,
    pub(super) retry: Retry,
    /// Error of the last attempt.
    pub(super) error: Option<String>,
    /// The local step runs in this process.
    pub(super) running: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Run {
        name: String,
    },
    Activity {
        name: String,
        topic: String,
        input: Payload,
    },
    Timer,
    Signal {
        name: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wake {
    pub(super) due: Timestamp,
    /// There is a schedule in COMMANDS; else it hangs on an anchor.
    pub(super) scheduled: bool,
}

impl Pending {
    pub(super) fn new(what: What, retry: Retry) -> Self {
        Self {
            what,
            attempt: 1,
            wake: None,
            retry,
            error: None,
            running: false,
        }
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self.what, What::Run { .. }) && self.wake.is_none()
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.wake.map(|wake| wake.due)
    }

    /// The attempt of a local step that has to begin now.
    pub(super) fn release(&mut self) -> Option<u32> {
        if !self.is_local() || self.running {
            return None;
        }
        self.running = true;
        Some(self.attempt)
    }

    /// The attempt that a timer of this step starts; 0 for a sleep.
    pub(super) fn timer_attempt(&self) -> u32 {
        match self.what {
            What::Timer => 0,
            _ => self.attempt,
        }
    }

    /// The step that a decision entry begins.
    pub(super) fn of_entry(entry: &Entry) -> Option<Self> {
        let what = match entry {
            Entry::Run { name, .. } => What::Run { name: name.clone() },
            Entry::Activity {
                name, topic, input, ..
            } => What::Activity {
                name: name.clone(),
                topic: topic.clone(),
                input: input.clone(),
            },
            Entry::Timer { due, .. } => {
                let mut pending = Self::new(What::Timer, Retry::none());
                pending.wake = Some(Wake {
                    due: *due,
                    scheduled: true,
                });
                return Some(pending);
            }
            Entry::Signal { name, .. } => What::Signal { name: name.clone() },
            _ => return None,
        };
        Some(Self::new(what, Retry::default()))
    }
}

/// The entry of a decision, and the retry policy that the journal does not hold.
pub(super) fn entry_of(decision: Decision) -> (Entry, Retry) {
    match decision {
        Decision::Run { step, name, retry } => (Entry::Run { step, name }, retry),
        Decision::Activity {
            step,
            name,
            topic,
            input,
            retry,
        } => {
            let entry = Entry::Activity {
                step,
                name,
                topic,
                input,
            };
            (entry, retry)
        }
        Decision::Timer { step, due } => (Entry::Timer { step, due }, Retry::none()),
        Decision::Signal { step, name } => (Entry::Signal { step, name }, Retry::none()),
        Decision::Drop { step } => (Entry::Drop { step }, Retry::none()),
    }
}
