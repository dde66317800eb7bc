//! The life of an invocation as people rule it, through the engine over the in-memory store.
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
    ClientError, RunningProcessor,
    client::{Filter, IfExists, State},
    prelude::*,
    store::{Store, TokioEnv, memory::MemoryStore},
    wire::{Code, InvocationId, Namespace, Status},
};

const SOON: Duration = Duration::from_secs(20);

fn memory() -> Arc<dyn Store> {
    MemoryStore::new(TokioEnv::shared(), Namespace::default())
}

fn on(store: &Arc<dyn Store>) -> Processor {
    Processor::on(Arc::clone(store), TokioEnv::shared())
}

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

async fn pause_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Wait until the state of an invocation is as it should be.
async fn until(client: &Client, id: &InvocationId, fits: impl Fn(&State) -> bool) -> State {
    let deadline = std::time::Instant::now() + SOON;
    loop {
        if let Ok(state) = client.state(id).await
            && fits(&state)
        {
            return state;
        }
        let seen = client.why(id).await;
        assert!(std::time::Instant::now() < deadline, "{id}: {seen:?}");
        pause_ms(10).await;
    }
}

async fn until_status(client: &Client, id: &InvocationId, status: Status) -> State {
    until(client, id, |state| state.value.status == status).await
}

/// A loop without an end: an activity that counts, then a short sleep.
fn looping(store: &Arc<dyn Store>, count: &Arc<AtomicU32>) -> Processor {
    let count = Arc::clone(count);
    on(store)
        .workflow("loop", |ctx: Context, (): ()| async move {
            loop {
                ctx.activity::<u32>("count", ()).await?;
                ctx.sleep(Duration::from_millis(20)).await?;
            }
            #[allow(unreachable_code)]
            Ok::<_, Error>(())
        })
        .unwrap()
        .activity("count", move |_: ActivityContext, (): ()| {
            let count = Arc::clone(&count);
            async move { Ok::<_, Error>(count.fetch_add(1, SeqCst)) }
        })
        .unwrap()
}

#[tokio::test]
async fn an_interrupted_loop_stops_with_410() {
    let (store, count) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = looping(&store, &count).start().await.unwrap();
    let client = &running.client();
    let mut handle = client
        .start("loop")
        .id("a")
        .expect_outcome()
        .send()
        .await
        .unwrap();
    while count.load(SeqCst) < 3 {
        pause_ms(5).await;
    }
    client.terminate(&id("a"), "enough").await.unwrap();
    let failed = handle.result::<()>(SOON).await.unwrap_err();
    let ClientError::Failed {
        status, failure, ..
    } = failed
    else {
        panic!("{failed}");
    };
    assert_eq!(status, Status::Terminated);
    assert_eq!(
        (failure.code.clone(), failure.code.number()),
        (Code::INTERRUPTED, 410)
    );
    assert_eq!(failure.message, "job [a] interrupted: enough");
    let counted = count.load(SeqCst);
    pause_ms(150).await;
    assert_eq!(count.load(SeqCst), counted, "nothing ran after its end");

    let again = client.terminate(&id("a"), "again").await.unwrap_err();
    assert!(
        again.to_string().starts_with("job a already completed"),
        "{again}"
    );
    assert!(matches!(
        again,
        ClientError::AlreadyEnded {
            status: Status::Terminated,
            ..
        }
    ));
    let unknown = client.terminate(&id("nobody"), "x").await.unwrap_err();
    assert!(matches!(unknown, ClientError::NotFound(_)), "{unknown}");

    client.start("loop").id("b").send().await.unwrap();
    let code = Some(Code::new("budget"));
    client.terminate_with(&id("b"), "", code).await.unwrap();
    let ended = client.wait(&id("b"), SOON).await.unwrap();
    assert_eq!(ended.error.unwrap().code, Code::new("budget"));
    running.stop().await;
}

#[tokio::test]
async fn terminating_the_holder_of_a_key_lets_the_next_one_run() {
    let store = memory();
    let running = on(&store)
        .workflow("wait", |ctx: Context, (): ()| async move {
            ctx.signal::<()>("go").await
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = &running.client();
    for name in ["a", "b", "c"] {
        client.start("wait").id(name).key("k").send().await.unwrap();
        until(client, &id(name), |_| true).await;
    }
    until_status(client, &id("c"), Status::Queued).await;
    client.terminate(&id("b"), "queued").await.unwrap();
    client.terminate(&id("a"), "holds it").await.unwrap();
    for name in ["a", "b"] {
        let ended = client.wait(&id(name), SOON).await.unwrap();
        assert_eq!(ended.status, Status::Terminated);
    }
    until_status(client, &id("c"), Status::Waiting).await;
    client.signal(&id("c"), "go", &()).await.unwrap();
    let ended = client.wait(&id("c"), SOON).await.unwrap();
    assert_eq!(ended.status, Status::Completed);
    running.stop().await;
}

#[tokio::test]
async fn a_paused_workflow_takes_its_commands_and_acts_when_resumed() {
    let (store, calls) = (memory(), Arc::new(AtomicU32::new(0)));
    let adding = || {
        let calls = Arc::clone(&calls);
        on(&store)
            .workflow("add", |ctx: Context, n: u32| async move {
                let a: u32 = ctx.signal("a").await?;
                ctx.sleep(Duration::from_millis(2_100)).await?;
                let b: u32 = ctx.activity("double", a).await?;
                Ok::<_, Error>(n + a + b)
            })
            .unwrap()
            .activity("double", move |_: ActivityContext, n: u32| {
                calls.fetch_add(1, SeqCst);
                async move { Ok::<_, Error>(n * 2) }
            })
            .unwrap()
    };
    let running = adding().start().await.unwrap();
    let client = &running.client();
    let mut handle = client.start("add").input(&1).id("x").send().await.unwrap();
    until_status(client, &id("x"), Status::Waiting).await;
    client.pause(&id("x"), "to look").await.unwrap();
    let state = until_status(client, &id("x"), Status::Paused).await;
    assert!(state.value.why.ends_with("to look"), "{}", state.value.why);
    let why = client.why(&id("x")).await.unwrap();
    assert!(
        why.contains(&"`headwater resume x` lets it go on".to_owned()),
        "{why:?}"
    );
    client.signal(&id("x"), "a", &10).await.unwrap();
    let buffered = until(client, &id("x"), |s| !s.value.signals.waiting.is_empty()).await;
    assert_eq!(buffered.value.status, Status::Paused);
    running.stop().await;

    // Another engine resumes it, pauses it in its sleep, and the sleep ends meanwhile.
    let running = adding().start().await.unwrap();
    let client = &running.client();
    client.resume(&id("x")).await.unwrap();
    until(client, &id("x"), |s| {
        s.value.waits.iter().any(|w| w.kind == "timer")
    })
    .await;
    client.pause(&id("x"), "again").await.unwrap();
    let deferred = until(client, &id("x"), |s| !s.value.deferred.is_empty()).await;
    assert_eq!(deferred.value.status, Status::Paused);
    pause_ms(50).await;
    assert_eq!(calls.load(SeqCst), 0, "it acts on nothing");
    client.resume(&id("x")).await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 31);
    let ended = client.pause(&id("x"), "too late").await.unwrap_err();
    assert!(matches!(ended, ClientError::AlreadyEnded { .. }), "{ended}");
    running.stop().await;
}

#[tokio::test]
async fn a_paused_local_step_is_run_again_and_a_paused_one_can_be_terminated() {
    let (store, begun) = (memory(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&begun);
    let running = on(&store)
        .workflow("slow", move |ctx: Context, (): ()| {
            let begun = Arc::clone(&counted);
            async move {
                ctx.run("slow", || async {
                    begun.fetch_add(1, SeqCst);
                    pause_ms(300).await;
                    Ok::<_, Error>(7)
                })
                .await
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = &running.client();
    for name in ["x", "y"] {
        client.start("slow").id(name).send().await.unwrap();
    }
    while begun.load(SeqCst) < 2 {
        pause_ms(5).await;
    }
    for name in ["x", "y"] {
        client.pause(&id(name), "").await.unwrap();
        until_status(client, &id(name), Status::Paused).await;
    }
    pause_ms(400).await;
    client.resume(&id("x")).await.unwrap();
    client.terminate(&id("y"), "never mind").await.unwrap();
    let ended = client.wait(&id("x"), SOON).await.unwrap();
    assert_eq!(ended.output::<u32>().unwrap(), 7);
    let ended = client.wait(&id("y"), SOON).await.unwrap();
    assert_eq!(ended.status, Status::Terminated);
    assert_eq!(begun.load(SeqCst), 3, "only the resumed one ran again");
    running.stop().await;
}

/// Counts its runs; a slow one waits for a signal before it ends.
async fn counting(store: &Arc<dyn Store>, runs: &Arc<AtomicU32>) -> RunningProcessor {
    let runs = Arc::clone(runs);
    on(store)
        .workflow("count", move |ctx: Context, slow: bool| {
            let runs = Arc::clone(&runs);
            async move {
                let count = ctx.run("count", || async {
                    Ok::<_, Error>(runs.fetch_add(1, SeqCst))
                });
                let count = count.await? + 1;
                if slow {
                    let more: u32 = ctx.signal("more").await?;
                    return Ok(count * 100 + more);
                }
                Ok::<_, Error>(count)
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_result_is_kept_for_its_ttl_and_then_runs_again() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = counting(&store, &runs).await;
    let client = &running.client();
    let exec = |wait: bool| {
        let mut call = client.start("count").input(&false).id("x");
        if wait {
            call = call.expect_outcome();
        }
        async move {
            let mut handle = call.result_ttl("500ms").send().await.unwrap();
            let result: u32 = handle.result(SOON).await.unwrap();
            (result, handle.existing())
        }
    };
    assert_eq!(exec(true).await, (1, false));
    assert_eq!(exec(true).await, (1, true), "the stored result");
    assert_eq!(exec(false).await, (1, true));
    pause_ms(600).await;
    assert_eq!(exec(true).await, (2, false), "it ran again");
    pause_ms(600).await;
    assert_eq!(
        exec(false).await,
        (3, false),
        "also for who does not listen"
    );
    let state = client.state(&id("x")).await.unwrap();
    assert!(state.value.replaced.is_some());

    // For good, unless it says otherwise.
    for _ in 0..2 {
        let kept = client.start("count").input(&false).id("kept");
        let mut handle = kept.expect_outcome().send().await.unwrap();
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 4);
        pause_ms(600).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn rivals_for_an_id_that_is_free_run_it_once() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let engines = [counting(&store, &runs).await, counting(&store, &runs).await];
    let client = &engines[0].client();
    let call = || client.start("count").input(&false).id("x");
    let mut first = call().result_ttl("1ms").send().await.unwrap();
    assert_eq!(first.result::<u32>(SOON).await.unwrap(), 1);
    pause_ms(20).await;
    let rivals = (0..10).map(|_| async {
        let mut handle = call().expect_outcome().send().await.unwrap();
        handle.result::<u32>(SOON).await.unwrap()
    });
    let results = futures::future::join_all(rivals).await;
    assert_eq!(results, [2; 10]);
    assert_eq!(runs.load(SeqCst), 2);
    for engine in engines {
        engine.stop().await;
    }
}

#[tokio::test]
async fn replace_ends_the_one_and_starts_the_other() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = counting(&store, &runs).await;
    let client = &running.client();
    let call = || client.start("count").id("x");
    call().input(&true).send().await.unwrap();
    until_status(client, &id("x"), Status::Waiting).await;
    let before = client.state(&id("x")).await.unwrap().value.run;
    let replacing = call().input(&true).if_exists(IfExists::Replace);
    let mut handle = replacing.expect_outcome().send().await.unwrap();
    client.signal(&id("x"), "more", &5).await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 205);
    assert!(!handle.existing());
    let value = client.state(&id("x")).await.unwrap().value;
    assert_eq!(value.replaced, Some(before));
    // Of one that has ended, and of none.
    for (name, expected) in [("x", 3), ("y", 4)] {
        let call = client.start("count").id(name).input(&false);
        let mut handle = call.if_exists(IfExists::Replace).send().await.unwrap();
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), expected);
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_deleted_is_not_found_and_its_id_runs_anew() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = counting(&store, &runs).await;
    let client = &running.client();
    let x = id("x");
    let missing = client.delete(&x, true).await.unwrap_err();
    assert!(matches!(missing, ClientError::NotFound(_)), "{missing}");
    let call = || client.start("count").input(&false).id("x");
    let mut handle = call().send().await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 1);
    let deleted = client.delete(&x, false).await.unwrap();
    assert_eq!((deleted.entries, deleted.was_running), (2, false));
    let is_gone = || async {
        while client.state(&x).await.is_ok() {
            pause_ms(5).await;
        }
    };
    is_gone().await;
    let waited = client.wait(&x, SOON).await.unwrap_err();
    assert!(matches!(waited, ClientError::NotFound(_)), "{waited}");
    assert!(client.list(&Filter::new()).await.unwrap().states.is_empty());
    let again = client.delete(&x, false).await.unwrap_err();
    assert!(matches!(again, ClientError::NotFound(_)), "{again}");

    let slow = client.start("count").input(&true).id("x");
    let mut handle = slow.expect_outcome().send().await.unwrap();
    until_status(client, &x, Status::Waiting).await;
    let refused = client.delete(&x, false).await.unwrap_err();
    assert!(
        matches!(refused, ClientError::StillRunning { .. }),
        "{refused}"
    );
    assert!(client.delete(&x, true).await.unwrap().was_running);
    let told = handle.wait(SOON).await.unwrap();
    assert_eq!(told.error.unwrap().code, Code::INTERRUPTED);
    is_gone().await;
    running.stop().await;
}

#[tokio::test]
async fn a_start_with_a_signal_signals_what_runs() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = counting(&store, &runs).await;
    let client = &running.client();
    let call = |name: &str| client.start("count").input(&true).id(name);
    // It begins it.
    let mut handle = call("x").with_signal("more", &7).send().await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 107);
    // It finds it.
    call("y").send().await.unwrap();
    until_status(client, &id("y"), Status::Waiting).await;
    let found = call("y").with_signal("more", &8).expect_outcome();
    let mut handle = found.send().await.unwrap();
    assert!(handle.existing());
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 208);
    // It finds its result only.
    let mut handle = call("y").with_signal("more", &9).send().await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 208);
    let refused = call("y")
        .with_signal("more", &9)
        .if_exists(IfExists::Reject);
    assert!(matches!(refused.send().await, Err(ClientError::Exists(_))));
    // One of a partition key that is in use lets the key go.
    let keyed = |name: &str| call(name).key("k");
    keyed("a").send().await.unwrap();
    until_status(client, &id("a"), Status::Waiting).await;
    keyed("a").with_signal("more", &1).send().await.unwrap();
    client.wait(&id("a"), SOON).await.unwrap();
    let mut next = keyed("b").with_signal("more", &2).send().await.unwrap();
    assert_eq!(next.result::<u32>(SOON).await.unwrap(), 402);
    running.stop().await;
}

#[tokio::test]
async fn what_is_started_paused_begins_when_it_is_resumed() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = counting(&store, &runs).await;
    let client = &running.client();
    let call = client.start("count").input(&false).id("x").paused();
    let mut handle = call.expect_outcome().send().await.unwrap();
    until_status(client, &id("x"), Status::Paused).await;
    pause_ms(50).await;
    assert_eq!(runs.load(SeqCst), 0);
    client.resume(&id("x")).await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 1);
    running.stop().await;
}

/// Regression: a resume that came with the pause, in one batch, was taken and forgotten.
#[tokio::test]
async fn a_pause_that_is_resumed_at_once_stops_nothing() {
    let (store, runs) = (memory(), Arc::new(AtomicU32::new(0)));
    let running = counting(&store, &runs).await;
    let client = &running.client();
    let all = (0..30).map(|n| async move {
        let name = id(&format!("x{n}"));
        let call = client.start("count").input(&true).id(name.as_str());
        let mut handle = call.send().await.unwrap();
        until_status(client, &name, Status::Waiting).await;
        let (paused, resumed) =
            futures::join!(client.pause(&name, "briefly"), client.resume(&name));
        paused.unwrap();
        resumed.unwrap();
        // One that was stored before the pause had nothing to resume.
        client.resume(&name).await.unwrap();
        client.signal(&name, "more", &0).await.unwrap();
        handle.result::<u32>(SOON).await.unwrap()
    });
    assert_eq!(futures::future::join_all(all).await.len(), 30);
    running.stop().await;
}
