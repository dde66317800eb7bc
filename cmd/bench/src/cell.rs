//! One workload at one concurrency: warm-up, runs, medians.

use std::time::Duration;

use async_nats::jetstream::Context;
use headwater::{
    Client, ClientError,
    client::Ended,
    wire::{InvocationId, Status},
};
use serde::de::DeserializeOwned;

use crate::{
    course::Plan,
    error::BenchError,
    report::WorkloadRow,
    server::Server,
    stats::median,
    traffic::{self, PerStream, Tap},
    usage::{Each, Pids},
    window::{Load, Window, Work},
    workload::{Cell, Workload},
};

/// An invocation of thousands of steps may take so many times as long as one has to stall.
const LONG_STALLS: u32 = 4;

/// What every cell is measured with.
pub(crate) struct Bench<'a> {
    pub(crate) plan: Plan,
    pub(crate) server: &'a Server,
    pub(crate) pids: Pids,
    /// The client that starts invocations.
    pub(crate) client: Client,
    /// A bare one, to count.
    pub(crate) js: Context,
}

/// One measured run.
struct Run {
    window: Window,
    peak_mb: Each<f64>,
    /// Messages that the server has stored, for one workflow.
    stored: PerStream,
    /// Messages that the server has received, for one workflow.
    received: f64,
}

impl Bench<'_> {
    pub(crate) async fn measure(&self, cell: Cell) -> Result<WorkloadRow, BenchError> {
        let tap = Tap::open(self.server).await?;
        let completed = self
            .load(cell)
            .run_for(self.plan.warm_up, &self.plan)
            .await?;
        let written = tap.close(&self.js).await?;
        let mut runs = Vec::new();
        for _ in 0..self.plan.runs {
            runs.push(self.run(cell).await?);
        }
        traffic::forget_values(&self.js).await?;
        let bytes = written.bytes.map(|bytes| bytes.per(completed));
        Ok(row(
            cell,
            &runs,
            bytes,
            written.refused / completed.max(1) as f64,
        ))
    }

    async fn run(&self, cell: Cell) -> Result<Run, BenchError> {
        let stored = traffic::stored(&self.js).await?;
        let received = self.server.received().await?;
        self.pids.reset_peaks();
        let window = self.load(cell).measure(&self.plan, self.pids).await?;
        let peak_mb = self.pids.peak_mb();
        let completed = window.completed;
        let received = self.server.received().await? - received;
        let stored = traffic::stored(&self.js)
            .await?
            .since(stored)
            .per(completed);
        Ok(Run {
            window,
            peak_mb,
            stored,
            received: received as f64 / completed.max(1) as f64,
        })
    }

    /// Messages stored for one workflow, each alone. Not measured otherwise.
    pub(crate) async fn count(&self, workload: Workload) -> Result<f64, BenchError> {
        let cell = Cell {
            workload,
            concurrency: 1,
        };
        let before = traffic::stored(&self.js).await?;
        let completed = self
            .load(cell)
            .run_for(self.plan.warm_up, &self.plan)
            .await?;
        let stored = traffic::stored(&self.js).await?.since(before);
        Ok(stored.per(completed).total())
    }

    /// Run one invocation alone. Answers its id and output.
    pub(crate) async fn complete<T: DeserializeOwned>(
        &self,
        workload: Workload,
    ) -> Result<(InvocationId, T), BenchError> {
        let alone = StartAndWait {
            name: workload.name.to_owned(),
            client: self.client.clone(),
            workload,
            bound: self.plan.stall * LONG_STALLS,
        };
        let ended = alone.run().await?;
        let output = ended.output().map_err(|error| alone.failed(error))?;
        Ok((ended.id, output))
    }

    fn load(&self, cell: Cell) -> Load {
        let name = cell.to_string();
        let start = |_| StartAndWait {
            name: name.clone(),
            client: self.client.clone(),
            workload: cell.workload,
            bound: self.plan.stall,
        };
        Load::of(name.clone(), (0..cell.concurrency).map(start))
    }
}

/// Start an invocation and wait for its end.
struct StartAndWait {
    name: String,
    client: Client,
    workload: Workload,
    bound: Duration,
}

impl Work for StartAndWait {
    async fn once(&mut self) -> Result<(), BenchError> {
        let ended = self.run().await?;
        if ended.status != Status::Completed {
            // Says why; a completed one never comes here.
            ended.output::<u32>().map_err(|error| self.failed(error))?;
        }
        Ok(())
    }
}

impl StartAndWait {
    async fn run(&self) -> Result<Ended, BenchError> {
        let start = self.client.start(self.workload.workflow);
        let sent = start
            .input(&self.workload.steps)
            .expect_outcome()
            .send()
            .await;
        let mut handle = sent.map_err(|error| self.failed(error))?;
        let ended = handle.wait(self.bound).await;
        ended.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: ClientError) -> BenchError {
        let name = self.name.clone();
        match source {
            ClientError::Timeout { id, timeout: bound } => BenchError::Stalled { name, id, bound },
            source => BenchError::Workflow { name, source },
        }
    }
}

fn row(cell: Cell, runs: &[Run], bytes: Option<PerStream>, refused: f64) -> WorkloadRow {
    let all = |figure: &dyn Fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<f64>>();
    let of = |figure: &dyn Fn(&Run) -> f64| median(&mut all(figure)).unwrap_or_default();
    let each = |figure: &dyn Fn(&Run) -> Each<f64>| {
        let figures: Vec<Each<f64>> = runs.iter().map(figure).collect();
        Each::merge(&figures, median)
    };
    let stored: Vec<PerStream> = runs.iter().map(|run| run.stored).collect();
    let stored = PerStream::median(&stored);
    let steps = f64::from(cell.workload.steps);
    let workflows_per_second = of(&|run| run.window.per_second());
    WorkloadRow {
        name: cell.to_string(),
        workload: cell.workload.name,
        concurrency: cell.concurrency,
        runs: all(&|run| run.window.per_second()),
        window_seconds: of(&|run| run.window.seconds),
        workflows_per_second,
        steps_per_second: workflows_per_second * steps,
        p50_ms: of(&|run| run.window.latency_ms(0.5)),
        p99_ms: of(&|run| run.window.latency_ms(0.99)),
        max_ms: of(&|run| run.window.latency_ms(1.0)),
        cpu_seconds: each(&|run| run.window.cpu_seconds),
        peak_mb: each(&|run| run.peak_mb),
        stored_messages_per_step: stored.total() / steps,
        stored_messages_per_workflow: stored,
        refused_messages_per_workflow: refused,
        stored_bytes_per_step: bytes.map(|bytes| bytes.total() / steps),
        stored_bytes_per_workflow: bytes,
        received_messages_per_workflow: of(&|run| run.received),
    }
}
