//! What is told: rows of JSON as they come, or progress meanwhile and the table at the end.

use serde::Serialize;

use crate::{
    error::PeersError,
    system::{SYSTEMS, Sync, System},
    table,
    window::Measured,
    workload::Cell,
};

/// How it is measured.
#[derive(Debug, Serialize)]
pub(crate) struct SetupRow {
    pub(crate) name: &'static str,
    pub(crate) cores: usize,
    pub(crate) runs: u32,
    pub(crate) window_seconds: f64,
}

/// A product, and whether it is measured.
#[derive(Debug, Serialize)]
pub(crate) struct SystemRow {
    name: &'static str,
    system: System,
    version: Option<String>,
    default: Sync,
    /// Why it is not measured.
    missing: Option<String>,
}

impl SystemRow {
    pub(crate) fn new(system: System, version: Result<String, String>) -> Self {
        Self {
            name: "system",
            system,
            default: system.default_sync(),
            missing: version.as_ref().err().cloned(),
            version: version.ok(),
        }
    }
}

/// What a workload does on a product; medians.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CellRow {
    pub(crate) name: String,
    pub(crate) workload: &'static str,
    pub(crate) concurrency: usize,
    pub(crate) system: System,
    pub(crate) durability: Sync,
    /// Whether the product does so when nobody configures it.
    pub(crate) default: bool,
    /// Workflows a second in each window.
    pub(crate) runs: Vec<f64>,
    pub(crate) window_seconds: f64,
    pub(crate) workflows_per_second: f64,
    pub(crate) steps_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Workflows that failed, in all windows.
    pub(crate) failed: u64,
}

impl CellRow {
    pub(crate) fn new(cell: Cell, system: System, sync: Sync, measured: &Measured) -> Self {
        Self {
            name: cell.to_string(),
            workload: cell.workload.name,
            concurrency: cell.concurrency,
            system,
            durability: sync,
            default: system.default_sync() == sync,
            runs: measured.runs.clone(),
            window_seconds: measured.window_seconds,
            workflows_per_second: measured.workflows_per_second,
            steps_per_second: measured.workflows_per_second * f64::from(cell.workload.steps),
            p50_ms: measured.p50_ms,
            p99_ms: measured.p99_ms,
            failed: measured.failed,
        }
    }
}

/// Which durabilities are set beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Footing {
    /// Each product as it comes.
    Defaults,
    /// A write is acknowledged when the disk has it, on each.
    Fsync,
    /// A write is acknowledged when the operating system has it, on each.
    Process,
}

const FOOTINGS: [Footing; 3] = [Footing::Defaults, Footing::Fsync, Footing::Process];

impl Footing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Defaults => "own defaults",
            Self::Fsync => "fsync",
            Self::Process => "no fsync",
        }
    }

    fn sync(self, system: System) -> Sync {
        match self {
            Self::Defaults => system.default_sync(),
            Self::Fsync => Sync::Fsync,
            Self::Process => Sync::Process,
        }
    }
}

/// Headwater beside a product, on one footing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RatioRow {
    pub(crate) name: String,
    pub(crate) footing: Footing,
    pub(crate) beside: System,
    /// Headwater's divided by theirs: above 1, Headwater does more.
    pub(crate) workflows_per_second: f64,
    /// Headwater's divided by theirs: below 1, Headwater is faster.
    pub(crate) p50: f64,
    /// The same.
    pub(crate) p99: f64,
}

impl RatioRow {
    fn new(footing: Footing, ours: &CellRow, theirs: &CellRow) -> Self {
        Self {
            name: ours.name.clone(),
            footing,
            beside: theirs.system,
            workflows_per_second: ours.workflows_per_second / theirs.workflows_per_second,
            p50: ours.p50_ms / theirs.p50_ms,
            p99: ours.p99_ms / theirs.p99_ms,
        }
    }
}

/// A row of the table.
pub(crate) struct Line {
    pub(crate) footing: Footing,
    pub(crate) row: CellRow,
    /// None for Headwater itself.
    pub(crate) ratio: Option<RatioRow>,
}

pub(crate) struct Report {
    json: bool,
    cells: Vec<CellRow>,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            cells: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(crate) fn setup(&self, row: SetupRow) {
        self.json(&row);
        let (cores, runs, seconds) = (row.cores, row.runs, row.window_seconds);
        eprintln!("{cores} cores, {runs} window(s) of {seconds} s each, after a warm-up");
    }

    pub(crate) fn system(&self, row: SystemRow) {
        self.json(&row);
        let name = row.system.name();
        match (&row.version, &row.missing) {
            (Some(version), _) => eprintln!("{name}: {version}"),
            (None, missing) => eprintln!(
                "{name}: NOT MEASURED: {}",
                missing.as_deref().unwrap_or_default()
            ),
        }
    }

    pub(crate) fn starting(&self, cell: Cell, system: System, sync: Sync) {
        let (name, setting) = (system.name(), system.setting(sync));
        eprintln!("{cell}: starting {name}, {setting}");
    }

    pub(crate) fn cell(&mut self, row: CellRow) {
        self.json(&row);
        let CellRow {
            name,
            workflows_per_second,
            p50_ms,
            failed,
            ..
        } = &row;
        eprintln!(
            "{name}: {workflows_per_second:.1} workflows/s, p50 {p50_ms:.2} ms, {failed} failed"
        );
        self.cells.push(row);
    }

    pub(crate) fn failed(&self, cell: Cell, system: System, sync: Sync, error: &PeersError) {
        let name = system.name();
        eprintln!("{cell}: {name} FAILED: {error}");
        self.json(&serde_json::json!({
            "name": cell.to_string(),
            "system": system,
            "durability": sync,
            "error": error.to_string(),
        }));
    }

    /// What was measured of another workload that is the very same on this product.
    pub(crate) fn same(&self, cell: Cell, system: System, sync: Sync) -> Option<CellRow> {
        let other = system.same_as(cell)?.to_string();
        let is_it =
            |row: &&CellRow| row.name == other && row.system == system && row.durability == sync;
        let row = self.cells.iter().find(is_it)?;
        Some(CellRow {
            name: cell.to_string(),
            workload: cell.workload.name,
            ..row.clone()
        })
    }

    /// Set what was measured of this workload beside each other.
    pub(crate) fn compare(&mut self, cell: Cell) {
        let name = cell.to_string();
        for footing in FOOTINGS {
            let of = |system: System| {
                let is_it = |row: &&CellRow| {
                    row.name == name
                        && row.system == system
                        && row.durability == footing.sync(system)
                };
                self.cells.iter().find(is_it)
            };
            let ours = of(System::Headwater);
            let lines: Vec<Line> = SYSTEMS
                .into_iter()
                .filter_map(of)
                .map(|row| {
                    let theirs = (row.system != System::Headwater).then_some(row);
                    let ratio = ours.zip(theirs);
                    Line {
                        footing,
                        row: row.clone(),
                        ratio: ratio.map(|(ours, theirs)| RatioRow::new(footing, ours, theirs)),
                    }
                })
                .collect();
            for line in lines {
                if let Some(ratio) = &line.ratio {
                    self.json(ratio);
                }
                self.lines.push(line);
            }
        }
    }

    /// What there is, also after an error.
    pub(crate) fn finish(&self) {
        if !self.json && !self.lines.is_empty() {
            println!("{}", table::of(&self.lines));
        }
    }

    fn json(&self, row: &impl Serialize) {
        if self.json {
            // Fails only for keys that are no strings; ours are.
            println!("{}", serde_json::to_string(row).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::cells;

    #[test]
    fn what_is_compared_stands_on_one_footing() {
        let cell = cells(&["chain10@1".to_owned()]).unwrap()[0];
        let mut report = Report::new(false);
        for (system, sync, rate) in [
            (System::Headwater, Sync::Process, 8.0),
            (System::Restate, Sync::Process, 4.0),
            (System::Headwater, Sync::Fsync, 3.0),
            (System::Restate, Sync::Fsync, 1.0),
        ] {
            let measured = Measured {
                runs: vec![rate],
                window_seconds: 1.0,
                workflows_per_second: rate,
                p50_ms: 1.0,
                p99_ms: 1.0,
                failed: 0,
            };
            report.cell(CellRow::new(cell, system, sync, &measured));
        }
        report.compare(cell);
        let ratios: Vec<(Footing, f64)> = report
            .lines
            .iter()
            .filter_map(|line| line.ratio.as_ref())
            .map(|ratio| (ratio.footing, ratio.workflows_per_second))
            .collect();
        assert_eq!(
            ratios,
            [
                (Footing::Defaults, 8.0),
                (Footing::Fsync, 3.0),
                (Footing::Process, 2.0)
            ]
        );
        assert_eq!(report.lines.len(), 6);
    }
}
