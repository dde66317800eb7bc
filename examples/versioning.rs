//! A workflow is changed while invocations of it run: those that have passed the place go on in
//! the old way, new ones in the new. (Or register a new version: running ones stay on theirs.)

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn welcome(ctx: Context, name: String) -> Result<String> {
    // Remove the old branch, and then the patch, when nothing old runs any more.
    let greeting = match ctx.patched("warm greeting") {
        true => format!("A warm welcome, {name}"),
        false => format!("Hello, {name}"),
    };
    ctx.run("greet", || async { Ok::<_, Error>(greeting.clone()) })
        .await
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow_version("welcome", "1.1.0", welcome)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("welcome").input("Ada").send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn a_new_one_does_as_the_patch_says() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "A warm welcome, Ada");
    Ok(())
}
