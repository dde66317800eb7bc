//! `kill -9` of anything but the disk: the workflow completes soon after the restart, and what
//! had finished is not run again.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod support;

use headwater::wire::{Code, Status};
use serde_json::json;
use support::{RECOVERY, World, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_killed_in_a_local_step_goes_on_without_running_finished_steps() {
    let world = World::start().await;
    let ledger = world.ledger();
    let processor = world.processor(&[]);
    let input = json!({"file": ledger.path(), "local": 3, "delay_ms": 700});
    let mut handle = world
        .client
        .start("ledger_workflow")
        .id("L")
        .input(&input)
        .send()
        .await
        .unwrap();
    world.wait_for_step("L", 2).await;
    processor.kill9();
    let _second = world.processor(&[]);
    let result: u32 = handle.result(RECOVERY).await.unwrap();
    assert_eq!(result, 3);
    assert_eq!(
        ledger.count("L local-1"),
        1,
        "finished before the kill: {:?}",
        ledger.lines()
    );
    assert_eq!(ledger.lines().last().unwrap(), "L local-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_an_activity_is_replaced() {
    let world = World::start().await;
    let ledger = world.ledger();
    let _engine = world.processor(&["--role", "engine"]);
    let worker = world.processor(&["--role", "worker"]);
    let input = json!({"file": ledger.path(), "remote": 3, "delay_ms": 700});
    let mut handle = world
        .client
        .start("ledger_workflow")
        .id("R")
        .input(&input)
        .send()
        .await
        .unwrap();
    world.wait_for_step("R", 2).await;
    worker.kill9();
    let _second = world.processor(&["--role", "worker"]);
    let result: u32 = handle.result(RECOVERY).await.unwrap();
    assert_eq!(result, 3);
    assert_eq!(ledger.count("R remote-1"), 1, "{:?}", ledger.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_engines_and_two_workers_one_each_is_killed_and_two_hundred_jobs_finish() {
    let world = World::start().await;
    let ledger = world.ledger();
    let process = |role: &str| world.processor(&["--role", role]);
    let (_engine, doomed_engine) = (process("engine"), process("engine"));
    let (_worker, doomed_worker) = (process("worker"), process("worker"));
    let mut handles = Vec::new();
    for n in 0..200 {
        let input = json!({"file": ledger.path(), "local": 1, "remote": 2, "delay_ms": 20});
        let start = world.client.start("ledger_workflow").id(format!("n{n}"));
        handles.push(start.input(&input).send().await.unwrap());
    }
    ledger.wait_for("n50 remote-1").await;
    doomed_engine.kill9();
    doomed_worker.kill9();
    let finished = ledger.lines().len();
    assert!(finished < 600, "all was over before the kill");
    for (n, handle) in handles.iter_mut().enumerate() {
        assert_eq!(handle.result::<u32>(4 * RECOVERY).await.unwrap(), 3);
        for step in ["local-1", "remote-1", "remote-2"] {
            let count = ledger.count(&format!("n{n} {step}"));
            assert!((1..=2).contains(&count), "n{n} {step} ran {count} times");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_and_restarted_loses_nothing() {
    let world = World::start().await;
    let ledger = world.ledger();
    let _processor = world.processor(&[]);
    let input = json!({"file": ledger.path(), "local": 3, "remote": 3, "delay_ms": 400});
    let mut handle = world
        .client
        .start("ledger_workflow")
        .id("S")
        .input(&input)
        .send()
        .await
        .unwrap();
    ledger.wait_for("S local-2").await;
    world.nats.kill9();
    world.nats.restart().await;
    let result: u32 = handle.result(RECOVERY).await.unwrap();
    assert_eq!(result, 6);
    for step in ["local-1", "local-2", "local-3"] {
        let line = format!("S {step}");
        assert_eq!(
            ledger.count(&line),
            1,
            "the engine lived, so no local step ran twice: {:?}",
            ledger.lines()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_processor_that_is_asked_to_stop_hands_over() {
    let world = World::start().await;
    let ledger = world.ledger();
    let first = world.processor(&[]);
    let input = json!({"file": ledger.path(), "local": 4, "remote": 2, "delay_ms": 300});
    let mut handle = world
        .client
        .start("ledger_workflow")
        .id("T")
        .input(&input)
        .send()
        .await
        .unwrap();
    world.wait_for_step("T", 2).await;
    let second = world.processor(&[]);
    assert_eq!(first.terminate(), Some(0));
    let result: u32 = handle.result(RECOVERY).await.unwrap();
    assert_eq!(result, 6);
    assert_eq!(ledger.count("T local-1"), 1);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleep_survives_a_kill_and_is_never_early() {
    let world = World::start().await;
    let processor = world.processor(&[]);
    let began = std::time::Instant::now();
    let mut handle = world
        .client
        .start("sleep_workflow")
        .id("Z")
        .input(&4.0)
        .send()
        .await
        .unwrap();
    let state = loop {
        match world.client.state(&id("Z")).await {
            Ok(state) => break state,
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    assert!(
        state.value.why.starts_with("sleeps until"),
        "{}",
        state.value.why
    );
    processor.kill9();
    let _second = world.processor(&[]);
    let result: String = handle.result(RECOVERY).await.unwrap();
    assert_eq!(result, "slept 4 s");
    assert!(began.elapsed().as_secs_f64() >= 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_journal_pages_and_goes_on_after_a_kill() {
    let world = World::start().await;
    let processor = world.processor(&[]);
    let mut handle = world
        .client
        .start("count_workflow")
        .id("N")
        .input(&3000)
        .send()
        .await
        .unwrap();
    loop {
        if let Ok(state) = world.client.state(&id("N")).await
            && state.journal.steps > 300
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    processor.kill9();
    let _second = world.processor(&[]);
    let result: u32 = handle
        .result(std::time::Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(result, 3000);
    let state = world.client.state(&id("N")).await.unwrap();
    assert_eq!((state.journal.steps, state.journal.entries), (3000, 6000));
    assert!(state.journal.pages > 10, "{} pages", state.journal.pages);
    assert!(state.json.len() < 20_000, "{} bytes", state.json.len());
    assert_eq!(world.client.history(&state).await.unwrap().len(), 6000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_a_terminate_survive_a_kill() {
    let world = World::start().await;
    let ledger = world.ledger();
    let first = world.processor(&[]);
    let input = json!({"file": ledger.path(), "local": 3, "delay_ms": 500});
    let start = async |name: &str| {
        let call = world.client.start("ledger_workflow").id(name);
        call.input(&input).send().await.unwrap()
    };
    let mut paused = start("P").await;
    ledger.wait_for("P local-1").await;
    world.client.pause(&id("P"), "the test").await.unwrap();
    until(&world, "P", Status::Paused).await;
    first.kill9();
    let second = world.processor(&[]);
    let mut ended = start("E").await;
    ledger.wait_for("E local-1").await;
    let local = ledger
        .lines()
        .iter()
        .filter(|l| l.starts_with("P "))
        .count();
    assert_eq!(local, 1, "it is paused: {:?}", ledger.lines());

    // Nobody is there to take these two.
    second.kill9();
    world.client.terminate(&id("E"), "the test").await.unwrap();
    world.client.resume(&id("P")).await.unwrap();
    let third = world.processor(&[]);
    let failed = ended.wait(RECOVERY).await.unwrap();
    assert_eq!(failed.status, Status::Terminated);
    assert_eq!(failed.error.unwrap().code, Code::INTERRUPTED);
    assert_eq!(paused.result::<u32>(RECOVERY).await.unwrap(), 3);
    assert_eq!(ledger.count("P local-1"), 1, "{:?}", ledger.lines());
    assert_eq!(ledger.count("E local-3"), 0, "{:?}", ledger.lines());
    drop(third);
}

async fn until(world: &World, name: &str, status: Status) {
    let deadline = std::time::Instant::now() + RECOVERY;
    loop {
        let state = world.client.state(&id(name)).await;
        if state
            .as_ref()
            .is_ok_and(|state| state.value.status == status)
        {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{name}: {state:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
