//! A loop that goes on for long: it polls, sleeps, and continues as new, so that its journal
//! stays short however long it runs. Its id stays the same.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Watch {
    job: String,
    polls: u32,
}

/// How often it polls in one run, before it begins another.
const POLLS: u32 = 3;

async fn monitor(ctx: Context, watch: Watch) -> Result<String> {
    let Watch { job, mut polls } = watch;
    for _ in 0..POLLS {
        polls += 1;
        let done: bool = ctx.activity("is_done", (&job, polls)).await?;
        if done {
            return Ok(format!("{job} was done at poll {polls}"));
        }
        ctx.sleep(Duration::from_millis(100)).await?;
    }
    ctx.continue_as_new(Watch { job, polls }).await
}

async fn is_done(_: ActivityContext, (_job, polls): (String, u32)) -> Result<bool> {
    Ok(polls >= 8)
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("monitor", monitor)?
        .activity("is_done", is_done)
}

async fn drive(client: Client) -> Outcome {
    let watch = Watch {
        job: "backup".to_owned(),
        polls: 0,
    };
    let mut handle = client.start("monitor").input(&watch).send().await?;
    Ok(handle.result(Duration::from_secs(30)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_polls_over_several_runs() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "backup was done at poll 8");
    Ok(())
}
