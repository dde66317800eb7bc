//! Further functions of a workflow, run beside its main one, over the in-memory store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use common::{SOON, id, process, processor, storage, until};
use headwater::prelude::*;

/// Its hook adds to what it is found by, by way of an activity; the main function answers what the
/// hooks made of it.
async fn account(ctx: Context, (): ()) -> Result<f64> {
    ctx.on_hook("deposit", |ctx: Context, amount: f64| async move {
        let booked: f64 = ctx.activity("book", amount).await?;
        ctx.search().incr("balance", booked)
    });
    ctx.signal::<()>("close").await?;
    Ok(ctx.search().get::<f64>("balance")?.unwrap_or_default())
}

async fn book(_: ActivityContext, amount: f64) -> Result<f64> {
    Ok(amount)
}

#[tokio::test]
async fn a_hook_sets_search_data_that_the_main_job_sees() {
    let (store, env) = storage();
    let processor = processor(&store, &env).workflow("account", account);
    let processor = processor.unwrap().activity("book", book).unwrap();
    let running = processor.start().await.unwrap();
    let client = running.client();
    let start = client.start("account").id(id("a"));
    let mut handle = start.send().await.unwrap();
    handle.hook("deposit", &10).await.unwrap();
    client.hook(&id("a"), "deposit", &2.5).await.unwrap();
    until("both deposits are booked", async || {
        let state = client.state(&id("a")).await.ok();
        let balance = state.and_then(|state| state.value.search.get("balance").cloned());
        balance.is_some_and(|balance| balance.decode::<f64>().unwrap() == 12.5)
    })
    .await;
    handle.signal("close", &()).await.unwrap();
    assert_eq!(handle.result::<f64>(SOON).await.unwrap(), 12.5);
    running.stop().await;
}

/// The engine dies while a hook works; another goes on, and the caller has each result once.
#[test]
fn a_hook_is_awaited_over_the_death_of_engines() {
    let (store, env) = storage();
    let lives = Arc::new(AtomicU32::new(0));
    let register = |lives: &Arc<AtomicU32>| {
        let lives = Arc::clone(lives);
        let caller = |ctx: Context, (): ()| async move {
            let account = ctx.other("a");
            let calls = [1.0, 2.0, 3.0].map(|n| account.call_hook::<f64>("deposit", n));
            let mut balances = Vec::new();
            for balance in ctx.all(calls).await {
                balances.push(balance?);
            }
            account.signal("close", ())?;
            // It ends, and answers no more.
            ctx.sleep(Duration::from_millis(50)).await?;
            let late = account.call_hook::<f64>("deposit", 4.0).await;
            Ok::<_, Error>((balances, late.unwrap_err().code().to_string()))
        };
        let account = move |ctx: Context, (): ()| {
            let lives = Arc::clone(&lives);
            ctx.on_hook("deposit", move |ctx: Context, amount: f64| {
                let lives = Arc::clone(&lives);
                async move {
                    let step = ctx.run("book", || async {
                        if lives.fetch_add(1, SeqCst) == 1 {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Error>(amount)
                    });
                    ctx.search().incr("balance", step.await?)
                }
            });
            async move { ctx.signal::<()>("close").await }
        };
        let processor = processor(&store, &env).workflow("account", account);
        processor.unwrap().workflow("caller", caller).unwrap()
    };
    let first = process();
    first.block_on(async {
        let running = register(&lives).start().await.unwrap();
        let client = running.client();
        let account = client.start("account").id(id("a"));
        account.send().await.unwrap();
        client.start("caller").id(id("c")).send().await.unwrap();
        until("a hook is at work", async || lives.load(SeqCst) >= 2).await;
    });
    first.shutdown_background();
    process().block_on(async {
        let running = register(&lives).start().await.unwrap();
        let mut caller = running.client().handle(&id("c"));
        let (mut balances, late) = caller.result::<(Vec<f64>, String)>(SOON).await.unwrap();
        balances.sort_by(f64::total_cmp);
        assert_eq!((balances.last(), late.as_str()), (Some(&6.0), "unanswered"));
        let account = running.client().state(&id("a")).await.unwrap();
        assert_eq!(
            account.value.search["balance"].decode::<f64>().unwrap(),
            6.0
        );
        running.stop().await;
    });
}

#[tokio::test]
async fn a_hook_of_nobody_is_told_to_who_waits() {
    let (store, env) = storage();
    let config = headwater::EngineConfig {
        absent_grace: Duration::from_millis(100),
        ..headwater::EngineConfig::default()
    };
    let caller = |ctx: Context, (): ()| async move {
        let called = ctx.other("nobody").call_hook::<()>("deposit", 1).await;
        Ok::<_, Error>(called.unwrap_err().code().to_string())
    };
    let processor = processor(&store, &env).engine(Some(config));
    let processor = processor.workflow("caller", caller).unwrap();
    let running = processor.start().await.unwrap();
    let mut handle = running.client().start("caller").send().await.unwrap();
    assert_eq!(handle.result::<String>(SOON).await.unwrap(), "not_found");
    running.stop().await;
}
