//! The order of things: server, raw limits, engine and worker, each workload.

use std::thread::available_parallelism;

use crate::{
    cell::Bench,
    cli::Options,
    error::BenchError,
    installation::Installation,
    limits,
    report::{Report, SetupRow},
    role, workload,
    workload::{REMOTE1, REMOTE10},
};

pub(crate) async fn run(
    options: &Options,
    installation: &mut Installation,
    report: &mut Report,
) -> Result<(), BenchError> {
    let (plan, cells) = (options.plan(), workload::cells(&options.only)?);
    installation.start_server().await?;
    let client = installation.server()?.connect().await?;
    report.setup(SetupRow {
        name: "setup",
        version: env!("CARGO_PKG_VERSION"),
        nats_server: client.server_info().version,
        cores: available_parallelism().map_or(0, usize::from),
        runs: plan.runs,
        window_seconds: plan.window.as_secs_f64(),
    });
    if !options.no_limits {
        let pids = installation.pids();
        limits::measure(installation.server()?, &plan, pids, report).await?;
    }
    installation.start_roles().await?;
    let server = installation.server()?;
    let bench = Bench {
        plan,
        server,
        pids: installation.pids(),
        client: role::config(server.url.clone()).client().await?,
        js: async_nats::jetstream::new(client),
    };
    if cells.iter().any(|cell| cell.workload == REMOTE10) {
        report.remote1_messages(bench.count(REMOTE1).await?);
    }
    for cell in cells {
        report.workload(bench.measure(cell).await?);
    }
    report.ratios();
    Ok(())
}
