//! What the processes of a run do.

use std::{
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, Subcommand};
use headwater::prelude::*;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tracing_subscriber::EnvFilter;

use crate::{child::READY, error::CrashError, folder, ledger::Ledger, workflows};

/// Pause between two attempts to come up while the servers are away.
const CONNECT_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// What the run starts itself as
    #[command(hide = true, subcommand)]
    Role(Kind),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// The workflows, no activities
    Processor(Life),
    /// The activities, no workflows
    Worker(Life),
    /// Removes the folder when the run has ended without doing so
    Sweeper {
        #[arg(long)]
        folder: PathBuf,
    },
}

/// One life of a process.
#[derive(Args, Debug)]
pub(crate) struct Life {
    /// The servers
    #[arg(long)]
    url: String,
    /// Which process, and which of its lives
    #[arg(long)]
    name: String,
    /// File to write executions to
    #[arg(long)]
    ledger: PathBuf,
    /// Process id of the run
    #[arg(long)]
    parent: u32,
}

pub(crate) async fn run(role: Role) -> Result<(), CrashError> {
    let Role::Role(kind) = role;
    match kind {
        Kind::Processor(life) => {
            let ledger = begin(&life)?;
            let mut config = config(&life.url);
            config.worker.enabled = false;
            serve(workflows::register(connect(&config).await, &ledger)?).await
        }
        Kind::Worker(life) => {
            let ledger = begin(&life)?;
            let mut config = config(&life.url);
            config.engine.enabled = false;
            serve(workflows::register_activity(
                connect(&config).await,
                ledger,
            )?)
            .await
        }
        Kind::Sweeper { folder } => sweep(&folder).await,
    }
}

/// The defaults, and nothing from the environment.
pub(crate) fn config(url: &str) -> Config {
    let mut config = Config::default();
    config.nats.url = url.to_owned();
    config
}

fn begin(life: &Life) -> Result<Arc<Ledger>, CrashError> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| CrashError::io("prctl(PR_SET_PDEATHSIG)")(error.into()))?;
    if parent_id() != life.parent {
        return Err(CrashError::Interrupted);
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let ledger = Ledger::open(&life.ledger, &life.name);
    Ok(Arc::new(ledger.map_err(CrashError::io("the ledger"))?))
}

/// A process is started again whether the servers are there or not, as by a service manager.
async fn connect(config: &Config) -> Processor {
    loop {
        match Processor::connect(config.clone()).await {
            Ok(processor) => return processor,
            Err(error) => eprintln!("cannot start yet: {error}"),
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

/// Take work until the run closes our standard input: it keeps nothing, so nothing is handed
/// back.
async fn serve(processor: Processor) -> Result<(), CrashError> {
    let running = processor.start().await?;
    let engine = running.engine().map(|engine| engine.id().to_owned());
    println!("{READY}{}", engine.unwrap_or_default());
    let mut nothing = [0; 1];
    let _ = tokio::io::stdin().read(&mut nothing).await;
    Ok(())
}

/// Wait until the run has ended, however that was; unless it said before that the folder is to
/// be kept, remove it.
async fn sweep(path: &Path) -> Result<(), CrashError> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line == folder::KEEP {
            return Ok(());
        }
    }
    folder::remove(path).await;
    Ok(())
}
