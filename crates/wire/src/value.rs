//! The value of an invocation: one key of EXECUTION_STATE, readable JSON, rewritten by
//! compare-and-swap at every turn. Written by engines, read by all. It lives until the
//! invocation has ended and its retention is over.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Failure, InvocationId, Partition, Payload, Run, Timestamp,
    command::{Asker, Retention, Ticket},
    journal::Lines,
    limits::VALUE_FORMAT,
    names::TimerId,
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

/// A command that a turn rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A command, by its sequence in COMMANDS.
    Command(u64),
    /// The schedule of a durable timer: the engine may fire it before the server does.
    Timer(TimerId),
}

/// One step that has not ended, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Number of the step.
    pub step: u32,
    /// `run`, `activity`, `timer`, `signal` or `retry`.
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
}

/// What has to leave the engine because of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectTag {
    /// Task of (step, attempt).
    Task(u32, u32),
    /// Schedule of the timer of (step, attempt).
    Schedule(u32, u32),
    /// Removal of the schedule of (step, attempt).
    Unschedule(u32, u32),
    /// Release of the partition key.
    Release,
    /// Time to live for this many journal pages.
    ExpirePages(u32),
}

/// The last turn: what it rests on and what followed from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastTurn {
    /// Number of the turn, from 1.
    pub number: u64,
    /// Which engine wrote it, and its count there.
    pub id: String,
    /// Commands that it rests on.
    pub roots: Vec<Root>,
    /// What followed from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectTag>,
    /// The program has decided more than this turn could hold; the next turn goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
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
    /// Input.
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
    /// Run.
    pub run: Run,
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
    /// Signals.
    #[serde(default, skip_serializing_if = "Signals::is_empty")]
    pub signals: Signals,
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
    /// The last turn.
    pub turn: LastTurn,
}

/// A field that is there and `null` is JSON null, not nothing.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The journal within a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalPart {
    /// Steps decided so far.
    pub steps: u32,
    /// Entries in all, pages included.
    pub entries: u64,
    /// Pages in the JOURNAL bucket, numbered from 1.
    pub pages: u32,
    /// The entries that are in no page.
    pub tail: Lines,
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

#[derive(Deserialize)]
struct StoredJournal<'a> {
    steps: u32,
    entries: u64,
    pages: u32,
    #[serde(borrow)]
    tail: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct JournalOnly<'a> {
    format: u32,
    #[serde(borrow)]
    journal: StoredJournal<'a>,
}

impl Value {
    /// As it is stored: the header, then the journal whose lines are copied as they are.
    pub fn encode(&self, journal: &JournalPart) -> Result<Vec<u8>, ValueError> {
        let mut bytes = Vec::with_capacity(640 + journal.tail.bytes());
        serde_json::to_writer(&mut bytes, self)?;
        bytes.pop(); // the closing brace: the journal goes before it
        let JournalPart {
            steps,
            entries,
            pages,
            tail,
        } = journal;
        bytes.extend_from_slice(
            format!(
                ",\"journal\":{{\"steps\":{steps},\"entries\":{entries},\"pages\":{pages},\"tail\":[\n"
            )
            .as_bytes(),
        );
        bytes.extend_from_slice(tail.text().as_bytes());
        bytes.extend_from_slice(b"\n]}}");
        Ok(bytes)
    }

    /// Read what [`Value::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<(Self, JournalPart), ValueError> {
        let JournalOnly { format, journal } = serde_json::from_slice(bytes)?;
        if format > VALUE_FORMAT {
            return Err(ValueError::Newer { found: format });
        }
        let journal = JournalPart {
            steps: journal.steps,
            entries: journal.entries,
            pages: journal.pages,
            tail: Lines::from_raw(&journal.tail),
        };
        Ok((serde_json::from_slice(bytes)?, journal))
    }
}

impl Serialize for Root {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Command(seq) => serializer.serialize_u64(*seq),
            Self::Timer(timer) => serializer.collect_str(timer),
        }
    }
}

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Seq(u64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Seq(seq) => Ok(Self::Command(seq)),
            Either::Text(text) => text
                .parse()
                .map(Self::Timer)
                .map_err(serde::de::Error::custom),
        }
    }
}

impl fmt::Display for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer/{}/{}/{}", self.run, self.step, self.attempt)
    }
}

impl std::str::FromStr for TimerId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not a timer: expected timer/<run>/<step>/<attempt>");
        let mut parts = text.strip_prefix("timer/").ok_or_else(refuse)?.split('/');
        let (Some(run), Some(step), Some(attempt), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse());
        };
        Ok(Self {
            run: Run::try_from(run.to_owned())?,
            step: step.parse().map_err(|_| refuse())?,
            attempt: attempt.parse().map_err(|_| refuse())?,
        })
    }
}

impl fmt::Display for EffectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(step, attempt) => write!(f, "task/{step}/{attempt}"),
            Self::Schedule(step, attempt) => write!(f, "schedule/{step}/{attempt}"),
            Self::Unschedule(step, attempt) => write!(f, "unschedule/{step}/{attempt}"),
            Self::Release => f.write_str("release"),
            Self::ExpirePages(pages) => write!(f, "expire-pages/{pages}"),
        }
    }
}

impl std::str::FromStr for EffectTag {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not an effect");
        let mut parts = text.split('/');
        let kind = parts.next().ok_or_else(refuse)?;
        let numbers: Vec<u32> = parts
            .map(|part| part.parse().map_err(|_| refuse()))
            .collect::<Result<_, _>>()?;
        match (kind, numbers.as_slice()) {
            ("task", [step, attempt]) => Ok(Self::Task(*step, *attempt)),
            ("schedule", [step, attempt]) => Ok(Self::Schedule(*step, *attempt)),
            ("unschedule", [step, attempt]) => Ok(Self::Unschedule(*step, *attempt)),
            ("release", []) => Ok(Self::Release),
            ("expire-pages", [pages]) => Ok(Self::ExpirePages(*pages)),
            _ => Err(refuse()),
        }
    }
}

impl Serialize for EffectTag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EffectTag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The value of a key queue: one invocation of a partition key at a time, in submission order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyQueueValue {
    /// Format version, `VALUE_FORMAT`.
    pub format: u32,
    /// What this is, for people: `key queue`.
    pub program: String,
    /// The partition key.
    pub partition_key: String,
    /// `running` while an invocation holds the key, else `waiting`.
    pub status: Status,
    /// Why, in one sentence.
    pub why: String,
    /// Task queue.
    pub queue: String,
    /// Partition.
    pub partition: Partition,
    /// When this value was written.
    pub updated_at: Timestamp,
    /// Every submission up to this sequence has been taken.
    pub taken_through: u64,
    /// Who holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Queued>,
    /// Who waits for it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Queued>,
    /// The last turn's number, id and roots.
    pub turn: LastTurn,
    /// The last turn's effects: commands to invocations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<Send>,
}

impl KeyQueueValue {
    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, ValueError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Read what [`KeyQueueValue::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let value: Self = serde_json::from_slice(bytes)?;
        match value.format {
            found if found > VALUE_FORMAT => Err(ValueError::Newer { found }),
            _ => Ok(value),
        }
    }
}

/// An invocation in a key queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Ticket number.
    pub ticket: u64,
    /// The invocation.
    pub invocation: InvocationId,
}

/// A command that a key queue sends to an invocation of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// Create it.
    Start {
        /// The invocation.
        invocation: InvocationId,
        /// How.
        start: Box<crate::command::Start>,
    },
    /// Its turn has come.
    Grant {
        /// The invocation.
        invocation: InvocationId,
        /// Its ticket.
        ticket: u64,
    },
}
