//! A part of a workflow is cancelled by the workflow itself, and the rest goes on.

use std::time::Duration;

use headwater::{ClientError, prelude::*, wire::InvocationId};
use headwater_examples::Outcome;

async fn search(ctx: Context, sources: Vec<String>) -> Result<String> {
    let scope = ctx.scope();
    let calls = sources
        .iter()
        .map(|source| ctx.activity::<u32>("search", source));
    let all = scope.run(ctx.all(calls));
    let enough = async {
        ctx.signal::<()>("enough").await?;
        scope.cancel("the user has seen enough");
        Ok::<_, Error>(())
    };
    let (found, _) = futures::join!(all, enough);
    let found: Vec<u32> = found.into_iter().flatten().collect();
    Ok(format!("{} of {} sources", found.len(), sources.len()))
}

async fn look_up(_: ActivityContext, source: String) -> Result<u32> {
    if source == "archive" {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    Ok(1)
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("search", search)?
        .activity("search", look_up)
}

async fn drive(client: Client) -> Outcome {
    let sources = ["web", "archive", "mail"];
    let mut handle = client.start("search").input(&sources).send().await?;
    while answers(&client, handle.id()).await? < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.signal(handle.id(), "enough", &()).await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

/// Sources that have answered so far.
async fn answers(client: &Client, id: &InvocationId) -> Outcome<usize> {
    let state = match client.state(id).await {
        Err(ClientError::NotFound(_)) => return Ok(0), // its start is under way
        state => state?,
    };
    let journal = client.history(&state).await?;
    Ok(journal
        .iter()
        .filter(|entry| entry.kind() == "done")
        .count())
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn the_rest_goes_on() -> Outcome<()> {
    assert_eq!(
        headwater_examples::in_memory(register, drive)?,
        "2 of 3 sources"
    );
    Ok(())
}
