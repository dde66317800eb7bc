//! The runs of an invocation that continues as new, through the whole product over the in-memory
//! store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{sync::Arc, time::Duration};

use headwater::{
    ClientError,
    client::{Execution, Filter, Prune},
    prelude::*,
    store::{Bucket, Env, Store, TokioEnv, memory::MemoryStore},
    testing::{self, TestResult, World},
    wire::{Entry, InvocationId, Namespace, Status, limits},
};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

fn storage() -> (Arc<dyn Store>, Arc<dyn Env>) {
    let env = TokioEnv::shared();
    let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
    (store, env)
}

/// Its first run ends with a page that is due.
async fn upgraded(ctx: Context, next: Option<String>) -> Result<String> {
    let own = ctx.version().to_owned();
    if let Some(next) = next {
        let much = "x".repeat(limits::PAGE_BYTES);
        let much = ctx.run("much", || async { Ok::<_, Error>(much.clone()) });
        much.await?;
        ctx.sleep(Duration::from_millis(5)).await?;
        let none: Option<String> = None;
        return match next.as_str() {
            "latest" => ctx.continue_as_new(none).await,
            "same" => ctx.continue_as_new(none).same_version().await,
            _ => ctx.continue_as_new(none).version(next).await,
        };
    }
    ctx.run("own", || async { Ok::<_, Error>(own.clone()) })
        .await?;
    Ok(own)
}

#[tokio::test]
async fn the_next_run_is_of_the_latest_version_and_waits_for_an_engine_that_has_it() {
    let (store, env) = storage();
    let with = async |versions: &[&str]| {
        let mut processor = Processor::on(Arc::clone(&store), Arc::clone(&env));
        for version in versions {
            processor = processor.workflow_version("up", version, upgraded).unwrap();
        }
        processor.start().await.unwrap()
    };
    let first = with(&["1.0.0", "2.0.0"]).await;
    let client = first.client();
    for (next, expected) in [
        ("latest", "2.0.0"),
        ("same", "1.0.0"),
        ("1.0.0", "1.0.0"),
        ("2.0.0", "2.0.0"),
    ] {
        let call = client.start("up").version("1.0.0").input(&Some(next));
        let mut handle = call.send().await.unwrap();
        let version: String = handle.result(SOON).await.unwrap();
        assert_eq!(version, expected, "{next}");
    }
    let call = client.start("up").input(&Some("3.0.0")).id("waits");
    call.send().await.unwrap();
    let why = loop {
        let why = client.why(&id("waits")).await.unwrap();
        if why[0].contains("version 3.0.0") {
            break why;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(why[0].contains("waits for an engine"), "{why:?}");
    let missing = |line: &String| line.contains("no connected engine has version 3.0.0");
    assert!(why.iter().any(missing), "{why:?}");
    let second = with(&["3.0.0"]).await;
    let ended = client.wait(&id("waits"), SOON).await.unwrap();
    assert_eq!(ended.output::<String>().unwrap(), "3.0.0");
    first.stop().await;
    second.stop().await;
}

/// Some steps a run, and a counter that all of them see.
async fn rounds(ctx: Context, (round, last): (u32, u32)) -> Result<u32> {
    let so_far: u32 = ctx.kv().get("rounds")?.unwrap_or_default();
    ctx.kv().set("rounds", so_far + 1)?;
    ctx.set_status(format!("round {round}"))?;
    for n in 0..5 {
        let work = || async { Ok::<_, Error>((round, n)) };
        ctx.run(format!("step-{n}"), work).await?;
    }
    ctx.sleep(Duration::from_secs(3)).await?;
    match round == last {
        true => Ok(round),
        false => ctx.continue_as_new((round + 1, last)).await,
    }
}

async fn ended(world: &World, name: &str, last: u32) -> Result<u32, ClientError> {
    let client = world.client();
    let call = client.start("rounds").id(name).input(&(1, last));
    let mut handle = call.send().await?;
    handle.result(Duration::from_secs(600)).await
}

/// Its entries are those of the round, and no others.
fn is_of_round(entries: &[Entry], round: u32) -> bool {
    let results = entries.iter().filter_map(|entry| match entry {
        Entry::Done { value, .. } => Some(value.decode::<(u32, u32)>().unwrap()),
        _ => None,
    });
    results.eq((0..5).map(|n| (round, n)))
}

fn numbers(executions: &[Execution]) -> Vec<u32> {
    executions.iter().map(|one| one.number).collect()
}

#[test]
fn three_rounds_are_three_executions_each_with_a_journal_of_its_own() -> TestResult {
    testing::run(|world| async move {
        let began = world.now();
        let processor = world.processor().workflow("rounds", rounds)?;
        world.start(processor).await?;
        assert_eq!(ended(&world, "r", 3).await?, 3);
        let handle = world.client().handle(&id("r"));
        let all = handle.executions().await?;
        assert_eq!(numbers(&all), [1, 2, 3]);
        let statuses: Vec<Status> = all.iter().map(|one| one.status).collect();
        let continued = Status::ContinuedAsNew;
        assert_eq!(statuses, [continued, continued, Status::Completed]);
        assert!(all[0].started_at >= began);
        for pair in all.windows(2) {
            assert_eq!(pair[0].ended_at, Some(pair[1].started_at));
        }
        for one in &all {
            let entries = handle.history_of(one.number).await?;
            assert_eq!(entries.len() as u64, one.entries);
            assert!(entries.len() < 20 && is_of_round(&entries, one.number));
            assert_eq!(one.version, "1.0.0");
        }
        assert_eq!(handle.history().await?, handle.history_of(3).await?);
        let missing = handle.history_of(4).await.unwrap_err();
        assert!(matches!(missing, ClientError::NoRun { number: 4, .. }));
        // The status is of the last, which sees what those before have left.
        let value = handle.state().await?.value;
        assert_eq!(
            value.custom_status.unwrap().value.decode::<String>()?,
            "round 3"
        );
        assert_eq!(value.kv["rounds"].decode::<u32>()?, 3);
        let none = world.client().executions(&id("none")).await.unwrap_err();
        assert!(matches!(none, ClientError::NotFound(_)));
        Ok(())
    })
}

/// What is left in JOURNAL, by key.
async fn parts(store: &Arc<dyn Store>) -> Vec<String> {
    use futures::TryStreamExt as _;
    let records = store.scan(Bucket::Journal).await.unwrap();
    let mut keys: Vec<String> = records
        .map_ok(|record| record.key)
        .try_collect()
        .await
        .unwrap();
    keys.sort();
    keys
}

#[test]
fn of_ten_runs_that_are_over_the_last_are_kept_as_asked_and_the_others_forgotten() -> TestResult {
    testing::run(|world| async move {
        let processor = world.processor().workflow("rounds", rounds)?;
        world.start(processor).await?;
        for name in ["a", "b", "c"] {
            assert_eq!(ended(&world, name, 11).await?, 11);
        }
        let client = world.client();
        let a = client.handle(&id("a"));
        assert_eq!(
            numbers(&a.executions().await?),
            (1..=11).collect::<Vec<_>>()
        );
        let pruned = a.prune(&Prune::keep_last(3)).await?;
        assert_eq!((pruned.runs, pruned.entries), (8, 14 + 7 * 15));
        world.advance(Duration::from_secs(5)).await;
        assert_eq!(numbers(&a.executions().await?), [9, 10, 11]);
        for number in [9, 10, 11] {
            assert!(is_of_round(&a.history_of(number).await?, number));
        }
        let gone = a.history_of(8).await.unwrap_err();
        assert!(
            matches!(gone, ClientError::NoRun { number: 8, .. }),
            "{gone}"
        );
        assert_eq!(a.prune(&Prune::keep_last(3)).await?.runs, 0, "nothing more");
        // What it holds itself stays, and it can be pruned to the last.
        assert_eq!(client.kv::<u32>(&id("a"), "rounds").await?, Some(11));
        assert_eq!(a.prune(&Prune::default()).await?.runs, 2);
        world.advance(Duration::from_secs(5)).await;
        assert_eq!(numbers(&a.executions().await?), [11]);
        assert_eq!(a.history().await?.len(), 15);

        // Those before a time, and of many at once.
        let b = client.handle(&id("b")).executions().await?;
        let before = Prune::ended_before(b[4].ended_at.unwrap());
        assert_eq!(
            client
                .prune(&id("b"), &before.and_keep_last(10))
                .await?
                .runs,
            1
        );
        let all = client.bulk(Filter::new()).prune(before).report().await?;
        let [b, c] = [id("b"), id("c")];
        assert!(all.sent.contains(&b) && !all.sent.contains(&id("a")));
        assert!(all.skipped.iter().any(|(one, _)| *one == id("a")));
        world.advance(Duration::from_secs(5)).await;
        assert_eq!(
            numbers(&client.executions(&b).await?),
            (5..=11).collect::<Vec<_>>()
        );
        assert_eq!(
            numbers(&client.executions(&c).await?),
            (1..=11).collect::<Vec<_>>()
        );
        Ok(())
    })
}

/// What a run leaves is stored before the turn that ends it: whoever dies between the two has
/// left something that nobody names, and the run ends once.
#[test]
fn an_engine_that_dies_while_a_run_ends_loses_no_run_and_lists_none_twice() -> TestResult {
    for turn in 1..=14 {
        testing::run(|world| async move {
            let processor = world.processor().workflow("rounds", rounds)?;
            let running = world.start(processor).await?;
            match turn % 2 {
                0 => running.crash_engine_after(turn / 2 + 3),
                _ => running.crash_engine_before(turn / 2 + 3),
            }
            assert_eq!(ended(&world, "r", 3).await?, 3);
            let handle = world.client().handle(&id("r"));
            let all = handle.executions().await?;
            assert_eq!(numbers(&all), [1, 2, 3], "{turn}");
            for one in &all {
                let entries = handle.history_of(one.number).await?;
                assert!(is_of_round(&entries, one.number), "{turn}: {entries:?}");
            }
            TestResult::Ok(())
        })?;
    }
    Ok(())
}

#[tokio::test]
async fn the_journals_of_runs_that_no_value_lists_go_at_once() {
    let (store, env) = storage();
    let running = Processor::on(Arc::clone(&store), env)
        .workflow("quick", |ctx: Context, n: u32| async move {
            ctx.run("step", || async { Ok::<_, Error>(n) }).await?;
            match n {
                30 => Ok::<_, Error>(n),
                _ => ctx.continue_as_new(n + 1).await,
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client
        .start("quick")
        .id("q")
        .input(&1)
        .send()
        .await
        .unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 30);
    let listed = client.executions(&id("q")).await.unwrap();
    assert_eq!(
        numbers(&listed),
        (30 - limits::RUNS_LISTED_MAX as u32..=30).collect::<Vec<_>>()
    );
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(parts(&store).await.len(), limits::RUNS_LISTED_MAX);
    client.delete(&id("q"), false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(parts(&store).await, Vec::<String>::new());
    running.stop().await;
}
