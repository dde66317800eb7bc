//! What the processes of an installation run.

use std::{
    ffi::OsString,
    os::unix::process::{CommandExt as _, parent_id},
    path::PathBuf,
    process::Command,
};

use clap::{Args, Subcommand};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::io::AsyncReadExt as _;
use tracing_subscriber::EnvFilter;

use crate::{child::READY, error::PeersError, headwater, restate};

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// What the bench starts itself as
    #[command(hide = true, subcommand)]
    Role(Kind),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// Headwater: the workflows, no activities
    Engine(Servers),
    /// Headwater: the activities, no workflows
    Worker(Servers),
    /// Restate: the service of the workflows
    Workflows,
    /// Restate: the service that the workflows call
    Steps,
    /// A server that does not outlive the bench
    Server {
        /// Process id of the bench
        #[arg(long)]
        parent: u32,
        binary: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// How Headwater's processes find their server.
#[derive(Args, Debug)]
pub(crate) struct Servers {
    #[arg(long)]
    pub(crate) url: String,
    /// It syncs before each acknowledgement, and is declared to
    #[arg(long)]
    pub(crate) sync_always: bool,
}

pub(crate) async fn run(role: Role) -> Result<(), PeersError> {
    let Role::Role(kind) = role;
    die_with_the_bench()?;
    match kind {
        Kind::Engine(servers) => headwater::serve_engine(servers).await,
        Kind::Worker(servers) => headwater::serve_worker(servers).await,
        Kind::Workflows => restate::serve_workflows().await,
        Kind::Steps => restate::serve_steps().await,
        Kind::Server {
            parent,
            binary,
            args,
        } => {
            if parent_id() != parent {
                return Err(PeersError::Ended("bench"));
            }
            // Answers only if the server can't be run; what was asked of the kernel stays in force.
            let error = Command::new(&binary).args(args).env_clear().exec();
            Err(PeersError::io(format!("{binary:?} cannot be run"))(error))
        }
    }
}

/// What is logged goes to standard error.
pub(crate) fn log(filter: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

/// Tell the bench that this role takes work, perhaps where, and wait until the bench is gone.
pub(crate) async fn ready(address: &str) {
    println!("{READY} {address}");
    let mut nothing = [0; 1];
    let _ = tokio::io::stdin().read(&mut nothing).await;
}

fn die_with_the_bench() -> Result<(), PeersError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| PeersError::io("prctl(PR_SET_PDEATHSIG)")(error.into()))
}
