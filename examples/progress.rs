//! What a workflow shows of itself while it works: a status with a version, and key-value pairs.
//! Clients wait for a change, or read them with any KV client.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn convert(ctx: Context, pages: u32) -> Result<u32> {
    for page in 1..=pages {
        ctx.run(format!("page {page}"), || async { Ok::<_, Error>(()) })
            .await?;
        ctx.set_status(format!("{page} of {pages}"))?;
        ctx.kv().set("last page", page)?;
    }
    Ok(pages)
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("convert", convert)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("convert").input(&3).send().await?;
    handle.result::<u32>(Duration::from_secs(10)).await?;
    let status = client.custom_status(handle.id()).await?;
    let status = status.map_or(Ok(String::new()), |status| status.value.decode())?;
    let last: Option<u32> = client.kv(handle.id(), "last page").await?;
    Ok(format!("{status}, last page {}", last.unwrap_or_default()))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_shows_how_far_it_is() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "3 of 3, last page 3");
    Ok(())
}
