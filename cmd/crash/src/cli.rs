//! Arguments.

use std::path::PathBuf;

use clap::{Args, Parser};

use crate::role::Role;

/// Crash tests of Headwater with real processes.
///
/// Starts a nats-server of its own, or a cluster of three (HEADWATER_NATS_SERVER, else
/// nats-server on the PATH), three processors and two workers; submits workflows whose steps
/// write to a ledger; kills, pauses and cuts off processes at random; then holds the journals
/// against the ledger. Ends every process.
#[derive(Debug, Parser)]
#[command(
    name = "headwater-crash",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long faults go on, and workflows are submitted, in seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub(crate) seconds: u64,
    /// Workflows
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) workflows: u64,
    /// NATS servers: one, or a cluster of three with three replicas
    #[arg(long, default_value_t = 1, value_parser = servers)]
    pub(crate) servers: usize,
    /// Repeat the schedule of faults of an earlier run; without it a new one
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Make the folder of the run in this one; without it where temporary files go
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Keep the folder also if nothing failed
    #[arg(long)]
    pub(crate) keep: bool,
    /// Fail if what a killed processor was running stands still for longer, in seconds; kills
    /// that meet a fault of another processor or of a server do not count
    #[arg(long, default_value_t = 6.0)]
    pub(crate) recovery_max: f64,
    /// Wait so long for the last workflows once the faults are over, in seconds
    #[arg(long, default_value_t = 120)]
    pub(crate) patience: u64,
}

fn servers(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("use 1 or 3".to_owned()),
    }
}
