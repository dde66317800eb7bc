//! The order of things, for each part: servers, engine and worker, each raw limit with the
//! workloads that are held against it, each study, verdicts.

use std::thread::available_parallelism;

use crate::{
    cell::Bench,
    course::Course,
    error::BenchError,
    installation::Installation,
    limits,
    report::{Part, Report, SetupRow},
    setting::Setting,
    study,
    workload::{REMOTE1, REMOTE10},
};

pub(crate) async fn run(
    courses: &[Course],
    installation: &mut Installation,
    report: &mut Report,
) -> Result<(), BenchError> {
    let mut single_steps = None;
    for course in courses {
        installation.start_servers(course.setting).await?;
        let client = installation.server()?.connect().await?;
        let part = report.begin(SetupRow {
            setting: course.setting,
            nats_server: client.server_info().version,
            cores: available_parallelism().map_or(0, usize::from),
            runs: course.plan.runs,
            window_seconds: course.plan.window.as_secs_f64(),
        });
        part.single_steps = single_steps;
        let ended = measure(course, installation, part).await;
        if course.setting == Setting::SyncAlways {
            single_steps = part.steps_per_second("chain10@256");
        }
        // What there is, also after an error.
        part.judge();
        ended?;
    }
    Ok(())
}

async fn measure(
    course: &Course,
    installation: &mut Installation,
    part: &mut Part,
) -> Result<(), BenchError> {
    installation.start_roles().await?;
    let bench = bench(course, installation).await?;
    if course.cells.iter().any(|cell| cell.workload == REMOTE10) {
        part.remote1_messages = Some(bench.count(REMOTE1).await?);
    }
    for (limit, cells) in course.order() {
        if let Some(limit) = limit {
            part.limit(limits::measure(limit, bench.server, &bench.plan, bench.pids).await?);
        }
        for cell in cells {
            part.workload(bench.measure(cell).await?);
        }
    }
    drop(bench);
    for study in &course.studies {
        study::run(*study, course, installation, part).await?;
    }
    Ok(())
}

/// What measures with the processes as they are now.
pub(crate) async fn bench<'a>(
    course: &Course,
    installation: &'a Installation,
) -> Result<Bench<'a>, BenchError> {
    let server = installation.server()?;
    Ok(Bench {
        plan: course.plan,
        server,
        pids: installation.pids(),
        client: server.config().client().await?,
        js: async_nats::jetstream::new(server.connect().await?),
    })
}
