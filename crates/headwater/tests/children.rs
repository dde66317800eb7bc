//! Children over the in-memory store.
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

use headwater::{
    EngineConfig, RunningProcessor,
    client::Filter,
    prelude::*,
    store::{Env, Store, TokioEnv, memory::MemoryStore},
    wire::{Code, InvocationId, Namespace, Status, command::Asker},
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

fn processor(store: &Arc<dyn Store>, env: &Arc<dyn Env>, queue: &str) -> Processor {
    let config = EngineConfig {
        queue: queue.to_owned(),
        ack_wait: ACK_WAIT,
        ..EngineConfig::default()
    };
    Processor::on(Arc::clone(store), Arc::clone(env)).engine(Some(config))
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

async fn status(client: &Client, of: &str) -> Option<Status> {
    let state = client.state(&id(of)).await.ok()?;
    Some(state.value.status)
}

/// Wait for it, or for a signal, as its input says; a child of its own below it, if it has one.
async fn waiter(ctx: Context, below: u32) -> Result<u32> {
    if below > 0 {
        let name = format!("below-{below}");
        return ctx.child("waiter", below - 1).id(name).await;
    }
    ctx.signal("go").await
}

async fn one(store: &Arc<dyn Store>, env: &Arc<dyn Env>) -> RunningProcessor {
    processor(store, env, "default")
        .workflow("waiter", waiter)
        .unwrap()
        .workflow("double", |_: Context, n: u32| async move {
            match n {
                13 => Err(Error::fatal("unlucky").with_code("odd")),
                n => Ok(2 * n),
            }
        })
        .unwrap()
        .workflow("catches", |ctx: Context, (): ()| async move {
            let own = ctx.child::<u32>("double", 13).await.unwrap_err();
            let taken = ctx.child::<u32>("double", 1).id("taken").await.unwrap_err();
            let codes = [own.code().to_string(), taken.code().to_string()];
            Ok::<_, Error>((codes, own.message().to_owned()))
        })
        .unwrap()
        .workflow("named", |ctx: Context, (): ()| async move {
            let child = ctx.child::<u32>("double", 21).id("order 7/é").begin()?;
            let id = child.id().to_string();
            Ok::<_, Error>((id, child.await?))
        })
        .unwrap()
        .workflow("lets go", |ctx: Context, (): ()| async move {
            ctx.child::<u32>("waiter", 0).id("audit").detach()
        })
        .unwrap()
        .start()
        .await
        .unwrap()
}

fn process() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// The engine dies while the child is at work, and a second time before the parent goes on.
#[test]
fn a_child_returns_to_its_parent_whichever_engine_dies() {
    let (store, env) = storage();
    let runs = [Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0))];
    for life in 1..=3 {
        let process = process();
        let [of_child, of_parent] = runs.clone();
        let (child, parent) = (Arc::clone(&of_child), Arc::clone(&of_parent));
        process.block_on(async {
            let running = processor(&store, &env, "default")
                .workflow("child", move |ctx: Context, n: u32| {
                    let runs = Arc::clone(&child);
                    async move {
                        ctx.run("work", || async {
                            if runs.fetch_add(1, SeqCst) == 0 {
                                std::future::pending::<()>().await;
                            }
                            Ok::<_, Error>(n * 2)
                        })
                        .await
                    }
                })
                .unwrap()
                .workflow("parent", move |ctx: Context, n: u32| {
                    let runs = Arc::clone(&parent);
                    async move {
                        let doubled: u32 = ctx.child("child", n).await?;
                        ctx.run("after", || async {
                            if runs.fetch_add(1, SeqCst) == 0 {
                                std::future::pending::<()>().await;
                            }
                            Ok::<_, Error>(doubled + 1)
                        })
                        .await
                    }
                })
                .unwrap()
                .start()
                .await
                .unwrap();
            let client = running.client();
            match life {
                1 => {
                    let call = client.start("parent").id("p").input(&5);
                    call.send().await.unwrap();
                    until("the child is at work", async || of_child.load(SeqCst) == 1).await;
                }
                2 => until("the parent goes on", async || of_parent.load(SeqCst) == 1).await,
                _ => {
                    let ended = client.wait(&id("p"), SOON).await.unwrap();
                    assert_eq!(ended.output::<u32>().unwrap(), 11);
                    let all = client.list(&Filter::new()).await.unwrap();
                    assert_eq!(all.states.len(), 2, "one parent, one child");
                    let run = client.state(&id("p")).await.unwrap().value.run;
                    let child = client.state(&id(&format!("p/{run}/1"))).await.unwrap();
                    assert_eq!(child.value.status, Status::Completed);
                    assert!(
                        matches!(&child.value.asker, Asker::Parent { step: 1, .. }),
                        "{:?}",
                        child.value.asker
                    );
                    running.stop().await;
                    return;
                }
            }
            let own = format!("engine.{}", running.engine().unwrap().id());
            let members = headwater::store::Bucket::Members;
            store.delete(members, &own).await.unwrap();
        });
        process.shutdown_background();
    }
    let [of_child, of_parent] = runs;
    assert_eq!((of_child.load(SeqCst), of_parent.load(SeqCst)), (2, 2));
}

#[tokio::test]
async fn a_child_that_fails_is_caught_and_so_is_an_id_that_is_taken() {
    let (store, env) = storage();
    let running = one(&store, &env).await;
    let client = running.client();
    let mut taken = client
        .start("waiter")
        .id("taken")
        .input(&0)
        .send()
        .await
        .unwrap();
    let mut handle = client.start("catches").id("p").send().await.unwrap();
    let caught: ([String; 2], String) = handle.result(SOON).await.unwrap();
    let codes = ["odd".to_owned(), Code::EXISTS.to_string()];
    assert_eq!(caught, (codes, "unlucky".to_owned()));
    client.signal(&id("taken"), "go", &3).await.unwrap();
    assert_eq!(taken.result::<u32>(SOON).await.unwrap(), 3, "it goes on");
    running.stop().await;
}

#[tokio::test]
async fn a_given_child_id_is_used_exactly() {
    let (store, env) = storage();
    let running = one(&store, &env).await;
    let client = running.client();
    let mut handle = client.start("named").send().await.unwrap();
    let (name, output): (String, u32) = handle.result(SOON).await.unwrap();
    assert_eq!((name.as_str(), output), ("order 7/é", 42));
    let child = client.state(&id("order 7/é")).await.unwrap();
    assert_eq!(child.value.workflow, "double");
    running.stop().await;
}

#[tokio::test]
async fn a_detached_child_outlives_its_parent() {
    let (store, env) = storage();
    let running = one(&store, &env).await;
    let client = running.client();
    let mut parent = client.start("lets go").id("p").send().await.unwrap();
    let child: InvocationId = parent.result(SOON).await.unwrap();
    assert_eq!(child, id("audit"));
    until("the child waits", async || {
        status(&client, "audit").await == Some(Status::Waiting)
    })
    .await;
    client.signal(&child, "go", &9).await.unwrap();
    let ended = client.wait(&child, SOON).await.unwrap();
    assert_eq!(ended.output::<u32>().unwrap(), 9);
    until("the parent takes no notice", async || {
        let left = store.first_command("default", &id("p").key(), 0).await;
        left.unwrap().is_none()
    })
    .await;
    assert_eq!(status(&client, "p").await, Some(Status::Completed));
    running.stop().await;
}

#[tokio::test]
async fn cancelling_the_parent_cancels_the_child() {
    let (store, env) = storage();
    let running = one(&store, &env).await;
    let client = running.client();
    client
        .start("waiter")
        .id("p")
        .input(&2)
        .send()
        .await
        .unwrap();
    until("the last one waits", async || {
        status(&client, "below-1").await == Some(Status::Waiting)
    })
    .await;
    let why = client.why(&id("p")).await.unwrap();
    assert!(why[0].contains("waits for child below-2"), "{why:?}");
    assert!(why[1].contains("headwater why below-2"), "{why:?}");
    for _ in 0..2 {
        client.cancel(&id("p"), "enough").await.unwrap();
    }
    for (of, reason) in [
        ("p", "enough"),
        ("below-2", "parent canceled"),
        ("below-1", "parent canceled"),
    ] {
        let ended = client.wait(&id(of), SOON).await.unwrap();
        assert_eq!(ended.status, Status::Cancelled, "{of}");
        assert_eq!(ended.error.unwrap().message, reason, "{of}");
    }
    running.stop().await;
}

#[tokio::test]
async fn children_in_another_task_queue_and_under_a_key() {
    let (store, env) = storage();
    let active = Arc::new(AtomicU32::new(0));
    let there = processor(&store, &env, "there")
        .workflow("work", move |ctx: Context, n: u32| {
            let active = Arc::clone(&active);
            async move {
                ctx.run("work", || async {
                    assert_eq!(active.fetch_add(1, SeqCst), 0, "one at a time");
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    active.fetch_sub(1, SeqCst);
                    Ok::<_, Error>(n)
                })
                .await
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let here = processor(&store, &env, "here")
        .workflow("parent", |ctx: Context, (): ()| async move {
            let call = |n: u32| ctx.child::<u32>("work", n).queue("there").key("k");
            let results = ctx.all((0..10).map(call)).await;
            results.into_iter().collect::<Result<Vec<u32>>>()
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let call = here.client().start("parent").queue("here").id("p");
    let mut handle = call.send().await.unwrap();
    let results: Vec<u32> = handle.result(SOON).await.unwrap();
    assert_eq!(results, (0..10).collect::<Vec<_>>());
    here.stop().await;
    there.stop().await;
}
