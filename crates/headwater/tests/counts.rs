//! What a process has counted.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod common;

use std::collections::BTreeMap;

use common::{SOON, id, processor, storage, until};
use headwater::{WorkerCounts, prelude::*};

/// Continues once, with a child that fails.
async fn scenario(ctx: Context, round: u32) -> Result<u32> {
    if round == 0 {
        let child = ctx.child::<u32>("broken", ()).await;
        assert!(child.is_err());
        return ctx.continue_as_new(1).await;
    }
    ctx.activity("work", ()).await
}

#[tokio::test]
async fn a_snapshot_tells_what_a_scenario_was() {
    let (store, env) = storage();
    let processor = processor(&store, &env)
        .workflow("scenario", scenario)
        .unwrap()
        .workflow("broken", |_: Context, (): ()| async move {
            Err::<u32, _>(Error::msg("no").with_code("my_own"))
        })
        .unwrap()
        .workflow("wait", |ctx: Context, (): ()| async move {
            ctx.signal::<()>("never").await
        })
        .unwrap()
        .activity("work", |_: ActivityContext, (): ()| async move {
            Ok::<_, Error>(5)
        })
        .unwrap();
    let running = processor.start().await.unwrap();
    let client = running.client();
    let mut done = client.start("scenario").input(&0).send().await.unwrap();
    assert_eq!(done.result::<u32>(SOON).await.unwrap(), 5);
    client.start("wait").id(id("w")).send().await.unwrap();
    client.terminate(&id("w"), "enough").await.unwrap();
    until("it has ended", async || {
        let state = client.state(&id("w")).await;
        state.is_ok_and(|state| state.value.status.is_ended())
    })
    .await;
    let (engine, worker) = running.counts();
    let engine = engine.unwrap();
    assert_eq!((engine.started, engine.ended), (3, 3));
    assert_eq!((engine.continued, engine.children), (1, 1));
    assert_eq!(
        (engine.tasks, engine.parked, engine.dead_letters),
        (1, 0, 0)
    );
    let failed = [("interrupted".to_owned(), 1), ("user".to_owned(), 1)];
    assert_eq!(engine.failed, BTreeMap::from(failed));
    let of_worker = WorkerCounts {
        tasks: 1,
        succeeded: 1,
        ..WorkerCounts::default()
    };
    assert_eq!(worker.unwrap(), of_worker);
    running.stop_within(std::time::Duration::ZERO).await;
}
