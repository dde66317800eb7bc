//! One command for many invocations.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use headwater::{
    ClientError, RunningProcessor,
    client::{BulkResult, Filter},
    prelude::*,
    store::{TokioEnv, memory::MemoryStore},
    wire::{InvocationId, Namespace, Status},
};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// A processor with ten of `wait` that wait for `go`, and one that has ended.
async fn ten_wait() -> RunningProcessor {
    let env = TokioEnv::shared();
    let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let running = Processor::on(store, env)
        .workflow("wait", |ctx: Context, (): ()| async move {
            ctx.signal::<u32>("go").await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("wait").id("over").send().await.unwrap();
    handle.signal("go", &1).await.unwrap();
    handle.wait(SOON).await.unwrap();
    for n in 0..10 {
        let call = client.start("wait").id(format!("w{n}")).input(&());
        call.send().await.unwrap();
    }
    until(&client, Status::Waiting, 10).await;
    running
}

/// Until so many stand so.
async fn until(client: &Client, status: Status, count: u64) {
    let started = Instant::now();
    while client.metrics().await.unwrap().of(status) != count {
        assert!(started.elapsed() < SOON, "{:?}", client.metrics().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_dry_run_tells_nobody_and_a_bulk_all_that_fit() {
    let running = ten_wait().await;
    let client = running.client();
    let some = Filter::parse("id in (w1, w2, w3, over)").unwrap();
    let mut dry = client.bulk(some.clone()).dry_run().cancel("no");
    let mut would = 0;
    while let Some(item) = dry.next().await {
        match item.unwrap().result {
            BulkResult::WouldSend => would += 1,
            BulkResult::Skipped(_) => {}
            result => panic!("{result:?}"),
        }
    }
    assert_eq!(would, 3);
    assert_eq!(client.metrics().await.unwrap().of(Status::Waiting), 10);

    let report = client.bulk(some).cancel("too old").report().await.unwrap();
    assert_eq!(report.sent, [id("w3"), id("w2"), id("w1")], "newest first");
    assert_eq!(report.skipped, [(id("over"), "it has ended")]);
    assert!(report.failed.is_empty());
    until(&client, Status::Cancelled, 3).await;
    let cancelled = client.state(&id("w2")).await.unwrap().value.cancel;
    assert_eq!(cancelled.unwrap().reason, "too old");

    let waiting = Filter::new().status(Status::Waiting).limit(5);
    let bulk = client.bulk(waiting).signal("go", &7);
    assert_eq!(bulk.report().await.unwrap().sent.len(), 5);
    until(&client, Status::Completed, 6).await;
    let mut newest = client.handle(&id("w9"));
    assert_eq!(newest.result::<u32>(SOON).await.unwrap(), 7);
    running.stop().await;
}

#[tokio::test]
async fn a_bulk_goes_no_faster_than_asked() {
    let running = ten_wait().await;
    let client = running.client();
    let started = Instant::now();
    let waiting = Filter::new().status(Status::Waiting);
    let bulk = client.bulk(waiting.clone()).rate(20.0).cancel("slowly");
    assert_eq!(bulk.report().await.unwrap().sent.len(), 10);
    let least = Duration::from_millis(9 * 50);
    assert!(started.elapsed() >= least, "{:?}", started.elapsed());
    until(&client, Status::Cancelled, 10).await;
    for rate in [0.0, -1.0, f64::NAN, 1e-300] {
        let bulk = client.bulk(waiting.clone()).rate(rate).cancel("never");
        let error = bulk.report().await.unwrap_err();
        assert!(matches!(error, ClientError::Rate(_)), "{rate}: {error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_bulk_resumes_those_that_are_parked() {
    let env = TokioEnv::shared();
    let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let running = Processor::on(store, env)
        .workflow("foreign", move |ctx: Context, (): ()| {
            let is_mended = Arc::clone(&is_mended);
            async move {
                ctx.run("first", || async { Ok::<_, Error>(()) }).await?;
                if !is_mended.load(SeqCst) {
                    // Nothing that a journal could record.
                    std::future::pending::<()>().await;
                }
                Ok::<_, Error>(())
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    for name in ["a", "b"] {
        client.start("foreign").id(name).send().await.unwrap();
    }
    until(&client, Status::Parked, 2).await;
    mended.store(true, SeqCst);
    let report = client.bulk(Filter::new()).resume().report().await.unwrap();
    assert_eq!(report.sent.len(), 2);
    until(&client, Status::Completed, 2).await;
    let again = client.bulk(Filter::new()).resume().report().await.unwrap();
    assert_eq!((again.sent.len(), again.skipped.len()), (0, 2));
    running.stop().await;
}

#[tokio::test]
async fn a_bulk_pauses_resumes_ends_and_deletes() {
    let running = ten_wait().await;
    let client = running.client();
    let all = Filter::new().workflow("wait");
    let some = Filter::parse("id in (w0, w1)").unwrap();
    let pause = client.bulk(some.clone()).pause("a break");
    assert_eq!(pause.report().await.unwrap().sent.len(), 2);
    until(&client, Status::Paused, 2).await;
    let again = client.bulk(some.clone()).pause("a break");
    assert_eq!(again.report().await.unwrap().skipped.len(), 2);
    let resume = client.bulk(all.clone()).resume().report().await.unwrap();
    assert_eq!((resume.sent.len(), resume.skipped.len()), (2, 9));
    until(&client, Status::Waiting, 10).await;

    let delete = client.bulk(all.clone()).delete(false);
    let deleted = delete.report().await.unwrap();
    assert_eq!(deleted.sent, [id("over")], "the others go on");
    until(&client, Status::Completed, 0).await;
    let end = client.bulk(some).terminate("over budget", None);
    assert_eq!(end.report().await.unwrap().sent.len(), 2);
    until(&client, Status::Terminated, 2).await;
    assert_eq!(client.list(&all).await.unwrap().states.len(), 10);
    let delete = client.bulk(all.clone()).delete(true);
    assert_eq!(delete.report().await.unwrap().sent.len(), 10);
    until(&client, Status::Waiting, 0).await;
    until(&client, Status::Terminated, 0).await;
    assert_eq!(client.metrics().await.unwrap().invocations, 0);
    running.stop().await;
}
