//! Time in workflows: sleeps by the real clock, over the death of the process.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use headwater::{
    prelude::*,
    store::{Env, Store, TokioEnv, memory::MemoryStore},
    wire::{Namespace, Status},
};

const SOON: Duration = Duration::from_secs(20);

fn store() -> (Arc<dyn Store>, Arc<dyn Env>) {
    let env = TokioEnv::shared();
    (
        MemoryStore::new(Arc::clone(&env), Namespace::default()),
        env,
    )
}

async fn nap(ctx: Context, length: String) -> Result<f64> {
    ctx.sleep_for(&length).await
}

/// By a monotonic clock, which nothing can set.
#[tokio::test]
async fn a_sleep_of_a_second_takes_a_second_at_least() {
    let (store, env) = store();
    let running = Processor::on(store, env)
        .workflow("naps", |ctx: Context, (): ()| async move {
            let mut took = Vec::new();
            for _ in 0..20 {
                let began = Instant::now();
                ctx.sleep("50 ms").await?;
                took.push(began.elapsed());
            }
            let began = Instant::now();
            ctx.sleep("1 s").await?;
            Ok::<_, Error>((took, began.elapsed()))
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let call = client.start("naps").input(&()).expect_outcome();
    let mut handle = call.send().await.unwrap();
    let (naps, second): (Vec<Duration>, Duration) = handle.result(SOON).await.unwrap();
    // The first nap counts from when the start was stored, not from when it began to run here.
    let shortest = naps.iter().skip(1).min().unwrap();
    assert!(*shortest >= Duration::from_millis(50), "{naps:?}");
    assert!(second >= Duration::from_secs(1), "{second:?}");
    running.stop().await;
}

#[test]
fn a_sleep_goes_on_while_nobody_runs_and_answers_its_seconds() {
    let (store, env) = store();
    let life = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let start = || {
        Processor::on(Arc::clone(&store), Arc::clone(&env))
            .workflow("nap", nap)
            .unwrap()
            .start()
    };
    let began = Instant::now();
    let first = life();
    let id = first.block_on(async {
        let running = start().await.unwrap();
        let client = running.client();
        let call = client.start("nap").input("3s");
        let id = call.send().await.unwrap().id().clone();
        let sleeps = async {
            loop {
                let state = client.state(&id).await;
                if state.is_ok_and(|state| state.value.status == Status::Waiting) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, sleeps).await.unwrap();
        id
    });
    drop(first); // nothing is handed over, nothing stopped
    std::thread::sleep(Duration::from_millis(500));
    life().block_on(async {
        let running = start().await.unwrap();
        let ended = running.client().wait(&id, SOON).await.unwrap();
        assert_eq!(ended.output::<f64>().unwrap(), 3.0);
        assert!(began.elapsed() >= Duration::from_secs(3));
        running.stop().await;
    });
}

#[tokio::test]
async fn a_cron_loop_wakes_at_whole_seconds_and_once_for_each() {
    let (store, env) = store();
    let running = Processor::on(store, env)
        .workflow("every-second", |ctx: Context, (): ()| async move {
            let mut seconds = Vec::new();
            for _ in 0..3 {
                ctx.sleep_until_next("* * * * * *").await?;
                seconds.push(ctx.now().as_micros() / 1_000_000);
            }
            Ok::<_, Error>(seconds)
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("every-second").send().await.unwrap();
    let seconds: Vec<i64> = handle.result(SOON).await.unwrap();
    assert!(
        seconds.windows(2).all(|pair| pair[0] < pair[1]),
        "{seconds:?}"
    );
    running.stop().await;
}
