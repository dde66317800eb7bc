//! Workflows with the same partition key run one after another, in the order in which they were
//! started; those with other keys run beside them.

use std::time::Duration;

use headwater::prelude::*;
use headwater_examples::Outcome;

async fn book(ctx: Context, amount: i64) -> Result<i64> {
    let account = ctx.partition_key().unwrap_or_default().to_owned();
    let balance: i64 = ctx.activity("read", &account).await?;
    // No other booking of this account runs meanwhile.
    ctx.activity("write", (account, balance + amount)).await
}

fn register(processor: Processor) -> Result<Processor, headwater::ProcessorError> {
    use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
    static BALANCE: AtomicI64 = AtomicI64::new(0);
    processor
        .workflow("book", book)?
        .activity("read", |_: ActivityContext, _: String| async {
            Ok::<_, Error>(BALANCE.load(SeqCst))
        })?
        .activity(
            "write",
            |_: ActivityContext, (_, balance): (String, i64)| async move {
                BALANCE.store(balance, SeqCst);
                Ok::<_, Error>(balance)
            },
        )
}

async fn drive(client: Client) -> Outcome {
    let mut handles = Vec::new();
    for _ in 0..10 {
        let start = client.start("book").input(&5).key("account-1");
        handles.push(start.send().await?);
    }
    let mut last: i64 = 0;
    for handle in &mut handles {
        last = handle.result(Duration::from_secs(20)).await?;
    }
    Ok(format!("balance {last}"))
}

fn main() -> Outcome<()> {
    headwater_examples::run(register, drive)
}

#[test]
fn no_booking_is_lost() -> Outcome<()> {
    assert_eq!(
        headwater_examples::in_memory(register, drive)?,
        "balance 50"
    );
    Ok(())
}
