//! Half a minute of real kills on one server: everything holds, and nothing is left behind.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A machine that does other things beside: what is late is told, and only what stands still is
/// an error.
const LENIENT: [&str; 4] = ["--recovery-max", "30", "--patience", "180"];

fn crash(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater-crash"));
    command.args(args).args(LENIENT).arg("--dir").arg(dir);
    command
}

#[test]
fn everything_holds_after_half_a_minute_of_kills() {
    let dir = tempfile::tempdir().unwrap();
    let status = crash(dir.path(), &["--seconds", "30", "--workflows", "450"]).status();
    if !status.unwrap().success() {
        // What there is to look at outlives the test.
        panic!("a check failed; see above, and {}", dir.keep().display());
    }
    assert_eq!(entries(dir.path()), 0, "the folder is removed");
}

#[test]
fn a_run_that_is_killed_leaves_no_process_and_no_folder() {
    let dir = tempfile::tempdir().unwrap();
    let run = crash(dir.path(), &["--workflows", "100"])
        .stdout(Stdio::null())
        .spawn();
    let mut run = Run(run.unwrap());
    eventually("a worker is at work", || {
        let ledgers = entries_of_run(dir.path(), "ledger");
        ledgers.iter().any(|name| name.starts_with('w'))
    });
    assert!(processes(dir.path()) >= 5);
    run.0.kill().unwrap();
    run.0.wait().unwrap();
    eventually("the folder is gone", || entries(dir.path()) == 0);
    eventually("its processes are gone", || processes(dir.path()) == 0);
}

/// Killed also if the test fails.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn entries_of_run(dir: &Path, part: &str) -> Vec<String> {
    let Some(Ok(run)) = std::fs::read_dir(dir).unwrap().next() else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(run.path().join(part)).into_iter();
    let names = entries.flatten().flatten().map(|entry| entry.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Processes that name the folder: all that a run starts do.
fn processes(dir: &Path) -> usize {
    let dir = dir.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let command_lines =
        all.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    command_lines
        .filter(|line| String::from_utf8_lossy(line).contains(dir))
        .count()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
