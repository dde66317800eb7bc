//! Arguments, and the plan that they make.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, builder::FalseyValueParser};

use crate::role::Role;

/// Throughput and latency of Headwater, beside the raw limits of the same NATS server.
///
/// Starts a nats-server of its own (HEADWATER_NATS_SERVER, else nats-server on the PATH) with
/// default sync and a temporary store folder, an engine process and a worker process; runs
/// each workload as a closed loop; prints medians and their ratios to the raw limits; ends
/// every process. Leave the machine alone meanwhile.
#[derive(Debug, Parser)]
#[command(
    name = "headwater-bench",
    version,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A look of about one minute: one short run of each
    #[arg(long)]
    pub(crate) quick: bool,
    /// One JSON object a line instead of tables
    #[arg(long, env = "JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Measured runs, of which the median is reported [default: 3, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: Option<u32>,
    /// Length of one measured run [default: 5, with --quick 2]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// A workflow that takes longer than so many seconds has stalled, and ends the bench
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    stall: Duration,
    /// Only these, as in `hello`, `chain10@256`; may be repeated or separated by commas
    #[arg(long, value_name = "WORKLOAD[@CONCURRENCY]", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Do not measure the raw limits, nor print ratios to them
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// Where to put the store folder; not on tmpfs [default: the target folder, else here]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// Keep the folder with the logs and the store; after an error it is kept anyway
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Seconds that a run can last.
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
    /// Measured runs.
    pub(crate) runs: u32,
    /// Load before the first run; bytes are counted in it.
    pub(crate) warm_up: Duration,
    /// Load at the begin of each run that is not measured.
    pub(crate) ramp: Duration,
    /// What is measured of each run, at the least.
    pub(crate) window: Duration,
    /// Without any progress for so long, the bench ends.
    pub(crate) stall: Duration,
}

impl Options {
    pub(crate) fn plan(&self) -> Plan {
        let (runs, warm_up, ramp, window) = match self.quick {
            true => (1, 500, 300, 2_000),
            false => (3, 2_000, 500, 5_000),
        };
        Plan {
            runs: self.runs.unwrap_or(runs),
            warm_up: Duration::from_millis(warm_up),
            ramp: Duration::from_millis(ramp),
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
            let args = std::iter::once(&"headwater-bench").chain(args);
            Cli::try_parse_from(args).map(|cli| cli.options.plan())
        };
        assert_eq!(plan(&[]).unwrap().runs, 3);
        assert_eq!(plan(&["--quick"]).unwrap().runs, 1);
        let five = plan(&["--quick", "--runs", "5", "--seconds", "1.5"]).unwrap();
        assert_eq!((five.runs, five.window), (5, Duration::from_millis(1_500)));
        assert!(plan(&["--seconds", "0"]).is_err());
        assert!(plan(&["--runs", "0"]).is_err());
    }
}
