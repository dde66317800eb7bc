//! Log lines of a workflow are told once, when what they tell of is stored, and never on replay.
//! They carry the invocation and the workflow; `RUST_LOG=headwater::workflow=info` shows only them.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn nightly(ctx: Context, tables: Vec<String>) -> Result<String> {
    ctx.info(format!("{} tables to copy", tables.len()));
    for table in &tables {
        let rows: u32 = ctx.activity("copy", table).await?;
        match rows {
            0 => ctx.warn(format!("{table} is empty")),
            rows => ctx.debug(format!("{rows} rows of {table}")),
        }
    }
    Ok(format!("{} copied", tables.len()))
}

async fn copy(_: ActivityContext, table: String) -> Result<u32> {
    Ok(u32::from(table != "audit"))
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("nightly", nightly)?
        .activity("copy", copy)
}

async fn drive(client: Client) -> Outcome {
    let tables = ["people", "audit"];
    let mut handle = client.start("nightly").input(&tables).send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    tracing_subscriber::fmt::init();
    headwater_examples::run(register, drive)
}

#[test]
fn it_copies() -> Outcome<()> {
    assert_eq!(headwater_examples::in_memory(register, drive)?, "2 copied");
    Ok(())
}
