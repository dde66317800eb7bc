//! Steps in a row. Whatever dies in between, each outcome is recorded once and is there for the
//! step after it; a step that was cut off runs again, with the same idempotency key.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn checkout(ctx: Context, cart: Vec<u64>) -> Result<String> {
    let total = ctx
        .run("add up", || async {
            Ok::<_, Error>(cart.iter().sum::<u64>())
        })
        .await?;
    // Whoever is asked to pay recognises a repeat by the key.
    let payment = ctx
        .run_with("pay", |step: StepInfo| async move {
            Ok::<_, Error>(format!("{total} paid, key {}", step.idempotency_key))
        })
        .await?;
    ctx.run("send receipt", || async {
        Ok::<_, Error>(payment.split(',').next().unwrap_or_default().to_owned())
    })
    .await
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    processor.workflow("checkout", checkout)
}

async fn drive(client: Client) -> Outcome {
    let mut handle = client.start("checkout").input(&[3, 4, 5]).send().await?;
    Ok(handle.result(Duration::from_secs(10)).await?)
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn each_step_has_the_outcome_of_the_one_before() -> Outcome<()> {
    assert_eq!(headwater_examples::in_memory(register, drive)?, "12 paid");
    Ok(())
}
