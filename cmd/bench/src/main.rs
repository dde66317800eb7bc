//! `headwater-bench`: throughput and latency of the whole product, beside the raw limits of the
//! same NATS server in the same run, and whether that meets the targets.
//!
//! The one command starts servers of its own, and itself again as engine and as worker, so that
//! engine, worker and load are separate processes; it ends them all.
//!
//! | file | holds |
//! |---|---|
//! | `cli`, `course` | arguments, and what is measured on which servers and how long |
//! | `setting` | one server, a cluster, a server that syncs always |
//! | `installation`, `server`, `node`, `child` | the processes and their folder |
//! | `role` | what the processes run: engine, worker, server |
//! | `workload` | the workflows, and which of them are measured at which concurrency |
//! | `window` | closed loops, and the window of time that is measured |
//! | `cell` | one workload at one concurrency: warm-up, runs, medians |
//! | `limits` | what the server does for a bare client |
//! | `study` | what is not a load: idling, sleepers, cold reads, one long invocation |
//! | `traffic`, `usage`, `metrics`, `stats` | messages and bytes; CPU and memory; the engine's own figures; medians |
//! | `targets` | what is held against what, and whether that is enough |
//! | `report`, `table` | what is told |

// Outside the simulation: it measures real time, and its load is not part of the product.
#![allow(clippy::disallowed_methods)]

mod bench;
mod cell;
mod child;
mod cli;
mod course;
mod error;
mod http;
mod installation;
mod limits;
mod metrics;
mod node;
mod report;
mod role;
mod server;
mod setting;
mod stats;
mod study;
mod table;
mod targets;
mod traffic;
mod usage;
mod window;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, Options},
    error::BenchError,
    installation::Folder,
    report::Report,
};

/// Exit code of a process that a signal ended, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

/// As in the processor.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// The runtime drives the bench on the process's first thread, which lives as long as the
// process: children are started from it, and die with the thread that started them.
fn main() -> ExitCode {
    let cli = Cli::parse();
    // Processors as they are shipped; the load as wide as it goes.
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cli.role.is_none().then(cores);
    let runtime = headwater::runtime(threads).map_err(BenchError::io("the runtime"));
    let ended = runtime.and_then(|runtime| {
        runtime.block_on(async {
            match cli.role {
                Some(role) => role::run(role).await,
                None => bench(&cli.options).await,
            }
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(BenchError::Interrupted) => {
            eprintln!("interrupted");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Run everything, and end everything, however it ends.
async fn bench(options: &Options) -> Result<(), BenchError> {
    let courses = options.courses()?;
    let mut report = Report::new(options.json);
    let folder = Folder::make(options.dir.as_deref())?;
    let mut installation = installation::Installation::new(folder);
    let ended = tokio::select! {
        biased;
        () = asked_to_stop() => Err(BenchError::Interrupted),
        ended = bench::run(&courses, &mut installation, &mut report) => ended,
    };
    let failed = match &ended {
        Err(error) if !error.is_interrupt() => {
            installation.explain(error).await;
            true
        }
        _ => false,
    };
    let keep = options.keep || failed;
    installation.end(keep).await;
    report.print_tables();
    ended
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return ctrl_c.await;
    };
    tokio::select! {
        biased;
        () = ctrl_c => {}
        _ = terminate.recv() => {}
    }
}
