//! The workflows, and which of them are measured at which concurrency.

use std::{
    fmt,
    sync::OnceLock,
    time::{Duration, Instant},
};

use headwater::{ActivityContext, Context, Error, Processor, ProcessorError, Result};

use crate::course::Breadth;

/// The one activity.
pub(crate) const ACTIVITY: &str = "noop";

/// Local steps in sequence.
const LOCAL: &str = "local";
/// Remote activities in sequence.
const REMOTE: &str = "remote";
/// Remote activities joined.
const FAN: &str = "fan";
/// An hour of nothing.
pub(crate) const SLEEP: &str = "sleep";
/// Local steps in sequence that note their times.
pub(crate) const LONG: &str = "long";

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

/// A fan-out that takes many turns.
pub(crate) const FAN10000: Workload = Workload {
    name: "fan10000",
    workflow: FAN,
    steps: 10_000,
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

impl Cell {
    /// Name of the limit that it is held against, or that is nearest to it. The two are measured
    /// one after the other, so that what else the machine does bears on both.
    pub(crate) fn limit(&self) -> &'static str {
        match (self.workload.workflow, self.concurrency) {
            (LOCAL, 1) => "L3",
            (LOCAL, _) => "L1",
            (REMOTE, 1) => "L2@1",
            (REMOTE, _) => "L2@256",
            _ => "L2@1000",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.workload.name, self.concurrency)
    }
}

/// Everything that is measured, in the order of the tables.
const CELLS: [(Workload, &[usize]); 5] = [
    (HELLO, &[1, 64, 256]),
    (CHAIN10, &[1, 64, 256]),
    (REMOTE10, &[1, 64, 256]),
    (FAN100, &[1, 16, 64]),
    (FAN10000, &[1]),
];

/// Of these, what the targets need.
const TARGET_CELLS: [(Workload, &[usize]); 5] = [
    (HELLO, &[1, 256]),
    (CHAIN10, &[1, 256]),
    (REMOTE10, &[1, 256]),
    (FAN100, &[16]),
    (FAN10000, &[1]),
];

/// The one that tells what a write costs.
const WRITE_CELLS: [(Workload, &[usize]); 1] = [(CHAIN10, &[256])];

/// The cells of this breadth whose workload or name is among `only`; all, if that is empty.
pub(crate) fn cells(breadth: Breadth, only: &[String]) -> Vec<Cell> {
    let cells: &[(Workload, &[usize])] = match breadth {
        Breadth::All => &CELLS,
        Breadth::Targets => &TARGET_CELLS,
        Breadth::Writes => &WRITE_CELLS,
    };
    let is_meant = |cell: &Cell, name: &str| name == cell.workload.name || name == cell.to_string();
    let is_wanted = |cell: &Cell| only.is_empty() || only.iter().any(|name| is_meant(cell, name));
    cells
        .iter()
        .flat_map(|(workload, at)| {
            at.iter().map(|concurrency| Cell {
                workload: *workload,
                concurrency: *concurrency,
            })
        })
        .filter(is_wanted)
        .collect()
}

/// The workflows that the engine process has.
pub(crate) fn register(processor: Processor) -> Result<Processor, ProcessorError> {
    processor
        .workflow(LOCAL, local)?
        .workflow(REMOTE, remote)?
        .workflow(FAN, fan)?
        .workflow(SLEEP, sleep)?
        .workflow(LONG, long)
}

async fn local(ctx: Context, steps: u32) -> Result<u32> {
    for step in 0..steps {
        ctx.run("step", || async move { Ok::<_, Error>(step) })
            .await?;
    }
    Ok(steps)
}

async fn sleep(ctx: Context, _: ()) -> Result<()> {
    ctx.sleep(Duration::from_secs(3_600)).await
}

/// Answers when each step was run, in nanoseconds from some time of this process.
async fn long(ctx: Context, steps: u32) -> Result<Vec<u64>> {
    let mut times = Vec::new();
    for _ in 0..steps {
        let time = ctx.run("step", || async { Ok::<_, Error>(nanoseconds()) });
        times.push(time.await?);
    }
    Ok(times)
}

fn nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
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
