//! A workflow that failed late is run again from the step that failed: what was done before, and
//! must not be done twice, stands.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use headwater::prelude::*;
use headwater_examples::Outcome;

static CHARGES: AtomicU32 = AtomicU32::new(0);
static CARRIER_IS_OPEN: AtomicBool = AtomicBool::new(false);

async fn order(ctx: Context, item: String) -> Result<String> {
    let receipt: String = ctx.activity("charge", &item).await?;
    ctx.activity("ship", &receipt).await
}

async fn charge(_: ActivityContext, item: String) -> Result<String> {
    let number = CHARGES.fetch_add(1, SeqCst) + 1;
    Ok(format!("{item} with receipt {number}"))
}

async fn ship(_: ActivityContext, receipt: String) -> Result<String> {
    match CARRIER_IS_OPEN.load(SeqCst) {
        true => Ok(format!("shipped {receipt}")),
        false => Err(Error::fatal("the carrier has closed")),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("order", order)?
        .activity("charge", charge)?
        .activity("ship", ship)
}

async fn drive(client: Client) -> Outcome {
    let soon = Duration::from_secs(30);
    let mut first = client.start("order").input("a book").send().await?;
    let failure = first.result::<String>(soon).await.unwrap_err();
    CARRIER_IS_OPEN.store(true, SeqCst);
    // The second step is decided anew; the first stands.
    let mut again = first.fork(2).await?.send().await?;
    let shipped: String = again.result(soon).await?;
    Ok(format!("{shipped}, after: {failure}"))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn nothing_is_charged_twice() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert!(told.starts_with("shipped a book with receipt 1"), "{told}");
    assert!(told.ends_with("the carrier has closed"), "{told}");
    Ok(())
}
