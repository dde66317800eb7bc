//! Why a call of the client did not do what it was asked.

use std::time::Duration;

use headwater_store::{StoreError, address::AddressError};
use headwater_wire::{
    Failure, InvocationId, Status, duration::DurationError, id::IdError, names::NameError,
    payload::PayloadError,
};

/// Why a call of the client did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No invocation has this id.
    #[error("no invocation has the id {0}; it was never started, or its retention is over")]
    NotFound(InvocationId),
    /// An invocation has this id already.
    #[error("an invocation with the id {0} exists already; choose another id, or attach to it")]
    Exists(InvocationId),
    /// It has not ended, and only what has can be deleted.
    #[error("the invocation {id} is {status}; wait for its end, or delete it with force")]
    StillRunning {
        /// Which.
        id: InvocationId,
        /// Where it stands.
        status: Status,
    },
    /// It is a child of one that goes on, which may yet ask for its outcome.
    #[error("the invocation {id} is a child of {parent}, which has not ended: delete that one")]
    IsChild {
        /// Which.
        id: InvocationId,
        /// Whose.
        parent: InvocationId,
    },
    /// A run that there never was, or that is kept no longer.
    #[error("there is no run {number} of {id}, or it is kept no longer")]
    NoRun {
        /// Of which invocation.
        id: InvocationId,
        /// Its number, from 1.
        number: u32,
    },
    /// An invocation that cannot be forked as it was asked.
    #[error("this cannot be forked: {0}")]
    Fork(String),
    /// It has ended, so that it can be ruled no more.
    #[error("job {id} already completed: it has ended as {status}")]
    AlreadyEnded {
        /// Which.
        id: InvocationId,
        /// How it ended.
        status: Status,
    },
    /// It has not ended in time.
    #[error("the invocation {id} has not ended within {timeout:?}; it goes on, wait for it again")]
    Timeout {
        /// Which.
        id: InvocationId,
        /// How long was waited.
        timeout: Duration,
    },
    /// It has not changed in time.
    #[error("the invocation {id} has not changed within {timeout:?}")]
    Unchanged {
        /// Which.
        id: InvocationId,
        /// How long was waited.
        timeout: Duration,
    },
    /// It ended without an output.
    #[error("the invocation {id} ended as {status}: {failure}")]
    Failed {
        /// Which.
        id: InvocationId,
        /// How it ended.
        status: Status,
        /// Why.
        failure: Failure,
    },
    /// An update or a query got an error for an answer, or there will never be one.
    #[error("{name:?} of the invocation {id} failed: {failure}")]
    Refused {
        /// Of which invocation.
        id: InvocationId,
        /// Name of the update or query.
        name: String,
        /// Why.
        failure: Failure,
    },
    /// An update or a query was not answered in time.
    #[error(
        "no answer from the invocation {id} within {timeout:?}; see what it waits for, and whether an engine runs that has its workflow"
    )]
    NoAnswer {
        /// Which.
        id: InvocationId,
        /// How long was waited.
        timeout: Duration,
    },
    /// An id or partition key that cannot be one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An input, output or signal.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A time to live that is none.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A retention that the rules do not allow.
    #[error(
        "a retention of {0} s is too short: use {min} s or more, since an id must not be forgotten while a message about it may be under way",
        min = headwater_wire::limits::RETENTION_MIN.as_secs()
    )]
    Retention(u64),
    /// A rate that is none.
    #[error("a rate of {0} a second cannot be kept: use a positive number")]
    Rate(f64),
    /// More search attributes than an invocation can have.
    #[error(
        "{keys} search attributes of {bytes} bytes are too much: use at most {keys_max} of {bytes_max} bytes in all",
        keys_max = headwater_wire::limits::SEARCH_KEYS_MAX,
        bytes_max = headwater_wire::limits::SEARCH_BYTES_MAX
    )]
    Search {
        /// How many were given.
        keys: usize,
        /// How large they are, with their keys.
        bytes: usize,
    },
    /// A value in EXECUTION_STATE or JOURNAL that cannot be read.
    #[error("the state of {id} cannot be read: {reason}")]
    Unreadable {
        /// Whose.
        id: String,
        /// Why.
        reason: String,
    },
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AddressError> for ClientError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Store(error) => Self::Store(error),
            AddressError::Unreadable { key, reason } => Self::Unreadable { id: key, reason },
        }
    }
}
