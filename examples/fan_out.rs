//! A thousand files, fifty at a time: an activity for each, and one result.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn count_words(ctx: Context, files: Vec<String>) -> Result<usize> {
    let counts = ctx.map::<usize>("count", files).concurrency(50);
    let mut words = 0;
    for count in counts.retry(Retry::exponential().max_attempts(5)).await {
        words += count?;
    }
    Ok(words)
}

async fn count(_: ActivityContext, file: String) -> Result<usize> {
    Ok(file.split('-').count())
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    let processor = processor.workflow("count words", count_words)?;
    processor.activity("count", count)
}

async fn drive(client: Client) -> Outcome {
    let files: Vec<String> = (0..1_000).map(|n| format!("file-{n}")).collect();
    let start = client.start("count words").input(&files);
    let mut handle = start.send().await?;
    let words: usize = handle.result(Duration::from_secs(60)).await?;
    let lines = handle.history().await?.len();
    assert!(lines < 1_100, "a line for each result and each batch");
    Ok(format!("{words} words"))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_counts_a_thousand_files() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert_eq!(told, "2000 words");
    Ok(())
}
