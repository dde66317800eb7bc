//! Who is measured, and how each of them syncs.

use std::{path::Path, process::Command, sync::Arc};

use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    cli::Options,
    duroxide,
    error::PeersError,
    folder::Folder,
    headwater, restate,
    workload::{CHAIN10, Cell, REMOTE10, Workload},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum System {
    Headwater,
    Restate,
    Duroxide,
}

pub(crate) const SYSTEMS: [System; 3] = [System::Headwater, System::Restate, System::Duroxide];

/// What has happened to a write when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sync {
    /// The operating system has it: it survives a killed process.
    Process,
    /// The disk has it: it survives a power cut.
    Fsync,
}

pub(crate) const SYNCS: [Sync; 2] = [Sync::Process, Sync::Fsync];

impl System {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Headwater => "Headwater",
            Self::Restate => "Restate",
            Self::Duroxide => "duroxide",
        }
    }

    /// What it does when nobody configures it.
    pub(crate) fn default_sync(self) -> Sync {
        match self {
            Self::Restate => Sync::Fsync,
            Self::Headwater | Self::Duroxide => Sync::Process,
        }
    }

    /// The setting that stands for this, to be told.
    pub(crate) fn setting(self, sync: Sync) -> &'static str {
        match (self, sync) {
            (Self::Headwater, Sync::Process) => "nats-server as it comes (sync_interval 2m)",
            (Self::Headwater, Sync::Fsync) => "nats-server with sync_interval: always",
            (Self::Restate, Sync::Process) => "[log-server] rocksdb-disable-wal-fsync = true",
            (Self::Restate, Sync::Fsync) => "restate-server as it comes",
            (Self::Duroxide, Sync::Process) => "as it comes (SQLite WAL, synchronous=NORMAL)",
            (Self::Duroxide, Sync::Fsync) => "SQLite WAL with PRAGMA synchronous=FULL",
        }
    }

    /// A cell that is the very same on this product: all steps of duroxide are activities.
    pub(crate) fn same_as(self, cell: Cell) -> Option<Cell> {
        let is_same = self == Self::Duroxide && cell.workload == REMOTE10;
        is_same.then_some(Cell {
            workload: CHAIN10,
            ..cell
        })
    }

    /// The version that is measured, or why it is not measured.
    pub(crate) fn version(self, options: &Options) -> Result<String, String> {
        match self {
            Self::Headwater => headwater::version(options),
            Self::Restate => restate::version(options),
            Self::Duroxide => Ok(duroxide::VERSION.to_owned()),
        }
    }
}

/// One product, running, with an empty store of its own.
pub(crate) struct Installation {
    running: Running,
    // Dropped last: the processes are in it.
    _folder: TempDir,
}

enum Running {
    Headwater(Box<headwater::Installation>),
    Restate(Box<restate::Installation>),
    Duroxide(duroxide::Installation),
}

impl Installation {
    pub(crate) async fn start(
        system: System,
        sync: Sync,
        options: &Options,
        folder: &Folder,
    ) -> Result<Self, PeersError> {
        let folder = folder.make_inner()?;
        let path = folder.path();
        let running = match system {
            System::Headwater => {
                let running = headwater::Installation::start(options, sync, path).await?;
                Running::Headwater(Box::new(running))
            }
            System::Restate => {
                let running = restate::Installation::start(options, sync, path).await?;
                Running::Restate(Box::new(running))
            }
            System::Duroxide => Running::Duroxide(duroxide::Installation::start(sync, path).await?),
        };
        Ok(Self {
            running,
            _folder: folder,
        })
    }

    pub(crate) fn client(&self) -> Client {
        match &self.running {
            Running::Headwater(running) => Client::Headwater(running.client.clone()),
            Running::Restate(running) => Client::Restate(Arc::clone(&running.client)),
            Running::Duroxide(running) => Client::Duroxide(running.client.clone()),
        }
    }

    /// Print the ends of the logs.
    pub(crate) fn show_logs(&self) {
        match &self.running {
            Running::Headwater(running) => running.show_logs(),
            Running::Restate(running) => running.show_logs(),
            Running::Duroxide(_) => {}
        }
    }

    /// See that it still syncs as it should, as far as it tells.
    pub(crate) async fn check_sync(&self) -> Result<(), PeersError> {
        match &self.running {
            Running::Headwater(_) | Running::Restate(_) => Ok(()),
            Running::Duroxide(running) => running.check_sync().await,
        }
    }

    /// End its processes; those that are dropped instead are killed.
    pub(crate) async fn end(self) {
        match self.running {
            Running::Headwater(_) | Running::Restate(_) => {}
            Running::Duroxide(running) => running.end().await,
        }
    }
}

/// Starts workflows, and waits for their ends.
#[derive(Clone)]
pub(crate) enum Client {
    Headwater(::headwater::Client),
    Restate(Arc<restate::Client>),
    Duroxide(duroxide::Client),
}

impl Client {
    /// One workflow, from its start until its answer is here and right.
    pub(crate) async fn call(&self, workload: Workload) -> Result<(), PeersError> {
        match self {
            Self::Headwater(client) => headwater::call(client, workload).await,
            Self::Restate(client) => client.call(workload).await,
            Self::Duroxide(client) => client.call(workload).await,
        }
    }
}

/// What a server says of its version, or why it does not.
pub(crate) fn version_of(binary: &Path) -> Result<String, String> {
    let said = Command::new(binary)
        .arg("--version")
        .env_clear()
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", binary.display()))?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    match said.is_empty() {
        true => Err(format!("{} does not tell its version", binary.display())),
        false => Ok(said),
    }
}
