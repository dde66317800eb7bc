//! The server of the bench: one node, default sync, its own folder and ports.

use std::path::{Path, PathBuf};

use async_nats::Client;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Duration, Instant, sleep, timeout},
};

use crate::{
    child::{Child, PATIENCE},
    error::{BenchError, Doing as _},
};

/// Pause between two looks whether the server is up.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Server {
    pub(crate) child: Child,
    /// Where clients connect.
    pub(crate) url: String,
    /// Host and port of the monitoring pages.
    monitor: String,
}

/// The file in which the server tells the ports that it was given.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

/// Of the page `/varz`: all that went in since the start.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) in_msgs: u64,
}

impl Server {
    pub(crate) async fn start(folder: &Path) -> Result<Self, BenchError> {
        let config = folder.join("nats.conf");
        let (store, log) = (folder.join("store"), folder.join("nats.log"));
        // Port -1: the system chooses, so that nobody can take the port meanwhile.
        let text = format!(
            "server_name: bench\nlisten: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n\
             ports_file_dir: {folder:?}\nlog_file: {log:?}\njetstream {{\n store_dir: {store:?}\n}}\n"
        );
        std::fs::write(&config, text).map_err(BenchError::io(format!("writing {config:?}")))?;
        let (binary, parent) = (binary()?, std::process::id().to_string());
        let args = [
            "--binary".as_ref(),
            binary.as_os_str(),
            "--config".as_ref(),
            config.as_os_str(),
            "--parent".as_ref(),
            parent.as_ref(),
        ];
        let child = Child::spawn("server", &args, folder)?;
        let mut server = Self {
            child,
            url: String::new(),
            monitor: String::new(),
        };
        server.await_ready(folder).await?;
        Ok(server)
    }

    async fn await_ready(&mut self, folder: &Path) -> Result<(), BenchError> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some((url, monitor)) = ports(folder) {
                (self.url, self.monitor) = (url, monitor);
                let page = self.page("/healthz").await;
                if page.is_some_and(|page| page.contains("\"ok\"")) {
                    return Ok(());
                }
            }
            if self.child.has_ended() {
                return Err(BenchError::Ended("server"));
            }
            sleep(LOOK_PAUSE).await;
        }
        Err(BenchError::NotReady {
            name: "server",
            patience: PATIENCE,
        })
    }

    /// A bare client of it.
    pub(crate) async fn connect(&self) -> Result<Client, BenchError> {
        async_nats::connect(&self.url)
            .await
            .doing("connecting to the server")
    }

    /// Messages that it has received so far, acknowledgements and requests too.
    pub(crate) async fn received(&self) -> Result<Received, BenchError> {
        let page = self.page("/varz").await.unwrap_or_default();
        serde_json::from_str(&page).doing("reading /varz")
    }

    /// The body of a monitoring page, if it answers.
    async fn page(&self, path: &str) -> Option<String> {
        let get = async {
            let mut connection = TcpStream::connect(&self.monitor).await.ok()?;
            let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
            connection.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.ok()?;
            let (_, body) = answer.split_once("\r\n\r\n")?;
            Some(body.to_owned())
        };
        timeout(Duration::from_secs(5), get).await.ok()?
    }
}

/// The client's URL and the monitoring address, once the server has written them.
fn ports(folder: &Path) -> Option<(String, String)> {
    let file = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "ports")
        })?;
    let ports: Ports = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let monitor = ports
        .monitoring
        .first()?
        .strip_prefix("http://")?
        .to_owned();
    Some((ports.nats.first()?.clone(), monitor))
}

/// The binary to run.
fn binary() -> Result<PathBuf, BenchError> {
    if let Some(named) = std::env::var_os("HEADWATER_NATS_SERVER").map(PathBuf::from) {
        return match named.is_file() {
            true => Ok(named),
            false => Err(BenchError::BadServer(named)),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.is_file())
        .ok_or(BenchError::NoServer)
}
