//! Arguments, and the plan that they make.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, builder::FalseyValueParser};

use crate::{
    course::{Breadth, Course, Plan},
    error::BenchError,
    role::Role,
    setting::Setting,
};

/// Throughput and latency of Headwater, beside the raw limits of the same NATS server, and
/// whether that meets the targets.
///
/// Starts a nats-server of its own (HEADWATER_NATS_SERVER, else nats-server on the PATH) with
/// default sync and a temporary store folder, an engine process and a worker process; runs
/// each workload as a closed loop; prints medians and what they come to against the targets;
/// then, shorter and only to be reported, the same on a cluster of three and on a server that
/// syncs always; ends every process. Leave the machine alone meanwhile.
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
    /// A look of about two minutes: one short run of each, on one server
    #[arg(long)]
    pub(crate) quick: bool,
    /// One JSON object a line instead of tables
    #[arg(long, env = "JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Measured runs, of which the median is reported [default: 5, with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: Option<u32>,
    /// Length of one measured run [default: 2]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// A workflow that takes longer than so many seconds has stalled, and ends the bench
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    stall: Duration,
    /// Measure on one server with default sync, and nowhere else unless that is named, too
    #[arg(long)]
    single: bool,
    /// Measure on a cluster of three on this machine, at full length
    #[arg(long)]
    cluster: bool,
    /// Measure on a server that writes everything to the disk at once, with single updates and
    /// with group commit, at full length
    #[arg(long)]
    sync_always: bool,
    /// Measure each workload at further concurrencies, which no target needs
    #[arg(long)]
    wide: bool,
    /// Only these, as in `hello`, `chain10@256`, `memory`; may be repeated or separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Do not measure the raw limits, nor print ratios to them
    #[arg(long)]
    no_limits: bool,
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

impl Options {
    /// What is measured: as told, or everything on one server and the rest beside it.
    pub(crate) fn courses(&self) -> Result<Vec<Course>, BenchError> {
        let named = [
            (self.single, Setting::One),
            (self.cluster, Setting::Cluster),
            (self.sync_always, Setting::SyncAlways),
            (self.sync_always, Setting::GroupCommit),
        ];
        let mut settings: Vec<Setting> = named
            .into_iter()
            .filter_map(|(is_named, setting)| is_named.then_some(setting))
            .collect();
        let is_default = settings.is_empty();
        if is_default {
            settings.push(Setting::One);
        }
        let plan = match self.quick {
            true => Plan::QUICK,
            false => Plan::FULL,
        };
        let breadth = match self.wide || !self.only.is_empty() {
            true => Breadth::All,
            false => Breadth::Targets,
        };
        let mut courses: Vec<(Setting, Plan, Breadth)> = settings
            .into_iter()
            .map(|setting| (setting, plan, breadth))
            .collect();
        if is_default && !self.quick && self.only.is_empty() {
            courses.push((Setting::Cluster, Plan::SHORT, Breadth::Targets));
            courses.push((Setting::SyncAlways, Plan::SHORT, Breadth::Writes));
            courses.push((Setting::GroupCommit, Plan::SHORT, Breadth::Writes));
        }
        courses
            .into_iter()
            .map(|(setting, plan, breadth)| {
                let course = Course::new(setting, self.change(plan), breadth, &self.only)?;
                Ok(match self.no_limits {
                    true => course.without_limits(),
                    false => course,
                })
            })
            .collect()
    }

    fn change(&self, plan: Plan) -> Plan {
        Plan {
            runs: self.runs.unwrap_or(plan.runs),
            window: self.seconds.unwrap_or(plan.window),
            stall: self.stall,
            ..plan
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn courses(args: &[&str]) -> Result<Vec<Course>, String> {
        let args = std::iter::once(&"headwater-bench").chain(args);
        let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
        cli.options.courses().map_err(|error| error.to_string())
    }

    #[test]
    fn the_plan_follows_the_flags() {
        let plan = |args: &[&str]| courses(args).map(|courses| courses[0].plan);
        assert_eq!(plan(&[]).unwrap().runs, 5);
        assert_eq!(plan(&["--quick"]).unwrap().runs, 1);
        let five = plan(&["--quick", "--runs", "5", "--seconds", "1.5"]).unwrap();
        assert_eq!((five.runs, five.window), (5, Duration::from_millis(1_500)));
        assert!(plan(&["--seconds", "0"]).is_err());
        assert!(plan(&["--runs", "0"]).is_err());
        assert!(plan(&["--only", "nothing"]).is_err());
    }

    #[test]
    fn the_servers_follow_the_flags() {
        use Setting::{Cluster, GroupCommit, One, SyncAlways};
        let settings = |args: &[&str]| -> Vec<Setting> {
            let courses = courses(args).unwrap();
            courses.iter().map(|course| course.setting).collect()
        };
        assert_eq!(settings(&[]), [One, Cluster, SyncAlways, GroupCommit]);
        assert_eq!(settings(&["--quick"]), [One]);
        assert_eq!(settings(&["--only", "hello"]), [One]);
        assert_eq!(settings(&["--single"]), [One]);
        assert_eq!(settings(&["--cluster", "--quick"]), [Cluster]);
        let named = settings(&["--sync-always", "--single"]);
        assert_eq!(named, [One, SyncAlways, GroupCommit]);
    }
}
