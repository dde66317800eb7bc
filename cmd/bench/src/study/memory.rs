//! What sleeping workflows cost the engine.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use headwater::store::Bucket;
use tokio::time::sleep;

use crate::{
    cell::Bench,
    child::LOOK_PAUSE,
    error::{BenchError, Doing as _},
    metrics::Metrics,
    usage::Process,
    workload::SLEEP,
};

/// Starts in flight: quick, but a cluster on one machine still answers within its time.
const IN_FLIGHT: usize = 64;

/// Living members once the processes before are forgotten: engine and worker.
const MEMBERS: usize = 2;

/// Memory that has not fallen for so long stays.
const SETTLED: Duration = Duration::from_secs(2);

/// The engine's memory without workflows, and with many that are asleep and out of memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    pub(crate) idle_mb: f64,
    pub(crate) asleep_mb: f64,
    /// The most that it was while they were started.
    pub(crate) peak_mb: f64,
    pub(crate) sleepers: u32,
}

/// None if the system does not tell. The engine has to be new.
pub(super) async fn measure(
    bench: &Bench<'_>,
    metrics: &Metrics,
) -> Result<Option<Memory>, BenchError> {
    let plan = &bench.plan;
    await_members(bench).await?;
    metrics.await_empty(0, plan.stall).await?;
    bench.pids.reset_peaks();
    let idle_mb = what_stays(bench).await;
    let started = stream::iter(0..plan.sleepers).map(|_| async {
        let sent = bench.client.start(SLEEP).send().await;
        sent.map_err(|source| BenchError::Workflow {
            name: SLEEP.to_owned(),
            source,
        })
    });
    let started = started.buffer_unordered(IN_FLIGHT);
    started.try_for_each(|_| async { Ok(()) }).await?;
    metrics.await_empty(plan.sleepers, plan.stall).await?;
    let (asleep_mb, peak_mb) = (what_stays(bench).await, bench.pids.peak_mb());
    let (Some(idle_mb), Some(asleep_mb), Some(peak_mb)) =
        (idle_mb, asleep_mb, peak_mb[Process::Engine])
    else {
        return Ok(None);
    };
    Ok(Some(Memory {
        idle_mb,
        asleep_mb,
        peak_mb,
        sleepers: plan.sleepers,
    }))
}

/// The engine's memory once it does not fall any more: allocators give back with a delay.
async fn what_stays(bench: &Bench<'_>) -> Option<f64> {
    let mut least = bench.pids.now_mb()[Process::Engine]?;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED {
        sleep(LOOK_PAUSE).await;
        let now = bench.pids.now_mb()[Process::Engine]?;
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    Some(least)
}

/// Wait until those are forgotten that were killed: the engine then has all partitions.
async fn await_members(bench: &Bench<'_>) -> Result<(), BenchError> {
    let started = Instant::now();
    let doing = "counting members";
    loop {
        let members = bench.client.store().scan(Bucket::Members).await;
        let members: Vec<_> = members.doing(doing)?.try_collect().await.doing(doing)?;
        if members.len() == MEMBERS {
            return Ok(());
        }
        if started.elapsed() > bench.plan.stall {
            return Err(BenchError::NoProgress {
                name: format!("{} members, where there should be {MEMBERS}", members.len()),
                bound: bench.plan.stall,
            });
        }
        sleep(LOOK_PAUSE).await;
    }
}
