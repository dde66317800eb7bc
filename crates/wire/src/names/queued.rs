//! What waits in the work queues, told by its subject.

use std::fmt;

use super::Namespace;
use crate::id::decode_name;

/// A kind of message that a work queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queued {
    /// A command, to the engines of a task queue.
    Commands,
    /// A schedule, whose command goes to the engines of a task queue when it is due.
    Timers,
    /// A task, to the workers of a topic.
    Tasks,
}

impl Queued {
    const ALL: [Self; 3] = [Self::Commands, Self::Timers, Self::Tasks];

    /// The word for it, and the first token of its subjects.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Timers => "timers",
            Self::Tasks => "tasks",
        }
    }
}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Namespace {
    /// What a subject of COMMANDS or TASKS holds, and for which task queue or topic. A name that
    /// nobody here has encoded is given as it stands. None: a subject of another kind.
    #[must_use]
    pub fn parse_queued(&self, subject: &str) -> Option<(Queued, String)> {
        let rest = subject.strip_prefix(self.subject_prefix.as_str())?;
        let (kind, rest) = rest.split_once('.')?;
        let kind = Queued::ALL.into_iter().find(|all| all.as_str() == kind)?;
        let token = rest.split('.').next()?;
        let name = decode_name(token).unwrap_or_else(|_| token.to_owned());
        Some((kind, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        InvocationId, Partition, Run,
        names::{Address, TimerId},
    };

    #[test]
    fn a_subject_tells_what_it_holds_and_for_whom() {
        for name in ["", "team-a"] {
            let ns = Namespace::new(name).unwrap();
            let to = Address {
                queue: "gpu jobs".to_owned(),
                partition: Partition(3),
                key: InvocationId::new("order 7").unwrap().key(),
            };
            let timer = TimerId {
                run: Run::default(),
                step: 1,
                attempt: 0,
            };
            let of = |subject: &str| ns.parse_queued(subject);
            let held = |kind, name: &str| Some((kind, name.to_owned()));
            let command = ns.command_subject(&to);
            assert_eq!(of(&command), held(Queued::Commands, "gpu jobs"));
            let timer = ns.timer_subject(&to, timer);
            assert_eq!(of(&timer), held(Queued::Timers, "gpu jobs"));
            let task = ns.task_subject("send.mail");
            assert_eq!(of(&task), held(Queued::Tasks, "send.mail"));
        }
    }

    #[test]
    fn what_others_published_is_told_as_it_stands() {
        let ns = Namespace::default();
        let odd = Some((Queued::Tasks, "=zz".to_owned()));
        assert_eq!(ns.parse_queued("tasks.=zz"), odd);
        for subject in ["dead.task.a", "tasks", "team-a.tasks.a", ""] {
            assert_eq!(ns.parse_queued(subject), None, "{subject}");
        }
    }
}
