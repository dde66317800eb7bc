//! The order of things: each workload, with each durability, on each product in turn. Side by
//! side, so that what the machine does meanwhile meets all of them.

use std::{
    thread::available_parallelism,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    child::PATIENCE,
    cli::{Options, Plan},
    error::PeersError,
    folder::Folder,
    report::{CellRow, Report, SetupRow, SystemRow},
    system::{Installation, SYNCS, SYSTEMS, Sync, System},
    window::{self, Measured},
    workload::{self, Cell, PROBES},
};

/// Between two tries of the first workflows.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run(
    options: &Options,
    folder: &Folder,
    report: &mut Report,
) -> Result<(), PeersError> {
    let (plan, cells) = (options.plan(), workload::cells(&options.only)?);
    report.setup(SetupRow {
        name: "setup",
        cores: available_parallelism().map_or(0, usize::from),
        runs: plan.runs,
        window_seconds: plan.window.as_secs_f64(),
    });
    let systems = present(options, report);
    for cell in cells {
        for sync in SYNCS {
            for &system in &systems {
                if let Some(row) = report.same(cell, system, sync) {
                    report.cell(row);
                    continue;
                }
                let ended = measure(system, sync, cell, options, &plan, folder, report).await;
                match ended {
                    Ok(measured) => report.cell(CellRow::new(cell, system, sync, &measured)),
                    Err(error) => report.failed(cell, system, sync, &error),
                }
            }
        }
        report.compare(cell);
    }
    match report.is_empty() {
        true => Err(PeersError::Nothing),
        false => Ok(()),
    }
}

/// The products that can be measured here; the others are named, with the reason.
fn present(options: &Options, report: &mut Report) -> Vec<System> {
    let mut present = Vec::new();
    for system in SYSTEMS {
        if !options.systems.is_empty() && !options.systems.contains(&system) {
            continue;
        }
        let version = system.version(options);
        if version.is_ok() {
            present.push(system);
        }
        report.system(SystemRow::new(system, version));
    }
    present
}

async fn measure(
    system: System,
    sync: Sync,
    cell: Cell,
    options: &Options,
    plan: &Plan,
    folder: &Folder,
    report: &Report,
) -> Result<Measured, PeersError> {
    report.starting(cell, system, sync);
    let installation = Installation::start(system, sync, options, folder).await?;
    let ended = measure_on(&installation, cell, plan).await;
    if ended.is_err() {
        installation.show_logs();
    }
    installation.end().await;
    ended
}

async fn measure_on(
    installation: &Installation,
    cell: Cell,
    plan: &Plan,
) -> Result<Measured, PeersError> {
    await_answers(installation).await?;
    window::measure(installation, cell, plan).await
}

/// Wait until workflows of either kind are answered.
async fn await_answers(installation: &Installation) -> Result<(), PeersError> {
    let (client, started) = (installation.client(), Instant::now());
    for probe in PROBES {
        while let Err(error) = client.call(probe).await {
            if started.elapsed() > PATIENCE {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}
