//! What is held against what.

use serde::Serialize;

use crate::report::{LimitRow, Report, WorkloadRow};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// A figure that a target can be set for.
#[derive(Debug, Serialize)]
pub(crate) struct RatioRow {
    pub(crate) name: &'static str,
    /// The compared figure.
    pub(crate) ratio: f64,
    pub(crate) target: Option<f64>,
    pub(crate) better: Better,
    /// What `ratio` was made of, for people.
    pub(crate) from: String,
}

/// The compared figure and what it was made of, if both sides were measured.
type Figure = fn(&Report) -> Option<(f64, String)>;

const RATIOS: [(&str, Better, Figure); 10] = [
    ("chain10@256 steps / L1", Better::Higher, |report| {
        of_limit(report, "chain10@256", |row| row.steps_per_second, "L1")
    }),
    ("hello@256 workflows / L1", Better::Higher, |report| {
        of_limit(report, "hello@256", |row| row.workflows_per_second, "L1")
    }),
    ("remote10@256 steps / L2@256", Better::Higher, |report| {
        of_limit(report, "remote10@256", |row| row.steps_per_second, "L2@256")
    }),
    ("fan100@16 steps / L2@1000", Better::Higher, |report| {
        of_limit(report, "fan100@16", |row| row.steps_per_second, "L2@1000")
    }),
    ("chain10@1 p50 / (12 x L3 p50)", Better::Lower, |report| {
        of_latency(report, "chain10@1", 12.0, "L3")
    }),
    (
        "remote10@1 p50 / (10 x L2@1 p50)",
        Better::Lower,
        |report| of_latency(report, "remote10@1", 10.0, "L2@1"),
    ),
    ("messages stored per local step", Better::Lower, |report| {
        let (chain, hello) = (messages(report, "chain10@1")?, messages(report, "hello@1")?);
        Some(marginal("chain10@1", chain, "hello@1", hello))
    }),
    ("messages stored per remote step", Better::Lower, |report| {
        let (ten, one) = (messages(report, "remote10@1")?, report.remote1_messages?);
        Some(marginal("remote10@1", ten, "one remote step", one))
    }),
    ("messages stored per hello", Better::Lower, |report| {
        Some((
            messages(report, "hello@1")?,
            "hello@1, all of them".to_owned(),
        ))
    }),
    ("bytes stored per local step", Better::Lower, |report| {
        let bytes = workload(report, "chain10@1")?.stored_bytes_per_step?;
        Some((bytes, "chain10@1, all its bytes / 10".to_owned()))
    }),
];

/// Every ratio both of whose sides were measured.
pub(crate) fn all(report: &Report) -> Vec<RatioRow> {
    let row = |(name, better, figure): (&'static str, Better, Figure)| {
        let (ratio, from) = figure(report)?;
        Some(RatioRow {
            name,
            ratio,
            target: None,
            better,
            from,
        })
    };
    RATIOS.into_iter().filter_map(row).collect()
}

fn workload<'a>(report: &'a Report, name: &str) -> Option<&'a WorkloadRow> {
    report.workloads.iter().find(|row| row.name == name)
}

fn limit<'a>(report: &'a Report, name: &str) -> Option<&'a LimitRow> {
    report.limits.iter().find(|row| row.name == name)
}

fn messages(report: &Report, name: &str) -> Option<f64> {
    Some(workload(report, name)?.stored_messages_per_workflow.total())
}

fn of_limit(
    report: &Report,
    name: &str,
    figure: fn(&WorkloadRow) -> f64,
    of: &str,
) -> Option<(f64, String)> {
    let (rate, limit) = (
        figure(workload(report, name)?),
        limit(report, of)?.per_second,
    );
    Some((rate / limit, format!("{rate:.0}/s of {limit:.0}/s")))
}

fn of_latency(report: &Report, name: &str, times: f64, of: &str) -> Option<(f64, String)> {
    let (took, alone) = (workload(report, name)?.p50_ms, limit(report, of)?.p50_ms);
    let from = format!("{took:.2} ms of {times} x {alone:.3} ms");
    Some((took / (times * alone), from))
}

/// What each of nine more steps costs: starting and ending are in both.
fn marginal(name: &str, ten: f64, name_of_one: &str, one: f64) -> (f64, String) {
    let from = format!("({ten:.2} of {name} - {one:.2} of {name_of_one}) / 9");
    ((ten - one) / 9.0, from)
}
