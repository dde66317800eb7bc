//! Something at regular times: a workflow that sleeps until the next, works, and continues as
//! new. Its id makes sure that there is one of it.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn report(ctx: Context, done: u32) -> Result<String> {
    if done == 3 {
        return Ok(format!("{done} reports"));
    }
    // Seconds come first; five fields begin with the minute.
    ctx.sleep_until_next("*/2 * * * * *").await?;
    ctx.activity::<()>("send report", done).await?;
    ctx.continue_as_new(done + 1).await
}

async fn send_report(_: ActivityContext, number: u32) -> Result<()> {
    println!("report {number}");
    Ok(())
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("report", report)?
        .activity("send report", send_report)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("report").input(&0).send().await?;
    Ok(handle.result(Duration::from_secs(30)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_works_at_each_time() -> Outcome<()> {
    assert_eq!(headwater_examples::in_memory(register, drive)?, "3 reports");
    Ok(())
}
