//! What the processes of the bench run.

use std::{
    os::unix::process::{CommandExt as _, parent_id},
    path::PathBuf,
    process::Command,
};

use clap::{Args, Subcommand};
use headwater::{SyncInterval, prelude::*};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::io::AsyncReadExt as _;
use tracing_subscriber::EnvFilter;

use crate::{child::READY, error::BenchError, workload};

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// What the bench starts itself as
    #[command(hide = true, subcommand)]
    Role(Kind),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// The workflows, no activities
    Engine(Servers),
    /// The activities, no workflows
    Worker(Servers),
    /// A nats-server that does not outlive the bench
    Server {
        #[arg(long)]
        binary: PathBuf,
        #[arg(long)]
        config: PathBuf,
        /// Process id of the bench
        #[arg(long)]
        parent: u32,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Servers {
    #[arg(long)]
    url: String,
    /// The server is declared to sync always, so writes are committed in groups
    #[arg(long = "group-commit")]
    group_commit: bool,
}

pub(crate) async fn run(role: Role) -> Result<(), BenchError> {
    let Role::Role(kind) = role;
    die_with_the_bench()?;
    match kind {
        Kind::Engine(Servers { url, group_commit }) => {
            let mut config = config(url, group_commit);
            config.worker.enabled = false;
            config.metrics_addr = Some("127.0.0.1:0".to_owned());
            serve(workload::register(processor(config).await?)?).await
        }
        Kind::Worker(Servers { url, group_commit }) => {
            let mut config = config(url, group_commit);
            config.engine.enabled = false;
            serve(
                processor(config)
                    .await?
                    .activity(workload::ACTIVITY, workload::noop)?,
            )
            .await
        }
        Kind::Server {
            binary,
            config,
            parent,
        } => {
            if parent_id() != parent {
                return Err(BenchError::Ended("bench"));
            }
            // Answers only if the server can't be run; what was asked of the kernel stays in force.
            let error = Command::new(&binary).arg("-c").arg(config).exec();
            Err(BenchError::io(format!("{binary:?} cannot be run"))(error))
        }
    }
}

/// The defaults, and nothing from the environment: figures of one machine can be compared.
pub(crate) fn config(url: String, group_commit: bool) -> Config {
    let mut config = Config::default();
    config.nats.url = url;
    config.nats.sync_interval = group_commit.then_some(SyncInterval::Always);
    config
}

async fn processor(config: Config) -> Result<Processor, BenchError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    Ok(Processor::connect(config).await?)
}

/// Take work until the bench closes our standard input: it keeps nothing, so nothing is handed back.
async fn serve(processor: Processor) -> Result<(), BenchError> {
    let running = processor.start().await?;
    let metrics = running.metrics_addr();
    println!(
        "{READY} {}",
        metrics.map_or_else(String::new, |address| address.to_string())
    );
    let mut nothing = [0; 1];
    let _ = tokio::io::stdin().read(&mut nothing).await;
    Ok(())
}

fn die_with_the_bench() -> Result<(), BenchError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| BenchError::io("prctl(PR_SET_PDEATHSIG)")(error.into()))
}
