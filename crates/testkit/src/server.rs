//! One server.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::{Process, free_ports, http_get};

/// How to run a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Store streams.
    pub jetstream: bool,
    /// Write every message through to the disk before it is acknowledged.
    pub sync_always: bool,
    /// Most bytes of all streams together.
    pub max_file_bytes: Option<u64>,
    /// JetStream domain, as with leaf nodes.
    pub domain: Option<String>,
    /// More configuration, in the server's own language.
    pub extra: String,
    /// Folder for configuration, log and store; it stays. None: a temporary one.
    pub folder: Option<PathBuf>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            jetstream: true,
            sync_always: false,
            max_file_bytes: None,
            domain: None,
            extra: String::new(),
            folder: None,
        }
    }
}

impl ServerOptions {
    /// The configuration file.
    pub(crate) fn config(&self, name: &str, folder: &Path, port: u16, monitor: u16) -> String {
        let mut jetstream = String::new();
        if self.jetstream {
            let store = folder.join("store");
            jetstream += &format!("jetstream {{\n store_dir: {store:?}\n");
            if self.sync_always {
                jetstream += " sync_interval: always\n";
            }
            if let Some(bytes) = self.max_file_bytes {
                jetstream += &format!(" max_file_store: {bytes}\n");
            }
            if let Some(domain) = &self.domain {
                jetstream += &format!(" domain: {domain:?}\n");
            }
            jetstream += "}";
        }
        let log = folder.join("nats.log");
        let extra = &self.extra;
        format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             log_file: {log:?}\n{jetstream}\n{extra}\n"
        )
    }
}

/// Where servers keep what they write.
pub(crate) enum Home {
    /// Removed when this is dropped.
    Temporary(TempDir),
    /// Somebody else's.
    Given(PathBuf),
}

impl Home {
    pub(crate) fn make(options: &ServerOptions, prefix: &str) -> Self {
        match &options.folder {
            Some(folder) => Self::Given(folder.clone()),
            None => {
                let made = tempfile::Builder::new().prefix(prefix).tempdir();
                Self::Temporary(made.unwrap())
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }
}

/// A server of its own, on free ports, with a temporary store folder. Dropped, it is killed
/// and its folder removed.
pub struct NatsServer {
    process: Process,
    port: u16,
    monitor: u16,
    home: Home,
}

impl NatsServer {
    /// A server that stores, ready to be used.
    pub async fn start() -> Self {
        Self::start_with(ServerOptions::default()).await
    }

    /// A server run otherwise, ready to be used.
    pub async fn start_with(options: ServerOptions) -> Self {
        let [port, monitor] = free_ports();
        let home = Home::make(&options, "headwater-nats-");
        let config = options.config("test", home.path(), port, monitor);
        let file = home.path().join("nats.conf");
        std::fs::write(&file, config).unwrap();
        let server = Self {
            process: Process::new(file),
            port,
            monitor,
            home,
        };
        server.restart().await;
        server
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where its monitoring pages are.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor)
    }

    /// The body of one of these pages, if it answers.
    pub async fn monitor_page(&self, path: &str) -> Option<String> {
        http_get(self.monitor, path).await
    }

    /// Where it stores.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Its process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// End it without warning.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// End it in peace.
    pub async fn stop(&self) {
        self.process.stop().await;
    }

    /// Run it on the same ports and folder, ready to be used. A running one is killed before.
    pub async fn restart(&self) {
        self.process.kill9();
        self.process.spawn();
        self.process.await_healthy(self.monitor).await;
    }
}
