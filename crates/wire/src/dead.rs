//! Dead letters: messages that could not be used, whole, with the reason. Stream DEAD_LETTERS,
//! subject `dead.<kind>.<topic or key>`; payload and headers as they came, the rest in the
//! headers of [`crate::names::header`]. Written by engines and workers, read by operators.

use bytes::Bytes;

/// What kind of message was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadKind {
    /// A message in COMMANDS.
    Command,
    /// A message in TASKS.
    Task,
}

impl DeadKind {
    /// As it stands in the subject.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Task => "task",
        }
    }
}

/// A message that is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it was.
    pub kind: DeadKind,
    /// Subject that it was published on.
    pub subject: String,
    /// Sequence in its stream.
    pub seq: u64,
    /// How often it had been delivered.
    pub deliveries: u64,
    /// Why it is given up, and the mend.
    pub reason: String,
    /// Who gives it up.
    pub by: String,
    /// Its bytes.
    pub payload: Bytes,
}

impl DeadLetter {
    /// The last token of its subject: the topic or key, as far as the original subject tells.
    #[must_use]
    pub fn of(&self) -> &str {
        match self.subject.rsplit('.').next() {
            None | Some("") => "unknown",
            Some(token) => token,
        }
    }
}
