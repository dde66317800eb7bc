//! What can go wrong, and what each error of the server means to a caller.

use async_nats::client::{PublishError, PublishErrorKind};
use headwater_store::StoreError;
use serde::Deserialize;

use crate::compare::Difference;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A URL that is none.
    #[error("{url:?} is not the URL of a NATS server: use for example nats://127.0.0.1:4222")]
    Url {
        /// As it was configured.
        url: String,
    },
    /// The credentials file can't be used.
    #[error("the credentials file {path:?} can't be read: {source}")]
    Credentials {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody answered.
    #[error(
        "no NATS server is reachable at {urls}: {reason}; start one (make nats-server) or set its URL"
    )]
    Unreachable {
        /// Those that were tried.
        urls: String,
        /// Why.
        reason: String,
    },
    /// The server does not let us in.
    #[error("the NATS server at {urls} refuses us: {reason}; check credentials, user or token")]
    Unauthorized {
        /// Those that were tried.
        urls: String,
        /// Why.
        reason: String,
    },
    /// The server lacks what we need.
    #[error(
        "the NATS server {server} is version {version}, and {minimum} is the oldest that can be used: upgrade it"
    )]
    ServerTooOld {
        /// Its name.
        server: String,
        /// Its version.
        version: String,
        /// Oldest that can be used.
        minimum: String,
    },
    /// The server stores nothing.
    #[error(
        "JetStream is not available at {urls} ({reason}): enable it in the server (`nats-server -js`, or a `jetstream` block) and for the account"
    )]
    NoJetStream {
        /// Those that were tried.
        urls: String,
        /// What the server says.
        reason: String,
    },
    /// An error of the connection once it stood.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why streams and buckets could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A stream of that name is not ours, or was changed in a way that breaks us.
    #[error(
        "the stream {stream} exists but can't be used: {}; change it back (nats stream edit {stream}), use another namespace, or remove the stream if its messages are not needed",
        Difference::list(.differences)
    )]
    Differs {
        /// The stream.
        stream: String,
        /// Each field that differs.
        differences: Vec<Difference>,
    },
    /// Another stream stores some of our subjects.
    #[error(
        "the stream {stream} can't be made: another stream already stores some of its subjects {subjects:?} ({reason}); find it with `nats stream ls --subjects` or use another namespace"
    )]
    Overlap {
        /// The stream.
        stream: String,
        /// Its subjects.
        subjects: Vec<String>,
        /// What the server says.
        reason: String,
    },
    /// The account only allows streams with a limit.
    #[error(
        "the stream {stream} can't be made: the account demands a limit of bytes for each stream; set max_bytes for it"
    )]
    MaxBytesRequired {
        /// The stream.
        stream: String,
    },
    /// No servers for the copies.
    #[error(
        "the stream {stream} can't be placed with {replicas} replicas ({reason}): add servers, or ask for fewer replicas or other placement tags"
    )]
    NotPlaced {
        /// The stream.
        stream: String,
        /// Copies that were asked for.
        replicas: usize,
        /// What the server says.
        reason: String,
    },
    /// The server refused, or did not answer.
    #[error("the stream {stream} can't be made ready: {source}")]
    Store {
        /// The stream.
        stream: String,
        /// Why.
        source: StoreError,
    },
}

/// Error codes of the server that mean something to us (`errors.json` of nats-server).
pub(crate) mod code {
    pub(crate) const CLUSTER_NO_PEERS: u64 = 10_005;
    pub(crate) const CLUSTER_NOT_AVAILABLE: u64 = 10_008;
    pub(crate) const CLUSTER_NOT_LEADER: u64 = 10_009;
    pub(crate) const CLUSTER_TAGS: u64 = 10_011;
    pub(crate) const INSUFFICIENT_RESOURCES: u64 = 10_023;
    pub(crate) const NO_MESSAGE_FOUND: u64 = 10_037;
    pub(crate) const JETSTREAM_NOT_ENABLED_FOR_ACCOUNT: u64 = 10_039;
    pub(crate) const SEQUENCE_NOT_FOUND: u64 = 10_043;
    pub(crate) const STREAM_MESSAGE_DELETE_FAILED: u64 = 10_057;
    pub(crate) const STREAM_NAME_EXIST: u64 = 10_058;
    pub(crate) const STREAM_SUBJECT_OVERLAP: u64 = 10_065;
    pub(crate) const WRONG_LAST_SEQUENCE: u64 = 10_071;
    pub(crate) const STREAM_REPLICAS_NOT_SUPPORTED: u64 = 10_074;
    pub(crate) const JETSTREAM_NOT_ENABLED: u64 = 10_076;
    pub(crate) const MAX_BYTES_REQUIRED: u64 = 10_113;
    pub(crate) const STREAM_OFFLINE: u64 = 10_118;
    pub(crate) const EXPECTED_SEQUENCE_NOT_READY: u64 = 10_163;
    pub(crate) const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10_164;
    pub(crate) const TOO_MANY_REQUESTS: u64 = 10_167;
    pub(crate) const STREAM_OFFLINE_REASON: u64 = 10_194;
}

/// The server's answer to a request that it did not fulfil.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl ApiError {
    /// The value or message is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(
            self.err_code,
            code::NO_MESSAGE_FOUND | code::SEQUENCE_NOT_FOUND
        )
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (error {})", self.description, self.err_code)
    }
}

impl From<ApiError> for StoreError {
    fn from(error: ApiError) -> Self {
        match error.err_code {
            code::WRONG_LAST_SEQUENCE | code::WRONG_LAST_SEQUENCE_CONSTANT => Self::Conflict,
            code::CLUSTER_NOT_AVAILABLE
            | code::CLUSTER_NOT_LEADER
            | code::STREAM_OFFLINE
            | code::STREAM_OFFLINE_REASON
            | code::EXPECTED_SEQUENCE_NOT_READY
            | code::TOO_MANY_REQUESTS => Self::Unavailable(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// What it means that a message could not be sent.
pub(crate) fn of_publish(subject: &str, error: &PublishError) -> StoreError {
    match error.kind() {
        PublishErrorKind::InvalidSubject | PublishErrorKind::MaxPayloadExceeded => {
            StoreError::Refused(error.to_string())
        }
        PublishErrorKind::Send => StoreError::Unknown(format!("{subject}: {error}")),
    }
}

/// What the server's answer means that nobody listens.
pub(crate) fn nobody_serves(subject: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "nobody serves {subject}: the stream has no leader at this moment, or was never made"
    ))
}
