//! Why a run has no verdict.

use std::io;

use headwater::{ClientError, ProcessorError, store::StoreError};

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrashError {
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    NoServer(String),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{0} has ended before it was ready; see its log")]
    NotReady(String),
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CrashError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}
