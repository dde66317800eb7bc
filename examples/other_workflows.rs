//! Workflows that talk to each other: one signals and ends another by its id, and tells events
//! to whoever listens.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn phone(ctx: Context, (): ()) -> Result<String> {
    let mut calls = Vec::new();
    loop {
        match ctx.signal::<String>("call").await {
            Ok(who) => calls.push(who),
            Err(error) if error.is_cancelled() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(calls.join(", "))
}

async fn caller(ctx: Context, phone: String) -> Result<()> {
    let phone = ctx.other(phone);
    phone.signal("call", "Ada")?;
    phone.signal("call", "Grace")?;
    ctx.emit("phone calls", 2)?;
    ctx.sleep("50ms").await?;
    phone.cancel("the day is over")
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("phone", phone)?
        .workflow("caller", caller)
}

async fn drive(client: Client) -> Outcome {
    let mut phone = client.start("phone").input(&()).send().await?;
    let id = phone.id().as_str().to_owned();
    client.start("caller").input(&id).send().await?;
    Ok(phone.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn both_calls_come() -> Outcome<()> {
    assert_eq!(
        headwater_examples::in_memory(register, drive)?,
        "Ada, Grace"
    );
    Ok(())
}
