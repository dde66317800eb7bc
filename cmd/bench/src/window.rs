//! Closed loops, and the window of time that is measured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    child::LOOK_PAUSE,
    course::Plan,
    error::BenchError,
    stats::quantile,
    usage::{Each, Pids},
};

/// What a loop does again and again, the next once the one before is done.
pub(crate) trait Work: Send + 'static {
    fn once(&mut self) -> impl Future<Output = Result<(), BenchError>> + Send;
}

/// One that was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) took: Duration,
}

/// What the tasks of a load share with who measures them.
#[derive(Debug)]
pub(crate) struct Control {
    stop: watch::Sender<bool>,
    completed: AtomicU64,
}

impl Control {
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Wait until the load is to stop.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender is ours: it can't be gone.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    pub(crate) fn complete(&self) {
        self.completed.fetch_add(1, Relaxed);
    }

    fn completed(&self) -> u64 {
        self.completed.load(Relaxed)
    }
}

/// Tasks under way. Dropped, they are aborted.
pub(crate) struct Load {
    name: String,
    control: Arc<Control>,
    tasks: JoinSet<Result<Vec<Sample>, BenchError>>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    /// All that the load has completed, before and after the window too.
    pub(crate) completed: u64,
    /// Latencies of those completed in the window, in milliseconds, sorted.
    pub(crate) latencies_ms: Vec<f64>,
    /// CPU time in the window.
    pub(crate) cpu_seconds: Each<f64>,
}

impl Window {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_ms.len() as f64 / self.seconds
    }

    /// 0 if nothing was completed.
    pub(crate) fn latency_ms(&self, q: f64) -> f64 {
        quantile(&self.latencies_ms, q).unwrap_or_default()
    }
}

impl Load {
    /// No task yet.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let (stop, _) = watch::channel(false);
        let completed = AtomicU64::new(0);
        Self {
            name: name.into(),
            control: Arc::new(Control { stop, completed }),
            tasks: JoinSet::new(),
        }
    }

    /// One closed loop for each.
    pub(crate) fn of<W: Work>(name: impl Into<String>, works: impl IntoIterator<Item = W>) -> Self {
        let mut load = Self::new(name);
        for work in works {
            load.spawn(|control| run_loop(control, work));
        }
        load
    }

    /// A task that ends soon after it is asked to stop.
    pub(crate) fn spawn<F>(&mut self, task: impl FnOnce(Arc<Control>) -> F)
    where
        F: Future<Output = Result<Vec<Sample>, BenchError>> + Send + 'static,
    {
        self.tasks.spawn(task(Arc::clone(&self.control)));
    }

    /// Let it run, then stop it; answers how many were completed.
    pub(crate) async fn run_for(mut self, time: Duration, plan: &Plan) -> Result<u64, BenchError> {
        self.pass(time).await?;
        self.drain(plan).await?;
        Ok(self.control.completed())
    }

    /// Let it run for the ramp, measure it for a window, stop it. The window is longer than
    /// planned if less than one a loop was completed.
    pub(crate) async fn measure(mut self, plan: &Plan, pids: Pids) -> Result<Window, BenchError> {
        let loops = self.tasks.len() as u64;
        self.pass(plan.ramp).await?;
        let (from, before, cpu_before) =
            (Instant::now(), self.control.completed(), pids.cpu_seconds());
        let mut progress = (before, from);
        loop {
            let now = Instant::now();
            let completed = self.control.completed();
            if completed > progress.0 {
                progress = (completed, now);
            }
            if now - progress.1 > plan.stall {
                let (name, bound) = (self.name, plan.stall);
                return Err(BenchError::NoProgress { name, bound });
            }
            let left = plan.window.saturating_sub(now - from);
            if left.is_zero() && completed - before >= loops {
                break;
            }
            let pause = if left.is_zero() {
                LOOK_PAUSE
            } else {
                left.min(LOOK_PAUSE)
            };
            self.pass(pause).await?;
        }
        let to = Instant::now();
        let cpu_seconds = pids.cpu_seconds().since(cpu_before);
        let samples = self.drain(plan).await?;
        let mut latencies_ms: Vec<f64> = samples
            .iter()
            .filter(|sample| sample.at >= from && sample.at < to)
            .map(|sample| sample.took.as_secs_f64() * 1e3)
            .collect();
        latencies_ms.sort_by(f64::total_cmp);
        Ok(Window {
            seconds: (to - from).as_secs_f64(),
            completed: self.control.completed(),
            latencies_ms,
            cpu_seconds,
        })
    }

    /// Wait, unless a task fails meanwhile.
    async fn pass(&mut self, time: Duration) -> Result<(), BenchError> {
        match timeout(time, self.tasks.join_next()).await {
            Err(_) => Ok(()),
            Ok(Some(ended)) => ended.map_err(BenchError::Panicked)?.map(|_| ()),
            Ok(None) => Err(BenchError::Ended("load")),
        }
    }

    async fn drain(&mut self, plan: &Plan) -> Result<Vec<Sample>, BenchError> {
        self.control.stop.send_replace(true);
        let mut samples = Vec::new();
        let drained = timeout(plan.stall, async {
            while let Some(ended) = self.tasks.join_next().await {
                samples.append(&mut ended.map_err(BenchError::Panicked)??);
            }
            Ok(())
        });
        match drained.await {
            Ok(ended) => ended.map(|()| samples),
            Err(_) => Err(BenchError::NoProgress {
                name: format!("{}, stopping", self.name),
                bound: plan.stall,
            }),
        }
    }
}

async fn run_loop<W: Work>(control: Arc<Control>, mut work: W) -> Result<Vec<Sample>, BenchError> {
    let mut samples = Vec::new();
    while !control.is_stopped() {
        let started = Instant::now();
        work.once().await?;
        let at = Instant::now();
        samples.push(Sample {
            at,
            took: at - started,
        });
        control.complete();
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pause(Duration);
    impl Work for Pause {
        async fn once(&mut self) -> Result<(), BenchError> {
            tokio::time::sleep(self.0).await;
            Ok(())
        }
    }

    const PLAN: Plan = Plan {
        runs: 1,
        warm_up: Duration::ZERO,
        ramp: Duration::from_millis(20),
        window: Duration::from_millis(200),
        stall: Duration::from_millis(500),
        ..Plan::QUICK
    };

    fn pauses(millis: u64) -> Load {
        Load::of(
            "pauses",
            (0..4).map(|_| Pause(Duration::from_millis(millis))),
        )
    }

    #[tokio::test]
    async fn a_window_counts_what_was_completed_in_it() {
        let window = pauses(10).measure(&PLAN, Pids::default()).await.unwrap();
        assert!((100.0..=400.0).contains(&window.per_second()), "{window:?}");
        assert!(window.latency_ms(0.5) >= 10.0);
        assert!(window.completed > window.latencies_ms.len() as u64);
    }

    #[tokio::test]
    async fn a_window_waits_for_slow_work_and_not_for_ever() {
        let window = pauses(300).measure(&PLAN, Pids::default()).await.unwrap();
        assert!(window.seconds > 0.2 && window.latencies_ms.len() >= 4);
        let error = pauses(60_000)
            .measure(&PLAN, Pids::default())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("nothing was completed for 500ms"),
            "{error}"
        );
    }
}
