//! One life of a processor or worker: a process of this program in another role.

use std::{path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child as Process, ChildStdin, Command},
};

use crate::error::CrashError;

/// What a role prints once it takes work, followed by the id of its engine, if it is one.
pub(crate) const READY: &str = "ready ";

/// Time for a process to come up, on a busy machine and with servers that are coming up, too.
const PATIENCE: Duration = Duration::from_secs(90);

/// A process that is killed when this is dropped; and it dies with this process, however that
/// ends.
pub(crate) struct Child {
    /// Which process, and which of its lives.
    pub(crate) name: String,
    process: Process,
    /// Held open: its end tells the role that this process is gone. Not left in `process`,
    /// whose wait would close it.
    _stdin: Option<ChildStdin>,
}

impl Child {
    pub(crate) fn spawn(
        role: &str,
        name: String,
        url: &str,
        folder: &Path,
    ) -> Result<Self, CrashError> {
        let start = || {
            let log = folder.join("logs").join(format!("{name}.log"));
            let stderr = std::fs::File::create(log)?;
            Command::new(std::env::current_exe()?)
                .args(["role", role, "--url", url, "--name", &name])
                .args(["--parent", &std::process::id().to_string()])
                .arg("--ledger")
                .arg(folder.join("ledger").join(&name))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(stderr)
                // Ctrl-C is for this process alone, which then ends its children.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        let started = start().map_err(CrashError::io(format!("{name} cannot be started")));
        let mut process = started?;
        let stdin = process.stdin.take();
        Ok(Self {
            name,
            process,
            _stdin: stdin,
        })
    }

    /// Wait until it takes work; answers the id of its engine, if it is one.
    pub(crate) async fn await_ready(&mut self) -> Result<Option<String>, CrashError> {
        let not_ready = || CrashError::NotReady(self.name.clone());
        let stdout = self.process.stdout.take().ok_or_else(not_ready)?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            return Err(not_ready());
        };
        let engine = line.strip_prefix(READY).ok_or_else(not_ready)?;
        Ok((!engine.is_empty()).then(|| engine.to_owned()))
    }

    /// Wait until it ends by itself.
    pub(crate) async fn ended(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// `kill -9`, and wait until it is gone.
    pub(crate) async fn kill9(&mut self) {
        // Fails only if it has ended already.
        let _ = self.process.kill().await;
    }

    /// Send a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended.
            let _ = kill_process(pid, signal);
        }
    }
}
