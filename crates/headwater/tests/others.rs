//! What a workflow sends to other invocations and to listeners, over the in-memory store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::StreamExt as _;
use headwater::{
    EngineConfig,
    prelude::*,
    store::{Env, Store, TokioEnv, memory::MemoryStore},
    wire::{InvocationId, Namespace, Status},
};
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(20);
const ACK_WAIT: Duration = Duration::from_millis(150);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

fn storage() -> (Arc<dyn Store>, Arc<dyn Env>) {
    let env = TokioEnv::shared();
    let store = MemoryStore::with_ack_wait(Arc::clone(&env), Namespace::default(), ACK_WAIT);
    (store, env)
}

fn processor(store: &Arc<dyn Store>, env: &Arc<dyn Env>) -> Processor {
    let config = EngineConfig {
        ack_wait: ACK_WAIT,
        ..EngineConfig::default()
    };
    Processor::on(Arc::clone(store), Arc::clone(env)).engine(Some(config))
}

/// A process: thrown away, it has died.
fn process() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, wait).await;
    assert!(waited.is_ok(), "{what}");
}

/// The engine dies while the start that it all rests on is not acknowledged: the next one sends
/// everything again.
#[test]
fn a_workflow_signals_and_ends_another_once() {
    let (store, env) = storage();
    let lives = Arc::new(AtomicU32::new(0));
    let register = |lives: &Arc<AtomicU32>| {
        let lives = Arc::clone(lives);
        processor(&store, &env)
            .workflow("sender", move |ctx: Context, (): ()| {
                let lives = Arc::clone(&lives);
                async move {
                    ctx.other("b").signal("go", 1)?;
                    ctx.other("b").signal("go", 2)?;
                    ctx.run("die", || async {
                        if lives.fetch_add(1, SeqCst) == 0 {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, Error>(())
                    })
                    .await?;
                    ctx.other("b").cancel("that was all")
                }
            })
            .unwrap()
            .workflow("receiver", |ctx: Context, (): ()| async move {
                let mut got: Vec<u32> = Vec::new();
                loop {
                    match ctx.signal("go").await {
                        Ok(n) => got.push(n),
                        Err(error) => {
                            assert!(error.is_cancelled());
                            return Ok::<_, Error>((got, error.message().to_owned()));
                        }
                    }
                }
            })
            .unwrap()
    };
    let first = process();
    first.block_on(async {
        let running = register(&lives).start().await.unwrap();
        let client = running.client();
        client.start("receiver").id("b").send().await.unwrap();
        client.start("sender").id("a").send().await.unwrap();
        until("both are taken", async || {
            let state = client.state(&id("b")).await;
            lives.load(SeqCst) == 1 && state.is_ok_and(|state| state.value.signals.taken.len() == 2)
        })
        .await;
        let own = format!("engine.{}", running.engine().unwrap().id());
        let members = headwater::store::Bucket::Members;
        store.delete(members, &own).await.unwrap();
    });
    first.shutdown_background();

    process().block_on(async {
        let running = register(&lives).start().await.unwrap();
        let client = running.client();
        let sent = client.wait(&id("a"), SOON).await.unwrap();
        assert_eq!(sent.status, Status::Completed);
        let received = client.wait(&id("b"), SOON).await.unwrap();
        let (got, reason): (Vec<u32>, String) = received.output().unwrap();
        assert_eq!((got, reason.as_str()), (vec![1, 2], "that was all"));
        assert_eq!(lives.load(SeqCst), 2, "the sender's step ran again");
        let state = client.state(&id("b")).await.unwrap();
        let ids: Vec<&str> = state.value.signals.taken.iter().map(|s| &*s.id).collect();
        let run = client.state(&id("a")).await.unwrap().value.run;
        assert_eq!(ids, [format!("a/{run}/1"), format!("a/{run}/2")]);
        assert_eq!(client.dead_letters(0, 10).await.unwrap(), []);
        running.stop().await;
    });
}

#[test]
fn an_event_is_emitted_once() {
    let (store, env) = storage();
    let register = || {
        processor(&store, &env)
            .workflow("teller", |ctx: Context, (): ()| async move {
                ctx.emit("news", "began")?;
                let n: u32 = ctx.signal("go").await?;
                ctx.emit("news", format!("got {n}"))
            })
            .unwrap()
    };
    let listener = process();
    let mut events = listener.block_on(async {
        let client = Client::new(Arc::clone(&store), Arc::clone(&env));
        client.events("news").await.unwrap()
    });
    let first = process();
    first.block_on(async {
        let running = register().start().await.unwrap();
        let client = running.client();
        client.start("teller").id("t").send().await.unwrap();
        until("it waits, and nothing is under way", async || {
            let waits = client.state(&id("t")).await;
            let waits = waits.is_ok_and(|state| state.value.status == Status::Waiting);
            let left = store.first_command("default", &id("t").key(), 0).await;
            waits && left.unwrap().is_none()
        })
        .await;
        let own = format!("engine.{}", running.engine().unwrap().id());
        let members = headwater::store::Bucket::Members;
        store.delete(members, &own).await.unwrap();
    });
    first.shutdown_background();
    process().block_on(async {
        let running = register().start().await.unwrap();
        let client = running.client();
        client.signal(&id("t"), "go", &7).await.unwrap();
        client.wait(&id("t"), SOON).await.unwrap();
        running.stop().await;
    });
    listener.block_on(async {
        for expected in ["began", "got 7"] {
            let event = tokio::time::timeout(SOON, events.next()).await;
            let event: String = event.unwrap().unwrap().decode().unwrap();
            assert_eq!(event, expected);
        }
        let more = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
        assert!(more.is_err(), "{more:?}");
    });
}
