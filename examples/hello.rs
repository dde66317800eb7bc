//! The smallest workflow: one step, done once, its result recorded.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn hello(ctx: Context, name: String) -> Result<String> {
    ctx.run("greet", || async {
        Ok::<_, Error>(format!("Hello, {name}!"))
    })
    .await
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("hello", hello)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("hello").input("World").send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_greets() -> Outcome<()> {
    assert_eq!(
        headwater_examples::in_memory(register, drive)?,
        "Hello, World!"
    );
    Ok(())
}
