//! Updates and queries on a real server.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use headwater::{Config, Processor, RunningProcessor, prelude::*};
use headwater_testkit::NatsServer;

const SOON: Duration = Duration::from_secs(20);

fn config(nats: &NatsServer) -> Config {
    Config::load_with(None, &[("nats.url", nats.url())]).unwrap()
}

/// Answers each update with the sum of all so far, until it is over 1,000.
async fn sum(ctx: Context, (): ()) -> Result<u64> {
    let sum = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&sum);
    ctx.on_query("sum", move |(): ()| Ok(*seen.lock().unwrap()));
    loop {
        let add = ctx.update::<u64>("add").await?;
        let so_far = {
            let mut sum = sum.lock().unwrap();
            *sum += add.request;
            *sum
        };
        add.answer(so_far)?;
        if so_far > 1_000 {
            return Ok(so_far);
        }
    }
}

async fn processor(nats: &NatsServer) -> RunningProcessor {
    let processor = Processor::connect(config(nats)).await.unwrap();
    processor
        .workflow("sum", sum)
        .unwrap()
        .start()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_answered_and_queries_see_what_was_answered() {
    let nats = NatsServer::start().await;
    let first = processor(&nats).await;
    let second = processor(&nats).await;
    let client = config(&nats).client().await.unwrap();
    let mut handle = client.start("sum").send().await.unwrap();
    let began = Instant::now();
    for n in 1..=50_u64 {
        let answer: u64 = handle.update("add", &1, SOON).await.unwrap();
        assert_eq!(answer, n);
        let seen: u64 = handle.query("sum", &()).await.unwrap();
        assert_eq!(seen, n);
    }
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "answers are told, not looked for: {took:?}"
    );
    first.stop().await;
    let answer: u64 = handle.update("add", &1, SOON).await.unwrap();
    assert_eq!(answer, 51);
    // Asked while nobody is there: kept until somebody is.
    second.stop().await;
    let late = handle.update::<_, u64>("add", &1_000, SOON);
    let third = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        processor(&nats).await
    };
    let (late, third) = tokio::join!(late, third);
    assert_eq!(late.unwrap(), 1_051);
    assert_eq!(handle.result::<u64>(SOON).await.unwrap(), 1_051);
    assert_eq!(handle.query::<_, u64>("sum", &()).await.unwrap(), 1_051);
    third.stop().await;
}
