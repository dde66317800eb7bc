//! Wait for a person, for as long as it takes, or until a deadline. While it waits it costs
//! nothing: no process, no thread, only its stored state.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn expense(ctx: Context, amount: u64) -> Result<String> {
    ctx.info(format!("{amount} asked for"));
    match ctx.signal::<String>("approval").timeout(7 * DAY).await {
        Ok(who) => Ok(format!("{amount} approved by {who}")),
        Err(error) if error.is_timeout() => Ok(format!("{amount} refused: nobody looked at it")),
        Err(error) => Err(error),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("expense", expense)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("expense").input(&120).send().await?;
    client.signal(handle.id(), "approval", "Grace").await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_is_approved() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "120 approved by Grace");
    Ok(())
}

#[test]
fn or_refused_after_a_week() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, async |client: Client| {
        let mut handle = client.start("expense").input(&120).send().await?;
        Ok(handle.result(8 * DAY).await?)
    })?;
    assert_eq!(told, "120 refused: nobody looked at it");
    Ok(())
}
