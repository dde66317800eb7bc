//! What an installation sends that has nothing to do.

use std::time::Instant;

use tokio::time::sleep;

use crate::{cell::Bench, error::BenchError, metrics::Metrics};

/// Found in a window without load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Idle {
    /// Messages that the server has received.
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
}

pub(super) async fn measure(bench: &Bench<'_>, metrics: &Metrics) -> Result<Idle, BenchError> {
    metrics.await_empty(0, bench.plan.stall).await?;
    let (before, from) = (bench.server.received().await?, Instant::now());
    sleep(bench.plan.idle).await;
    Ok(Idle {
        messages: bench.server.received().await? - before,
        seconds: from.elapsed().as_secs_f64(),
    })
}
