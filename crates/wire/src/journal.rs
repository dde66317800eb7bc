//! Journal entries: what the program decided, and what it was given, in that order. One JSON
//! object a line, in the value's tail and in pages alike, so paging copies bytes.
//!
//! Written by the engine in the turn that takes the input, never changed afterwards. `t` is
//! milliseconds since `created_at`; it is the program's clock.

use serde::{Deserialize, Serialize};

use crate::{Failure, Payload, Timestamp};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Decided: run a local step in the engine's process.
    Run {
        /// Number of the step, from 1.
        step: u32,
        /// Its name.
        name: String,
    },
    /// Decided: have a worker run an activity.
    Activity {
        /// Number of the step.
        step: u32,
        /// Activity.
        name: String,
        /// Topic of the workers.
        topic: String,
        /// Input.
        input: Payload,
    },
    /// Decided: sleep.
    Timer {
        /// Number of the step.
        step: u32,
        /// When to wake.
        due: Timestamp,
    },
    /// Decided: wait for a signal.
    Signal {
        /// Number of the step.
        step: u32,
        /// Name of the signal.
        name: String,
    },
    /// Decided: the outcome of this step is no longer wanted (the loser of a race).
    Drop {
        /// Number of the step.
        step: u32,
    },
    /// Given: the step has succeeded.
    Done {
        /// Number of the step.
        step: u32,
        /// When.
        t: u64,
        /// Its result.
        value: Payload,
    },
    /// Given: the step has failed for good.
    Failed {
        /// Number of the step.
        step: u32,
        /// When.
        t: u64,
        /// Attempts made.
        attempt: u32,
        /// Why.
        error: Failure,
    },
    /// An attempt has failed and another will follow; the program is not told.
    Retry {
        /// Number of the step.
        step: u32,
        /// When.
        t: u64,
        /// The attempt that will follow.
        attempt: u32,
        /// When it will follow.
        due: Timestamp,
        /// Why the last one failed.
        error: Failure,
    },
    /// Given: the timer is due.
    Fired {
        /// Number of the step.
        step: u32,
        /// When.
        t: u64,
    },
    /// Given: the signal.
    Received {
        /// Number of the step that waited.
        step: u32,
        /// When.
        t: u64,
        /// The sender's id of the signal.
        id: String,
        /// Its data.
        value: Payload,
    },
    /// Given: its turn among those of its partition key has come; the program starts now.
    Granted {
        /// When.
        t: u64,
    },
    /// Given: somebody asks the invocation to end; what it waits for fails as `cancelled`.
    Cancel {
        /// When.
        t: u64,
        /// Why.
        reason: String,
    },
}

impl Entry {
    /// The step that the entry is about; none for a grant or a cancel.
    #[must_use]
    pub fn step(&self) -> Option<u32> {
        match self {
            Self::Run { step, .. }
            | Self::Activity { step, .. }
            | Self::Timer { step, .. }
            | Self::Signal { step, .. }
            | Self::Drop { step }
            | Self::Done { step, .. }
            | Self::Failed { step, .. }
            | Self::Retry { step, .. }
            | Self::Fired { step, .. }
            | Self::Received { step, .. } => Some(*step),
            Self::Granted { .. } | Self::Cancel { .. } => None,
        }
    }

    /// Whether the program decided this (else it was given).
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(
            self,
            Self::Run { .. }
                | Self::Activity { .. }
                | Self::Timer { .. }
                | Self::Signal { .. }
                | Self::Drop { .. }
        )
    }

    /// Its kind, as the JSON says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Activity { .. } => "activity",
            Self::Timer { .. } => "timer",
            Self::Signal { .. } => "signal",
            Self::Drop { .. } => "drop",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Retry { .. } => "retry",
            Self::Fired { .. } => "fired",
            Self::Received { .. } => "received",
            Self::Granted { .. } => "granted",
            Self::Cancel { .. } => "cancel",
        }
    }
}

/// Journal lines kept as the bytes that are stored: entries are encoded once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    text: String,
    count: u64,
}

/// A page or tail that is not a journal.
#[derive(Debug, thiserror::Error)]
#[error("not a journal: {0}")]
pub struct JournalError(#[from] serde_json::Error);

impl Lines {
    /// Append one entry.
    pub fn push(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let line = serde_json::to_string(entry)?;
        self.push_line(&line);
        Ok(())
    }

    fn push_line(&mut self, line: &str) {
        if self.count > 0 {
            self.text.push_str(",\n");
        }
        self.text.push_str(line);
        self.count += 1;
    }

    /// Append the lines of another.
    pub fn append(&mut self, other: &Self) {
        if other.count > 0 {
            let count = self.count + other.count;
            self.push_line(&other.text);
            self.count = count;
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The entries, joined by commas and line breaks.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A JSON array, one entry a line: what a page holds.
    #[must_use]
    pub fn to_page(&self) -> String {
        format!("[\n{}\n]", self.text)
    }

    /// From raw JSON objects, which stay as they are.
    pub fn from_raw(entries: &[&serde_json::value::RawValue]) -> Self {
        let mut lines = Self::default();
        for entry in entries {
            lines.push_line(entry.get());
        }
        lines
    }

    /// Read the page that [`Lines::to_page`] wrote.
    pub fn from_page(page: &[u8]) -> Result<Self, JournalError> {
        let entries: Vec<&serde_json::value::RawValue> = serde_json::from_slice(page)?;
        Ok(Self::from_raw(&entries))
    }

    /// Decode every entry.
    pub fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        Ok(serde_json::from_str(&self.to_page())?)
    }
}
