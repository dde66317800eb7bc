//! A signal to a name: whoever sends it (here, a payment service with a reference) knows no
//! invocation. It may come before the workflow waits, or before there is one; it is kept for ten
//! minutes, or for as long as its sender says.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

const SOON: Duration = Duration::from_secs(10);

async fn order(ctx: Context, reference: String) -> Result<String> {
    let paid = ctx.wait_for::<u64>(format!("payment {reference}"));
    match paid.timeout("3 days").await {
        Ok(cents) => Ok(format!("{reference}: {cents} cents received")),
        Err(error) if error.is_timeout() => Ok(format!("{reference}: never paid")),
        Err(error) => Err(error),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("order", order)
}

async fn drive(client: Client) -> Outcome {
    // The payment is faster than the order.
    client
        .signal_named("payment A-17", &1_250)
        .keep("1 day")
        .await?;
    let mut early = client.start("order").input("A-17").send().await?;
    let early: String = early.result(SOON).await?;
    let mut late = client.start("order").input("B-4").send().await?;
    client.signal_named("payment B-4", &99).await?;
    let late: String = late.result(SOON).await?;
    Ok(format!("{early}; {late}"))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn payments_find_their_orders() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "A-17: 1250 cents received; B-4: 99 cents received");
    Ok(())
}

#[test]
fn who_does_not_pay_in_time_gets_nothing() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, async |client: Client| {
        let mut order = client.start("order").input("C-1").send().await?;
        Ok(order.result(Duration::from_secs(4 * 24 * 3600)).await?)
    })?;
    assert_eq!(told, "C-1: never paid");
    Ok(())
}
