//! What docs/features.md promises and no test of a single part shows: in memory, on virtual time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use headwater::{
    WorkerConfig,
    prelude::*,
    testing::{self, TestResult, World},
    wire::{Code, InvocationId, Status},
};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(60);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// Asks for ten activities at once.
async fn ten(ctx: Context, (): ()) -> Result<Vec<u32>> {
    let calls = (0..10).map(|n| ctx.activity::<u32>("work", n));
    let done = ctx.all(calls).await;
    done.into_iter().collect()
}

/// A processor with the workflow `ten`, whose activity takes a second.
fn working(
    world: &World,
    active: &Arc<AtomicUsize>,
    most: &Arc<AtomicUsize>,
) -> Result<Processor, headwater::ProcessorError> {
    let (active, most) = (Arc::clone(active), Arc::clone(most));
    world
        .processor()
        .workflow("ten", ten)?
        .activity("work", move |_: ActivityContext, n: u32| {
            let (active, most) = (Arc::clone(&active), Arc::clone(&most));
            async move {
                most.fetch_max(active.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::time::sleep(SECOND).await;
                active.fetch_sub(1, SeqCst);
                Ok::<_, Error>(n)
            }
        })
}

#[test]
fn ten_activities_at_once_take_less_than_their_sum() -> TestResult {
    testing::run(|world| async move {
        let (active, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        world.start(working(&world, &active, &most)?).await?;
        let began = world.elapsed();
        let mut handle = world.client().start("ten").send().await?;
        let done: Vec<u32> = handle.result(SOON).await?;
        assert_eq!(done, (0..10).collect::<Vec<u32>>());
        let took = world.elapsed() - began;
        assert!(took < 10 * SECOND, "{took:?}");
        assert_eq!(most.load(SeqCst), 10);
        Ok(())
    })
}

#[test]
fn a_worker_runs_no_more_at_once_than_it_may() -> TestResult {
    testing::run(|world| async move {
        let (active, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let two = WorkerConfig {
            concurrency: 2,
            ..WorkerConfig::default()
        };
        let processor = working(&world, &active, &most)?.worker(Some(two));
        world.start(processor).await?;
        let began = world.elapsed();
        let mut handle = world.client().start("ten").send().await?;
        let done: Vec<u32> = handle.result(SOON).await?;
        assert_eq!(done, (0..10).collect::<Vec<u32>>());
        assert_eq!(most.load(SeqCst), 2);
        let took = world.elapsed() - began;
        assert!(took >= 5 * SECOND, "{took:?}");
        Ok(())
    })
}

/// A task that is not answered comes again after 5 s, unless its worker says that it is at work.
#[test]
fn an_activity_that_outlasts_its_delivery_runs_once() -> TestResult {
    testing::run(|world| async move {
        let processor = world
            .processor()
            .workflow("long", |ctx: Context, (): ()| async move {
                ctx.activity::<u32>("long", ()).await
            })?
            .activity("long", |ctx: ActivityContext, (): ()| async move {
                tokio::time::sleep(45 * SECOND).await;
                Ok::<_, Error>(ctx.attempt)
            })?;
        world.start(processor).await?;
        let began = world.elapsed();
        let mut handle = world.client().start("long").send().await?;
        assert_eq!(handle.result::<u32>(10 * SOON).await?, 1);
        assert!(world.elapsed() - began >= 45 * SECOND);
        assert_eq!(world.attempts("long"), 1);
        Ok(())
    })
}

#[test]
fn a_workflow_terminates_another() -> TestResult {
    testing::run(|world| async move {
        let processor = world
            .processor()
            .workflow("waits", |ctx: Context, (): ()| async move {
                ctx.signal::<()>("never").await
            })?
            .workflow("ends it", |ctx: Context, (): ()| async move {
                ctx.other("b").terminate("in the way")
            })?;
        world.start(processor).await?;
        let client = world.client();
        let mut waits = client.start("waits").id("b").send().await?;
        world.advance(SECOND).await;
        assert_eq!(client.state(&id("b")).await?.value.status, Status::Waiting);
        let mut ends = client.start("ends it").id("a").send().await?;
        ends.result::<()>(SOON).await?;
        let ended = waits.wait(SOON).await?;
        assert_eq!(ended.status, Status::Terminated);
        let error = ended.error.unwrap();
        assert_eq!(error.code, Code::INTERRUPTED);
        assert_eq!(error.message, "job [b] interrupted: in the way");
        Ok(())
    })
}
