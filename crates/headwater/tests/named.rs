//! Signals by their name alone, through the whole product over the in-memory store, in virtual
//! time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater::{
    prelude::*,
    store::{Bucket, Expect, Read, Store, TokioEnv, Ttl, memory::MemoryStore},
    testing::{self, TestResult, World},
    wire::{
        InvocationId, Key, Namespace, Payload, Status, command::Channel, limits,
        signal_box::SignalBoxValue,
    },
};

const SOON: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

type Hello = BTreeMap<String, String>;

fn hello() -> Hello {
    [("hello".to_owned(), "world".to_owned())].into()
}

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

async fn greeted(ctx: Context, name: String) -> Result<Hello> {
    ctx.wait_for(name).await
}

async fn twice(ctx: Context, name: String) -> Result<(u32, u32)> {
    let first = ctx.wait_for(&name).await?;
    Ok((first, ctx.wait_for(&name).await?))
}

async fn impatient(ctx: Context, name: String) -> Result<bool> {
    match ctx.wait_for::<u32>(name).timeout("1 minute").await {
        Ok(_) => Ok(true),
        Err(error) if error.is_timeout() => Ok(false),
        Err(error) => Err(error),
    }
}

fn register(world: &World) -> Processor {
    let processor = world.processor().workflow("greeted", greeted).unwrap();
    let processor = processor.workflow("twice", twice).unwrap();
    processor.workflow("impatient", impatient).unwrap()
}

async fn until(world: &World, client: &Client, id: &InvocationId, status: Status) {
    loop {
        match client.state(id).await {
            Ok(state) if state.value.status == status => return,
            _ => world.advance(Duration::from_millis(10)).await,
        }
    }
}

#[test]
fn a_workflow_waits_for_a_signal_by_its_name_over_the_death_of_its_engine() -> TestResult {
    testing::run(|world| async move {
        let running = world.start(register(&world)).await?;
        let client = world.client();
        let mut handle = client
            .start("greeted")
            .input("greet-7")
            .id("g")
            .send()
            .await?;
        until(&world, &client, &id("g"), Status::Waiting).await;
        running.crash_engine();
        world.advance(Duration::from_secs(10)).await;
        client.signal_named("greet-7", &hello()).await?;
        assert_eq!(handle.result::<Hello>(SOON).await?, hello());
        TestResult::Ok(())
    })
}

#[test]
fn a_signal_that_comes_before_its_workflow_is_kept_for_ten_minutes() -> TestResult {
    testing::run(|world| async move {
        let running = world.start(register(&world)).await?;
        let client = world.client();
        client.signal_named("early", &hello()).await?;
        world.advance(9 * MINUTE).await;
        running.crash_engine();
        let mut handle = client.start("greeted").input("early").send().await?;
        assert_eq!(handle.result::<Hello>(SOON).await?, hello());
        client.signal_named("late", &1).await?;
        client.signal_named("long", &1).keep("1 hour").await?;
        world.advance(11 * MINUTE).await;
        for (name, comes) in [("late", false), ("long", true)] {
            let mut handle = client.start("impatient").input(name).send().await?;
            assert_eq!(handle.result::<bool>(5 * MINUTE).await?, comes, "{name}");
        }
        TestResult::Ok(())
    })
}

#[test]
fn each_signal_is_for_one_wait_and_its_repeat_for_none() -> TestResult {
    testing::run(|world| async move {
        world.start(register(&world)).await?;
        let client = world.client();
        let mut handle = client.start("twice").input("n").id("t").send().await?;
        for _ in 0..2 {
            client.signal_named("n", &1).id("one").await?;
        }
        until(&world, &client, &id("t"), Status::Waiting).await;
        world.advance(MINUTE).await;
        assert_eq!(handle.status().await?, Status::Waiting, "one is not two");
        client.signal_named("n", &2).await?;
        assert_eq!(handle.result::<(u32, u32)>(SOON).await?, (1, 2));
        client.signal_named("n", &3).await?;
        let mut next = client.start("impatient").input("n").send().await?;
        assert!(
            next.result::<bool>(5 * MINUTE).await?,
            "what is too much is kept"
        );
        TestResult::Ok(())
    })
}

#[test]
fn who_times_out_or_is_ended_takes_no_signal_with_it() -> TestResult {
    testing::run(|world| async move {
        let running = world.start(register(&world)).await?;
        let client = world.client();
        let mut gone = client.start("impatient").input("n").send().await?;
        assert!(!gone.result::<bool>(5 * MINUTE).await?);
        let ended = client
            .start("greeted")
            .input("n")
            .id("ended")
            .send()
            .await?;
        until(&world, &client, &id("ended"), Status::Waiting).await;
        client.pause(&id("ended"), "").await?;
        until(&world, &client, &id("ended"), Status::Paused).await;
        // It is given the signal, and ended before it has acted on it.
        client.signal_named("n", &hello()).await?;
        world.advance(Duration::from_secs(10)).await;
        running.crash_engine_after(1);
        ended.terminate("").await?;
        let mut next = client.start("greeted").input("n").send().await?;
        assert_eq!(next.result::<Hello>(5 * MINUTE).await?, hello());
        TestResult::Ok(())
    })
}

/// Another engine has given what filled the box: who had it in hand before does not know that.
#[tokio::test]
async fn no_signal_is_refused_by_a_box_that_is_full_no_longer() {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    let processor = Processor::on(Arc::clone(&store), Arc::clone(&env));
    let processor = processor.workflow("greeted", greeted).unwrap();
    let running = processor.start().await.unwrap();
    let client = running.client();
    let large = "x".repeat(limits::PAYLOAD_BYTES_MAX - 2);
    client.signal_named("n", &large).await.unwrap();
    let key = Key::of_signal_box("default", "n").unwrap();
    let record = loop {
        let record = store.get(Bucket::State, key.as_str(), Read::Leader).await;
        match record.unwrap() {
            Some(record) => break record,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let mut value = SignalBoxValue::decode(&record.value).unwrap();
    assert_eq!(value.signals.len(), 1);
    value.signals.clear();
    let emptied = value.encode().unwrap().into();
    let expect = Expect::Revision(record.revision);
    let put = store.put(Bucket::State, key.as_str(), emptied, expect, Ttl::Never);
    put.await.unwrap();
    client.signal_named("n", &hello()).await.unwrap();
    let mut handle = client.start("greeted").input("n").send().await.unwrap();
    assert_eq!(handle.result::<Hello>(SOON).await.unwrap(), hello());
    assert_eq!(client.dead_letters(0, 10).await.unwrap(), []);
    running.stop().await;
}

#[test]
fn an_id_of_a_sender_has_an_end() -> TestResult {
    testing::run(|world| async move {
        let client = world.client();
        let long = || "x".repeat(limits::ID_BYTES_MAX + 1);
        let to = id("nobody");
        let named = client.signal_named("n", &1).id(long()).await;
        let signal = client.send_on(Channel::Signal, &to, "n", Payload::null(), Some(long()));
        let update = client.update_payload(&to, "n", Payload::null(), Some(long()), SOON);
        for refused in [named, signal.await, update.await.map(|_| String::new())] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("ID_BYTES_MAX"), "{error}");
        }
        TestResult::Ok(())
    })
}

/// Whichever turn is the last one of an engine, no signal is lost and none is taken twice.
#[test]
fn the_engine_may_die_after_any_turn() -> TestResult {
    for turns in 1..12 {
        testing::run(|world| async move {
            let running = world.start(register(&world)).await?;
            let client = world.client();
            client.signal_named("n", &0).await?;
            running.crash_engine_after(turns);
            let mut handles = Vec::new();
            for n in 0..3 {
                handles.push(client.start("twice").input("n").send().await?);
                client.signal_named("n", &(n + 1)).await?;
            }
            for n in 4..6 {
                client.signal_named("n", &n).await?;
            }
            let mut all = Vec::new();
            for handle in &mut handles {
                let (first, second) = handle.result::<(u32, u32)>(SOON).await?;
                all.extend([first, second]);
            }
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4, 5], "after {turns} turns");
            TestResult::Ok(())
        })?;
    }
    Ok(())
}
