//! The error of user code: anything that implements [`std::error::Error`] becomes one by `?`.

use std::fmt;

use headwater_wire::{Code, Failure, payload::PayloadError};

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step or a workflow failed, with a stable [`Code`].
///
/// Does not implement [`std::error::Error`] itself, so that every type that does converts
/// into it by `?`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Failure);

impl Error {
    /// An error that may go away with another attempt.
    pub fn msg(message: impl fmt::Display) -> Self {
        Self(Failure::new(Code::FAILED, message.to_string()))
    }

    /// An error that no further attempt can mend: the step fails at once. Its code is `fatal`.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self(Failure::fatal(Code::FATAL, message.to_string()))
    }

    /// The same error with a code of the user's own.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Code::new(code);
        self
    }

    /// From what is recorded.
    #[must_use]
    pub fn from_failure(failure: Failure) -> Self {
        Self(failure)
    }

    /// What is recorded.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.0.code
    }

    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether somebody cancelled the invocation.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.code == Code::CANCELLED
    }

    /// Whether waiting was ended by its timeout.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.code == Code::TIMEOUT
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.contains(&cause_text) {
                message.push_str(": ");
                message.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(Failure::new(Code::FAILED, message))
    }
}

/// The message of a panic that was caught.
#[must_use]
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

/// Data that does not fit a type or a limit: no attempt can mend it.
pub(crate) fn payload_error(what: &str, error: PayloadError) -> Failure {
    let mut failure = Failure::from(error);
    failure.message = format!("{what}: {}", failure.message);
    failure
}
