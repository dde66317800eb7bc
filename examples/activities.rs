//! Work that is done by workers, anywhere: the workflow asks, a task goes out, an outcome comes
//! back. Workers of a topic share its tasks; start more of them to go faster.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn translate(ctx: Context, words: Vec<String>) -> Result<String> {
    let mut translated = Vec::new();
    for word in words {
        let word: String = ctx.activity("translate", word).topic("language").await?;
        translated.push(word);
    }
    Ok(translated.join(" "))
}

async fn to_german(ctx: ActivityContext, word: String) -> Result<String> {
    // The same for each attempt at this step, so that others recognise a repeat.
    let _key = &ctx.idempotency_key;
    match word.as_str() {
        "good" => Ok("guten".to_owned()),
        "day" => Ok("Tag".to_owned()),
        _ => Err(Error::fatal(format!("{word:?} is in no dictionary"))),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("translate", translate)?
        .activity_on("language", "translate", to_german)
}

async fn drive(client: Client) -> Outcome {
    let words = ["good", "day"];
    let mut handle = client.start("translate").input(&words).send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn workers_translate() -> Outcome<()> {
    assert_eq!(headwater_examples::in_memory(register, drive)?, "guten Tag");
    Ok(())
}
