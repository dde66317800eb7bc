//! The folder of one run, on a disk. It is removed when it is dropped.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::statfs;
use tempfile::TempDir;

use crate::error::PeersError;

/// What statfs(2) answers for a file system in memory.
const TMPFS_MAGIC: u32 = 0x0102_1994;

pub(crate) struct Folder(TempDir);

impl Folder {
    /// A new folder in `parent`; none: beside this program.
    pub(crate) fn make(parent: Option<&Path>) -> Result<Self, PeersError> {
        let parent = match parent {
            Some(parent) => parent.to_owned(),
            None => beside_this_program()?,
        };
        let folder = make_in(&parent, "bench-peers-")?;
        let is_tmpfs = statfs(folder.path()).is_ok_and(|fs| {
            u64::try_from(fs.f_type).is_ok_and(|kind| kind == u64::from(TMPFS_MAGIC))
        });
        if is_tmpfs {
            return Err(PeersError::Tmpfs(parent));
        }
        Ok(Self(folder))
    }

    /// A new one in it, for one installation.
    pub(crate) fn make_inner(&self) -> Result<TempDir, PeersError> {
        make_in(self.0.path(), "installation-")
    }
}

impl Drop for Folder {
    /// Again if something was still being written when it was removed; what is left then is told.
    fn drop(&mut self) {
        for _ in 0..50 {
            if std::fs::remove_dir_all(self.0.path()).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.0.path().exists() {
            eprintln!("{} cannot be removed", self.0.path().display());
        }
    }
}

fn beside_this_program() -> Result<PathBuf, PeersError> {
    let program = std::env::current_exe().map_err(PeersError::io("finding this program"))?;
    Ok(program.parent().unwrap_or(Path::new(".")).to_owned())
}

fn make_in(parent: &Path, prefix: &str) -> Result<TempDir, PeersError> {
    let make = || {
        // Servers run with this as their own path, so it has to be absolute.
        let parent = std::fs::canonicalize(parent)?;
        tempfile::Builder::new().prefix(prefix).tempdir_in(parent)
    };
    make().map_err(PeersError::io(format!("a folder in {parent:?}")))
}
