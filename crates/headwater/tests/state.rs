//! State that others can see, through the whole product over the in-memory store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{sync::Arc, time::Duration};

use headwater::{
    ClientError,
    prelude::*,
    store::{Bucket, Store, TokioEnv, memory::MemoryStore},
    wire::{InvocationId, Namespace, Payload, Status},
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

fn json(text: &str) -> Payload {
    Payload::from_json_text(text).unwrap()
}

const ROUNDS: u32 = 40;

/// Counts its rounds in every way there is; each round gets what the one before has left.
async fn counting(ctx: Context, (): ()) -> Result<(f64, f64, u32)> {
    for _ in 0..ROUNDS / 4 {
        let sum = ctx.search().incr("sum", 1.0)?;
        let seen: f64 = ctx.run("look", || async { Ok::<_, Error>(sum) }).await?;
        ctx.search().incr("seen", seen)?;
        let rounds: u32 = ctx.kv().get("rounds")?.unwrap_or_default();
        ctx.kv().set("rounds", rounds + 1)?;
        ctx.sleep(Duration::from_millis(1)).await?;
    }
    let sum = ctx.search().get("sum")?.unwrap_or_default();
    let seen = ctx.search().get("seen")?.unwrap_or_default();
    match ctx.kv().get("rounds")? {
        Some(ROUNDS) => Ok((sum, seen, ROUNDS)),
        _ => ctx.continue_as_new(()).await,
    }
}

/// Engines that die at any moment. (A runtime that is thrown away stands for the process.)
#[test]
fn search_counters_are_exact_across_engine_deaths() {
    let ack_wait = Duration::from_millis(100);
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> =
        MemoryStore::with_ack_wait(Arc::clone(&env), Namespace::default(), ack_wait);
    for life in 0.. {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let ended = runtime.block_on(async {
            let config = headwater::EngineConfig {
                ack_wait,
                ..Default::default()
            };
            let running = Processor::on(Arc::clone(&store), Arc::clone(&env))
                .engine(Some(config))
                .workflow("counting", counting)
                .unwrap()
                .start()
                .await
                .unwrap();
            let client = running.client();
            if life == 0 {
                client.start("counting").id("c").send().await.unwrap();
            }
            // A life lasts for a few turns.
            let mut last_turn = None;
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let Ok(state) = client.state(&id("c")).await else {
                    continue;
                };
                assert_ne!(state.value.status, Status::Parked, "{}", state.value.why);
                if state.value.status.is_ended() {
                    return Some(state.value);
                }
                let turn = state.value.turn.number;
                if turn >= *last_turn.get_or_insert(turn + 3 + life % 11) {
                    break;
                }
            }
            let own = format!("engine.{}", running.engine().unwrap().id());
            store.delete(Bucket::Members, &own).await.unwrap();
            None
        });
        runtime.shutdown_background();
        if let Some(value) = ended {
            assert!(life > 3, "only {life} deaths");
            assert_eq!(value.run.continued, 3, "each run carries what the last had");
            let rounds = f64::from(ROUNDS);
            let (sum, seen, _): (f64, f64, u32) = value.output.unwrap().decode().unwrap();
            assert_eq!((sum, seen), (rounds, rounds * (rounds + 1.0) / 2.0));
            assert_eq!(value.search["sum"], json("40"));
            assert_eq!(value.kv["rounds"], json("40"), "it is there after the end");
            return;
        }
    }
}

#[tokio::test]
async fn status_changes_are_seen_in_order() {
    let running = processor()
        .workflow("steps", |ctx: Context, first: u32| async move {
            for n in first..first + 3 {
                ctx.set_status(format!("at {n}"))?;
                let _: () = ctx.signal("on").await?;
            }
            match first {
                0 => ctx.continue_as_new::<Result<()>>(3).await,
                _ => Ok(()),
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    client
        .start("steps")
        .input(&0)
        .id("s")
        .send()
        .await
        .unwrap();
    let mut version = 0;
    for n in 0..6 {
        let began = tokio::time::Instant::now();
        let status = client.wait_for_status(&id("s"), version, SOON).await;
        let status = status.unwrap().unwrap();
        assert_eq!(status.value, json(&format!("\"at {n}\"")));
        assert!(status.version > version, "it grows, also over runs");
        version = status.version;
        assert!(
            began.elapsed() < Duration::from_millis(450),
            "told, not looked up"
        );
        client.signal(&id("s"), "on", &()).await.unwrap();
    }
    let none = client.wait_for_status(&id("s"), version, SOON).await;
    assert_eq!(none.unwrap(), None, "it has ended without another");
    let last = client.custom_status(&id("s")).await.unwrap().unwrap();
    assert_eq!((last.version, last.value), (6, json("\"at 5\"")));
    running.stop().await;
}

#[tokio::test]
async fn kv_survives_continue_as_new_and_the_end() {
    let running = processor()
        .workflow("counter", |ctx: Context, (): ()| async move {
            let n: u32 = ctx.kv().get("n")?.unwrap_or_default();
            ctx.kv().set("n", n + 1)?;
            if n == 4 {
                ctx.kv().set("done", ctx.id().to_string())?;
                let _: () = ctx.signal("end").await?;
                return Ok::<_, Error>(());
            }
            ctx.sleep(Duration::from_millis(1)).await?;
            ctx.continue_as_new(()).await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("counter").id("c").send().await.unwrap();
    let done: Option<String> = client.wait_for_kv(&id("c"), "done", SOON).await.unwrap();
    assert_eq!(done.as_deref(), Some("c"));
    let soon = Duration::from_millis(20);
    let late = client.wait_for_kv::<u32>(&id("c"), "never", soon).await;
    assert!(
        matches!(late, Err(ClientError::Unchanged { .. })),
        "{late:?}"
    );
    client.signal(&id("c"), "end", &()).await.unwrap();
    handle.result::<()>(SOON).await.unwrap();
    assert_eq!(client.kv(&id("c"), "n").await.unwrap(), Some(5));
    let all = client.kv_all(&id("c")).await.unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["done", "n"]);
    let never = client.wait_for_kv::<u32>(&id("c"), "never", SOON).await;
    assert_eq!(never.unwrap(), None, "it has ended without");
    let nobody = client.kv::<u32>(&id("nobody"), "n").await;
    assert!(matches!(nobody, Err(ClientError::NotFound(_))));
    running.stop().await;
}

/// A client in a local step reads what another invocation shows; recorded once.
#[tokio::test]
async fn kv_is_read_from_another_invocation() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let looker = Client::new(Arc::clone(&store), Arc::clone(&env));
    let running = Processor::on(store, env)
        .workflow("shows", |ctx: Context, n: u32| async move {
            ctx.kv().set("n", n)?;
            let _: () = ctx.signal("end").await?;
            Ok::<_, Error>(())
        })
        .unwrap()
        .workflow("looks", move |ctx: Context, other: InvocationId| {
            let client = looker.clone();
            async move {
                ctx.run("look", || async {
                    client.wait_for_kv::<u32>(&other, "n", SOON).await
                })
                .await
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let call = client.start("shows").input(&7).id("a");
    call.send().await.unwrap();
    let call = client.start("looks").input(&id("a"));
    let mut handle = call.send().await.unwrap();
    let found: Option<u32> = handle.result(SOON).await.unwrap();
    assert_eq!(found, Some(7));
    running.stop().await;
}

#[tokio::test]
async fn a_start_brings_search_attributes() {
    let running = processor()
        .workflow("enrich", |ctx: Context, (): ()| async move {
            ctx.enrich("region", "north")?;
            let total: f64 = ctx.search().incr("total", 0.5)?;
            Ok::<_, Error>((ctx.search().get::<String>("customer")?, total))
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    for key in [None, Some("keyed")] {
        let mut call = client.start("enrich");
        if let Some(key) = key {
            call = call.key(key);
        }
        let call = call.search("customer", "ada").search("total", &12);
        let mut handle = call.send().await.unwrap();
        let output: (Option<String>, f64) = handle.result(SOON).await.unwrap();
        assert_eq!(output, (Some("ada".to_owned()), 12.5));
        let search = client.state(handle.id()).await.unwrap().value.search;
        let shown: Vec<_> = search.keys().map(String::as_str).collect();
        assert_eq!(shown, ["customer", "region", "total"]);
    }
    let large = client.start("enrich").search("a", &"x".repeat(20_000));
    let refused = large.send().await.err();
    assert!(matches!(refused, Some(ClientError::Search { .. })));
    running.stop().await;
}
