//! Closed loops, and the windows of time that are measured.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    cli::Plan,
    error::PeersError,
    stats::{median, quantile},
    system::{Client, Installation},
    workload::Cell,
};

/// How often is looked whether a window is over.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// What a loop waits after a failure.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// A window that has taken so many times what was planned is the last one.
const SLOW: f64 = 4.0;

/// One workflow that was completed.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    took: Duration,
}

/// Loops under way: each starts a workflow once its one before has been answered. Dropped, they
/// are aborted.
struct Load {
    loops: usize,
    tasks: JoinSet<()>,
    done: Arc<Mutex<Done>>,
}

/// What the loops have done since it was last taken.
#[derive(Debug, Default)]
struct Done {
    samples: Vec<Sample>,
    /// Workflows that failed.
    failed: u64,
    last_failure: Option<String>,
}

/// What was measured in one window.
#[derive(Clone, Debug)]
struct Window {
    seconds: f64,
    failed: u64,
    /// Of the workflows completed in it, in milliseconds, sorted.
    latencies_ms: Vec<f64>,
}

/// Medians of the windows.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Workflows a second in each window.
    pub(crate) runs: Vec<f64>,
    pub(crate) window_seconds: f64,
    pub(crate) workflows_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Workflows that failed, in all windows; they count for nothing else.
    pub(crate) failed: u64,
}

/// Warm up, then measure window after window under the same load. What is so slow that a window
/// has become much longer than planned is measured once.
pub(crate) async fn measure(
    installation: &Installation,
    cell: Cell,
    plan: &Plan,
) -> Result<Measured, PeersError> {
    let client = installation.client();
    let mut load = Load::new(cell.concurrency);
    for _ in 0..cell.concurrency {
        let done = Arc::clone(&load.done);
        load.tasks.spawn(run_loop(client.clone(), cell, done));
    }
    load.window(plan.warm_up, plan.stall).await?;
    let mut windows = Vec::new();
    for _ in 0..plan.runs {
        let window = load.window(plan.window, plan.stall).await?;
        let is_slow = window.seconds > SLOW * plan.window.as_secs_f64();
        windows.push(window);
        if is_slow {
            break;
        }
    }
    // While the loops still run: it must have been so all along.
    installation.check_sync().await?;
    Ok(Measured::of(&windows))
}

async fn run_loop(client: Client, cell: Cell, done: Arc<Mutex<Done>>) {
    loop {
        let started = Instant::now();
        let answered = client.call(cell.workload).await;
        let at = Instant::now();
        let Err(error) = answered else {
            let took = at - started;
            lock(&done).samples.push(Sample { at, took });
            continue;
        };
        {
            let mut done = lock(&done);
            done.failed += 1;
            done.last_failure = Some(error.to_string());
        }
        sleep(FAILURE_PAUSE).await;
    }
}

fn lock(done: &Mutex<Done>) -> MutexGuard<'_, Done> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    fn new(loops: usize) -> Self {
        Self {
            loops,
            tasks: JoinSet::new(),
            done: Arc::default(),
        }
    }

    /// A window that begins now. It is longer than `time` if less than one a loop was completed.
    async fn window(&mut self, time: Duration, stall: Duration) -> Result<Window, PeersError> {
        self.take();
        let from = Instant::now();
        let mut progress = (0, from);
        loop {
            let (now, completed) = (Instant::now(), self.completed());
            if completed > progress.0 {
                progress = (completed, now);
            }
            if now - progress.1 > stall {
                let failure = self.take().last_failure;
                return Err(PeersError::NoProgress(stall, failure.unwrap_or_default()));
            }
            let left = time.saturating_sub(now - from);
            if left.is_zero() && completed >= self.loops {
                break;
            }
            let pause = if left.is_zero() { LOOK_PAUSE } else { left };
            self.pass(pause.min(LOOK_PAUSE)).await?;
        }
        let to = Instant::now();
        let done = self.take();
        let mut latencies_ms: Vec<f64> = done
            .samples
            .iter()
            .filter(|sample| sample.at >= from && sample.at < to)
            .map(|sample| sample.took.as_secs_f64() * 1e3)
            .collect();
        latencies_ms.sort_by(f64::total_cmp);
        Ok(Window {
            seconds: (to - from).as_secs_f64(),
            failed: done.failed,
            latencies_ms,
        })
    }

    fn completed(&self) -> usize {
        lock(&self.done).samples.len()
    }

    fn take(&self) -> Done {
        std::mem::take(&mut lock(&self.done))
    }

    /// Wait, unless a loop ends meanwhile, as none should.
    async fn pass(&mut self, time: Duration) -> Result<(), PeersError> {
        match timeout(time, self.tasks.join_next()).await {
            Err(_) => Ok(()),
            Ok(_) => Err(PeersError::Ended("load")),
        }
    }
}

impl Measured {
    fn of(windows: &[Window]) -> Self {
        let rate = |window: &Window| window.latencies_ms.len() as f64 / window.seconds;
        let all =
            |figure: &dyn Fn(&Window) -> f64| -> Vec<f64> { windows.iter().map(figure).collect() };
        let latency = |q: f64| median(all(&|window| quantile(&window.latencies_ms, q)));
        Self {
            runs: all(&rate),
            window_seconds: median(all(&|window| window.seconds)),
            workflows_per_second: median(all(&rate)),
            p50_ms: latency(0.5),
            p99_ms: latency(0.99),
            failed: windows.iter().map(|window| window.failed).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(millis: u64) -> Load {
        let mut load = Load::new(4);
        for _ in 0..4 {
            let done = Arc::clone(&load.done);
            load.tasks.spawn(async move {
                loop {
                    let started = Instant::now();
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    let at = Instant::now();
                    let took = at - started;
                    lock(&done).samples.push(Sample { at, took });
                }
            });
        }
        load
    }

    const STALL: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn a_window_counts_what_was_completed_in_it() {
        let window = pauses(10).window(Duration::from_millis(200), STALL).await;
        let measured = Measured::of(&[window.unwrap()]);
        assert!((100.0..=400.0).contains(&measured.workflows_per_second));
        assert!(measured.p50_ms >= 10.0);
    }

    #[tokio::test]
    async fn a_window_waits_for_slow_work_and_not_for_ever() {
        let window = pauses(300).window(Duration::from_millis(200), STALL).await;
        let window = window.unwrap();
        assert!(window.seconds > 0.2 && window.latencies_ms.len() >= 4);
        let stalled = pauses(60_000).window(Duration::ZERO, STALL).await;
        assert!(matches!(stalled, Err(PeersError::NoProgress(..))));
    }
}
