//! What is held against what, and whether that is enough.

use std::fmt;

use serde::Serialize;

use crate::{
    report::{LimitRow, Part, WorkloadRow},
    setting::Setting,
    usage::Process,
};

/// How far a figure that should be equal may be away, as a share of the target.
const EQUAL_WITHIN: f64 = 0.02;

/// In which direction a figure should be away from its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
    /// In none: within two hundredths.
    Equal,
}

impl Better {
    /// The sign between a figure and its target.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Higher => "≥",
            Self::Lower => "≤",
            Self::Equal => "=",
        }
    }
}

/// Whether a target is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Met,
    Missed,
}

impl Verdict {
    fn of(ratio: f64, target: f64, better: Better) -> Self {
        let is_met = match better {
            Better::Higher => ratio >= target,
            Better::Lower => ratio <= target,
            Better::Equal => (ratio - target).abs() <= target.abs() * EQUAL_WITHIN,
        };
        match is_met {
            true => Self::Met,
            false => Self::Missed,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
        })
    }
}

/// A figure, with its target if one is set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TargetRow {
    pub(crate) name: String,
    pub(crate) what: &'static str,
    /// The compared figure, in the target's unit.
    pub(crate) ratio: f64,
    /// None: reported only.
    pub(crate) target: Option<f64>,
    pub(crate) better: Better,
    pub(crate) verdict: Option<Verdict>,
    /// What `ratio` was made of, for people.
    pub(crate) from: String,
}

/// What was found: the compared figure, and what it was made of.
type Found = Option<(f64, String)>;

struct Target {
    name: &'static str,
    what: &'static str,
    better: Better,
    /// None: no target is set on any servers.
    target: Option<f64>,
    find: fn(&Part) -> Found,
}

use Better::{Equal, Higher, Lower};

#[rustfmt::skip]
const TARGETS: [Target; 19] = [
    Target {
        name: "chain10@256 steps / L1", what: "local steps/s ÷ bare updates/s", better: Higher, target: Some(0.70),
        find: |part| of_limit(part, "chain10@256", |row| row.steps_per_second, "L1"),
    },
    Target {
        name: "hello@256 workflows / L1", what: "workflows/s ÷ bare updates/s", better: Higher, target: Some(0.25),
        find: |part| of_limit(part, "hello@256", |row| row.workflows_per_second, "L1"),
    },
    Target {
        name: "remote10@256 steps / L2@256", what: "remote steps/s ÷ bare ping-pong steps/s", better: Higher, target: Some(0.50),
        find: |part| of_limit(part, "remote10@256", |row| row.steps_per_second, "L2@256"),
    },
    Target {
        name: "fan100@16 steps / L2@1000", what: "fanned out steps/s ÷ bare ping-pong steps/s", better: Higher, target: Some(0.60),
        find: |part| of_limit(part, "fan100@16", |row| row.steps_per_second, "L2@1000"),
    },
    Target {
        name: "chain10@1 p50 / (12 x L3 p50)", what: "latency alone ÷ that of 12 bare updates", better: Lower, target: Some(1.3),
        find: |part| of_latency(part, "chain10@1", 12.0, "L3"),
    },
    Target {
        name: "remote10@1 p50 / (10 x L2@1 p50)", what: "latency alone ÷ that of 10 bare ping-pong steps", better: Lower, target: Some(1.8),
        find: |part| of_latency(part, "remote10@1", 10.0, "L2@1"),
    },
    Target {
        name: "messages stored per local step", what: "counted by the server", better: Equal, target: Some(1.0),
        find: |part| marginal(part, "chain10@1", "hello@1", messages(part, "hello@1")?),
    },
    Target {
        name: "messages stored per remote step", what: "counted by the server", better: Equal, target: Some(3.0),
        find: |part| marginal(part, "remote10@1", "one remote step", part.remote1_messages?),
    },
    Target {
        name: "messages stored per hello", what: "counted by the server", better: Equal, target: Some(2.0),
        find: |part| Some((messages(part, "hello@1")?, "hello@1, all of them".to_owned())),
    },
    Target {
        name: "kB stored per local step", what: "records of chain10, all of them ÷ 10", better: Lower, target: Some(1.2),
        find: |part| {
            let bytes = workload(part, "chain10@1")?.stored_bytes_per_step?;
            Some((bytes / 1e3, format!("{bytes:.0} bytes, chain10@1")))
        },
    },
    Target {
        name: "engine MB at 256", what: "most memory of the engine, 256 workflows at once", better: Lower, target: Some(80.0),
        find: engine_memory,
    },
    Target {
        name: "engine MB of sleepers", what: "memory above idle, 100,000 workflows asleep", better: Lower, target: Some(30.0),
        find: |part| {
            let found = part.memory?;
            let from = format!("{:.1} MB with {} asleep - {:.1} MB idle; {:.1} MB at most", found.asleep_mb, found.sleepers, found.idle_mb, found.peak_mb);
            Some((found.asleep_mb - found.idle_mb, from))
        },
    },
    Target {
        name: "messages/s idle", what: "through the server, one engine and one worker", better: Lower, target: Some(2.0),
        find: |part| {
            let found = part.idle?;
            let from = format!("{} received in {:.1} s", found.messages, found.seconds);
            Some((found.messages as f64 / found.seconds, from))
        },
    },
    Target {
        name: "cold read ms, 20 entries", what: "p50 from the request to the decoded journal", better: Lower, target: Some(0.5),
        find: |part| cold_read(part, 20),
    },
    Target {
        name: "cold read ms, 10,000 entries", what: "p50 from the request to the decoded journal", better: Lower, target: Some(60.0),
        find: |part| cold_read(part, 10_000),
    },
    Target {
        name: "step 10,000 / step 10, time", what: "of one invocation of local steps", better: Lower, target: Some(1.5),
        find: |part| {
            let found = part.long?;
            let from = format!("{:.0} µs / {:.0} µs", found.late_us, found.early_us);
            Some((found.late_us / found.early_us, from))
        },
    },
    Target {
        name: "step 10,000 / step 10, bytes", what: "stored by one invocation, its pages too", better: Lower, target: Some(4.0),
        find: |part| {
            let found = part.long?;
            let from = format!("{:.0} / {:.0}", found.late_bytes, found.early_bytes);
            Some((found.late_bytes / found.early_bytes, from))
        },
    },
    Target {
        name: "fan10000@1 steps / fan100@16 steps", what: "one fan-out of 10,000 ÷ many of 100", better: Higher, target: Some(0.7),
        find: |part| {
            let (row, many) = (workload(part, "fan10000@1")?, workload(part, "fan100@16")?);
            let (one, many) = (1e7 / row.p50_ms, many.steps_per_second);
            Some((one / many, format!("{one:.0}/s (10,000 in {:.0} ms) of {many:.0}/s", row.p50_ms)))
        },
    },
    Target {
        name: "chain10@256 steps/s", what: "not compared", better: Higher, target: None,
        find: |part| Some((part.steps_per_second("chain10@256")?, "chain10@256".to_owned())),
    },
];

/// What is held against single updates on the same kind of server.
const OF_GROUP_COMMIT: Target = Target {
    name: "chain10@256 steps / single updates",
    what: "local steps/s ÷ those without group commit",
    better: Higher,
    target: Some(3.0),
    find: |part| {
        let (steps, single) = (part.steps_per_second("chain10@256")?, part.single_steps?);
        Some((steps / single, format!("{steps:.0}/s of {single:.0}/s")))
    },
};

/// Every figure that could be found, and the names of those that could not.
pub(crate) fn judge(part: &Part) -> (Vec<TargetRow>, Vec<String>) {
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    let is_grouped = part.setup.setting == Setting::GroupCommit;
    let group_commit = is_grouped.then_some((&OF_GROUP_COMMIT, true));
    let has_targets = part.setup.setting.has_targets();
    let all = TARGETS.iter().map(|target| (target, has_targets));
    for (target, has_target) in all.chain(group_commit) {
        let name = part.name_of(target.name);
        match (target.find)(part).filter(|(ratio, _)| ratio.is_finite()) {
            Some((ratio, from)) => {
                let aim = target.target.filter(|_| has_target);
                rows.push(TargetRow {
                    name,
                    what: target.what,
                    ratio,
                    target: aim,
                    better: target.better,
                    verdict: aim.map(|aim| Verdict::of(ratio, aim, target.better)),
                    from,
                });
            }
            None => missing.push(name),
        }
    }
    (rows, missing)
}

fn workload<'a>(part: &'a Part, name: &str) -> Option<&'a WorkloadRow> {
    part.workloads.iter().find(|row| row.name == name)
}

fn limit<'a>(part: &'a Part, name: &str) -> Option<&'a LimitRow> {
    part.limits.iter().find(|row| row.name == name)
}

fn messages(part: &Part, name: &str) -> Option<f64> {
    Some(workload(part, name)?.stored_messages_per_workflow.total())
}

fn of_limit(part: &Part, name: &str, figure: fn(&WorkloadRow) -> f64, of: &str) -> Found {
    let (rate, limit) = (figure(workload(part, name)?), limit(part, of)?.per_second);
    Some((rate / limit, format!("{rate:.0}/s of {limit:.0}/s")))
}

fn of_latency(part: &Part, name: &str, times: f64, of: &str) -> Found {
    let (took, alone) = (workload(part, name)?.p50_ms, limit(part, of)?.p50_ms);
    let from = format!("{took:.2} ms of {times} x {alone:.3} ms");
    Some((took / (times * alone), from))
}

/// What each of nine more steps costs: starting and ending are in both.
fn marginal(part: &Part, name: &str, name_of_one: &str, one: f64) -> Found {
    let ten = messages(part, name)?;
    let from = format!("({ten:.2} of {name} - {one:.2} of {name_of_one}) / 9");
    Some(((ten - one) / 9.0, from))
}

fn engine_memory(part: &Part) -> Found {
    let peak = |row: &WorkloadRow| Some((row.peak_mb[Process::Engine]?, row.name.clone()));
    part.workloads
        .iter()
        .filter(|row| row.concurrency == 256)
        .filter_map(peak)
        .max_by(|one, other| one.0.total_cmp(&other.0))
}

fn cold_read(part: &Part, entries: usize) -> Found {
    let found = part
        .cold_reads
        .iter()
        .find(|read| read.entries == entries)?;
    let from = format!(
        "{:.1} kB in {} page(s) and the value",
        found.bytes as f64 / 1e3,
        found.pages
    );
    Some((found.p50_ms, from))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        report::Report,
        report::sample::{limit_row, setup_row, workload_row},
        study::{ColdRead, Idle, Long, Memory},
    };

    #[test]
    fn a_verdict_follows_the_direction() {
        let met = |ratio, target, better| Verdict::of(ratio, target, better) == Verdict::Met;
        assert!(met(0.7, 0.7, Higher) && met(0.8, 0.7, Higher) && !met(0.69, 0.7, Higher));
        assert!(met(1.3, 1.3, Lower) && met(1.0, 1.3, Lower) && !met(1.31, 1.3, Lower));
        assert!(met(3.0, 3.0, Equal) && met(2.95, 3.0, Equal) && met(3.05, 3.0, Equal));
        assert!(!met(2.93, 3.0, Equal) && !met(3.07, 3.0, Equal));
        assert!(!met(f64::NAN, 3.0, Higher));
    }

    fn judged(setting: Setting) -> (Vec<TargetRow>, Vec<String>) {
        let mut report = Report::new(false);
        let part = report.begin(setup_row(setting));
        part.limits = ["L1", "L2@256", "L2@1000"]
            .map(|name| limit_row(name, 100_000.0, 2.0))
            .into();
        part.limits.push(limit_row("L3", 10_000.0, 0.1));
        part.workloads = vec![
            workload_row("chain10@256", 256, 80_000.0, 30.0),
            workload_row("chain10@1", 1, 5_000.0, 1.8),
            workload_row("fan100@16", 16, 20_000.0, 5.0),
            workload_row("fan10000@1", 1, 1.0, 1_000.0),
        ];
        part.idle = Some(Idle {
            messages: 30,
            seconds: 20.0,
        });
        part.memory = Some(Memory {
            idle_mb: 10.0,
            asleep_mb: 45.5,
            peak_mb: 60.0,
            sleepers: 100_000,
        });
        part.cold_reads = vec![ColdRead {
            entries: 20,
            p50_ms: 0.4,
            pages: 0,
            bytes: 2_000,
        }];
        part.long = Some(Long {
            early_us: 200.0,
            late_us: 250.0,
            early_bytes: 1_000.0,
            late_bytes: 4_500.0,
        });
        judge(part)
    }

    #[test]
    fn what_was_measured_is_judged_and_the_rest_is_named() {
        let (rows, missing) = judged(Setting::One);
        assert_eq!(rows.len() + missing.len(), TARGETS.len());
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        let check = |name: &str, ratio: f64, verdict: Option<Verdict>| {
            let row = row(name);
            assert!((row.ratio - ratio).abs() < 1e-9, "{row:?}");
            assert_eq!(row.verdict, verdict, "{row:?}");
        };
        check("chain10@256 steps / L1", 0.8, Some(Verdict::Met));
        check("chain10@1 p50 / (12 x L3 p50)", 1.5, Some(Verdict::Missed));
        check("engine MB of sleepers", 35.5, Some(Verdict::Missed));
        check("engine MB at 256", 50.0, Some(Verdict::Met));
        check("messages/s idle", 1.5, Some(Verdict::Met));
        check("cold read ms, 20 entries", 0.4, Some(Verdict::Met));
        check("step 10,000 / step 10, time", 1.25, Some(Verdict::Met));
        check("step 10,000 / step 10, bytes", 4.5, Some(Verdict::Missed));
        check(
            "fan10000@1 steps / fan100@16 steps",
            0.5,
            Some(Verdict::Missed),
        );
        check("chain10@256 steps/s", 80_000.0, None);
        assert!(missing.contains(&"hello@256 workflows / L1".to_owned()));
        assert!(missing.contains(&"cold read ms, 10,000 entries".to_owned()));
    }

    #[test]
    fn other_servers_are_only_reported() {
        let (rows, missing) = judged(Setting::Cluster);
        assert!(!rows.is_empty());
        for row in &rows {
            assert!(row.name.starts_with("r3/"), "{row:?}");
            assert_eq!((row.target, row.verdict), (None, None));
        }
        assert!(missing.iter().all(|name| name.starts_with("r3/")));
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), TARGETS.len());
    }

    #[test]
    fn a_row_as_json() {
        let (rows, _) = judged(Setting::One);
        let json = serde_json::to_value(&rows[0]).unwrap();
        assert_eq!(json["name"], "chain10@256 steps / L1");
        assert_eq!(json["better"], "higher");
        assert_eq!(json["verdict"], "met");
        assert_eq!(
            (&json["ratio"], &json["target"]),
            (&0.8.into(), &0.7.into())
        );
        let (rows, _) = judged(Setting::SyncAlways);
        let json = serde_json::to_value(&rows[0]).unwrap();
        assert_eq!(json["name"], "sync/chain10@256 steps / L1");
        assert!(json["target"].is_null() && json["verdict"].is_null());
    }
}
