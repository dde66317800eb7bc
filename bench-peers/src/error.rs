//! Why the bench, or one workload of one product, ends early.

use std::{path::PathBuf, time::Duration};

#[derive(Debug, thiserror::Error)]
pub(crate) enum PeersError {
    #[error("{0:?} is on tmpfs, where nothing is written to a disk; choose another with --dir")]
    Tmpfs(PathBuf),
    #[error("--only names {0:?}; there are {1}")]
    Unknown(String, String),
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error("the {name} was not ready within {patience:?}")]
    NotReady {
        name: &'static str,
        patience: Duration,
    },
    #[error("the {0} process has ended early")]
    Ended(&'static str),
    #[error("nothing was completed for {0:?} {1}")]
    NoProgress(Duration, String),
    #[error("{what}: {reason}")]
    Failed { what: &'static str, reason: String },
    #[error("a workflow answered {answer:?} and not {expected}")]
    WrongAnswer { answer: String, expected: u32 },
    #[error("nothing was measured")]
    Nothing,
    #[error("interrupted")]
    Interrupted,
}

impl PeersError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Names what was being done when something of a product failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, PeersError>;
}

impl<T, E: std::fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, PeersError> {
        self.map_err(|error| PeersError::Failed {
            what,
            reason: error.to_string(),
        })
    }
}

/// Whether a workflow answered what it should: the number of its steps.
pub(crate) fn check(answer: &str, steps: u32) -> Result<(), PeersError> {
    if answer.trim() == steps.to_string() {
        return Ok(());
    }
    Err(PeersError::WrongAnswer {
        answer: answer.to_owned(),
        expected: steps,
    })
}
