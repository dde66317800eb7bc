//! Why the bench ends early.

use std::{path::PathBuf, time::Duration};

use headwater::{ClientError, ConfigError, ProcessorError, wire::InvocationId};

#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(
        "no nats-server: HEADWATER_NATS_SERVER is not set and there is none on the PATH; run `make nats-server` and set the variable to the path that it prints"
    )]
    NoServer,
    #[error("HEADWATER_NATS_SERVER names {0:?}, which is no file; run `make nats-server`")]
    BadServer(PathBuf),
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
    #[error("{what}: {reason}")]
    Nats { what: &'static str, reason: String },
    #[error("{name}: invocation {id} has not ended within {bound:?}")]
    Stalled {
        name: String,
        id: InvocationId,
        bound: Duration,
    },
    #[error("{name}: nothing was completed for {bound:?}")]
    NoProgress { name: String, bound: Duration },
    #[error("{name}: {source}")]
    Workflow { name: String, source: ClientError },
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("a task of the load panicked: {0}")]
    Panicked(tokio::task::JoinError),
    #[error("interrupted")]
    Interrupted,
}

impl BenchError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn is_interrupt(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

/// Names what was being done when the server's client failed.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, BenchError>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, BenchError> {
        self.map_err(|error| BenchError::Nats {
            what,
            reason: error.to_string(),
        })
    }
}
