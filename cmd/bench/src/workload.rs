//! The workflows, and which of them are measured at which concurrency.

use std::fmt;

use headwater::{ActivityContext, Context, Error, Processor, ProcessorError, Result};

use crate::error::BenchError;

/// The one activity.
pub(crate) const ACTIVITY: &str = "noop";

/// Local steps in sequence.
const LOCAL: &str = "local";
/// Remote activities in sequence.
const REMOTE: &str = "remote";
/// Remote activities joined.
const FAN: &str = "fan";

/// A workflow, with its input: the number of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) workflow: &'static str,
    pub(crate) steps: u32,
}

pub(crate) const HELLO: Workload = Workload {
    name: "hello",
    workflow: LOCAL,
    steps: 1,
};
pub(crate) const CHAIN10: Workload = Workload {
    name: "chain10",
    workflow: LOCAL,
    steps: 10,
};
pub(crate) const REMOTE10: Workload = Workload {
    name: "remote10",
    workflow: REMOTE,
    steps: 10,
};
pub(crate) const FAN100: Workload = Workload {
    name: "fan100",
    workflow: FAN,
    steps: 100,
};

/// Not measured: what a workflow of remote steps costs beside its steps.
pub(crate) const REMOTE1: Workload = Workload {
    name: "remote1",
    workflow: REMOTE,
    steps: 1,
};

/// One workload with so many invocations in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) workload: Workload,
    pub(crate) concurrency: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.workload.name, self.concurrency)
    }
}

/// Everything that is measured, in the order of the tables.
const CELLS: [(Workload, [usize; 3]); 4] = [
    (HELLO, [1, 64, 256]),
    (CHAIN10, [1, 64, 256]),
    (REMOTE10, [1, 64, 256]),
    (FAN100, [1, 16, 64]),
];

/// The cells whose workload or name is among `only`; all, if that is empty.
pub(crate) fn cells(only: &[String]) -> Result<Vec<Cell>, BenchError> {
    let all: Vec<Cell> = CELLS
        .into_iter()
        .flat_map(|(workload, at)| {
            at.map(|concurrency| Cell {
                workload,
                concurrency,
            })
        })
        .collect();
    let is_meant = |cell: &Cell, name: &str| name == cell.workload.name || name == cell.to_string();
    if let Some(name) = only
        .iter()
        .find(|name| !all.iter().any(|cell| is_meant(cell, name)))
    {
        let names: Vec<String> = all.iter().map(Cell::to_string).collect();
        return Err(BenchError::Unknown(name.clone(), names.join(", ")));
    }
    let is_wanted = |cell: &Cell| only.is_empty() || only.iter().any(|name| is_meant(cell, name));
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// The workflows that the engine process has.
pub(crate) fn register(processor: Processor) -> Result<Processor, ProcessorError> {
    processor
        .workflow(LOCAL, local)?
        .workflow(REMOTE, remote)?
        .workflow(FAN, fan)
}

async fn local(ctx: Context, steps: u32) -> Result<u32> {
    for step in 0..steps {
        ctx.run("step", || async move { Ok::<_, Error>(step) })
            .await?;
    }
    Ok(steps)
}

async fn remote(ctx: Context, steps: u32) -> Result<u32> {
    for step in 0..steps {
        let _: u32 = ctx.activity(ACTIVITY, step).await?;
    }
    Ok(steps)
}

async fn fan(ctx: Context, steps: u32) -> Result<u32> {
    let calls = (0..steps).map(|step| ctx.activity::<u32>(ACTIVITY, step));
    let results: Result<Vec<u32>> = ctx.all(calls).await.into_iter().collect();
    results?;
    Ok(steps)
}

/// The activity.
pub(crate) async fn noop(_: ActivityContext, input: u32) -> Result<u32> {
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_chosen_by_workload_or_name() {
        let names = |only: &[&str]| -> Vec<String> {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            cells(&only).unwrap().iter().map(Cell::to_string).collect()
        };
        assert_eq!(names(&[]).len(), 12);
        assert_eq!(
            names(&["hello@1", "fan100"]),
            ["hello@1", "fan100@1", "fan100@16", "fan100@64"]
        );
        let error = cells(&["hello@2".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("hello@2") && error.contains("hello@64"),
            "{error}"
        );
    }
}
