//! Names and types in one place: a call that does not fit does not compile.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

const PRICE: WorkflowType<Vec<String>, u64> = WorkflowType::new("price");
const LOOK_UP: ActivityType<String, u64> = ActivityType::new("look up");

async fn price(ctx: Context, items: Vec<String>) -> Result<u64> {
    let mut sum = 0;
    for item in &items {
        sum += ctx.activity_of(&LOOK_UP, item).await?;
    }
    Ok(sum)
}

async fn look_up(_: ActivityContext, item: String) -> Result<u64> {
    Ok(item.len() as u64)
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow_of(&PRICE, price)?
        .activity_of(&LOOK_UP, look_up)
}

async fn drive(client: Client) -> Outcome {
    let items = vec!["tea".to_owned(), "milk".to_owned()];
    let mut handle = client.start_of(&PRICE, &items).send().await?;
    let sum = handle.result_of(&PRICE, Duration::from_secs(10)).await?;
    Ok(format!("{sum} in all"))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_adds_up() -> Outcome<()> {
    assert_eq!(headwater_examples::in_memory(register, drive)?, "7 in all");
    Ok(())
}
