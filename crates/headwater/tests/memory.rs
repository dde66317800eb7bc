//! The whole product over the in-memory store: what the programming model promises.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use headwater::{
    prelude::*,
    store::{Store, TokioEnv, memory::MemoryStore},
    wire::{Code, InvocationId, Namespace, Status},
};

const SOON: Duration = Duration::from_secs(20);

fn processor() -> Processor {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    Processor::on(store, env)
}

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

#[tokio::test]
async fn a_local_step_runs_and_its_result_comes_back() {
    let running = processor()
        .workflow("hello", |ctx: Context, name: String| async move {
            ctx.run("greet", || async {
                Ok::<_, Error>(format!("Hello, {name}!"))
            })
            .await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client
        .start("hello")
        .input("World")
        .expect_outcome()
        .send()
        .await
        .unwrap();
    assert_eq!(
        handle.result::<String>(SOON).await.unwrap(),
        "Hello, World!"
    );
    let state = client.state(handle.id()).await.unwrap();
    assert_eq!(state.value.status, Status::Completed);
    assert_eq!(state.value.turn.number, 1, "one write for one step");
    running.stop().await;
}

#[tokio::test]
async fn activities_timers_signals_and_retries_work_together() {
    let calls = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&calls);
    let running = processor()
        .workflow("all", |ctx: Context, n: u32| async move {
            let doubled: u32 = ctx.activity("double", n).await?;
            ctx.sleep(Duration::from_millis(50)).await?;
            let more: u32 = ctx.signal("more").await?;
            let sums = ctx
                .all((0..20).map(|i| ctx.activity::<u32>("double", i)))
                .await;
            let sum: u32 = sums.into_iter().collect::<Result<Vec<_>>>()?.iter().sum();
            Ok::<_, Error>(doubled + more + sum)
        })
        .unwrap()
        .activity("double", move |ctx: ActivityContext, n: u32| {
            let calls = Arc::clone(&seen);
            async move {
                calls.fetch_add(1, SeqCst);
                if n == 7 && ctx.attempt < 3 {
                    return Err(Error::msg("not yet"));
                }
                Ok(n * 2)
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("all").input(&7).id("x").send().await.unwrap();
    client.signal(&id("x"), "more", &1000).await.unwrap();
    let result: u32 = handle.result(SOON).await.unwrap();
    assert_eq!(result, 14 + 1000 + 380);
    assert_eq!(
        calls.load(SeqCst),
        1 + 2 + 20 + 2,
        "two attempts failed, twice"
    );
    running.stop().await;
}

#[tokio::test]
async fn starting_an_id_twice_runs_nothing_twice() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let running = processor()
        .workflow("count", move |ctx: Context, (): ()| {
            let runs = Arc::clone(&counted);
            async move {
                ctx.run("count", || async {
                    Ok::<_, Error>(runs.fetch_add(1, SeqCst))
                })
                .await
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut calls = Vec::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.push(tokio::spawn(async move {
            let mut handle = client
                .start("count")
                .id("same")
                .expect_outcome()
                .send()
                .await
                .unwrap();
            handle.wait(SOON).await.unwrap();
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(runs.load(SeqCst), 1);
    let again = client.start("count").id("same").send().await.unwrap();
    assert!(again.existing());
    running.stop().await;
}

#[tokio::test]
async fn one_partition_key_runs_one_at_a_time_in_submission_order() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let active = Arc::new(AtomicU32::new(0));
    let (o, a) = (Arc::clone(&order), Arc::clone(&active));
    let running = processor()
        .workflow("keyed", move |ctx: Context, n: u32| {
            let (order, active) = (Arc::clone(&o), Arc::clone(&a));
            async move {
                ctx.run("work", || async {
                    assert_eq!(active.fetch_add(1, SeqCst), 0, "one at a time");
                    order.lock().unwrap().push(n);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    active.fetch_sub(1, SeqCst);
                    Ok::<_, Error>(())
                })
                .await
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handles = Vec::new();
    for n in 0..30_u32 {
        handles.push(
            client
                .start("keyed")
                .input(&n)
                .key("user-1")
                .send()
                .await
                .unwrap(),
        );
    }
    for handle in &mut handles {
        handle.wait(SOON).await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..30).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn cancel_ends_it_with_its_reason() {
    let running = processor()
        .workflow("wait", |ctx: Context, (): ()| async move {
            ctx.signal::<()>("never").await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("wait").id("c").send().await.unwrap();
    client.cancel(&id("c"), "enough").await.unwrap();
    let ended = handle.wait(SOON).await.unwrap();
    assert_eq!(ended.status, Status::Cancelled);
    assert_eq!(ended.error.unwrap().message, "enough");
    running.stop().await;
}

#[tokio::test]
async fn an_unknown_workflow_fails_after_its_grace() {
    let env = TokioEnv::shared();
    let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let config = headwater::EngineConfig {
        unregistered_grace: Duration::from_millis(300),
        ..Default::default()
    };
    let running = Processor::on(store, env)
        .engine(Some(config))
        .start()
        .await
        .unwrap();
    let mut handle = running.client().start("nobody").send().await.unwrap();
    let ended = handle.wait(SOON).await.unwrap();
    assert_eq!(ended.error.unwrap().code, Code::UNREGISTERED);
    running.stop().await;
}

#[tokio::test]
async fn two_engines_share_and_record_each_outcome_once() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let mut engines = Vec::new();
    for _ in 0..2 {
        let processor = Processor::on(Arc::clone(&store), Arc::clone(&env))
            .workflow("chain", |ctx: Context, n: u32| async move {
                let mut n = n;
                for step in 0..5 {
                    n = ctx
                        .run(format!("s{step}"), || async { Ok::<_, Error>(n + 1) })
                        .await?;
                    n = ctx.activity("inc", n).await?;
                }
                Ok::<_, Error>(n)
            })
            .unwrap()
            .activity("inc", |_: ActivityContext, n: u32| async move {
                Ok::<_, Error>(n + 1)
            })
            .unwrap();
        engines.push(processor.start().await.unwrap());
    }
    let client = engines[0].client();
    let mut handles = Vec::new();
    for n in 0..200_u32 {
        handles.push((
            n,
            client
                .start("chain")
                .input(&n)
                .expect_outcome()
                .send()
                .await
                .unwrap(),
        ));
    }
    for (n, handle) in &mut handles {
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), *n + 10);
        let state = client.state(handle.id()).await.unwrap();
        let entries = client.history(&state).await.unwrap();
        assert_eq!(entries.len(), 20, "ten decisions, ten outcomes");
    }
    for engine in engines {
        engine.stop().await;
    }
}

/// Regression: the same partition key in two task queues shared one watermark.
#[tokio::test]
async fn a_partition_key_means_another_queue_in_another_task_queue() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let mut engines = Vec::new();
    for queue in ["a", "b"] {
        let config = headwater::EngineConfig {
            queue: queue.to_owned(),
            ..Default::default()
        };
        let processor = Processor::on(Arc::clone(&store), Arc::clone(&env))
            .engine(Some(config))
            .workflow("where", move |_: Context, (): ()| async move {
                Ok::<_, Error>(queue.to_owned())
            })
            .unwrap();
        engines.push(processor.start().await.unwrap());
    }
    let client = engines[0].client();
    let mut handles = Vec::new();
    for n in 0..40 {
        let queue = ["a", "b"][n % 2];
        let start = client.start("where").queue(queue).key("same");
        handles.push((queue, start.send().await.unwrap()));
    }
    for (queue, handle) in &mut handles {
        assert_eq!(handle.result::<String>(SOON).await.unwrap(), *queue);
    }
    for engine in engines {
        engine.stop().await;
    }
}

/// Regression: commands that had to wait took all the room, and nothing else was dealt with.
#[tokio::test]
async fn commands_that_wait_do_not_keep_others_out() {
    let env = TokioEnv::shared();
    let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let config = headwater::EngineConfig {
        commands_max: 8,
        ..Default::default()
    };
    let running = Processor::on(store, env)
        .engine(Some(config))
        .workflow("sleeper", |ctx: Context, (): ()| async move {
            ctx.signal::<()>("wake").await
        })
        .unwrap()
        .workflow(
            "other",
            |_: Context, (): ()| async move { Ok::<_, Error>(1) },
        )
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut sleeper = client.start("sleeper").id("s").send().await.unwrap();
    let large = "x".repeat(60 * 1024);
    for _ in 0..40 {
        client.signal(&id("s"), "noise", &large).await.unwrap();
    }
    for _ in 0..20 {
        let mut handle = client.start("other").send().await.unwrap();
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 1);
    }
    client.cancel(&id("s"), "done").await.unwrap();
    assert_eq!(sleeper.wait(SOON).await.unwrap().status, Status::Cancelled);
    running.stop().await;
}

/// Regression: a signal for an invocation of another task queue was given back for ever.
#[tokio::test]
async fn a_signal_that_went_to_the_wrong_task_queue_is_passed_on() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let other = headwater::EngineConfig {
        queue: "orders".to_owned(),
        ..Default::default()
    };
    let default = Processor::on(Arc::clone(&store), Arc::clone(&env))
        .start()
        .await
        .unwrap();
    let client = default.client();
    let mut handle = client
        .start("w")
        .id("x")
        .queue("orders")
        .send()
        .await
        .unwrap();
    client.signal(&id("x"), "go", &5).await.unwrap();
    let orders = Processor::on(store, env)
        .engine(Some(other))
        .workflow("w", |ctx: Context, (): ()| async move {
            ctx.signal::<u32>("go").await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 5);
    default.stop().await;
    orders.stop().await;
}

#[tokio::test]
async fn an_error_as_large_as_a_book_is_cut_and_recorded() {
    let running = processor()
        .workflow("loud", |ctx: Context, (): ()| async move {
            let retry = Retry::none();
            let shout = || async { Err::<(), _>(Error::msg("x".repeat(3_000_000))) };
            let local = ctx.run("shout", shout).retry(retry.clone()).await;
            let remote = ctx.activity::<()>("shout", ()).retry(retry).await;
            Ok::<_, Error>((local.is_err(), remote.is_err()))
        })
        .unwrap()
        .activity("shout", |_: ActivityContext, (): ()| async move {
            Err::<(), _>(Error::msg("y".repeat(3_000_000)))
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let mut handle = running.client().start("loud").send().await.unwrap();
    assert_eq!(
        handle.result::<(bool, bool)>(SOON).await.unwrap(),
        (true, true)
    );
    running.stop().await;
}

/// A step that kills its engine again and again parks its invocation; each try is recorded before
/// it is made, so that deliveries lost otherwise do not count. (A runtime that is thrown away
/// stands for the process that dies.)
#[test]
fn a_step_that_kills_its_engine_again_and_again_is_parked_as_poison() {
    let ack_wait = Duration::from_millis(150);
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> =
        MemoryStore::with_ack_wait(Arc::clone(&env), Namespace::default(), ack_wait);
    let tries = Arc::new(AtomicU32::new(0));
    let mut parked = None;
    for life in 0..20 {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let began = tries.load(SeqCst);
        parked = runtime.block_on(async {
            let counted = Arc::clone(&tries);
            let config = headwater::EngineConfig {
                ack_wait,
                ..Default::default()
            };
            let running = Processor::on(Arc::clone(&store), Arc::clone(&env))
                .engine(Some(config))
                .workflow("deadly", move |ctx: Context, (): ()| {
                    let tries = Arc::clone(&counted);
                    async move {
                        ctx.run("deadly", || async {
                            tries.fetch_add(1, SeqCst);
                            std::future::pending::<Result<()>>().await
                        })
                        .await
                    }
                })
                .unwrap()
                .start()
                .await
                .unwrap();
            let client = running.client();
            if life == 0 {
                client.start("deadly").id("d").send().await.unwrap();
            }
            loop {
                if let Ok(state) = client.state(&id("d")).await
                    && state.value.status == Status::Parked
                {
                    return Some(state);
                }
                if tries.load(SeqCst) > began {
                    let own = format!("engine.{}", running.engine().unwrap().id());
                    // Its value and marks are stored before the step begins, except the first.
                    if life > 0 || client.state(&id("d")).await.is_ok() {
                        store
                            .delete(headwater::store::Bucket::Members, &own)
                            .await
                            .unwrap();
                        return None;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        runtime.shutdown_background();
        if parked.is_some() {
            break;
        }
    }
    let state = parked.expect("parked after so many deaths");
    let reason = state.value.parked.unwrap().reason;
    assert_eq!(reason.code, Code::POISON);
    assert!(
        reason.message.contains("has ended its engine 10 times"),
        "{}",
        reason.message
    );
    assert_eq!(
        tries.load(SeqCst),
        13,
        "three unmarked deliveries, then ten marked ones"
    );
}

/// Regression: an engine that was idle when it was stopped went on pulling.
#[tokio::test]
async fn a_stopped_engine_takes_nothing_any_more() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let start = |says: &'static str| {
        Processor::on(Arc::clone(&store), Arc::clone(&env))
            .workflow("who", move |_: Context, (): ()| async move {
                Ok::<_, Error>(says.to_owned())
            })
            .unwrap()
            .start()
    };
    let first = start("first").await.unwrap();
    let client = first.client();
    let mut handle = client.start("who").send().await.unwrap();
    assert_eq!(handle.result::<String>(SOON).await.unwrap(), "first");
    first.stop().await;
    let second = start("second").await.unwrap();
    for _ in 0..50 {
        let mut handle = client.start("who").send().await.unwrap();
        assert_eq!(handle.result::<String>(SOON).await.unwrap(), "second");
    }
    second.stop().await;
}

/// Regression: an invocation with journal pages that its program had stopped in this very process
/// was replayed without its pages, and the resume was lost.
#[tokio::test]
async fn a_parked_invocation_with_pages_resumes_in_the_process_that_parked_it() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = Arc::clone(&broken);
    let running = processor()
        .workflow("long", move |ctx: Context, (): ()| {
            let broken = Arc::clone(&flag);
            async move {
                for n in 0..200 {
                    ctx.run(format!("step-{n}"), || async { Ok::<_, Error>(n) })
                        .await?;
                }
                if broken.load(SeqCst) {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Error>("done".to_owned())
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("long").id("l").send().await.unwrap();
    let pages = loop {
        if let Ok(state) = client.state(&id("l")).await
            && state.value.status == Status::Parked
        {
            break state.journal.pages;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(pages > 0);
    broken.store(false, SeqCst);
    client.resume(&id("l")).await.unwrap();
    assert_eq!(handle.result::<String>(SOON).await.unwrap(), "done");
    running.stop().await;
}

/// What the polling loop of the tests below carries from run to run.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Polled {
    round: u32,
    sum: u32,
    items: Vec<u32>,
}

const ROUNDS: u32 = 50;
const ITEMS: u32 = 40;

/// A run a round, with a local and a remote step; ends once all rounds and items are through.
async fn poll(ctx: Context, mut state: Polled, local_runs: Arc<AtomicU32>) -> Result<Polled> {
    let round = state.round;
    let count = || async { Ok::<_, Error>(local_runs.fetch_add(1, SeqCst)) };
    ctx.run("count", count).await?;
    let doubled: u32 = ctx.activity("double", round).await?;
    state.sum += doubled;
    let wait = Duration::from_millis(3);
    while let Ok(item) = ctx.signal("item").timeout(wait).await {
        state.items.push(item);
    }
    state.round += 1;
    if state.round >= ROUNDS && state.items.len() as u32 >= ITEMS {
        return Ok(state);
    }
    ctx.continue_as_new(&state).await
}

fn poller(store: &Arc<dyn Store>, config: headwater::EngineConfig) -> (Processor, Arc<AtomicU32>) {
    let local_runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&local_runs);
    let processor = Processor::on(Arc::clone(store), TokioEnv::shared())
        .engine(Some(config))
        .workflow("poll", move |ctx: Context, state: Option<Polled>| {
            poll(ctx, state.unwrap_or_default(), Arc::clone(&counted))
        })
        .unwrap()
        .workflow(
            "after",
            |_: Context, (): ()| async move { Ok::<_, Error>(()) },
        )
        .unwrap()
        .activity("double", |_: ActivityContext, n: u32| async move {
            Ok::<_, Error>(n * 2)
        })
        .unwrap();
    (processor, local_runs)
}

#[tokio::test]
async fn a_polling_loop_continues_as_new_and_sees_each_signal_once() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let (processor, local_runs) = poller(&store, headwater::EngineConfig::default());
    let running = processor.start().await.unwrap();
    let client = running.client();
    let start = client.start("poll").id("p").key("k").expect_outcome();
    let mut handle = start.send().await.unwrap();
    let start = client.start("after").id("a").key("k");
    let mut after = start.send().await.unwrap();
    for item in 0..ITEMS {
        client.signal(&id("p"), "item", &item).await.unwrap();
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    assert!(
        !client
            .state(&id("a"))
            .await
            .unwrap()
            .value
            .status
            .is_ended()
    );
    let mut polled: Polled = handle.result(SOON).await.unwrap();
    polled.items.sort_unstable(); // the first may have come before the start
    assert_eq!(polled.items, (0..ITEMS).collect::<Vec<_>>());
    let rounds = polled.round;
    assert_eq!(polled.sum, rounds * (rounds - 1));
    assert_eq!(local_runs.load(SeqCst), rounds, "each local step ran once");
    let state = client.state(&id("p")).await.unwrap();
    assert_eq!(state.value.run.continued, rounds - 1);
    let entries = client.history(&state).await.unwrap();
    assert!(entries.len() < 200, "{} entries", entries.len());
    after.wait(SOON).await.unwrap();
    let after = client.state(&id("a")).await.unwrap().value;
    assert!(
        after.ended_at >= state.value.ended_at,
        "the key was held until the last run ended"
    );
    running.stop().await;
}

/// Engines with different workflows serve the same partitions, so these two race for every turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_race_for_the_same_runs_lose_nothing() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let (one, _) = poller(&store, headwater::EngineConfig::default());
    let (other, _) = poller(&store, headwater::EngineConfig::default());
    let more = |_: Context, (): ()| async move { Ok::<_, Error>(()) };
    let engines = [
        one.start().await.unwrap(),
        other.workflow("more", more).unwrap().start().await.unwrap(),
    ];
    let client = engines[0].client();
    let names: Vec<_> = (0..8).map(|n| format!("p{n}")).collect();
    for name in &names {
        client.start("poll").id(name).send().await.unwrap();
    }
    for item in 0..ITEMS {
        for name in &names {
            client.signal(&id(name), "item", &item).await.unwrap();
        }
    }
    for name in &names {
        let ended = client.wait(&id(name), SOON).await.unwrap();
        let mut polled: Polled = ended.output().unwrap();
        polled.items.sort_unstable();
        assert_eq!(polled.items, (0..ITEMS).collect::<Vec<_>>());
        assert_eq!(polled.sum, polled.round * (polled.round - 1));
    }
    let lost =
        |engine: &headwater::RunningProcessor| engine.engine().unwrap().metrics().swaps_lost.get();
    let lost: u64 = engines.iter().map(lost).sum();
    assert!(lost > 0, "they did not race");
    for engine in engines {
        engine.stop().await;
    }
}

/// Engines that die at any moment. (A runtime that is thrown away stands for the process.)
#[test]
fn a_loop_of_runs_survives_engines_that_die_again_and_again() {
    let ack_wait = Duration::from_millis(100);
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> =
        MemoryStore::with_ack_wait(Arc::clone(&env), Namespace::default(), ack_wait);
    let mut sent = 0;
    for life in 0.. {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let polled: Option<Polled> = runtime.block_on(async {
            let config = headwater::EngineConfig {
                ack_wait,
                ..Default::default()
            };
            let running = poller(&store, config).0.start().await.unwrap();
            let client = running.client();
            if life == 0 {
                client.start("poll").id("p").send().await.unwrap();
            }
            // A life lasts for a few turns.
            let mut last_turn = None;
            loop {
                if sent < ITEMS {
                    client.signal(&id("p"), "item", &sent).await.unwrap();
                    sent += 1;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                let Ok(state) = client.state(&id("p")).await else {
                    continue;
                };
                assert_ne!(state.value.status, Status::Parked, "{}", state.value.why);
                if let Some(output) = &state.value.output {
                    return Some(output.decode().unwrap());
                }
                let turn = state.value.turn.number;
                if turn >= *last_turn.get_or_insert(turn + 1 + life % 17) {
                    break;
                }
            }
            let own = format!("engine.{}", running.engine().unwrap().id());
            let members = headwater::store::Bucket::Members;
            store.delete(members, &own).await.unwrap();
            None
        });
        runtime.shutdown_background();
        if let Some(polled) = polled {
            assert!(life > 5, "only {life} deaths");
            let mut items = polled.items;
            items.sort_unstable();
            assert_eq!(items, (0..ITEMS).collect::<Vec<_>>(), "each signal once");
            let rounds = polled.round;
            assert_eq!(polled.sum, rounds * (rounds - 1));
            return;
        }
    }
}

#[tokio::test]
async fn late_outcomes_and_lost_sleeps_of_a_run_do_not_reach_the_next() {
    let running = processor()
        .workflow("late", |ctx: Context, round: u64| async move {
            // The same steps with the same numbers in both runs.
            let nap = std::pin::pin!(ctx.sleep(Duration::from_millis(2_200 + round * 700)));
            let slow = std::pin::pin!(ctx.activity::<u64>("slow", round).into_future());
            if round == 0 {
                ctx.sleep(Duration::from_millis(20)).await?;
                return ctx.continue_as_new(1).await;
            }
            let began = ctx.now();
            let (slow, nap) = futures::join!(slow, nap);
            nap?;
            Ok::<_, Error>((slow?, ctx.now().since(began)))
        })
        .unwrap()
        .activity("slow", |_: ActivityContext, round: u64| async move {
            tokio::time::sleep(Duration::from_millis(200 + 300 * round)).await;
            Ok::<_, Error>(round)
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("late").input(&0).send().await.unwrap();
    let (slow, slept): (u64, Duration) = handle.result(SOON).await.unwrap();
    assert_eq!(slow, 1);
    assert!(slept >= Duration::from_millis(2_900), "{slept:?}");
    running.stop().await;
}

/// Regression: what came was not looked at while there was always a next turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loop_of_runs_that_never_waits_can_be_cancelled() {
    let running = processor()
        .workflow("hot", |ctx: Context, n: Option<u32>| async move {
            ctx.sleep(Duration::ZERO).await?;
            ctx.continue_as_new::<Result<()>>(n.unwrap_or_default() + 1)
                .await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("hot").id("h").send().await.unwrap();
    while client.state(&id("h")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.cancel(&id("h"), "enough").await.unwrap();
    let ended = handle.wait(SOON).await.unwrap();
    assert_eq!(ended.status, Status::Cancelled);
    let state = client.state(&id("h")).await.unwrap();
    assert!(state.value.run.continued > 0);
    running.stop().await;
}

#[tokio::test]
async fn long_journals_page_and_continue_also_in_another_engine() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let start = || {
        Processor::on(Arc::clone(&store), Arc::clone(&env))
            .workflow(
                "long",
                |ctx: Context, (round, sum): (u32, u32)| async move {
                    let mut sum = sum;
                    for n in 0..150 {
                        sum += ctx
                            .run(format!("step-{n}"), || async { Ok::<_, Error>(n) })
                            .await?;
                        if n == 140 && round == 1 {
                            ctx.signal::<()>("go").await?;
                        }
                    }
                    match round {
                        2 => Ok::<_, Error>(sum),
                        _ => ctx.continue_as_new((round + 1, sum)).await,
                    }
                },
            )
            .unwrap()
            .start()
    };
    let first = start().await.unwrap();
    let client = first.client();
    let call = client.start("long").input(&(0, 0)).id("l");
    call.send().await.unwrap();
    let waiting = loop {
        let state = client.state(&id("l")).await;
        if let Ok(state) = state
            && state.value.status == Status::Waiting
        {
            break state;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(waiting.value.run.continued, 1);
    assert!(waiting.journal.first_page > 1 && waiting.journal.run_pages().count() > 1);
    let entries = client.history(&waiting).await.unwrap();
    assert_eq!(entries.len(), 2 * 141 + 1, "those of its run");
    first.stop().await;
    let second = start().await.unwrap();
    let client = second.client();
    client.signal(&id("l"), "go", &()).await.unwrap();
    let ended = client.wait(&id("l"), SOON).await.unwrap();
    assert_eq!(ended.output::<u32>().unwrap(), 3 * (149 * 150 / 2));
    let state = client.state(&id("l")).await.unwrap();
    assert!(state.journal.first_page > waiting.journal.pages);
    assert_eq!(client.history(&state).await.unwrap().len(), 300);
    second.stop().await;
}

/// A client that comes before any engine does not know how many partitions there will be.
#[tokio::test]
async fn what_was_started_before_any_engine_runs_whatever_its_partitions() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let client = headwater::Client::new(Arc::clone(&store), Arc::clone(&env));
    let mut handles = Vec::new();
    for number in 0..30 {
        let start = client.start("early").id(format!("early-{number}"));
        handles.push(start.send().await.unwrap());
    }
    let config = headwater::EngineConfig {
        partitions: Some(2),
        ..Default::default()
    };
    let running = Processor::on(store, env)
        .engine(Some(config))
        .workflow("early", |_: Context, (): ()| async { Ok::<_, Error>(1) })
        .unwrap()
        .start()
        .await
        .unwrap();
    for handle in &mut handles {
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 1);
    }
    running.stop().await;
}

/// Each time that a task is given back counts as a death of its worker: a worker that stops must
/// not be given it again.
#[tokio::test]
async fn a_worker_that_stops_gives_a_task_back_once() {
    use headwater::{
        store::{Message, Source},
        wire::{Partition, Payload, Run, Task},
    };
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let task = |step| Message::Task {
        topic: "slow".to_owned(),
        body: Task {
            invocation: id("i"),
            queue: "default".to_owned(),
            partition: Partition(1),
            run: Run::default(),
            step,
            attempt: 1,
            activity: "slow".to_owned(),
            input: Payload::null(),
            workflow: "w".to_owned(),
            options: Default::default(),
            heartbeat: None,
        }
        .encode(),
    };
    let (began, release) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (begins, released) = (Arc::clone(&began), Arc::clone(&release));
    let running = Processor::on(Arc::clone(&store), env)
        .activity("slow", move |_, (): ()| {
            let (began, release) = (Arc::clone(&begins), Arc::clone(&released));
            async move {
                began.notify_one();
                release.notified().await;
                Ok::<_, Error>(())
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    store.publish(task(1)).await.unwrap();
    began.notified().await;
    let stopping = tokio::spawn(running.stop());
    // It waits for the task that runs; others must not come here any more.
    tokio::task::yield_now().await;
    store.publish(task(2)).await.unwrap();
    let mut other = store
        .consume(&Source::Topic("slow".to_owned()))
        .await
        .unwrap();
    other.request(1);
    let delivery = tokio::time::timeout(SOON, other.next()).await.unwrap();
    assert!(
        delivery.deliveries <= 2,
        "given {} times",
        delivery.deliveries
    );
    release.notify_one();
    stopping.await.unwrap();
}
