//! A workflow with a queue of its own: what is put into it is kept, in order, also over
//! continue-as-new, until the workflow takes it.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn basket(ctx: Context, mut items: Vec<String>) -> Result<String> {
    let item: String = ctx.queue("items").pop().await?;
    if item == "pay" {
        return Ok(items.join(", "));
    }
    items.push(item);
    ctx.continue_as_new(items).await
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("basket", basket)
}

async fn drive(client: Client) -> Outcome {
    let none: [&str; 0] = [];
    let mut handle = client.start("basket").input(&none).send().await?;
    for item in ["tea", "milk", "sugar", "pay"] {
        client.enqueue(handle.id(), "items", item).await?;
    }
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn items_come_in_order() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "tea, milk, sugar");
    Ok(())
}
