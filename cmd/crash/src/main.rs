//! `headwater-crash`: real processes, killed, paused and cut off at random while thousands of
//! workflows run; then what is recorded is held against what was executed.
//!
//! The one command starts its own NATS server or cluster, and itself again as three processors
//! (engines) and two workers; it ends them all.
//!
//! | file | holds |
//! |---|---|
//! | `cli` | arguments |
//! | `run` | the whole run, from the first process to the verdict |
//! | `folder`, `child`, `role` | the folder, the processes, and what they run |
//! | `workload`, `workflows`, `submit` | the jobs and their right results; the workflows; the client |
//! | `ledger` | what was really executed, written by the executions themselves |
//! | `schedule`, `lane`, `servers`, `faults` | which faults, from a seed; who does them; what was done |
//! | `history` | every turn of every invocation, as it was stored |
//! | `evidence`, `logs`, `checks` | what is known at the end, and what must hold of it |
//! | `recovery`, `summary` | how long it took to go on after each fault; what is told |

// Outside the simulation: it kills real processes in real time.
#![allow(clippy::disallowed_methods)]

mod checks;
mod child;
mod cli;
mod clock;
mod error;
mod evidence;
mod faults;
mod folder;
mod history;
mod lane;
mod ledger;
mod logs;
mod recovery;
mod role;
mod run;
mod schedule;
mod servers;
mod submit;
mod summary;
mod workflows;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, error::CrashError, folder::Folder};

/// Exit code of a process that a signal ended, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

// The runtime drives this function on the process's first thread, which lives as long as the
// process: children are started from it, and die with the thread that started them.
#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.role {
        Some(role) => role::run(role).await.map(|()| true),
        None => crash(&cli.options).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(CrashError::Interrupted) => {
            eprintln!("interrupted");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Run everything; the folder is kept if something failed. Answers whether every check holds.
async fn crash(options: &cli::Options) -> Result<bool, CrashError> {
    headwater_testkit::server_binary().map_err(CrashError::NoServer)?;
    let folder = Folder::make(options.dir.as_deref())?;
    let ended = tokio::select! {
        biased;
        () = asked_to_stop() => Err(CrashError::Interrupted),
        ended = run::run(options, folder.path()) => ended,
    };
    match ended {
        Ok(true) | Err(CrashError::Interrupted) if !options.keep => folder.remove().await,
        _ => {
            let path = folder.keep().await;
            println!("\nKept in {}:", path.display());
            println!(
                "  logs/       what each process logged, one file a life: p2.3 is the third of p2"
            );
            println!("  ledger/     what each process executed");
            println!(
                "  states/     the states that a failed check is about, as headwater stores them"
            );
            println!("  nats/       configuration, log and store of the servers");
        }
    }
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
