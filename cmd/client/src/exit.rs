//! Exit codes, and the errors that lead to them.

use std::{borrow::Cow, process::ExitCode};

use headwater::{
    ClientError, Config, ConfigError, ProcessorError,
    store::StoreError,
    wire::{Failure, id::IdError},
};
use headwater_nats::ConnectError;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The workflow that was waited for has not completed, or refused what it was asked; or a
    /// build differs from a journal.
    WorkflowFailed = 1,
    /// Arguments, input or configuration that can't be used.
    Usage = 2,
    /// There is no such invocation or dead letter, or it takes nothing any more.
    NotFound = 3,
    /// It has not ended in time.
    TimedOut = 4,
    /// NATS can't be reached, or doesn't do what it is asked.
    Nats = 5,
    /// Refused because the id exists.
    Exists = 6,
    /// Anything else, as sysexits.h has it.
    Other = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command has not done what it was asked.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Whoever read stdout has gone (`headwater list | head -1`): no error.
    ReaderGone,
    /// An error, to be told on stderr.
    Error {
        /// How the process ends.
        exit: Exit,
        /// A stable word for programs.
        code: Cow<'static, str>,
        /// What is wrong, and the mend.
        message: String,
    },
}

impl Problem {
    pub(crate) fn new(
        exit: Exit,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::Error {
            exit,
            code: code.into(),
            message: message.into(),
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, "not_found", message)
    }

    pub(crate) fn other(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Other, code, message)
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::ReaderGone => Exit::Done,
            Self::Error { exit, .. } => *exit,
        }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::NotFound(_) => {
                Self::not_found(format!("{message}; `headwater list` shows what there is"))
            }
            ClientError::NoRun { .. } => Self::not_found(format!(
                "{message}; `headwater runs` lists those that are kept"
            )),
            ClientError::AlreadyEnded { .. } => Self::not_found(message),
            ClientError::StillRunning { .. } => Self::new(Exit::Exists, "running", message),
            ClientError::IsChild { .. } => Self::new(Exit::Exists, "is_child", message),
            ClientError::Exists(_) => Self::new(Exit::Exists, "exists", message),
            ClientError::Timeout { .. }
            | ClientError::Unchanged { .. }
            | ClientError::NoAnswer { .. } => Self::new(Exit::TimedOut, "timeout", message),
            ClientError::Refused { failure, .. } => Self::new(
                Exit::WorkflowFailed,
                failure.code.as_str().to_owned(),
                message,
            ),
            ClientError::Failed { id, failure, .. } => Self::new(
                Exit::WorkflowFailed,
                failure.code.as_str().to_owned(),
                format!("{message}; `headwater inspect {id}` shows its steps"),
            ),
            ClientError::Id(_)
            | ClientError::Name(_)
            | ClientError::Duration(_)
            | ClientError::Rate(_)
            | ClientError::Fork(_)
            | ClientError::Retention(_)
            | ClientError::Search { .. } => Self::usage(message),
            ClientError::Payload(error) => {
                let failure = Failure::from(error);
                Self::new(
                    Exit::Usage,
                    failure.code.as_str().to_owned(),
                    failure.message,
                )
            }
            ClientError::Unreadable { .. } => Self::other(
                "unreadable",
                format!("{message}; was it written by a newer build?"),
            ),
            ClientError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (code, mend) = match error {
            StoreError::Unavailable(_) => ("unavailable", "try again when the server is healthy"),
            StoreError::Unknown(_) => (
                "unknown_outcome",
                "it may have been done: look with `headwater status` before you try again",
            ),
            StoreError::Refused(_) => ("refused", "the server's configuration has to change"),
            StoreError::Conflict => ("conflict", "somebody else was faster: try again"),
        };
        Self::new(Exit::Nats, code, format!("{error}; {mend}"))
    }
}

impl From<ProcessorError> for Problem {
    fn from(error: ProcessorError) -> Self {
        let code = if Config::is_unreachable(&error) {
            "nats_unreachable"
        } else {
            "nats_unusable"
        };
        match error {
            ProcessorError::Config(error) => Self::from(*error),
            ProcessorError::Connect(
                ConnectError::Url { .. } | ConnectError::Credentials { .. },
            ) => Self::new(Exit::Usage, "config", error.to_string()),
            error => Self::new(Exit::Nats, code, error.to_string()),
        }
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, "config", error.to_string())
    }
}

impl From<IdError> for Problem {
    fn from(error: IdError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headwater::wire::{Code, InvocationId, Status, payload::PayloadError};

    use super::*;

    #[test]
    fn each_error_of_the_client_has_its_exit_code_and_word() {
        let id = InvocationId::new("a").unwrap();
        let failed = ClientError::Failed {
            id: id.clone(),
            status: Status::Failed,
            failure: Failure::fatal(Code::new("no_stock"), "nothing left"),
        };
        let timeout = ClientError::Timeout {
            id: id.clone(),
            timeout: Duration::from_secs(1),
        };
        let cases: Vec<(ClientError, Exit, &str)> = vec![
            (failed, Exit::WorkflowFailed, "no_stock"),
            (IdError::Empty.into(), Exit::Usage, "usage"),
            (
                PayloadError::TooLarge { bytes: 9 }.into(),
                Exit::Usage,
                "too_large",
            ),
            (
                ClientError::NotFound(id.clone()),
                Exit::NotFound,
                "not_found",
            ),
            (timeout, Exit::TimedOut, "timeout"),
            (
                StoreError::Unavailable("x".into()).into(),
                Exit::Nats,
                "unavailable",
            ),
            (ClientError::Exists(id), Exit::Exists, "exists"),
        ];
        for (error, expected_exit, expected_code) in cases {
            let Problem::Error { exit, code, .. } = Problem::from(error) else {
                panic!("{expected_code} is told");
            };
            assert_eq!((exit, code.as_ref()), (expected_exit, expected_code));
        }
    }
}
