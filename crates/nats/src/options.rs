//! What an operator can configure of the connection and of the streams.

use std::{path::PathBuf, time::Duration};

use headwater_wire::{Namespace, limits};

use crate::{durability::SyncInterval, monitor::MonitorUrl};

/// How to reach the servers, and how to lay out what is stored there.
#[derive(Clone, Debug)]
pub struct Options {
    /// Servers, for example `nats://127.0.0.1:4222`; any one of a cluster is enough.
    pub urls: Vec<String>,
    /// Name of this connection, shown by `nats server report connections`.
    pub name: String,
    /// How this process proves who it is.
    pub auth: Auth,
    /// Encryption of the connection.
    pub tls: Tls,
    /// Which JetStream of the server to use.
    pub api: Api,
    /// Prefix of streams, buckets and subjects.
    pub namespace: Namespace,
    /// What to do if no server answers at start.
    pub initial: Initial,
    /// Answer awaited for one request; then its outcome is unknown.
    pub request_timeout: Duration,
    /// Time after which a delivery that was not answered comes again.
    pub ack_wait: Duration,
    /// Copies of each stream; none: three in a cluster of three or more servers, else one.
    pub replicas: Option<usize>,
    /// Tags that the servers of the streams must have. Used when a stream is created.
    pub placement_tags: Vec<String>,
    /// Most bytes of each stream.
    pub max_bytes: MaxBytes,
    /// Where the server tells how often it syncs to the disk; none: it is not asked.
    pub monitor_url: Option<MonitorUrl>,
    /// How often the server syncs to the disk, as the operator declares it. What the server
    /// itself tells is stronger.
    pub sync_interval: Option<SyncInterval>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: vec!["nats://127.0.0.1:4222".to_owned()],
            name: "headwater".to_owned(),
            auth: Auth::None,
            tls: Tls::default(),
            api: Api::Default,
            namespace: Namespace::default(),
            initial: Initial::Fail,
            request_timeout: limits::REQUEST_TIMEOUT,
            ack_wait: limits::ACK_WAIT,
            replicas: None,
            placement_tags: Vec::new(),
            max_bytes: MaxBytes::default(),
            monitor_url: None,
            sync_interval: None,
        }
    }
}

impl Options {
    /// The defaults, with one server.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            ..Self::default()
        }
    }
}

/// How a process proves who it is. A URL with user and password works as well.
#[derive(Clone, Default)]
pub enum Auth {
    /// It does not.
    #[default]
    None,
    /// A `.creds` file, as `nsc` and Synadia Cloud make them.
    CredentialsFile(PathBuf),
    /// User and password.
    User {
        /// User.
        user: String,
        /// Password.
        password: String,
    },
    /// One token.
    Token(String),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::CredentialsFile(_) => "CredentialsFile(..)",
            Self::User { .. } => "User(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

/// Encryption of the connection. A URL that begins with `tls://` requires it too.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Refuse a connection without.
    pub required: bool,
    /// Certificates of the authority to trust, PEM; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// Own certificate and key, PEM.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Which JetStream of the server to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// The account's own.
    #[default]
    Default,
    /// That of a domain, as with leaf nodes.
    Domain(String),
    /// One imported under this prefix, for example `JS.team.API`.
    Prefix(String),
}

impl Api {
    /// What the subjects of the API begin with.
    pub(crate) fn prefix(&self) -> String {
        match self {
            Self::Default => "$JS.API".to_owned(),
            Self::Domain(domain) => format!("$JS.{domain}.API"),
            Self::Prefix(prefix) => prefix.trim_end_matches('.').to_owned(),
        }
    }
}

/// What to do if no server answers at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initial {
    /// Report it, so that a command line can say so.
    #[default]
    Fail,
    /// Try until one does.
    Wait,
}

/// Most bytes of each stream; none: what the account allows. A full stream refuses writes and
/// says so, except where noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaxBytes {
    /// Commands. **Full, it drops its oldest command**: the server allows schedules only in
    /// streams that discard the old. Set it only where the account demands a limit, and high.
    pub commands: Option<u64>,
    /// Tasks.
    pub tasks: Option<u64>,
    /// Values of invocations.
    pub state: Option<u64>,
    /// Journal pages.
    pub journal: Option<u64>,
    /// Living members.
    pub members: Option<u64>,
    /// Topology and deployments.
    pub config: Option<u64>,
    /// Dead letters. Full, it refuses more, and what can't be used stays where it is.
    pub dead_letters: Option<u64>,
}
