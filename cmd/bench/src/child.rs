//! A process of the bench: this program in another role, or the server behind it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child as Process, Command},
};

use crate::error::BenchError;

/// What a role prints once it takes work; an engine adds the address of its metrics.
pub(crate) const READY: &str = "ready";

/// Pause between two looks at what only tells its state when asked.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Time for a process to come up, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Lines of a log that are shown after an error.
const LOG_LINES_SHOWN: usize = 20;

/// A process that is killed when this is dropped; and it dies with this process, however that ends.
pub(crate) struct Child {
    pub(crate) name: &'static str,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// This program again, in a role. Its standard error goes to a file in the folder.
    pub(crate) fn spawn(
        name: &'static str,
        args: &[&std::ffi::OsStr],
        folder: &Path,
    ) -> Result<Self, BenchError> {
        let log = folder.join(format!("{name}.log"));
        let start = || {
            let stderr = std::fs::File::create(&log)?;
            Command::new(std::env::current_exe()?)
                .args(["role", name])
                .args(args)
                // Held open: its end tells the role that this process is gone.
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(stderr)
                // Ctrl-C is for this process alone, which then ends its children.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        let process = start().map_err(BenchError::io(format!("the {name} cannot be started")))?;
        Ok(Self { name, process, log })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Wait until the role says that it is ready. Answers what else it says.
    pub(crate) async fn await_ready(&mut self) -> Result<String, BenchError> {
        let Some(stdout) = self.process.stdout.as_mut() else {
            return Err(BenchError::Ended(self.name));
        };
        let mut lines = BufReader::new(stdout).lines();
        let name = self.name;
        match tokio::time::timeout(PATIENCE, lines.next_line()).await {
            Ok(line) => {
                let line = line.ok().flatten().unwrap_or_default();
                let said = line.strip_prefix(READY);
                said.map(|said| said.trim().to_owned())
                    .ok_or(BenchError::Ended(name))
            }
            Err(_) => Err(BenchError::NotReady {
                name,
                patience: PATIENCE,
            }),
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Kill it, and wait until it is gone.
    pub(crate) async fn end(mut self) {
        // Fails only if it has ended already.
        let _ = self.process.kill().await;
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        lines[from..].join("\n")
    }
}
