//! The processes and their folder: begun in order, ended whatever happened.

use std::path::{Path, PathBuf};

use headwater::Client;
use rustix::fs::statfs;
use tempfile::TempDir;

use crate::{
    child::Child,
    error::BenchError,
    role,
    server::Server,
    usage::{Pids, Process},
};

/// What statfs(2) answers for a file system in memory.
const TMPFS_MAGIC: u32 = 0x0102_1994;

/// The folder of one run, on a disk.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A new folder in `parent`; none: in cargo's target folder, if there is one, else here.
    pub(crate) fn make(parent: Option<&Path>) -> Result<Self, BenchError> {
        let parent = match parent {
            Some(parent) => parent.to_owned(),
            None => {
                let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
                let target = PathBuf::from(target);
                if target.is_dir() {
                    target
                } else {
                    PathBuf::from(".")
                }
            }
        };
        let make = || {
            // The server runs with this as its own path, so it has to be absolute.
            let parent = std::fs::canonicalize(&parent)?;
            tempfile::Builder::new()
                .prefix("headwater-bench-")
                .tempdir_in(parent)
        };
        let folder = make().map_err(BenchError::io(format!("a folder in {parent:?}")))?;
        let is_tmpfs = statfs(folder.path()).is_ok_and(|fs| {
            u64::try_from(fs.f_type).is_ok_and(|kind| kind == u64::from(TMPFS_MAGIC))
        });
        if is_tmpfs {
            return Err(BenchError::Tmpfs(parent));
        }
        Ok(Self(folder))
    }
}

/// Server, engine and worker, as far as they run.
pub(crate) struct Installation {
    folder: Folder,
    server: Option<Server>,
    engine: Option<Child>,
    worker: Option<Child>,
}

impl Installation {
    pub(crate) fn new(folder: Folder) -> Self {
        Self {
            folder,
            server: None,
            engine: None,
            worker: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.0.path()
    }

    pub(crate) async fn start_server(&mut self) -> Result<(), BenchError> {
        self.server = Some(Server::start(self.folder()).await?);
        Ok(())
    }

    /// Start engine and worker, until both take work.
    pub(crate) async fn start_roles(&mut self) -> Result<(), BenchError> {
        let url = self.server()?.url.clone();
        let args = ["--url".as_ref(), url.as_ref()];
        let folder = self.folder().to_owned();
        let engine = self.engine.insert(Child::spawn("engine", &args, &folder)?);
        engine.await_ready().await?;
        let worker = self.worker.insert(Child::spawn("worker", &args, &folder)?);
        worker.await_ready().await
    }

    pub(crate) fn server(&self) -> Result<&Server, BenchError> {
        self.server.as_ref().ok_or(BenchError::Ended("server"))
    }

    /// The processes that run; this one is the driver.
    pub(crate) fn pids(&self) -> Pids {
        let mut pids = Pids::default();
        let server = self.server.as_ref().and_then(|server| server.child.pid());
        pids[Process::Server] = server;
        pids[Process::Engine] = self.engine.as_ref().and_then(Child::pid);
        pids[Process::Worker] = self.worker.as_ref().and_then(Child::pid);
        pids[Process::Driver] = Some(std::process::id());
        pids
    }

    fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        let server = self.server.as_mut().map(|server| &mut server.child);
        let roles = [self.engine.as_mut(), self.worker.as_mut()];
        std::iter::once(server).chain(roles).flatten()
    }

    /// Print what bears on an error: why the invocation stands still, who has ended.
    pub(crate) async fn explain(&mut self, error: &BenchError) {
        if let (BenchError::Stalled { id, .. }, Some(server)) = (error, &self.server)
            && let Ok(client) = role::config(server.url.clone()).client().await
        {
            explain_invocation(&client, id).await;
        }
        for child in self.children() {
            if child.has_ended() {
                eprintln!("--- the {} process has ended", child.name);
            }
        }
    }

    /// Print the ends of the logs: the processes log nothing unless something is wrong.
    pub(crate) fn show_logs(&mut self) {
        for child in self.children() {
            let tail = child.log_tail();
            if !tail.is_empty() {
                eprintln!("--- end of {}.log\n{tail}", child.name);
            }
        }
    }

    /// End every process, then remove the folder unless there is something in it to be kept.
    pub(crate) async fn end(self, keep: bool) {
        let keep = keep && self.server.is_some();
        let server = self.server.map(|server| server.child);
        for child in [self.worker, self.engine, server].into_iter().flatten() {
            child.end().await;
        }
        let Folder(folder) = self.folder;
        if keep {
            eprintln!("logs and store are kept in {}", folder.keep().display());
        }
    }
}

async fn explain_invocation(client: &Client, id: &headwater::wire::InvocationId) {
    match client.why(id).await {
        Ok(lines) => eprintln!("--- why {id}\n{}", lines.join("\n")),
        Err(error) => eprintln!("--- why {id}: {error}"),
    }
    match client.state(id).await {
        Ok(state) => eprintln!("--- state\n{}", String::from_utf8_lossy(&state.json)),
        Err(error) => eprintln!("--- state: {error}"),
    }
}
