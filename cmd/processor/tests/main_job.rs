//! The main job with real processes on a real server, and every bad input.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use std::time::Duration;

use futures::StreamExt;
use headwater::{
    ClientError,
    wire::{Code, Status},
};
use serde_json::json;
use support::{World, id};

const SOON: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn hello_end_to_end_and_its_state_is_readable_by_any_kv_client() {
    let world = World::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(headwater_hello_service::serve(
        listener,
        Duration::ZERO,
        std::future::pending(),
    ));
    let _processor = world.processor_with(&[], &[("HELLO_SERVICE_ADDR", &address)]);
    let mut handle = world
        .client
        .start("hello_workflow")
        .id("order 7/é")
        .input("World")
        .expect_outcome()
        .send()
        .await
        .unwrap();
    let result: String = handle.result(SOON).await.unwrap();
    assert_eq!(
        result,
        "Hello, World! Welcome to Durable Execution on NATS JetStream."
    );
    let value = world.kv_get("order=207=2F=C3=A9").await.expect("a value");
    for (field, expected) in [
        ("id", json!("order 7/é")),
        ("workflow", json!("hello_workflow")),
        ("version", json!("1.0.0")),
        ("status", json!("completed")),
        ("why", json!("returned")),
        ("input", json!("World")),
        ("output", json!(result)),
        ("search", json!({})),
    ] {
        assert_eq!(value[field], expected, "{field}");
    }
    assert_eq!(value["journal"]["steps"], 1);
    assert_eq!(
        value["journal"]["tail"][0],
        json!({"run": {"step": 1, "name": "say-hello"}})
    );
    assert_eq!(value["journal"]["tail"][1]["done"]["value"], json!(result));
    assert!(value["turn"]["id"].is_string() && value["created_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_runs_in_order_and_different_keys_in_parallel() {
    let world = World::start().await;
    let ledger = world.ledger();
    let _processors = [world.processor(&[]), world.processor(&[])];
    let mut handles = Vec::new();
    for n in 0..10 {
        for key in ["a", "b"] {
            let input = json!({"file": ledger.path(), "local": 2, "delay_ms": 20 + (n * 37) % 60});
            let id = format!("{key}{n}");
            let start = world
                .client
                .start("ledger_workflow")
                .id(id)
                .key(key)
                .input(&input);
            handles.push(start.send().await.unwrap());
        }
    }
    for handle in &mut handles {
        handle.wait(Duration::from_secs(60)).await.unwrap();
    }
    for key in ["a", "b"] {
        let of_key: Vec<String> = ledger
            .lines()
            .into_iter()
            .filter(|line| line.starts_with(key))
            .collect();
        let expected: Vec<String> = (0..10)
            .flat_map(|n| [format!("{key}{n} local-1"), format!("{key}{n} local-2")])
            .collect();
        assert_eq!(of_key, expected);
    }
    let mut keys: Vec<char> = ledger
        .lines()
        .iter()
        .filter_map(|line| line.chars().next())
        .collect();
    keys.dedup();
    assert!(keys.len() > 4, "the keys ran side by side: {keys:?}");
    let queue = world.kv_get("=Ka").await.expect("the queue of the key");
    assert_eq!(queue["status"], "waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processors_share_two_hundred_invocations_and_record_each_outcome_once() {
    let world = World::start().await;
    let ledger = world.ledger();
    let _processors = [world.processor(&[]), world.processor(&[])];
    let mut handles = Vec::new();
    for n in 0..200 {
        let input = json!({"file": ledger.path(), "local": 2, "remote": 2});
        let start = world
            .client
            .start("ledger_workflow")
            .id(format!("n{n}"))
            .input(&input);
        handles.push(start.expect_outcome().send().await.unwrap());
    }
    for handle in &mut handles {
        assert_eq!(
            handle.result::<u32>(Duration::from_secs(60)).await.unwrap(),
            4
        );
        let state = world.client.state(handle.id()).await.unwrap();
        let entries = world.client.history(&state).await.unwrap();
        let outcomes = entries.iter().filter(|entry| !entry.is_decision()).count();
        assert_eq!((entries.len(), outcomes), (8, 4), "{entries:?}");
    }
    let engines = world.client.members().await.unwrap();
    assert_eq!(engines.len(), 4, "two engines and two workers: {engines:?}");
    assert_eq!(
        ledger.lines().len(),
        800,
        "nothing was killed, so nothing ran twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_handler_fails_after_the_grace_with_the_mend() {
    let world = World::start().await;
    let _processor =
        world.processor_with(&[], &[("HEADWATER_ENGINE__UNREGISTERED_GRACE_MS", "1000")]);
    let mut handle = world
        .client
        .start("no_such_workflow")
        .id("u")
        .send()
        .await
        .unwrap();
    let ended = handle.wait(SOON).await.unwrap();
    let error = ended.error.unwrap();
    assert_eq!(
        (ended.status, error.code),
        (Status::Failed, Code::UNREGISTERED)
    );
    assert!(
        error.message.contains("register it in a processor"),
        "{}",
        error.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_goes_to_dead_letters_whole_and_can_be_redriven() {
    let world = World::start().await;
    let _processor = world.processor(&[]);
    let nats = world.connection().await;
    let stream = async_nats::jetstream::new(nats.clone());
    let garbage: &[u8] = b"\xff\x00not a command";
    for subject in [
        "commands.default.1.x",
        "commands.default.2.x=zz",
        "tasks.reserve",
    ] {
        stream
            .publish(subject, garbage.into())
            .await
            .unwrap()
            .await
            .unwrap();
    }
    let letters = loop {
        let letters = world.client.dead_letters(0, 10).await.unwrap();
        if letters.len() == 3 {
            break letters;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut subjects: Vec<&str> = letters.iter().map(|l| l.letter.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(
        subjects,
        [
            "commands.default.1.x",
            "commands.default.2.x=zz",
            "tasks.reserve"
        ]
    );
    for letter in &letters {
        assert_eq!(letter.letter.payload.as_ref(), garbage, "whole");
        assert!(!letter.letter.reason.is_empty());
    }
    // Redriven, it is still garbage and comes back as a new letter.
    assert!(world.client.redrive(letters[0].seq).await.unwrap());
    assert!(
        !world.client.redrive(letters[0].seq).await.unwrap(),
        "only once"
    );
    let next = letters.iter().map(|l| l.seq).max().unwrap() + 1;
    while world.client.dead_letters(next, 1).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The processor lives on.
    let mut handle = world.client.start("custom_workflow").send().await.unwrap();
    assert_eq!(handle.result::<String>(SOON).await.unwrap(), "HELLO, YOU!");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_inputs_fail_with_what_is_wrong() {
    let world = World::start().await;
    let _processor = world.processor_with(&[], &[("HEADWATER_ENGINE__ABSENT_GRACE_MS", "1000")]);
    let mut handle = world
        .client
        .start("count_workflow")
        .input("many")
        .send()
        .await
        .unwrap();
    let error = handle.wait(SOON).await.unwrap().error.unwrap();
    assert_eq!(error.code, Code::DECODE);
    assert!(error.message.contains("expected u32"), "{}", error.message);

    let large = "x".repeat(300 * 1024);
    let refused = world
        .client
        .start("hello_workflow")
        .input(&large)
        .send()
        .await;
    let Err(ClientError::Payload(error)) = refused else {
        panic!("accepted")
    };
    assert!(
        error.to_string().contains("PAYLOAD_BYTES_MAX of 262144"),
        "{error}"
    );

    let mut handle = world.client.start("failing_workflow").send().await.unwrap();
    let error = handle.wait(SOON).await.unwrap().error.unwrap();
    assert_eq!(
        error.message,
        "gave up after 2 attempts: the coffee is cold"
    );

    world.client.signal(&id("nobody"), "hey", &1).await.unwrap();
    let letter = loop {
        if let Some(letter) = world.client.dead_letters(0, 10).await.unwrap().pop() {
            break letter;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(
        letter.letter.reason.contains("does not exist"),
        "{}",
        letter.letter.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_waits_for_its_signal_and_says_so() {
    let world = World::start().await;
    let _processor = world.processor(&[]);
    let mut handle = world
        .client
        .start("approval_workflow")
        .id("a")
        .input("the budget")
        .send()
        .await
        .unwrap();
    let mut events = world.client.watch(Some(&id("a"))).await.unwrap();
    loop {
        let event = events.next().await.unwrap().unwrap();
        if let headwater::client::WatchEvent::State(state) = event {
            assert_eq!(state.value.status, Status::Waiting);
            assert!(
                state.value.why.contains("signal \"approval\""),
                "{}",
                state.value.why
            );
            break;
        }
    }
    world
        .client
        .signal(&id("a"), "approval", &true)
        .await
        .unwrap();
    assert_eq!(
        handle.result::<String>(SOON).await.unwrap(),
        "the budget was approved"
    );
    let commands = async_nats::jetstream::new(world.connection().await);
    let mut stream = commands.get_stream("COMMANDS").await.unwrap();
    loop {
        // The timer that lost the race is removed, everything else is acknowledged.
        if stream.info().await.unwrap().state.messages == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
