//! Journal entries: what the program decided, and what it was given, in that order. One JSON
//! object a line, in the value's tail and in pages alike, so paging copies bytes.
//!
//! Written by the engine in the turn that takes the input, never changed afterwards. `t` is
//! milliseconds since `created_at`; it is the program's clock.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Code, Failure, InvocationId, Payload, Timestamp,
    command::{Asker, Channel, Retention},
    payload::{self, present},
    value::CustomStatus,
};

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
        /// What its worker has to keep to, if anything: a task is emitted again without the
        /// program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<ActivityOptions>,
    },
    /// Decided: have workers run an activity for each of these inputs, a step each.
    Map {
        /// Number of the first step.
        step: u32,
        /// Activity.
        name: String,
        /// Topic of the workers.
        topic: String,
        /// What each of them has to keep to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<ActivityOptions>,
        /// The inputs, in the order of the steps.
        inputs: Vec<Payload>,
    },
    /// Decided: start a child, and wait for it unless it is detached.
    Child(Box<ChildSpec>),
    /// Decided: wait for a signal that is addressed by its name alone.
    Named {
        /// Number of the step.
        step: u32,
        /// Name of the signal.
        name: String,
    },
    /// Decided: send something to another invocation.
    Send {
        /// Number of the step.
        step: u32,
        /// To whom.
        to: InvocationId,
        /// Its task queue, if the program says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<String>,
        /// What.
        what: Sending,
    },
    /// Decided: tell an event to whoever listens.
    Emit {
        /// Number of the step.
        step: u32,
        /// What it is called.
        topic: String,
        /// Its data.
        data: Payload,
    },
    /// Decided: the answer to an update, or the result of a hook.
    Answer {
        /// To what.
        to: AnswerTo,
        /// The answer.
        #[serde(with = "payload::result")]
        result: Result<Payload, Failure>,
    },
    /// Decided: a value under a key, as it is from now on.
    Set {
        /// Of what.
        of: Of,
        /// The key.
        key: String,
        /// The value; none: removed.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        value: Option<Payload>,
    },
    /// Decided: the custom status, as it is from now on.
    CustomStatus {
        /// The status; none: back to nothing.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        value: Option<Payload>,
    },
    /// Decided: from here on the program does as this patch says.
    Patch {
        /// Which.
        id: String,
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
        /// What it comes on.
        #[serde(default, skip_serializing_if = "Channel::is_signal")]
        channel: Channel,
    },
    /// Decided: the outcome of this step is no longer wanted (the loser of a race).
    Drop {
        /// Number of the step.
        step: u32,
        /// The last of a range of steps that begins with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        through: Option<u32>,
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
        /// Steps that do not fail by it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shielded: Vec<u32>,
    },
    /// Given: what the run begins with. Before everything else, and only if there is anything.
    Carried(Carried),
    /// Given: a further function of the workflow is to run beside the main one.
    Hook {
        /// When.
        t: u64,
        /// The sender's id.
        id: String,
        /// Which function.
        name: String,
        /// Its input.
        input: Payload,
        /// Who waits for its result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asker: Option<Asker>,
    },
}

/// What a worker has to keep to when it runs an activity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityOptions {
    /// Longest time for one attempt, in milliseconds, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Longest time between two heartbeats of an attempt, in milliseconds, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u64>,
    /// Session that it is part of: its topic says which workers take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl ActivityOptions {
    /// Longest time for one attempt.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// Longest time between two heartbeats of an attempt.
    #[must_use]
    pub fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat_ms.map(Duration::from_millis)
    }
}

/// A child, as its parent decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildSpec {
    /// Number of the step.
    pub step: u32,
    /// Id of the child.
    pub id: InvocationId,
    /// Workflow.
    pub workflow: String,
    /// Version of it; none: the latest that its engine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Task queue; none: that of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Partition key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Input.
    pub input: Payload,
    /// Nobody waits for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detached: bool,
    /// What becomes of it when its parent no longer waits.
    #[serde(default, skip_serializing_if = "ParentClose::is_cancel")]
    pub on_close: ParentClose,
    /// How long it is kept after its end; none: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// What becomes of a child when its parent no longer waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParentClose {
    /// It is asked to end.
    #[default]
    Cancel,
    /// It is ended at once.
    Terminate,
    /// It goes on.
    Abandon,
}

impl ParentClose {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_cancel(&self) -> bool {
        *self == Self::Cancel
    }
}

/// What a program sends to another invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sending {
    /// A signal.
    Signal {
        /// Its name.
        name: String,
        /// What it is sent on.
        #[serde(default, skip_serializing_if = "Channel::is_signal")]
        channel: Channel,
        /// Its data.
        data: Payload,
    },
    /// A request to end.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Its end, by force.
    Terminate {
        /// Why.
        reason: String,
        /// Code of its error; none: [`Code::INTERRUPTED`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
    },
    /// A hook to run.
    Hook {
        /// Which function.
        name: String,
        /// Its input.
        input: Payload,
        /// The step waits for its result.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        awaited: bool,
    },
}

/// What an answer is to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerTo {
    /// The update that this step received.
    Update(u32),
    /// The hook of this id.
    Hook(String),
}

/// What a key and its value belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The key-value pairs of the invocation.
    Kv,
    /// Its search attributes.
    Search,
}

/// What a run begins with, beside its input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kv: BTreeMap<String, Payload>,
    /// Search attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub search: BTreeMap<String, Payload>,
    /// Custom status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<CustomStatus>,
}

impl Carried {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kv.is_empty() && self.search.is_empty() && self.status.is_none()
    }
}

impl Entry {
    /// The step that the entry is about, the first of a map or a range; none for a grant, a
    /// cancel, and notes without a number.
    #[must_use]
    pub fn step(&self) -> Option<u32> {
        match self {
            Self::Run { step, .. }
            | Self::Activity { step, .. }
            | Self::Map { step, .. }
            | Self::Timer { step, .. }
            | Self::Signal { step, .. }
            | Self::Named { step, .. }
            | Self::Send { step, .. }
            | Self::Emit { step, .. }
            | Self::Drop { step, .. }
            | Self::Done { step, .. }
            | Self::Failed { step, .. }
            | Self::Retry { step, .. }
            | Self::Fired { step, .. }
            | Self::Received { step, .. } => Some(*step),
            Self::Child(child) => Some(child.step),
            Self::Granted { .. }
            | Self::Cancel { .. }
            | Self::Answer { .. }
            | Self::Set { .. }
            | Self::CustomStatus { .. }
            | Self::Patch { .. }
            | Self::Carried(_)
            | Self::Hook { .. } => None,
        }
    }

    /// The steps that a decision numbers, waited for or not; none if it numbers none.
    #[must_use]
    pub fn begins(&self) -> Option<RangeInclusive<u32>> {
        match self {
            Self::Run { step, .. }
            | Self::Activity { step, .. }
            | Self::Timer { step, .. }
            | Self::Signal { step, .. }
            | Self::Named { step, .. }
            | Self::Send { step, .. }
            | Self::Emit { step, .. } => Some(*step..=*step),
            Self::Child(child) => Some(child.step..=child.step),
            Self::Map { step, inputs, .. } => {
                let more = u32::try_from(inputs.len().checked_sub(1)?).ok()?;
                Some(*step..=step.checked_add(more)?)
            }
            _ => None,
        }
    }

    /// Whether the program decided this (else it was given).
    #[must_use]
    pub fn is_decision(&self) -> bool {
        self.is_note()
            || self.begins().is_some()
            || matches!(self, Self::Map { .. } | Self::Drop { .. })
    }

    /// Whether the program decided this and awaits nothing of it.
    #[must_use]
    pub fn is_note(&self) -> bool {
        match self {
            Self::Emit { .. }
            | Self::Answer { .. }
            | Self::Set { .. }
            | Self::CustomStatus { .. }
            | Self::Patch { .. } => true,
            Self::Send { what, .. } => !matches!(what, Sending::Hook { awaited: true, .. }),
            Self::Child(child) => child.detached,
            _ => false,
        }
    }

    /// Its kind, as the JSON says it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Activity { .. } => "activity",
            Self::Map { .. } => "map",
            Self::Child(_) => "child",
            Self::Named { .. } => "named",
            Self::Send { .. } => "send",
            Self::Emit { .. } => "emit",
            Self::Answer { .. } => "answer",
            Self::Set { .. } => "set",
            Self::CustomStatus { .. } => "custom_status",
            Self::Patch { .. } => "patch",
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
            Self::Carried(_) => "carried",
            Self::Hook { .. } => "hook",
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
