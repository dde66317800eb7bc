//! `bench-peers`: the same workloads on Headwater, on Restate and on duroxide, in one run on one
//! machine.
//!
//! | file | holds |
//! |---|---|
//! | `cli` | arguments, and the plan that they make |
//! | `workload` | what is run, and at which concurrency |
//! | `system` | who is measured, and how each of them syncs |
//! | `headwater`, `restate`, `duroxide` | one of them each: its processes, its workflows, its client |
//! | `role`, `child`, `folder` | the processes and what they are in |
//! | `window` | closed loops, and the windows of time that are measured |
//! | `bench` | the order of things |
//! | `report`, `table`, `stats` | what is told |

mod bench;
mod child;
mod cli;
mod duroxide;
mod error;
mod folder;
mod headwater;
mod report;
mod restate;
mod role;
mod stats;
mod system;
mod table;
mod window;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, Options},
    error::PeersError,
    folder::Folder,
    report::Report,
};

/// Exit code of a process that a signal ended, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

// The runtime drives this function on the process's first thread, which lives as long as the
// process: children are started from it, and die with the thread that started them.
#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.role {
        Some(role) => role::run(role).await,
        None => {
            // Before duroxide sets up its own, which writes all it does to standard output. At this
            // load it warns many times a second that SQLite is locked.
            role::log("error");
            bench(&cli.options).await
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(PeersError::Interrupted) => {
            eprintln!("interrupted: every process that was started has been ended");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Run everything; what is dropped at the end ends its processes and removes its folders.
async fn bench(options: &Options) -> Result<(), PeersError> {
    let mut report = Report::new(options.json);
    let folder = Folder::make(options.dir.as_deref())?;
    let ended = tokio::select! {
        biased;
        () = asked_to_stop() => Err(PeersError::Interrupted),
        ended = bench::run(options, &folder, &mut report) => ended,
    };
    drop(folder);
    report.finish();
    ended
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
