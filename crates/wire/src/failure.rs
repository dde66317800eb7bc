//! Why a step or a workflow failed: a stable code, a message for people, and whether to try again.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    Payload, limits,
    payload::{self, PayloadError},
    pb,
};

/// A stable word for a kind of failure: the same in library, command line and state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// The user's code returned an error.
    pub const FAILED: Self = Self::of("failed");
    /// The user's code panicked.
    pub const PANICKED: Self = Self::of("panicked");
    /// Every attempt that the retry policy allows has failed.
    pub const RETRIES_EXHAUSTED: Self = Self::of("retries_exhausted");
    /// Waiting was ended by its timeout.
    pub const TIMEOUT: Self = Self::of("timeout");
    /// Somebody cancelled the invocation.
    pub const CANCELLED: Self = Self::of("cancelled");
    /// No process has the workflow or activity.
    pub const UNREGISTERED: Self = Self::of("unregistered");
    /// Handling it killed its process again and again.
    pub const POISON: Self = Self::of("poison");
    /// Replay decided otherwise than the journal says.
    pub const NONDETERMINISM: Self = Self::of("nondeterminism");
    /// Data did not have the expected form.
    pub const DECODE: Self = Self::of("decode");
    /// Data over a limit.
    pub const TOO_LARGE: Self = Self::of("too_large");
    /// The invocation id is taken by another asker.
    pub const EXISTS: Self = Self::of("exists");
    /// The user's code says that another attempt cannot help.
    pub const FATAL: Self = Self::of("fatal");
    /// Somebody ended the invocation by force.
    pub const INTERRUPTED: Self = Self::of("interrupted");
    /// Somebody has paused the invocation.
    pub const PAUSED: Self = Self::of("paused");
    /// There is no such invocation, or no longer.
    pub const NOT_FOUND: Self = Self::of("not_found");
    /// The invocation has not ended.
    pub const RUNNING: Self = Self::of("running");
    /// The run ended before it gave an answer.
    pub const UNANSWERED: Self = Self::of("unanswered");

    /// The catalogue: all but the codes of the user's own.
    pub const ALL: &[Self] = &[
        Self::FAILED,
        Self::PANICKED,
        Self::RETRIES_EXHAUSTED,
        Self::TIMEOUT,
        Self::CANCELLED,
        Self::UNREGISTERED,
        Self::POISON,
        Self::NONDETERMINISM,
        Self::DECODE,
        Self::TOO_LARGE,
        Self::EXISTS,
        Self::FATAL,
        Self::INTERRUPTED,
        Self::PAUSED,
        Self::NOT_FOUND,
        Self::RUNNING,
        Self::UNANSWERED,
    ];

    const fn of(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// A code of the user's own.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self(Cow::Owned(code.into()))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a number, as people know it from HTTP. Codes of the user's own are 599.
    #[must_use]
    pub fn number(&self) -> u16 {
        match self.as_str() {
            "paused" => 202,
            "not_found" => 404,
            "exists" => 409,
            "interrupted" => 410,
            "too_large" => 413,
            "decode" => 422,
            "running" => 423,
            "cancelled" => 499,
            "unregistered" => 501,
            "unanswered" => 504,
            "nondeterminism" => 520,
            "poison" => 521,
            "timeout" => 596,
            "retries_exhausted" => 597,
            "fatal" => 598,
            _ => 599,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a step or a workflow failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable kind.
    pub code: Code,
    /// What went wrong, for people.
    pub message: String,
    /// Another attempt cannot help.
    #[serde(rename = "final", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
    /// Data of the user's own.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "payload::present"
    )]
    pub details: Option<Payload>,
}

impl Failure {
    /// A failure that may be tried again.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            is_final: false,
            details: None,
        }
    }

    /// A failure that another attempt cannot mend.
    #[must_use]
    pub fn fatal(code: Code, message: impl Into<String>) -> Self {
        Self {
            is_final: true,
            ..Self::new(code, message)
        }
    }
}

impl Failure {
    /// Itself, made to fit: a long message is cut, details over the payload limit are left out.
    #[must_use]
    pub fn within_limits(mut self) -> Self {
        let fits = cut(&self.message, limits::FAILURE_MESSAGE_BYTES_MAX).len();
        if fits < self.message.len() {
            self.message.truncate(fits);
            self.message.push_str(" … (cut)");
        }
        let too_large = |details: &Payload| details.bytes().len() > limits::PAYLOAD_BYTES_MAX;
        if self.details.as_ref().is_some_and(too_large) {
            self.details = None;
        }
        self
    }
}

/// The longest beginning of a text that has at most so many bytes.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    match text.len() <= bytes_max {
        true => text,
        false => &text[..text.floor_char_boundary(bytes_max)],
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<PayloadError> for Failure {
    fn from(error: PayloadError) -> Self {
        let code = match error {
            PayloadError::TooLarge { .. } => Code::TOO_LARGE,
            _ => Code::DECODE,
        };
        Self::fatal(code, error.to_string())
    }
}

impl From<Failure> for pb::Failure {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code.0.into_owned(),
            message: failure.message,
            r#final: failure.is_final,
            details: failure.details.map(Into::into),
        }
    }
}

impl TryFrom<pb::Failure> for Failure {
    type Error = PayloadError;
    fn try_from(failure: pb::Failure) -> Result<Self, Self::Error> {
        Ok(Self {
            code: Code::new(failure.code),
            message: failure.message,
            is_final: failure.r#final,
            details: failure.details.map(TryInto::try_into).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_number_for_good() {
        for (code, number) in [
            (Code::PAUSED, 202),
            (Code::NOT_FOUND, 404),
            (Code::EXISTS, 409),
            (Code::INTERRUPTED, 410),
            (Code::TOO_LARGE, 413),
            (Code::DECODE, 422),
            (Code::RUNNING, 423),
            (Code::CANCELLED, 499),
            (Code::UNREGISTERED, 501),
            (Code::UNANSWERED, 504),
            (Code::NONDETERMINISM, 520),
            (Code::POISON, 521),
            (Code::TIMEOUT, 596),
            (Code::RETRIES_EXHAUSTED, 597),
            (Code::FATAL, 598),
            (Code::FAILED, 599),
            (Code::PANICKED, 599),
            (Code::new("card_declined"), 599),
        ] {
            assert_eq!(code.number(), number, "{code}");
        }
    }

    #[test]
    fn a_failure_is_made_to_fit() {
        let long = Failure::new(Code::FAILED, "é".repeat(limits::FAILURE_MESSAGE_BYTES_MAX));
        let short = long.within_limits();
        assert!(short.message.len() < limits::FAILURE_MESSAGE_BYTES_MAX + 20);
        assert!(short.message.ends_with("é … (cut)"));
        let fits = Failure::new(Code::FAILED, "fits");
        assert_eq!(fits.clone().within_limits(), fits);
    }
}
