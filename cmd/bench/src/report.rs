//! What is told: a row for each limit, workload and ratio.

use serde::Serialize;

use crate::{
    ratios::{self, RatioRow},
    table,
    traffic::PerStream,
    usage::Each,
};

/// What was run on what.
#[derive(Debug, Serialize)]
pub(crate) struct SetupRow {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) nats_server: String,
    pub(crate) cores: usize,
    pub(crate) runs: u32,
    pub(crate) window_seconds: f64,
}

/// What the server does for a bare client; medians.
#[derive(Debug, Serialize)]
pub(crate) struct LimitRow {
    pub(crate) name: String,
    pub(crate) what: &'static str,
    pub(crate) in_flight: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) window_seconds: f64,
    pub(crate) cpu_seconds: Each<f64>,
}

/// What a workload does at a concurrency; medians.
#[derive(Debug, Serialize)]
pub(crate) struct WorkloadRow {
    pub(crate) name: String,
    pub(crate) workload: &'static str,
    pub(crate) concurrency: usize,
    /// Workflows a second of each run.
    pub(crate) runs: Vec<f64>,
    pub(crate) window_seconds: f64,
    pub(crate) workflows_per_second: f64,
    pub(crate) steps_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// In the window.
    pub(crate) cpu_seconds: Each<f64>,
    pub(crate) peak_mb: Each<f64>,
    pub(crate) stored_messages_per_step: f64,
    pub(crate) stored_messages_per_workflow: PerStream,
    /// Published in the warm-up, but not stored: lost swaps, repeats.
    pub(crate) refused_messages_per_workflow: f64,
    /// In the warm-up; none if not all could be counted.
    pub(crate) stored_bytes_per_step: Option<f64>,
    pub(crate) stored_bytes_per_workflow: Option<PerStream>,
    /// All that the server has received, acknowledgements and requests too.
    pub(crate) received_messages_per_workflow: f64,
}

/// Rows of JSON as they come, or tables at the end with progress meanwhile.
pub(crate) struct Report {
    json: bool,
    pub(crate) setup: Option<SetupRow>,
    pub(crate) limits: Vec<LimitRow>,
    pub(crate) workloads: Vec<WorkloadRow>,
    pub(crate) ratios: Vec<RatioRow>,
    /// Messages stored for a workflow of one remote step.
    pub(crate) remote1_messages: Option<f64>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            setup: None,
            limits: Vec::new(),
            workloads: Vec::new(),
            ratios: Vec::new(),
            remote1_messages: None,
        }
    }

    pub(crate) fn setup(&mut self, row: SetupRow) {
        self.print(&row, || {
            let SetupRow {
                nats_server,
                cores,
                runs,
                window_seconds,
                ..
            } = &row;
            format!(
                "nats-server {nats_server}, {cores} cores, {runs} run(s) of {window_seconds} s each"
            )
        });
        self.setup = Some(row);
    }

    pub(crate) fn limit(&mut self, row: LimitRow) {
        self.print(&row, || {
            let LimitRow {
                name,
                per_second,
                p50_ms,
                what,
                ..
            } = &row;
            format!("{name}: {per_second:.0}/s, p50 {p50_ms:.2} ms ({what})")
        });
        self.limits.push(row);
    }

    pub(crate) fn workload(&mut self, row: WorkloadRow) {
        self.print(&row, || {
            let WorkloadRow {
                name,
                workflows_per_second,
                p50_ms,
                ..
            } = &row;
            format!("{name}: {workflows_per_second:.0} workflows/s, p50 {p50_ms:.2} ms")
        });
        self.workloads.push(row);
    }

    pub(crate) fn remote1_messages(&mut self, messages: f64) {
        self.remote1_messages = Some(messages);
    }

    /// Compare what was measured; what was not is left out.
    pub(crate) fn ratios(&mut self) {
        self.ratios = ratios::all(self);
        for row in &self.ratios {
            if self.json {
                print_json(row);
            }
        }
    }

    /// What there is, also after an error.
    pub(crate) fn print_tables(&self) {
        if !self.json {
            table::print(self);
        }
    }

    fn print(&self, row: &impl Serialize, progress: impl FnOnce() -> String) {
        if self.json {
            print_json(row);
        } else {
            eprintln!("{}", progress());
        }
    }
}

fn print_json(row: &impl Serialize) {
    // Fails only for keys that are no strings; ours are.
    let line = serde_json::to_string(row).unwrap_or_default();
    println!("{line}");
}
