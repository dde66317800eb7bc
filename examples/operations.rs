//! What people do with workflows at night: pause one, let it go on, end one by force, delete it.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn wait(ctx: Context, (): ()) -> Result<String> {
    ctx.signal("go").await
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("wait", wait)
}

async fn drive(client: Client) -> Outcome {
    let soon = Duration::from_secs(10);
    let mut one = client.start("wait").input(&()).paused().send().await?;
    client.signal(one.id(), "go", "after the pause").await?;
    client.resume(one.id()).await?;
    let told: String = one.result(soon).await?;

    let mut other = client.start("wait").input(&()).send().await?;
    client.terminate(other.id(), "it hangs").await?;
    let ended = other.wait(soon).await?;
    client.delete(other.id(), false).await?;
    Ok(format!("{told}; {}", ended.status))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_is_paused_and_ended() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "after the pause; terminated");
    Ok(())
}
