//! What is measured on which servers, and how long.

use std::time::Duration;

use crate::{
    error::BenchError,
    limits::Limit,
    setting::Setting,
    study::Study,
    workload::{self, Cell},
};

/// One part of the bench: servers, and what is measured on them.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) setting: Setting,
    pub(crate) plan: Plan,
    pub(crate) limits: Vec<Limit>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) studies: Vec<Study>,
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
    /// How long is looked at an installation without load.
    pub(crate) idle: Duration,
    /// Workflows that sleep while memory is measured.
    pub(crate) sleepers: u32,
    /// Measured runs of the invocation of ten thousand steps.
    pub(crate) long_runs: u32,
}

impl Plan {
    /// Medians of five.
    pub(crate) const FULL: Self = Self {
        runs: 5,
        warm_up: Duration::from_millis(1_000),
        ramp: Duration::from_millis(300),
        window: Duration::from_millis(2_000),
        stall: Duration::from_secs(30),
        idle: Duration::from_secs(20),
        sleepers: 100_000,
        long_runs: 5,
    };

    /// A look.
    pub(crate) const QUICK: Self = Self {
        runs: 1,
        warm_up: Duration::from_millis(500),
        idle: Duration::from_secs(5),
        long_runs: 1,
        ..Self::FULL
    };

    /// What is only reported, beside a full run.
    pub(crate) const SHORT: Self = Self {
        runs: 3,
        warm_up: Duration::from_millis(500),
        ramp: Duration::from_millis(200),
        window: Duration::from_millis(1_000),
        idle: Duration::from_secs(5),
        sleepers: 20_000,
        long_runs: 1,
        ..Self::FULL
    };
}

/// How much is measured of what can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// Everything.
    All,
    /// What the targets need.
    Targets,
    /// One figure, of a cell that writes, and its limit.
    Writes,
}

impl Course {
    /// Everything of this breadth, or what of it is named in `only`.
    pub(crate) fn new(
        setting: Setting,
        plan: Plan,
        breadth: Breadth,
        only: &[String],
    ) -> Result<Self, BenchError> {
        check(only)?;
        let mut studies = Study::ALL.to_vec();
        if breadth == Breadth::Writes {
            studies.clear();
        }
        if !only.is_empty() {
            studies = Study::ALL.to_vec();
            studies.retain(|study| only.iter().any(|name| name == study.name()));
        }
        Ok(Self {
            setting,
            plan,
            limits: Limit::of(breadth),
            cells: workload::cells(breadth, only),
            studies,
        })
    }

    /// Each limit with the cells that are measured right after it; those without one last.
    pub(crate) fn order(&self) -> Vec<(Option<Limit>, Vec<Cell>)> {
        let mut rest = self.cells.clone();
        let mut order = Vec::new();
        for limit in &self.limits {
            let (own, others) = rest
                .into_iter()
                .partition(|cell: &Cell| cell.limit() == limit.name());
            order.push((Some(*limit), own));
            rest = others;
        }
        order.push((None, rest));
        order
    }

    pub(crate) fn without_limits(mut self) -> Self {
        self.limits.clear();
        self
    }
}

/// Whether each of the names is one of a workload, of a cell or of a study.
fn check(only: &[String]) -> Result<(), BenchError> {
    let studies = Study::ALL.map(Study::name);
    let is_known = |name: &String| {
        studies.contains(&name.as_str())
            || !workload::cells(Breadth::All, std::slice::from_ref(name)).is_empty()
    };
    match only.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let mut names: Vec<String> = workload::cells(Breadth::All, &[])
                .iter()
                .map(Cell::to_string)
                .collect();
            names.extend(studies.map(str::to_owned));
            Err(BenchError::Unknown(name.clone(), names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(breadth: Breadth, only: &[&str]) -> Result<Course, BenchError> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        Course::new(Setting::One, Plan::QUICK, breadth, &only)
    }

    #[test]
    fn what_is_measured_is_chosen_by_name() {
        let all = course(Breadth::All, &[]).unwrap();
        assert_eq!((all.cells.len(), all.studies.len()), (13, 4));
        let some = course(Breadth::All, &["hello@1", "fan100", "idle"]).unwrap();
        let names: Vec<String> = some.cells.iter().map(Cell::to_string).collect();
        assert_eq!(names, ["hello@1", "fan100@1", "fan100@16", "fan100@64"]);
        assert_eq!(some.studies, [Study::Idle]);
    }

    #[test]
    fn breadths_differ() {
        let targets = course(Breadth::Targets, &[]).unwrap();
        assert_eq!((targets.cells.len(), targets.studies.len()), (8, 4));
        let writes = course(Breadth::Writes, &[]).unwrap();
        assert_eq!((writes.cells.len(), writes.studies.len()), (1, 0));
        assert_eq!(writes.cells[0].to_string(), "chain10@256");
        assert_eq!(writes.limits.len(), 1);
        assert!(writes.without_limits().limits.is_empty());
    }

    #[test]
    fn a_cell_follows_its_limit() {
        let order = |course: Course| -> Vec<String> {
            let each = |(limit, cells): (Option<Limit>, Vec<Cell>)| {
                let cells = cells.iter().map(Cell::to_string);
                limit
                    .map(|limit| limit.name().to_owned())
                    .into_iter()
                    .chain(cells)
                    .collect::<Vec<_>>()
            };
            course.order().into_iter().flat_map(each).collect()
        };
        let targets = course(Breadth::Targets, &[]).unwrap();
        assert_eq!(
            order(targets.clone()).join(" "),
            "L1 hello@256 chain10@256 L3 hello@1 chain10@1 L2@1 remote10@1 L2@256 remote10@256 L2@1000 fan100@16 fan10000@1"
        );
        let cells: Vec<String> = targets.cells.iter().map(Cell::to_string).collect();
        assert_eq!(order(targets.without_limits()), cells);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let error = course(Breadth::All, &["hello@2"]).unwrap_err().to_string();
        for name in ["hello@2", "hello@64", "cold-read"] {
            assert!(error.contains(name), "{error}");
        }
    }
}
