//! A process of an installation: this program in a role, or a server behind it.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child as Process, Command},
    time::sleep,
};

use crate::error::PeersError;

/// What a role prints once it takes work, perhaps with its address behind it.
pub(crate) const READY: &str = "ready";

/// Time for a process to come up, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Lines of a log that are shown after an error.
const LOG_LINES_SHOWN: usize = 20;

/// Pause between two looks whether something is up.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A process that is killed when this is dropped; and it dies with this process, however that ends.
pub(crate) struct Child {
    pub(crate) name: &'static str,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// This program again, in a role. Its standard error goes to a file in the folder.
    pub(crate) fn role(
        name: &'static str,
        args: &[&str],
        folder: &Path,
    ) -> Result<Self, PeersError> {
        let args = std::iter::once(name).chain(args.iter().copied());
        Self::spawn(name, args.map(OsString::from), folder, Stdio::piped())
    }

    /// A server with nothing of our environment, its output in the folder's log.
    pub(crate) fn server(
        name: &'static str,
        binary: &Path,
        args: &[&OsStr],
        folder: &Path,
    ) -> Result<Self, PeersError> {
        let parent = std::process::id().to_string();
        let mut line: Vec<OsString> = vec!["server".into(), "--parent".into(), parent.into()];
        line.extend(["--".into(), binary.into()]);
        line.extend(args.iter().map(|arg| (*arg).to_owned()));
        let output = std::fs::File::create(folder.join(format!("{name}.out")))
            .map_err(PeersError::io(format!("a log of the {name}")))?;
        Self::spawn(name, line.into_iter(), folder, output.into())
    }

    fn spawn(
        name: &'static str,
        args: impl Iterator<Item = OsString>,
        folder: &Path,
        stdout: Stdio,
    ) -> Result<Self, PeersError> {
        let log = folder.join(format!("{name}.err"));
        let start = || {
            let stderr = std::fs::File::create(&log)?;
            Command::new(std::env::current_exe()?)
                .arg("role")
                .args(args)
                .current_dir(folder)
                // Held open: its end tells the role that this process is gone.
                .stdin(Stdio::piped())
                .stdout(stdout)
                .stderr(stderr)
                // Ctrl-C is for this process alone, which then ends its children.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        let process = start().map_err(PeersError::io(format!("the {name} cannot be started")))?;
        Ok(Self { name, process, log })
    }

    /// Wait until the role says that it is ready; answers what it says behind that.
    pub(crate) async fn await_ready(&mut self) -> Result<String, PeersError> {
        let name = self.name;
        let Some(stdout) = self.process.stdout.as_mut() else {
            return Ok(String::new());
        };
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let patience = PATIENCE;
        let line = line.map_err(|_| PeersError::NotReady { name, patience })?;
        match line.ok().flatten() {
            Some(line) if line.starts_with(READY) => Ok(line[READY.len()..].trim().to_owned()),
            _ => Err(PeersError::Ended(name)),
        }
    }

    /// Look again and again, until `look` finds what it looks for.
    pub(crate) async fn await_found<T>(
        &mut self,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T, PeersError> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(found) = look().await {
                return Ok(found);
            }
            if self.has_ended() {
                return Err(PeersError::Ended(self.name));
            }
            sleep(LOOK_PAUSE).await;
        }
        let (name, patience) = (self.name, PATIENCE);
        Err(PeersError::NotReady { name, patience })
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Print the last lines of its log, if it has any.
    pub(crate) fn show_log(&self) {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        if lines.is_empty() {
            return;
        }
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        eprintln!(
            "--- end of the log of the {}\n{}",
            self.name,
            lines[from..].join("\n")
        );
    }
}

impl Drop for Child {
    /// Kill it, and wait until it is gone: what it has written is about to be removed.
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.process.start_kill();
        let started = Instant::now();
        while !self.has_ended() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
