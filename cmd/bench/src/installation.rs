//! The processes and their folder: begun in order, ended whatever happened.

use std::path::{Path, PathBuf};

use headwater::Client;
use rustix::fs::statfs;
use tempfile::TempDir;

use crate::{
    child::Child,
    error::BenchError,
    metrics::Metrics,
    server::Server,
    setting::Setting,
    usage::{Group, Pids, Process},
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

/// Servers, engine and worker, as far as they run.
pub(crate) struct Installation {
    folder: Folder,
    /// Of the servers that run, in the folder.
    part: PathBuf,
    server: Option<Server>,
    engine: Option<Child>,
    worker: Option<Child>,
    metrics: Option<Metrics>,
}

impl Installation {
    pub(crate) fn new(folder: Folder) -> Self {
        Self {
            part: folder.0.path().to_owned(),
            folder,
            server: None,
            engine: None,
            worker: None,
            metrics: None,
        }
    }

    /// End what runs, and start the servers of this setting in a folder of their own.
    pub(crate) async fn start_servers(&mut self, setting: Setting) -> Result<(), BenchError> {
        self.end_processes().await;
        self.part = self.folder.0.path().join(setting.folder());
        std::fs::create_dir_all(&self.part).map_err(BenchError::io("making a folder"))?;
        self.server = Some(Server::start(setting, &self.part).await?);
        Ok(())
    }

    /// Start engine and worker, until both take work. Those that run are ended before.
    pub(crate) async fn start_roles(&mut self) -> Result<(), BenchError> {
        self.end_roles().await;
        let server = self.server()?;
        let url = server.url.clone();
        let mut args = vec!["--url".as_ref(), url.as_ref()];
        if server.setting == Setting::GroupCommit {
            args.push("--group-commit".as_ref());
        }
        let engine = Child::spawn("engine", &args, &self.part)?;
        let address = self.engine.insert(engine).await_ready().await?;
        self.metrics = Some(Metrics { address });
        let worker = Child::spawn("worker", &args, &self.part)?;
        self.worker.insert(worker).await_ready().await?;
        Ok(())
    }

    pub(crate) fn server(&self) -> Result<&Server, BenchError> {
        self.server.as_ref().ok_or(BenchError::Ended("server"))
    }

    /// Those of the engine.
    pub(crate) fn metrics(&self) -> Result<&Metrics, BenchError> {
        self.metrics.as_ref().ok_or(BenchError::Ended("engine"))
    }

    /// The processes that run; this one is the driver.
    pub(crate) fn pids(&self) -> Pids {
        let mut pids = Pids::default();
        let nodes = self.server.iter().flat_map(|server| &server.nodes);
        pids[Process::Server] = Group::of(nodes.filter_map(|node| node.child.pid()));
        pids[Process::Engine] = Group::of(self.engine.as_ref().and_then(Child::pid));
        pids[Process::Worker] = Group::of(self.worker.as_ref().and_then(Child::pid));
        pids[Process::Driver] = Group::of([std::process::id()]);
        pids
    }

    fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        let nodes = self.server.iter_mut().flat_map(|server| &mut server.nodes);
        let roles = [self.engine.as_mut(), self.worker.as_mut()];
        nodes
            .map(|node| &mut node.child)
            .chain(roles.into_iter().flatten())
    }

    /// Print what bears on an error: why the invocation stands still, who has ended.
    pub(crate) async fn explain(&mut self, error: &BenchError) {
        if let (BenchError::Stalled { id, .. }, Some(server)) = (error, &self.server)
            && let Ok(client) = server.config().client().await
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
    fn show_logs(&mut self) {
        for child in self.children() {
            let tail = child.log_tail();
            if !tail.is_empty() {
                eprintln!("--- end of {}.log\n{tail}", child.name);
            }
        }
    }

    /// End every process, then remove the folder unless there is something in it to be kept.
    pub(crate) async fn end(mut self, keep: bool) {
        let keep = keep && self.part != self.folder.0.path();
        self.end_processes().await;
        let Folder(folder) = self.folder;
        if keep {
            eprintln!("logs and store are kept in {}", folder.keep().display());
        }
    }

    async fn end_processes(&mut self) {
        self.end_roles().await;
        for node in self
            .server
            .take()
            .into_iter()
            .flat_map(|server| server.nodes)
        {
            node.child.end().await;
        }
    }

    async fn end_roles(&mut self) {
        self.show_logs();
        self.metrics = None;
        for child in [self.worker.take(), self.engine.take()]
            .into_iter()
            .flatten()
        {
            child.end().await;
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
