//! A workflow calls another, and waits for what it returns. The child is a workflow of its own,
//! with its own id and journal; it is started once, whatever dies, and cancelled with its parent.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn order(ctx: Context, items: Vec<String>) -> Result<String> {
    let parcels = items.iter().map(|item| ctx.child::<String>("parcel", item));
    let parcels = ctx.all(parcels).await;
    let parcels = parcels.into_iter().collect::<Result<Vec<_>>>()?;
    // Nobody waits for this one: it outlives the order.
    let letter = ctx.child::<()>("thank", items.len()).detach()?;
    ctx.info(format!("{letter} writes the letter"));
    Ok(parcels.join(", "))
}

async fn parcel(ctx: Context, item: String) -> Result<String> {
    ctx.run("pack", || async {
        Ok::<_, Error>(format!("{item} packed"))
    })
    .await
}

async fn thank(ctx: Context, items: usize) -> Result<()> {
    ctx.sleep("1 week").await?;
    ctx.info(format!("thank you for {items} items"));
    Ok(())
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("order", order)?
        .workflow("parcel", parcel)?
        .workflow("thank", thank)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("order").input(&["tea", "milk"]).send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn each_item_is_a_child() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "tea packed, milk packed");
    Ok(())
}
