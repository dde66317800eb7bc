//! A saga: what was done is undone in reverse when a later part fails, or somebody cancels.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn book_trip(ctx: Context, card: String) -> Result<String> {
    ctx.saga(async |saga| {
        let flight: String = ctx.activity("book", "flight").await?;
        saga.undo(undo("flight"));
        let hotel: String = ctx.activity("book", "hotel").await?;
        saga.undo(undo("hotel"));
        ctx.activity::<()>("pay", &card).await?;
        Ok(format!("{flight}, {hotel}"))
    })
    .await
}

/// Runs also when the invocation was cancelled.
fn undo(what: &'static str) -> impl FnOnce(Context) -> Undo + Send + 'static {
    move |ctx| Box::pin(async move { ctx.activity::<()>("cancel", what).await })
}

type Undo = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

async fn book(_: ActivityContext, what: String) -> Result<String> {
    Ok(format!("{what} booked"))
}

async fn cancel(_: ActivityContext, what: String) -> Result<()> {
    println!("{what} given back");
    Ok(())
}

async fn pay(_: ActivityContext, card: String) -> Result<()> {
    match card.as_str() {
        "visa" => Ok(()),
        _ => Err(Error::fatal("the card was refused")),
    }
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor
        .workflow("book_trip", book_trip)?
        .activity("book", book)?
        .activity("cancel", cancel)?
        .activity("pay", pay)
}

async fn drive(client: Client) -> Outcome {
    let mut told = Vec::new();
    for card in ["visa", "none"] {
        let mut handle = client.start("book_trip").input(card).send().await?;
        match handle.result::<String>(Duration::from_secs(10)).await {
            Ok(booked) => told.push(booked),
            Err(error) => {
                let state = client.state(handle.id()).await?;
                let journal = client.history(&state).await?;
                let steps = journal.iter().filter(|entry| entry.is_decision()).count();
                told.push(format!("{error} ({steps} steps)"));
            }
        }
    }
    Ok(told.join("; "))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn it_is_undone_in_reverse() -> Outcome<()> {
    let told = headwater_examples::in_memory(register, drive)?;
    assert!(told.starts_with("flight booked, hotel booked; "), "{told}");
    assert!(told.contains("the card was refused"), "{told}");
    assert!(told.ends_with("(5 steps)"), "{told}");
    Ok(())
}
