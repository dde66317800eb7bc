//! What a worker cannot do: an error that may go away, one that does not, and a panic. The
//! workflow sees what it was by its code.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn try_all(ctx: Context, (): ()) -> Result<String> {
    let once = Retry::fixed(Duration::from_millis(10)).max_attempts(2);
    let calls =
        ["down", "refused", "panic"].map(|how| ctx.activity::<()>("fail", how).retry(once.clone()));
    let mut codes = Vec::new();
    for result in ctx.all(calls).await {
        match result {
            Ok(()) => codes.push("ok".to_owned()),
            Err(error) => codes.push(error.code().to_string()),
        }
    }
    Ok(codes.join(", "))
}

async fn fail(_: ActivityContext, how: String) -> Result<()> {
    match how.as_str() {
        "down" => Err(Error::msg("the server is down")),
        "refused" => Err(Error::fatal("no such customer").with_code("no_customer")),
        _ => panic!("this was not foreseen"),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("try_all", try_all)?
        .activity("fail", fail)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("try_all").input(&()).send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn each_has_its_code() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "retries_exhausted, no_customer, retries_exhausted");
    Ok(())
}
