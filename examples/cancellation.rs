//! Somebody cancels: what the workflow awaits fails, and so does what it would begin after that,
//! unless it is shielded. So a workflow cleans up, and cannot go on by accident.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn rent(ctx: Context, machine: String) -> Result<()> {
    ctx.activity::<()>("boot", &machine).await?;
    let rented = ctx.signal::<()>("return").await;
    // Also when it was cancelled.
    ctx.shield(ctx.activity::<()>("shut down", &machine))
        .await?;
    rented
}

async fn boot(_: ActivityContext, _: String) -> Result<()> {
    Ok(())
}

async fn shut_down(_: ActivityContext, machine: String) -> Result<()> {
    println!("{machine} is off");
    Ok(())
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("rent", rent)?
        .activity("boot", boot)?
        .activity("shut down", shut_down)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("rent").input("box-7").send().await?;
    client.cancel(handle.id(), "the customer has left").await?;
    let ended = handle.wait(Duration::from_secs(10)).await?;
    let error = ended.error.map_or_else(String::new, |error| error.message);
    Ok(format!("{}: {error}", ended.status))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_cleans_up_and_is_cancelled() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "cancelled: the customer has left");
    Ok(())
}
