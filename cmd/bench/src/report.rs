//! What is told: a row for each limit, workload and target, by part.

use serde::Serialize;

use crate::{
    setting::Setting,
    study::{ColdRead, Idle, Long, Memory},
    table,
    targets::{self, Better, TargetRow},
    traffic::PerStream,
    usage::Each,
};

/// What was run on what.
#[derive(Debug)]
pub(crate) struct SetupRow {
    pub(crate) setting: Setting,
    pub(crate) nats_server: String,
    pub(crate) cores: usize,
    pub(crate) runs: u32,
    pub(crate) window_seconds: f64,
}

impl std::fmt::Display for SetupRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            nats_server,
            cores,
            runs,
            window_seconds,
            ..
        } = self;
        let (title, version) = (self.setting.title(), env!("CARGO_PKG_VERSION"));
        write!(
            f,
            "{title}: headwater {version}, nats-server {nats_server}, {cores} cores, {runs} run(s) of {window_seconds} s each"
        )
    }
}

/// What the server does for a bare client; medians.
#[derive(Debug, Serialize)]
pub(crate) struct LimitRow {
    #[serde(skip)]
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
    #[serde(skip)]
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

/// A row that no target is set for, as a line of JSON: its main figure stands where those with
/// a target have theirs.
#[derive(Serialize)]
struct Line<'a, T> {
    name: String,
    ratio: f64,
    target: Option<f64>,
    better: Better,
    #[serde(flatten)]
    row: &'a T,
}

/// What was measured on the servers of one setting.
pub(crate) struct Part {
    json: bool,
    pub(crate) setup: SetupRow,
    pub(crate) limits: Vec<LimitRow>,
    pub(crate) workloads: Vec<WorkloadRow>,
    /// Messages stored for a workflow of one remote step.
    pub(crate) remote1_messages: Option<f64>,
    /// Steps a second of `chain10@256` on the same servers with single updates.
    pub(crate) single_steps: Option<f64>,
    pub(crate) idle: Option<Idle>,
    pub(crate) memory: Option<Memory>,
    pub(crate) cold_reads: Vec<ColdRead>,
    pub(crate) long: Option<Long>,
    pub(crate) targets: Vec<TargetRow>,
    /// Names of the targets that could not be judged.
    pub(crate) missing: Vec<String>,
}

/// Rows of JSON as they come, or tables at the end; progress meanwhile.
pub(crate) struct Report {
    json: bool,
    parts: Vec<Part>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            parts: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, setup: SetupRow) -> &mut Part {
        eprintln!("{setup}");
        self.parts.push(Part {
            json: self.json,
            setup,
            limits: Vec::new(),
            workloads: Vec::new(),
            remote1_messages: None,
            single_steps: None,
            idle: None,
            memory: None,
            cold_reads: Vec::new(),
            long: None,
            targets: Vec::new(),
            missing: Vec::new(),
        });
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }

    /// What there is, also after an error.
    pub(crate) fn print_tables(&self) {
        if !self.json {
            for part in &self.parts {
                table::print(part);
            }
        }
    }
}

impl Part {
    /// The name of a row of this part: unique in the report.
    pub(crate) fn name_of(&self, row: &str) -> String {
        format!("{}{row}", self.setup.setting.prefix())
    }

    /// Of a workload that was measured.
    pub(crate) fn steps_per_second(&self, name: &str) -> Option<f64> {
        let row = self.workloads.iter().find(|row| row.name == name)?;
        Some(row.steps_per_second)
    }

    pub(crate) fn limit(&mut self, row: LimitRow) {
        let name = self.name_of(&row.name);
        let LimitRow {
            per_second,
            p50_ms,
            what,
            ..
        } = &row;
        eprintln!("{name}: {per_second:.0}/s, p50 {p50_ms:.2} ms ({what})");
        self.print(&row.name, row.per_second, &row);
        self.limits.push(row);
    }

    pub(crate) fn workload(&mut self, row: WorkloadRow) {
        let name = self.name_of(&row.name);
        let WorkloadRow {
            workflows_per_second,
            p50_ms,
            ..
        } = &row;
        eprintln!("{name}: {workflows_per_second:.0} workflows/s, p50 {p50_ms:.2} ms");
        self.print(&row.name, row.workflows_per_second, &row);
        self.workloads.push(row);
    }

    fn print(&self, name: &str, ratio: f64, row: &impl Serialize) {
        if self.json {
            print_json(&Line {
                name: self.name_of(name),
                ratio,
                target: None,
                better: Better::Higher,
                row,
            });
        }
    }

    /// Hold what was measured against the targets.
    pub(crate) fn judge(&mut self) {
        (self.targets, self.missing) = targets::judge(self);
        for row in &self.targets {
            let TargetRow {
                name, ratio, from, ..
            } = row;
            eprintln!("{name}: {ratio:.3} ({from})");
            if self.json {
                print_json(row);
            }
        }
    }
}

fn print_json(row: &impl Serialize) {
    // Fails only for keys that are no strings; ours are.
    let line = serde_json::to_string(row).unwrap_or_default();
    println!("{line}");
}

#[cfg(test)]
pub(crate) mod sample {
    //! Rows for tests.

    use super::*;
    use crate::usage::Process;

    pub(crate) fn setup_row(setting: Setting) -> SetupRow {
        SetupRow {
            setting,
            nats_server: "2.15.1".to_owned(),
            cores: 2,
            runs: 1,
            window_seconds: 1.0,
        }
    }

    pub(crate) fn limit_row(name: &str, per_second: f64, p50_ms: f64) -> LimitRow {
        LimitRow {
            name: name.to_owned(),
            what: "",
            in_flight: 1,
            per_second,
            p50_ms,
            p99_ms: p50_ms,
            window_seconds: 1.0,
            cpu_seconds: Each::default(),
        }
    }

    pub(crate) fn workload_row(
        name: &str,
        concurrency: usize,
        steps_per_second: f64,
        p50_ms: f64,
    ) -> WorkloadRow {
        let mut peak_mb = Each::default();
        peak_mb[Process::Engine] = Some(50.0);
        WorkloadRow {
            name: name.to_owned(),
            workload: "",
            concurrency,
            runs: Vec::new(),
            window_seconds: 1.0,
            workflows_per_second: steps_per_second / 10.0,
            steps_per_second,
            p50_ms,
            p99_ms: p50_ms,
            max_ms: p50_ms,
            cpu_seconds: Each::default(),
            peak_mb,
            stored_messages_per_step: 1.0,
            stored_messages_per_workflow: PerStream::default(),
            refused_messages_per_workflow: 0.0,
            stored_bytes_per_step: None,
            stored_bytes_per_workflow: None,
            received_messages_per_workflow: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{sample::*, *};

    #[test]
    fn every_line_has_the_fields_of_a_target() {
        let mut report = Report::new(false);
        let part = report.begin(setup_row(Setting::Cluster));
        let row = limit_row("L1", 5.0, 1.0);
        let line = Line {
            name: part.name_of(&row.name),
            ratio: row.per_second,
            target: None,
            better: Better::Higher,
            row: &row,
        };
        let json = serde_json::to_string(&line).unwrap();
        assert!(
            !json.contains('\n') && json.matches("\"name\"").count() == 1,
            "{json}"
        );
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&json["name"], &json["ratio"]),
            (&"r3/L1".into(), &5.0.into())
        );
        assert_eq!(
            (&json["better"], &json["p50_ms"]),
            (&"higher".into(), &1.0.into())
        );
        assert!(json["target"].is_null());
    }
}
