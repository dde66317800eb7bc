//! The workflows and their one activity. Each step leaves two lines in the ledger: that it
//! begins, and what it is about to return.

use std::{sync::Arc, time::Duration};

use headwater::{ActivityContext, Context, Error, Processor, ProcessorError, Result, Retry};
use serde::{Deserialize, Serialize};

use crate::{
    ledger::{Event, Ledger},
    workload::{FAN, Job, Kind, LONG, Outcome, delay, sleep, value},
};

/// The activity.
const ACTIVITY: &str = "effect";

/// One step: which it is, and how often it fails first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Step {
    n: u64,
    place: u64,
    failures: u32,
}

impl Step {
    fn of(job: Job, place: u64) -> Self {
        let (n, failures) = (job.n, 0);
        Self { n, place, failures }
    }

    fn failing(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    async fn perform(self, ledger: &Ledger, key: &str, attempt: u32) -> Result<Outcome> {
        let execution = ledger.begin(key, attempt).map_err(Error::fatal)?;
        tokio::time::sleep(delay(self.n, self.place)).await;
        if attempt <= self.failures {
            execution.write(Event::Fails).map_err(Error::fatal)?;
            return Err(Error::msg(failure(&execution.x)));
        }
        let outcome = Outcome {
            r: value(self.n, self.place),
            x: execution.x.clone(),
        };
        let done = Event::Done(outcome.clone());
        execution.write(done).map_err(Error::fatal)?;
        Ok(outcome)
    }
}

/// The error of an attempt that fails as it should; it names the execution.
pub(crate) fn failure(x: &str) -> String {
    format!("fails as it should: {x}")
}

/// The workflows, for the processors.
pub(crate) fn register(
    mut processor: Processor,
    ledger: &Arc<Ledger>,
) -> Result<Processor, ProcessorError> {
    for kind in [
        Kind::Chain,
        Kind::Remote,
        Kind::Fan,
        Kind::Sleep,
        Kind::Retry,
        Kind::Keyed,
        Kind::Long,
    ] {
        let ledger = Arc::clone(ledger);
        processor = processor.workflow(kind.name(), move |ctx: Context, job: Job| {
            let ledger = Arc::clone(&ledger);
            async move {
                let steps = Steps { ctx, ledger, job };
                steps.run(kind).await
            }
        })?;
    }
    Ok(processor)
}

/// The activity, for the workers.
pub(crate) fn register_activity(
    processor: Processor,
    ledger: Arc<Ledger>,
) -> Result<Processor, ProcessorError> {
    processor.activity(ACTIVITY, move |ctx: ActivityContext, step: Step| {
        let ledger = Arc::clone(&ledger);
        async move {
            let key = &ctx.idempotency_key;
            step.perform(&ledger, key, ctx.attempt).await
        }
    })
}

/// What a workflow does its steps with.
struct Steps {
    ctx: Context,
    ledger: Arc<Ledger>,
    job: Job,
}

impl Steps {
    async fn run(&self, kind: Kind) -> Result<u64> {
        match kind {
            Kind::Chain => self.chain(0..6).await,
            Kind::Long => self.chain(0..LONG).await,
            Kind::Remote => self.remote().await,
            Kind::Fan => self.fan().await,
            Kind::Sleep => self.sleep().await,
            Kind::Retry => self.retry().await,
            Kind::Keyed => self.keyed().await,
        }
    }

    async fn local(&self, step: Step) -> Result<u64> {
        let name = format!("local-{}", step.place);
        let work = async |info: headwater::StepInfo| {
            let key = &info.idempotency_key;
            step.perform(&self.ledger, key, info.attempt).await
        };
        let retry = Retry::fixed(Duration::from_millis(150));
        let outcome: Outcome = self.ctx.run_with(name, work).retry(retry).await?;
        Ok(outcome.r)
    }

    async fn effect(&self, step: Step) -> Result<u64> {
        let outcome: Outcome = self.ctx.activity(ACTIVITY, step).await?;
        Ok(outcome.r)
    }

    fn step(&self, place: u64) -> Step {
        Step::of(self.job, place)
    }

    async fn chain(&self, places: std::ops::Range<u64>) -> Result<u64> {
        let mut sum = 0;
        for place in places {
            sum += self.local(self.step(place)).await?;
        }
        Ok(sum)
    }

    async fn remote(&self) -> Result<u64> {
        let mut sum = 0;
        for place in 0..4 {
            sum += self.effect(self.step(place)).await?;
        }
        Ok(sum)
    }

    async fn fan(&self) -> Result<u64> {
        let calls = (0..FAN).map(|place| self.ctx.activity::<Outcome>(ACTIVITY, self.step(place)));
        let mut sum = 0;
        for outcome in self.ctx.all(calls).await {
            sum += outcome?.r;
        }
        Ok(sum + self.local(self.step(FAN)).await?)
    }

    async fn sleep(&self) -> Result<u64> {
        let mut sum = self.local(self.step(0)).await?;
        for time in 0..2 {
            self.ctx.sleep(sleep(self.job.n, time)).await?;
            sum += self.local(self.step(time + 1)).await?;
        }
        Ok(sum)
    }

    async fn retry(&self) -> Result<u64> {
        let local = self.local(self.step(0).failing(2)).await?;
        let remote = self.effect(self.step(1).failing(1)).await?;
        Ok(local + remote)
    }

    async fn keyed(&self) -> Result<u64> {
        let first = self.local(self.step(0)).await?;
        let second = self.effect(self.step(1)).await?;
        Ok(first + second + self.local(self.step(2)).await?)
    }
}
