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

#[test]
fn calls_that_have_changed_places_park_it_and_the_right_build_goes_on() -> TestResult {
    async fn written(ctx: Context, (): ()) -> Result<u32> {
        let a: u32 = ctx.activity("a", ()).await?;
        ctx.sleep(SECOND).await?;
        Ok(a + ctx.activity::<u32>("b", ()).await?)
    }
    async fn swapped(ctx: Context, (): ()) -> Result<u32> {
        let b: u32 = ctx.activity("b", ()).await?;
        ctx.sleep(SECOND).await?;
        Ok(b + ctx.activity::<u32>("a", ()).await?)
    }
    testing::run(|world| async move {
        world.mock("a", |(): ()| Ok(1));
        world.mock("b", |(): ()| Ok(10));
        let running = world.start(world.processor().workflow("w", written)?);
        let running = running.await?;
        let mut handle = world.client().start("w").id(id("w")).send().await?;
        world.advance(SECOND / 2).await;
        running.kill_engine();
        let changed = world.start(world.processor().workflow("w", swapped)?);
        let changed = changed.await?;
        // What the killed engine had in hand comes again after 5 s.
        world.advance(10 * SECOND).await;
        let state = handle.state().await?;
        let parked = state.value.parked.expect("it is parked");
        assert_eq!(parked.reason.code, Code::NONDETERMINISM);
        let [name, ..] = &parked.difference[..] else {
            panic!("no difference is told");
        };
        assert_eq!(
            (name.step, name.field.as_str(), name.journal.as_str()),
            (1, "name", "\"a\"")
        );
        assert_eq!(name.program, "\"b\"");
        changed.kill_engine();
        running.start_engine();
        world.client().resume(&id("w")).await?;
        assert_eq!(handle.result::<u32>(SOON).await?, 11);
        Ok(())
    })
}

#[test]
fn an_activity_that_is_registered_late_runs() -> TestResult {
    testing::run(|world| async move {
        let engine = world.processor().workflow("ten", ten)?;
        world.start(engine).await?;
        let mut handle = world.client().start("ten").send().await?;
        world.advance(600 * SECOND).await;
        assert_eq!(handle.state().await?.value.status, Status::Running);
        let worker = world.processor().engine(None);
        let work = |_: ActivityContext, n: u32| async move { Ok::<_, Error>(n) };
        world.start(worker.activity("work", work)?).await?;
        let done: Vec<u32> = handle.result(SOON).await?;
        assert_eq!(done, (0..10).collect::<Vec<_>>());
        Ok(())
    })
}

#[test]
fn a_caught_error_lets_the_workflow_clean_up() -> TestResult {
    async fn careful(ctx: Context, (): ()) -> Result<serde_json::Value> {
        let failing = ctx.activity::<()>("fail", ()).retry(Retry::none());
        match failing.await {
            Ok(()) => Ok(serde_json::json!({"failed": false})),
            Err(error) => {
                ctx.activity::<()>("Cleanup", ()).await?;
                Ok(serde_json::json!({"failed": true, "code": error.code()}))
            }
        }
    }
    testing::run(|world| async move {
        world.mock("fail", |(): ()| Err::<(), _>(Error::msg("no")));
        world.mock("Cleanup", |(): ()| Ok(()));
        let processor = world.processor().workflow("careful", careful)?;
        world.start(processor).await?;
        let mut handle = world.client().start("careful").send().await?;
        let told: serde_json::Value = handle.result(SOON).await?;
        assert_eq!(told, serde_json::json!({"failed": true, "code": "failed"}));
        assert_eq!(world.attempts("Cleanup"), 1);
        Ok(())
    })
}
