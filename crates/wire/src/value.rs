//! The value of an invocation: one key of EXECUTION_STATE, readable JSON, rewritten by
//! compare-and-swap at every turn. Written by engines, read by all. It lives until the
//! invocation has ended and its retention is over.

mod encoder;

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use encoder::Encoder;

use crate::{
    Failure, InvocationId, Partition, Payload, Run, Timestamp,
    command::{Asker, Channel, Retention, Signal, Ticket},
    fork::Forked,
    journal::Lines,
    limits::VALUE_FORMAT,
    payload::{self, present},
    runs::EndedRun,
    send::Sent,
    turn::{LastTurn, Root},
};

/// Where an invocation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Behind another invocation of its partition key.
    Queued,
    /// A step runs, or waits for a worker.
    Running,
    /// Only timers and signals can wake it.
    Waiting,
    /// An operator has paused it.
    Paused,
    /// It cannot go on by itself; the reason and a difference stand beside it.
    Parked,
    /// Ended with an output.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended because somebody cancelled it.
    Cancelled,
    /// Ended by force.
    Terminated,
    /// This run has ended and another has followed.
    ContinuedAsNew,
}

impl Status {
    /// Whether nothing will happen any more.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::Terminated
        )
    }

    /// The word in the JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Parked => "parked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Terminated => "terminated",
            Self::ContinuedAsNew => "continued_as_new",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|_| {
            format!(
                "{text:?} is not a status: use queued, running, waiting, paused, parked, completed, failed, cancelled, terminated or continued_as_new"
            )
        })
    }
}

/// One step that has not ended, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Number of the step.
    pub step: u32,
    /// `run`, `activity`, `timer`, `retry`, `signal`, `event`, `queue`, `update`, `named`,
    /// `child` or `hook`.
    #[serde(rename = "for")]
    pub kind: String,
    /// Name of the step or signal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Topic of the workers that it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Attempt under way or next, if not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Error of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A signal that nobody waits for yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferedSignal {
    /// The sender's id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Data.
    pub data: Payload,
    /// What it came on.
    #[serde(default, skip_serializing_if = "Channel::is_signal")]
    pub channel: Channel,
    /// Inbox for the answer to an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

impl From<Signal> for BufferedSignal {
    fn from(signal: Signal) -> Self {
        Self {
            id: signal.id,
            name: signal.name,
            data: signal.data,
            channel: signal.channel,
            reply_to: signal.reply_to,
        }
    }
}

/// A signal that was taken: its id is remembered for as long as it may come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenSignal {
    /// The sender's id.
    pub id: String,
    /// Sequence in COMMANDS.
    pub seq: u64,
    /// When, in milliseconds since `created_at`.
    pub t: u64,
}

/// Signals of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// Kept until a step waits for them, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<BufferedSignal>,
    /// Ids taken, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<TakenSignal>,
}

impl Signals {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.taken.is_empty()
    }
}

/// What the workflow says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomStatus {
    /// How often it has changed.
    pub version: u64,
    /// What it says.
    pub value: Payload,
}

/// An update that a step has received and not yet answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUpdate {
    /// The sender's id.
    pub id: String,
    /// Inbox for the answer: a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// The answer to an update, for who did not hear it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The sender's id of the update.
    pub id: String,
    /// When, in milliseconds since `created_at`.
    pub t: u64,
    /// The answer.
    #[serde(with = "payload::result")]
    pub result: Result<Payload, Failure>,
}

/// The last heartbeat of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Of which attempt.
    pub attempt: u32,
    /// Grows with each heartbeat of the attempt.
    pub number: u64,
    /// What the next attempt is told.
    pub details: Payload,
}

/// That somebody asked the invocation to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Why an invocation cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Stable code and what happened.
    pub reason: Failure,
    /// Since when.
    pub at: Timestamp,
    /// Where the journal and the program differ, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference: Vec<Difference>,
}

/// One field in which a replay differs from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Number of the step.
    pub step: u32,
    /// Field, for example `name`.
    pub field: String,
    /// What the journal says.
    pub journal: String,
    /// What the program decided.
    pub program: String,
}

/// A command taken by an invocation that cannot act on it now; it acts when it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferred {
    /// The outcome of an attempt.
    Outcome {
        /// Step.
        step: u32,
        /// Attempt.
        attempt: u32,
        /// Result of a success.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        value: Option<Payload>,
        /// Error of a failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// A timer is due.
    Timer {
        /// Step.
        step: u32,
        /// 0 for a sleep, else the attempt that it starts.
        attempt: u32,
    },
    /// A request to end.
    Cancel {
        /// Why.
        reason: String,
    },
    /// A further function of the workflow is to run.
    Hook {
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

/// The state of an invocation, all but the journal's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Format version, `VALUE_FORMAT`.
    pub format: u32,
    /// Id as the user wrote it.
    pub id: InvocationId,
    /// Workflow name.
    pub workflow: String,
    /// Workflow version that runs it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it stands.
    pub status: Status,
    /// Why, in one sentence.
    pub why: String,
    /// The first steps that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// Number of steps that have not ended.
    pub pending: u32,
    /// Partition key; none: by id, nothing is serialised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<String>,
    /// Task queue.
    pub queue: String,
    /// Partition that its commands go to.
    pub partition: Partition,
    /// When the start was stored in COMMANDS.
    pub created_at: Timestamp,
    /// When this value was written.
    pub updated_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When what it held was deleted: only its id is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Input of this run.
    pub input: Payload,
    /// Output of a completed one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub output: Option<Payload>,
    /// Error of one that ended otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Search attributes.
    pub search: BTreeMap<String, Payload>,
    /// Key-value pairs of the workflow's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kv: BTreeMap<String, Payload>,
    /// What the workflow says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_status: Option<CustomStatus>,
    /// Run.
    pub run: Run,
    /// When this run began, if it followed another: its program's clock starts there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_started_at: Option<Timestamp>,
    /// Who asked for it.
    pub asker: Asker,
    /// Its place in the queue of its partition key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// Inbox of who waits for the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// How long it is kept after its end; none: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// The id is free for another start so many milliseconds after the end; none: once it is
    /// forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_ttl_ms: Option<u64>,
    /// The run of the ended invocation that this one took the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Run>,
    /// Runs that have continued as new, oldest first, at most [`RUNS_LISTED_MAX`].
    ///
    /// [`RUNS_LISTED_MAX`]: crate::limits::RUNS_LISTED_MAX
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<EndedRun>,
    /// What its first run began with, if it is a fork of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked: Option<Forked>,
    /// Signals.
    #[serde(default, skip_serializing_if = "Signals::is_empty")]
    pub signals: Signals,
    /// Updates that are not yet answered, by the step that received them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub updates: BTreeMap<u32, OpenUpdate>,
    /// Answers to updates, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
    /// That somebody asked it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancelled>,
    /// Why it cannot go on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// What it will act on when resumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<Deferred>,
    /// How often the handling of a redelivered command was begun without an end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suspected_crashes: u32,
    /// For each local step and short timer that has not ended, the command it hangs on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub anchors: BTreeMap<u32, Root>,
    /// The last heartbeat of each pending activity that sent one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beats: BTreeMap<u32, Beat>,
    /// The last turn.
    pub turn: LastTurn,
    /// What the last turn sent to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<Sent>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The journal of a run within a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPart {
    /// Steps decided so far.
    pub steps: u32,
    /// Entries in all, pages included.
    pub entries: u64,
    /// The last page in the JOURNAL bucket, numbered from 1; 0: none was ever written.
    pub pages: u32,
    /// The first page of this run. Page numbers are used once for ever: an engine that is late
    /// may still write a page of an earlier run.
    pub first_page: u32,
    /// The entries that are in no page.
    pub tail: Lines,
}

impl Default for JournalPart {
    fn default() -> Self {
        Self {
            steps: 0,
            entries: 0,
            pages: 0,
            first_page: 1,
            tail: Lines::default(),
        }
    }
}

impl JournalPart {
    /// The pages that hold this run's older entries; empty if there are none.
    #[must_use]
    pub fn run_pages(&self) -> RangeInclusive<u32> {
        self.first_page..=self.pages
    }

    /// The last field of a value, and its end. The lines are copied as they are.
    fn append_to(&self, bytes: &mut Vec<u8>) -> Result<(), ValueError> {
        let Self {
            steps,
            entries,
            pages,
            first_page,
            tail,
        } = self;
        let mut number = |name: &str, number: u64| {
            bytes.extend_from_slice(name.as_bytes());
            serde_json::to_writer(&mut *bytes, &number)
        };
        number(",\"journal\":{\"steps\":", u64::from(*steps))?;
        number(",\"entries\":", *entries)?;
        number(",\"pages\":", u64::from(*pages))?;
        if *first_page != 1 {
            number(",\"first_page\":", u64::from(*first_page))?;
        }
        bytes.extend_from_slice(b",\"tail\":[\n");
        bytes.extend_from_slice(tail.text().as_bytes());
        bytes.extend_from_slice(b"\n]}}");
        Ok(())
    }
}

/// A value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// Not JSON of our shape.
    #[error("not a Headwater value: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a newer build.
    #[error(
        "the value has format {found}, this build reads up to {VALUE_FORMAT}: use a newer build"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
}

impl ValueError {
    /// Why bytes cannot be read: a newer build may have changed more than the format's number.
    pub(crate) fn of(bytes: &[u8], error: serde_json::Error) -> Self {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        match serde_json::from_slice(bytes) {
            Ok(Format { format: found }) if found > VALUE_FORMAT => Self::Newer { found },
            _ => Self::Json(error),
        }
    }
}

#[derive(Deserialize)]
struct StoredJournal<'a> {
    steps: u32,
    entries: u64,
    pages: u32,
    #[serde(default = "one")]
    first_page: u32,
    #[serde(borrow)]
    tail: Vec<&'a RawValue>,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
struct JournalOnly<'a> {
    format: u32,
    #[serde(borrow)]
    journal: StoredJournal<'a>,
}

impl Value {
    /// Whether at this time another start may have the id: what had it has ended, and was deleted
    /// or its result is older than its time to live.
    #[must_use]
    pub fn is_free(&self, at: Timestamp) -> bool {
        let is_over = |ended: Timestamp| {
            let ttl = self.result_ttl_ms.map(Duration::from_millis);
            ttl.is_some_and(|ttl| ended.after(ttl) <= at)
        };
        self.deleted_at.is_some() || self.ended_at.is_some_and(is_over)
    }

    /// As it is stored: the header, then the journal whose lines are copied as they are.
    pub fn encode(&self, journal: &JournalPart) -> Result<Vec<u8>, ValueError> {
        let mut bytes = Vec::with_capacity(640 + journal.tail.bytes());
        serde_json::to_writer(&mut bytes, self)?;
        bytes.pop(); // the closing brace: the journal goes before it
        journal.append_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Read what [`Value::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<(Self, JournalPart), ValueError> {
        let of = |error| ValueError::of(bytes, error);
        let JournalOnly { format, journal } = serde_json::from_slice(bytes).map_err(of)?;
        if format > VALUE_FORMAT {
            return Err(ValueError::Newer { found: format });
        }
        let journal = JournalPart {
            steps: journal.steps,
            entries: journal.entries,
            pages: journal.pages,
            first_page: journal.first_page,
            tail: Lines::from_raw(&journal.tail),
        };
        Ok((serde_json::from_slice(bytes)?, journal))
    }
}
