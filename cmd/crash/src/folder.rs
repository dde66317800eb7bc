//! The folder of a run: removed at its end, also if the run is killed; kept if a check failed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

use crate::error::CrashError;

/// What tells the sweeper to leave the folder alone.
pub(crate) const KEEP: &str = "keep";

/// Attempts to remove a folder: processes that write to it may be dying.
const ATTEMPTS: u32 = 50;

/// Folders in it.
const PARTS: [&str; 4] = ["logs", "ledger", "states", "nats"];

/// The folder, and the process that removes it should this one not come to it.
pub(crate) struct Folder {
    path: PathBuf,
    sweeper: Child,
}

impl Folder {
    /// A new folder in `parent`; none: where temporary files go.
    pub(crate) fn make(parent: Option<&Path>) -> Result<Self, CrashError> {
        let make = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix("headwater-crash-");
            let folder = match parent {
                // Servers run with it as their own path, so it has to be absolute.
                Some(parent) => builder.tempdir_in(std::fs::canonicalize(parent)?)?,
                None => builder.tempdir()?,
            };
            for part in PARTS {
                std::fs::create_dir(folder.path().join(part))?;
            }
            let sweeper = spawn_sweeper(&folder)?;
            // From here on it is the sweeper's.
            let path = folder.keep();
            Ok(Self { path, sweeper })
        };
        make().map_err(CrashError::io("a folder for the run"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remove it.
    pub(crate) async fn remove(mut self) {
        drop(self.sweeper.stdin.take());
        // It ends by itself, or has ended.
        let _ = self.sweeper.wait().await;
        remove(&self.path).await;
    }

    /// Leave it there.
    pub(crate) async fn keep(mut self) -> PathBuf {
        if let Some(mut stdin) = self.sweeper.stdin.take() {
            // A sweeper that has died sweeps nothing.
            let _ = stdin.write_all(format!("{KEEP}\n").as_bytes()).await;
        }
        let _ = self.sweeper.wait().await;
        self.path
    }
}

fn spawn_sweeper(folder: &TempDir) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["role", "sweeper", "--folder"])
        .arg(folder.path())
        // Its end tells the sweeper that this process is gone.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What is sent to the group of this process is not for it.
        .process_group(0)
        .spawn()
}

/// Remove a folder that dying processes may still write to.
pub(crate) async fn remove(path: &Path) {
    for _ in 0..ATTEMPTS {
        match std::fs::remove_dir_all(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
