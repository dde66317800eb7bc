//! Streams, buckets, consumers, subjects and headers, with the namespace that prefixes them.
//!
//! | what | name in the default namespace | in namespace `ns` |
//! |---|---|---|
//! | commands | stream `COMMANDS`, `commands.<queue>.<partition>.<key>` | `ns_COMMANDS`, `ns.commands.…` |
//! | schedules | same stream, `timers.<queue>.<partition>.<key>.<timer>` | `ns.timers.…` |
//! | tasks | stream `TASKS`, `tasks.<topic>` | `ns_TASKS`, `ns.tasks.…` |
//! | state | bucket `EXECUTION_STATE`, key = [`Key`] | `ns_EXECUTION_STATE` |
//! | journal pages | bucket `JOURNAL`, key = `<key>.<page>`, of a run that is over also `<key>.<count>-<turn>` | `ns_JOURNAL` |
//! | members | bucket `MEMBERS`, key = `<role>.<id>` | `ns_MEMBERS` |
//! | configuration | bucket `CONFIG` | `ns_CONFIG` |
//! | dead letters | stream `DEAD_LETTERS`, `dead.<kind>.<topic or key>` | `ns_DEAD_LETTERS`, `ns.dead.…` |
//! | end of an invocation | core NATS, `ended.<key>`, no stream: a hint | `ns.ended.…` |
//! | other hints | core NATS, `hints.<kind>.<topic, queue or key>`, no stream | `ns.hints.…` |
//!
//! Queues, topics and kinds are encoded by [`encode_token`], so any name is one token.

mod queued;

use std::fmt;

pub use queued::Queued;

use crate::{
    dead::DeadLetter,
    id::{IdError, Key, Partition, Run, encode_token},
    limits::{NAME_BYTES_MAX, TAG_BYTES_MAX},
};

/// Task queue of workflows that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// Header names that Headwater sets on dead letters.
pub mod header {
    /// Why the message is here.
    pub const REASON: &str = "Headwater-Reason";
    /// Subject that it was published on.
    pub const SUBJECT: &str = "Headwater-Subject";
    /// Sequence in the stream that it came from.
    pub const SEQUENCE: &str = "Headwater-Sequence";
    /// How often it had been delivered.
    pub const DELIVERIES: &str = "Headwater-Deliveries";
    /// Who gave it up.
    pub const BY: &str = "Headwater-By";
}

/// A name that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `[A-Za-z0-9-]`, or too long.
    #[error(
        "the namespace {0:?} is not valid: use 1 to 32 letters, digits and '-', for example 'team-a'"
    )]
    Namespace(String),
    /// Empty or too long.
    #[error("the {what} name {name:?} is not valid: use 1 to {NAME_BYTES_MAX} bytes")]
    Name {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that only Headwater itself may use.
    #[error(
        "the {what} {name:?} is reserved: use one without '#' that begins neither with 'headwater.' nor with '='"
    )]
    Reserved {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A tag.
    #[error(
        "the tag {0:?} is not valid: use 1 to {TAG_BYTES_MAX} bytes without '#' that do not begin with 'headwater.'"
    )]
    Tag(String),
    /// A subject that is not ours.
    #[error("the subject {0:?} is not of the form commands.<queue>.<partition>.<key>")]
    Subject(String),
    /// The key in a subject.
    #[error("the subject {subject:?} has a bad key: {source}")]
    Key {
        /// The subject.
        subject: String,
        /// What is wrong with the key.
        source: IdError,
    },
}

/// Check a workflow, activity, topic, queue, step or signal name.
pub fn check_name(what: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let name = name.to_owned();
        return Err(NameError::Name { what, name });
    }
    let is_ours = match what {
        "topic" => name.contains('#') || name.starts_with(OURS) || name.starts_with('='),
        "workflow" | "activity" => name.starts_with(OURS),
        _ => false,
    };
    if is_ours {
        let name = name.to_owned();
        return Err(NameError::Reserved { what, name });
    }
    Ok(())
}

/// How the names of Headwater's own workflows, activities and topics begin.
const OURS: &str = "headwater.";

/// What is hinted on core NATS: it may be lost, and nothing that has to be right rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// Steps that nobody wants any more: engines to the workers of a topic.
    Stop(&'a str),
    /// Queries: clients to the engines of a task queue.
    Query(&'a str),
    /// The custom status of an invocation has changed: engines to clients.
    Status(&'a Key),
    /// Activities of an invocation tell how far they are: workers to clients.
    Progress(&'a Key),
    /// Events of this name: engines to clients.
    Event(&'a str),
}

/// Prefix of every stream, bucket and subject: installations that see nothing of each other.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Namespace {
    name: String,
    subject_prefix: String,
}

/// Key in the journal bucket of one page of an invocation.
#[must_use]
pub fn page_key(key: &Key, page: u32) -> String {
    format!("{key}.{page}")
}

/// Where a command goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Task queue.
    pub queue: String,
    /// Partition of the queue.
    pub partition: Partition,
    /// Invocation or built-in program.
    pub key: Key,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.queue, self.partition, self.key)
    }
}

/// A durable timer of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    /// Run that set it.
    pub run: Run,
    /// Step that it belongs to.
    pub step: u32,
    /// 0 for a sleep, else the attempt that it starts.
    pub attempt: u32,
}

impl Namespace {
    /// The namespace `name`; the empty name is the default one.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Ok(Self::default());
        }
        let valid =
            name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !valid {
            return Err(NameError::Namespace(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            subject_prefix: format!("{name}."),
        })
    }

    /// Its name; empty for the default one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn prefixed(&self, base: &str) -> String {
        match self.name.as_str() {
            "" => base.to_owned(),
            name => format!("{name}_{base}"),
        }
    }

    /// Work-queue stream of commands and schedules.
    #[must_use]
    pub fn commands_stream(&self) -> String {
        self.prefixed("COMMANDS")
    }

    /// Subjects of [`Namespace::commands_stream`].
    #[must_use]
    pub fn commands_subjects(&self) -> Vec<String> {
        let prefix = &self.subject_prefix;
        vec![format!("{prefix}commands.>"), format!("{prefix}timers.>")]
    }

    /// Work-queue stream of tasks.
    #[must_use]
    pub fn tasks_stream(&self) -> String {
        self.prefixed("TASKS")
    }

    /// Subject of [`Namespace::tasks_stream`].
    #[must_use]
    pub fn tasks_subject(&self) -> String {
        format!("{}tasks.>", self.subject_prefix)
    }

    /// Stream of dead letters.
    #[must_use]
    pub fn dead_letters_stream(&self) -> String {
        self.prefixed("DEAD_LETTERS")
    }

    /// Subject of [`Namespace::dead_letters_stream`].
    #[must_use]
    pub fn dead_letters_subject(&self) -> String {
        format!("{}dead.>", self.subject_prefix)
    }

    /// Bucket of invocation values.
    #[must_use]
    pub fn state_bucket(&self) -> String {
        self.prefixed("EXECUTION_STATE")
    }

    /// Bucket of journal pages.
    #[must_use]
    pub fn journal_bucket(&self) -> String {
        self.prefixed("JOURNAL")
    }

    /// Bucket of members.
    #[must_use]
    pub fn members_bucket(&self) -> String {
        self.prefixed("MEMBERS")
    }

    /// Bucket of configuration.
    #[must_use]
    pub fn config_bucket(&self) -> String {
        self.prefixed("CONFIG")
    }

    /// Durable consumer of one partition: `processor-<n>` for the default queue, `<queue>-<n>` for others.
    #[must_use]
    pub fn partition_consumer(&self, queue: &str, partition: Partition) -> String {
        match queue {
            DEFAULT_QUEUE => format!("processor-{partition}"),
            // Else it would take the default queue's; no other name is encoded so.
            "processor" => format!("=70rocessor-{partition}"),
            _ => format!("{}-{partition}", encode_token(queue)),
        }
    }

    /// Filter of the consumer of one partition.
    #[must_use]
    pub fn partition_filter(&self, queue: &str, partition: Partition) -> String {
        let queue = encode_token(queue);
        format!("{}commands.{queue}.{partition}.*", self.subject_prefix)
    }

    /// Durable consumer of one topic.
    #[must_use]
    pub fn topic_consumer(&self, topic: &str) -> String {
        encode_token(topic)
    }

    /// Subject of a task, and filter of its topic's consumer.
    #[must_use]
    pub fn task_subject(&self, topic: &str) -> String {
        format!("{}tasks.{}", self.subject_prefix, encode_token(topic))
    }

    /// Subject of a command.
    #[must_use]
    pub fn command_subject(&self, to: &Address) -> String {
        let queue = encode_token(&to.queue);
        let prefix = &self.subject_prefix;
        format!("{prefix}commands.{queue}.{}.{}", to.partition, to.key)
    }

    /// Filter of the commands for a key of a task queue, whatever partition they went to.
    #[must_use]
    pub fn key_filter(&self, queue: &str, key: &Key) -> String {
        format!(
            "{}commands.{}.*.{key}",
            self.subject_prefix,
            encode_token(queue)
        )
    }

    /// Subject of the schedule of a durable timer.
    #[must_use]
    pub fn timer_subject(&self, to: &Address, timer: TimerId) -> String {
        let queue = encode_token(&to.queue);
        let (prefix, TimerId { run, step, attempt }) = (&self.subject_prefix, timer);
        format!(
            "{prefix}timers.{queue}.{}.{}.{}-{}-{step}-{attempt}",
            to.partition, to.key, run.start, run.continued
        )
    }

    /// Where the end of an invocation is hinted on core NATS.
    #[must_use]
    pub fn ended_subject(&self, key: &Key) -> String {
        format!("{}ended.{key}", self.subject_prefix)
    }

    /// Where something is hinted on core NATS: `hints.<kind>.<topic, queue, key or name>`.
    #[must_use]
    pub fn hint_subject(&self, hint: Hint<'_>) -> String {
        let (kind, token) = match hint {
            Hint::Stop(topic) => ("stop", encode_token(topic)),
            Hint::Query(queue) => ("query", encode_token(queue)),
            Hint::Status(key) => ("status", key.to_string()),
            Hint::Progress(key) => ("progress", key.to_string()),
            Hint::Event(name) => ("event", encode_token(name)),
        };
        format!("{}hints.{kind}.{token}", self.subject_prefix)
    }

    /// Subject of a dead letter: its kind, and the last token of the subject that it came on.
    #[must_use]
    pub fn dead_subject(&self, letter: &DeadLetter) -> String {
        let kind = letter.kind.as_str();
        format!("{}dead.{kind}.{}", self.subject_prefix, letter.of())
    }

    /// Read the address out of the subject of a command.
    pub fn parse_command_subject(&self, subject: &str) -> Result<Address, NameError> {
        let refuse = || NameError::Subject(subject.to_owned());
        let rest = subject
            .strip_prefix(self.subject_prefix.as_str())
            .and_then(|rest| rest.strip_prefix("commands."))
            .ok_or_else(refuse)?;
        let mut tokens = rest.split('.');
        let (Some(queue), Some(partition), Some(key), None) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(refuse());
        };
        let bad_key = |source| NameError::Key {
            subject: subject.to_owned(),
            source,
        };
        Ok(Address {
            queue: crate::id::decode_name(queue).map_err(bad_key)?,
            partition: Partition(partition.parse().map_err(|_| refuse())?),
            key: Key::parse(key).map_err(bad_key)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvocationId;
    use proptest::prelude::*;

    fn address(queue: &str, partition: u16, id: &str) -> Address {
        Address {
            queue: queue.to_owned(),
            partition: Partition(partition),
            key: InvocationId::new(id).unwrap().key(),
        }
    }

    proptest! {
        #[test]
        fn command_subjects_round_trip(queue in "\\PC{1,16}", partition in 1u16..999, id in "\\PC{1,16}", ns in "([a-z]{0,4})") {
            let ns = Namespace::new(&ns).unwrap();
            let to = address(&queue, partition, &id);
            prop_assert_eq!(ns.parse_command_subject(&ns.command_subject(&to)).unwrap(), to);
        }
    }

    #[test]
    fn names_are_those_of_the_design() {
        let ns = Namespace::default();
        let to = address("default", 3, "order 7");
        assert_eq!(ns.command_subject(&to), "commands.default.3.order=207");
        let run = Run {
            start: 12,
            continued: 1,
        };
        let timer = TimerId {
            run,
            step: 4,
            attempt: 0,
        };
        assert_eq!(
            ns.timer_subject(&to, timer),
            "timers.default.3.order=207.12-1-4-0"
        );
        assert_eq!(
            ns.partition_consumer("default", Partition(1)),
            "processor-1"
        );
        assert_eq!(ns.partition_consumer("gpu", Partition(2)), "gpu-2");
        assert_eq!(ns.task_subject("send.email"), "tasks.send=2Eemail");
        assert_eq!(ns.state_bucket(), "EXECUTION_STATE");
        let other = Namespace::new("team-a").unwrap();
        assert_eq!(
            other.command_subject(&to),
            "team-a.commands.default.3.order=207"
        );
        assert_eq!(other.state_bucket(), "team-a_EXECUTION_STATE");
        for (hint, subject) in [
            (Hint::Stop("send.email"), "hints.stop.send=2Eemail"),
            (Hint::Query("default"), "hints.query.default"),
            (Hint::Status(&to.key), "hints.status.order=207"),
            (Hint::Progress(&to.key), "hints.progress.order=207"),
            (Hint::Event("paid"), "hints.event.paid"),
        ] {
            assert_eq!(ns.hint_subject(hint), subject);
            assert_eq!(other.hint_subject(hint), format!("team-a.{subject}"));
        }
        assert!(
            other
                .parse_command_subject(&ns.command_subject(&to))
                .is_err()
        );
    }

    #[test]
    fn topics_of_our_own_are_reserved() {
        for topic in ["a#gpu", "headwater.lane", "=x"] {
            let refused = check_name("topic", topic).unwrap_err().to_string();
            assert!(refused.contains("reserved"), "{refused}");
        }
        for what in ["workflow", "activity"] {
            assert!(check_name(what, "headwater.pay").is_err());
            assert!(check_name(what, "a#gpu").is_ok());
        }
        assert!(check_name("topic", "send.email").is_ok());
    }

    #[test]
    fn bad_names_say_what_is_allowed() {
        assert!(
            Namespace::new("a b")
                .unwrap_err()
                .to_string()
                .contains("letters, digits and '-'")
        );
        for subject in [
            "commands.default.1",
            "commands.default.x.a",
            "tasks.a",
            "commands.d.1.a.b",
            "",
        ] {
            assert!(
                Namespace::default().parse_command_subject(subject).is_err(),
                "{subject}"
            );
        }
    }
}
