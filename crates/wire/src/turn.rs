//! What a turn rests on and what followed from it: roots and effects, as they stand in a value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Run, names::TimerId};

/// A command that a turn rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// A command, by its sequence in COMMANDS.
    Command(u64),
    /// The schedule of a durable timer: the engine may fire it before the server does.
    Timer(TimerId),
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
    /// Removal of the schedule of a run that has continued as new.
    UnscheduleOf(TimerId),
    /// Release of the partition key.
    Release,
    /// Time to live for the journal pages from the first to the last.
    ExpirePages(u32, u32),
    /// What stands at this place in the value's `sends`, counted from 0.
    Send(u32),
    /// Tasks of the first attempt of each step from the first to the last.
    Tasks(u32, u32),
    /// The outcome, for the step of another invocation that asked for this one.
    TellParent,
}

impl EffectTag {
    /// Whether only a step that is still waited for needs it.
    #[must_use]
    pub fn is_of_step(self) -> bool {
        matches!(self, Self::Task(..) | Self::Tasks(..) | Self::Schedule(..))
    }

    /// How many messages it stands for, at most.
    #[must_use]
    pub fn messages(&self) -> usize {
        match self {
            Self::Tasks(first, last) => last.saturating_sub(*first) as usize + 1,
            _ => 1,
        }
    }
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
            Self::UnscheduleOf(TimerId { run, step, attempt }) => {
                write!(f, "unschedule/{run}/{step}/{attempt}")
            }
            Self::Release => f.write_str("release"),
            Self::ExpirePages(1, last) => write!(f, "expire-pages/{last}"),
            Self::ExpirePages(first, last) => write!(f, "expire-pages/{first}/{last}"),
            Self::Send(index) => write!(f, "send/{index}"),
            Self::Tasks(first, last) => write!(f, "tasks/{first}/{last}"),
            Self::TellParent => f.write_str("tell-parent"),
        }
    }
}

impl std::str::FromStr for EffectTag {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not an effect");
        let number = |part: &str| part.parse::<u32>().map_err(|_| refuse());
        let parts: Vec<&str> = text.split('/').collect();
        match *parts.as_slice() {
            ["task", step, attempt] => Ok(Self::Task(number(step)?, number(attempt)?)),
            ["schedule", step, attempt] => Ok(Self::Schedule(number(step)?, number(attempt)?)),
            ["unschedule", step, attempt] => Ok(Self::Unschedule(number(step)?, number(attempt)?)),
            ["unschedule", run, step, attempt] => Ok(Self::UnscheduleOf(TimerId {
                run: Run::try_from(run.to_owned())?,
                step: number(step)?,
                attempt: number(attempt)?,
            })),
            ["release"] => Ok(Self::Release),
            ["expire-pages", last] => Ok(Self::ExpirePages(1, number(last)?)),
            ["expire-pages", first, last] => Ok(Self::ExpirePages(number(first)?, number(last)?)),
            ["send", index] => Ok(Self::Send(number(index)?)),
            ["tasks", first, last] => Ok(Self::Tasks(number(first)?, number(last)?)),
            ["tell-parent"] => Ok(Self::TellParent),
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
