//! Signals, events and queues, through the whole product over the in-memory store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{sync::Arc, time::Duration};

use headwater::{
    client::State,
    prelude::*,
    store::{Store, TokioEnv, memory::MemoryStore},
    wire::{InvocationId, Namespace, Status},
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

async fn until(client: &Client, id: &InvocationId, fits: impl Fn(&State) -> bool) -> State {
    let look = async {
        loop {
            match client.state(id).await {
                Ok(state) if fits(&state) => return state,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(SOON, look).await.unwrap()
}

async fn waits_for(client: &Client, id: &InvocationId, kind: &str) -> State {
    let waits = |state: &State| state.value.waits.iter().any(|wait| wait.kind == kind);
    until(client, id, waits).await
}

/// Positional: what is raised before anybody waits is gone.
#[tokio::test]
async fn an_approval_that_comes_too_early_is_lost_and_works_when_it_is_raised_again() {
    let running = processor()
        .workflow("approve", |ctx: Context, (): ()| async move {
            let _: () = ctx.signal("begin").await?;
            let by: String = ctx.event("approval").timeout(SOON).await?;
            let also: String = ctx.event("approval").timeout(SOON).await?;
            Ok::<_, Error>((by, also))
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("approve").id("a").send().await.unwrap();
    waits_for(&client, &id("a"), "signal").await;
    client
        .raise_event(&id("a"), "approval", "early")
        .await
        .unwrap();
    client.signal(&id("a"), "begin", &()).await.unwrap();
    let state = waits_for(&client, &id("a"), "event").await;
    assert!(
        state.value.why.contains("event \"approval\""),
        "{}",
        state.value.why
    );
    let steps = state.journal.steps;
    client
        .raise_event(&id("a"), "approval", "ada")
        .await
        .unwrap();
    until(&client, &id("a"), |state| state.journal.steps > steps).await;
    client
        .raise_event(&id("a"), "approval", "bob")
        .await
        .unwrap();
    let output: (String, String) = handle.result(SOON).await.unwrap();
    assert_eq!(output, ("ada".to_owned(), "bob".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn a_queue_is_first_in_first_out_and_survives_continue_as_new() {
    let running = processor()
        .workflow("consume", |ctx: Context, taken: Vec<u32>| async move {
            let mut taken = taken;
            let _: () = ctx.signal("begin").await?;
            let first: u32 = ctx.queue("items").pop().await?;
            let second: u32 = ctx.queue("items").pop().timeout(SOON).await?;
            taken.extend([first, second]);
            match taken.len() {
                6 => Ok(taken),
                _ => ctx.continue_as_new::<Result<_>>(taken).await,
            }
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let none: [u32; 0] = [];
    let call = client.start("consume").input(&none).id("c");
    let mut handle = call.send().await.unwrap();
    for n in 1..=5 {
        client.enqueue(&id("c"), "items", &n).await.unwrap();
        client
            .enqueue(&id("c"), "others", &(n + 100))
            .await
            .unwrap();
    }
    for _ in 0..3 {
        client.signal(&id("c"), "begin", &()).await.unwrap();
    }
    let state = waits_for(&client, &id("c"), "queue").await;
    assert_eq!(state.value.status, Status::Waiting);
    client.enqueue(&id("c"), "items", &6).await.unwrap();
    let output: Vec<u32> = handle.result(SOON).await.unwrap();
    assert_eq!(output, [1, 2, 3, 4, 5, 6]);
    running.stop().await;
}

#[tokio::test]
async fn waits_are_collated_in_the_order_of_the_calls_however_many() {
    let running = processor()
        .workflow("collate", |ctx: Context, count: usize| async move {
            let waits = (0..count).map(|n| ctx.signal::<usize>(format!("s{n}")));
            let waits = ctx.all(waits);
            let mixed = async {
                let nap = ctx.sleep(Duration::from_millis(30));
                let work = ctx.activity::<u32>("work", 12_345).into_future();
                let (nap, work) = futures::join!(nap, work);
                nap.and(work)
            };
            let (signals, work) = futures::join!(waits, mixed);
            let signals: Result<Vec<_>, Error> = signals.into_iter().collect();
            Ok::<_, Error>((signals?, work?))
        })
        .unwrap()
        .activity("work", |_: ActivityContext, n: u32| async move {
            Ok::<_, Error>(n)
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    for count in [2_usize, 25, 26, 100] {
        let name = format!("c{count}");
        let call = client.start("collate").input(&count).id(&name);
        let mut handle = call.send().await.unwrap();
        for n in (1..count).rev() {
            client
                .signal(&id(&name), &format!("s{n}"), &n)
                .await
                .unwrap();
        }
        let last = |state: &State| state.value.pending == 1;
        let state = until(&client, &id(&name), last).await;
        assert_eq!(state.value.status, Status::Waiting, "one is missing");
        client.signal(&id(&name), "s0", &0).await.unwrap();
        let output: (Vec<usize>, u32) = handle.result(SOON).await.unwrap();
        assert_eq!(output, ((0..count).collect(), 12_345));
    }
    running.stop().await;
}

#[tokio::test]
async fn the_losers_of_a_race_eat_no_items() {
    let running = processor()
        .workflow("race", |ctx: Context, (): ()| async move {
            let soon = Duration::from_millis(10);
            let mut timeouts = 0;
            let mut items = Vec::new();
            while items.len() < 20 {
                let queue = ctx.queue("items");
                let pops = [(); 3].map(|()| queue.pop::<u32>().timeout(soon).into_future());
                match ctx.race(pops).await {
                    (_, Ok(item)) => items.push(item),
                    (_, Err(error)) if error.is_timeout() => timeouts += 1,
                    (_, Err(error)) => return Err(error),
                }
            }
            Ok((items, timeouts))
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut handle = client.start("race").id("r").send().await.unwrap();
    for n in 0..20_u64 {
        client.enqueue(&id("r"), "items", &n).await.unwrap();
        tokio::time::sleep(Duration::from_millis(n % 3 * 9)).await;
    }
    let (items, timeouts): (Vec<u32>, u32) = handle.result(SOON).await.unwrap();
    assert_eq!(items, (0..20).collect::<Vec<_>>());
    assert!(timeouts > 0, "nobody lost to a timer");
    running.stop().await;
}
