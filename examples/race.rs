//! The first of several wins; the others are no longer wanted, and a worker that has not begun
//! never begins. A call that takes too long loses against the clock.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn fastest(ctx: Context, mirrors: Vec<u64>) -> Result<String> {
    let calls = mirrors
        .iter()
        .map(|millis| ctx.activity::<u64>("fetch", millis));
    let (winner, millis) = ctx.race(calls).await;
    let slow = ctx.activity::<u64>("fetch", 60_000);
    let verdict = match ctx.timeout(Duration::from_millis(300), slow).await {
        Err(error) if error.is_timeout() => "too slow",
        _ => "in time",
    };
    Ok(format!(
        "mirror {winner} after {} ms; the archive is {verdict}",
        millis?
    ))
}

async fn fetch(_: ActivityContext, millis: u64) -> Result<u64> {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("fastest", fastest)?
        .activity("fetch", fetch)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client
        .start("fastest")
        .input(&[900, 50, 700])
        .send()
        .await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn the_first_wins() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "mirror 1 after 50 ms; the archive is too slow");
    Ok(())
}
