//! Arguments, and the plan that they make.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, builder::FalseyValueParser};

use crate::{role::Role, system::System};

/// The same workloads on Headwater, on Restate and on duroxide, in one run on one machine.
///
/// Each workload is a closed loop on an installation of its own that begins empty. Each product
/// is measured with and without a sync of the disk before it acknowledges; one of the two is its
/// default. Prints one table of medians with Headwater beside the others, and ends every process
/// that it started. Leave the machine alone meanwhile.
#[derive(Debug, Parser)]
#[command(name = "bench-peers", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A look of a few minutes: one short run of each
    #[arg(long)]
    pub(crate) quick: bool,
    /// One JSON object a line instead of the table
    #[arg(long, env = "JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Measured windows, of which the median is reported [default: 3, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: Option<u32>,
    /// Length of one window at the least [default: 5, with --quick 2]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// Give a workload up when nothing is completed for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "200", value_parser = seconds)]
    stall: Duration,
    /// Only these, as in `hello`, `chain10@256`; may be repeated or separated by commas
    #[arg(long, value_name = "WORKLOAD[@CONCURRENCY]", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only these products
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) systems: Vec<System>,
    /// Where to put the folders of the installations; not on tmpfs [default: beside this program]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// The NATS server; without it, Headwater is not measured
    #[arg(long, value_name = "FILE", env = "HEADWATER_NATS_SERVER")]
    pub(crate) nats_server: Option<PathBuf>,
    /// The Restate server; without it, Restate is not measured
    #[arg(long, value_name = "FILE", env = "HEADWATER_RESTATE_SERVER")]
    pub(crate) restate_server: Option<PathBuf>,
}

/// Seconds that something can last.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if !(0.1..=600.0).contains(&seconds) {
        return Err("use 0.1 to 600".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// How long everything takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Measured windows, one after the other under the same load.
    pub(crate) runs: u32,
    /// Load before the first window.
    pub(crate) warm_up: Duration,
    /// Length of a window, at the least.
    pub(crate) window: Duration,
    /// Without any progress for so long, a workload is given up.
    pub(crate) stall: Duration,
}

impl Options {
    pub(crate) fn plan(&self) -> Plan {
        let (runs, warm_up, window) = match self.quick {
            true => (1, 1_000, 2_000),
            false => (3, 3_000, 5_000),
        };
        Plan {
            runs: self.runs.unwrap_or(runs),
            warm_up: Duration::from_millis(warm_up),
            window: self.seconds.unwrap_or(Duration::from_millis(window)),
            stall: self.stall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_follows_the_flags() {
        let plan = |args: &[&str]| {
            let args = std::iter::once(&"bench-peers").chain(args);
            Cli::try_parse_from(args).map(|cli| cli.options.plan())
        };
        assert_eq!(plan(&[]).unwrap().runs, 3);
        assert_eq!(plan(&["--quick"]).unwrap().runs, 1);
        let five = plan(&["--quick", "--runs", "5", "--seconds", "1.5"]).unwrap();
        assert_eq!((five.runs, five.window), (5, Duration::from_millis(1_500)));
        assert!(plan(&["--seconds", "0"]).is_err());
        assert!(plan(&["--systems", "restate,duroxide"]).is_ok());
        assert!(plan(&["--systems", "others"]).is_err());
    }
}
