//! A step that fails is tried again by its policy. What is fatal is not; what goes on failing
//! fails in the end, with the last error in its message.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn call(ctx: Context, failures: u32) -> Result<String> {
    let policy = Retry::exponential()
        .initial(Duration::from_millis(50))
        .factor(2.0)
        .max_attempts(4);
    let answer: Result<u32> = ctx.activity("flaky", failures).retry(policy).await;
    Ok(match answer {
        Ok(attempt) => format!("worked at attempt {attempt}"),
        Err(error) => error.to_string(),
    })
}

async fn flaky(ctx: ActivityContext, failures: u32) -> Result<u32> {
    match ctx.attempt > failures {
        true => Ok(ctx.attempt),
        false => Err(Error::msg("no connection")),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("call", call)?.activity("flaky", flaky)
}

async fn drive(client: Client) -> Outcome {
    let mut told = Vec::new();
    for failures in [2, 9] {
        let mut handle = client.start("call").input(&failures).send().await?;
        told.push(handle.result::<String>(Duration::from_secs(10)).await?);
    }
    Ok(told.join("; "))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn the_policy_decides() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    let expected = "worked at attempt 3; gave up after 4 attempts: no connection";
    assert_eq!(told, expected);
    Ok(())
}
