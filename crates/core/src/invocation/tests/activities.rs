//! What workers are told besides tasks, and what they tell besides outcomes.

use headwater_wire::{
    ask::{Heartbeat, Stop},
    journal::ActivityOptions,
    send::Sent,
};

use super::*;

fn stops(driver: &Driver) -> Vec<(&str, &Stop)> {
    let sends = driver.invocation.value.sends.iter();
    let stops = sends.filter_map(|sent| match sent {
        Sent::Stop { topic, stop } => Some((topic.as_str(), stop)),
        _ => None,
    });
    stops.collect()
}

fn task(invocation: &Invocation) -> Option<headwater_wire::Task> {
    let mut effects = invocation.effects().into_iter();
    effects.find_map(|effect| match effect {
        Effect::Task { task, .. } => Some(*task),
        _ => None,
    })
}

fn cancel() -> Command {
    Command::Cancel(Cancel {
        id: "c".into(),
        reason: "enough".into(),
    })
}

fn beat(driver: &Driver, attempt: u32, number: u64) -> Command {
    Command::Heartbeat(Heartbeat {
        run: driver.invocation.value.run,
        step: 1,
        attempt,
        number,
        details: Payload::encode(&number).unwrap(),
    })
}

fn told(driver: &Driver) -> Option<u64> {
    let beat = driver.invocation.value.beats.get(&1)?;
    Some(beat.details.decode().unwrap())
}

fn flaky() -> Driver {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let retry = Retry::fixed(Duration::from_secs(1));
        ctx.activity::<u32>("flaky", ()).retry(retry).await
    });
    Driver::begin(workflow, "null")
}

#[test]
fn the_worker_of_a_race_s_loser_is_told_to_stop() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let racers = [
            ctx.activity::<u32>("slow", 1).topic("gpu"),
            ctx.activity::<u32>("fast", 2),
        ];
        let (index, _) = ctx.race(racers).await;
        ctx.sleep("1 day").await?;
        Ok::<_, Error>(index)
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(2, 1, Ok("2"));
    let [("gpu", stop)] = stops(&driver)[..] else {
        panic!("{:?}", driver.invocation.value.sends);
    };
    assert_eq!((stop.run, &stop.steps[..]), (birth_run(), &[1][..]));
    assert_eq!(stop.reason, "the workflow no longer waits for it");
    // By another engine, without the program, as well.
    assert!(
        driver.load().effects().iter().any(
            |effect| matches!(effect, Effect::Send(sent) if matches!(**sent, Sent::Stop { .. }))
        )
    );
}

fn birth_run() -> Run {
    Run {
        start: START,
        continued: 0,
    }
}

#[test]
fn a_task_of_the_very_turn_is_not_sent_and_one_that_waits_for_its_next_attempt_is_not_stopped() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let slow = ctx.activity::<()>("slow", ());
        // Over before it is stored.
        let _ = ctx.timeout(Duration::ZERO, slow).await;
        let flaky = ctx.activity::<()>("flaky", ());
        let _ = ctx.timeout(Duration::from_secs(1), flaky).await;
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.pass(Duration::ZERO);
    driver.outcome(3, 1, Err(failure("no")));
    driver.now = driver.now.after(Duration::from_millis(50));
    driver.give(cancel());
    assert_eq!(driver.status(), Status::Completed);
    assert!(stops(&driver).is_empty());
}

#[test]
fn a_cancellation_names_the_steps_and_an_end_the_whole_run() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let calls = (0..3).map(|n| ctx.activity::<u32>("work", n));
        let failed = ctx.all(calls).await.into_iter().any(|call| call.is_err());
        let undo = ctx.activity::<()>("undo", ());
        ctx.shield(undo).await?;
        Ok::<_, Error>(failed)
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.give(cancel());
    let [("work", stop)] = stops(&driver)[..] else {
        panic!("{:?}", driver.invocation.value.sends);
    };
    assert_eq!(stop.steps, [1, 2, 3]);
    assert_eq!(stop.reason, "the workflow was cancelled");
    driver.give(Command::Terminate(headwater_wire::lifecycle::Terminate {
        id: "t".into(),
        reason: String::new(),
        code: None,
    }));
    let [("undo", stop)] = stops(&driver)[..] else {
        panic!("{:?}", driver.invocation.value.sends);
    };
    assert!(stop.steps.is_empty(), "all of the run");
}

#[test]
fn what_a_worker_has_to_keep_to_stands_in_the_journal_and_in_every_task() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let call = ctx.activity::<()>("slow", ()).attempt_timeout("1.5s");
        call.heartbeat_timeout(Duration::from_micros(1)).await
    });
    let mut driver = Driver::begin(workflow, "null");
    let options = ActivityOptions {
        timeout_ms: Some(1500),
        heartbeat_ms: Some(1),
        session: None,
    };
    assert_eq!(task(&driver.load()).unwrap().options, options);
    driver.outcome(1, 1, Err(failure("no")));
    driver.pass(Duration::from_millis(100));
    assert_eq!(task(&driver.load()).unwrap().options, options);
}

#[test]
fn a_length_of_time_that_is_none_is_an_error_of_the_call() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.activity::<()>("slow", ()).attempt_timeout("soon").await
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(driver.error().code, Code::DECODE);
    assert!(driver.entries().is_empty());
}

#[test]
fn a_timeout_in_all_bounds_the_attempts_and_what_is_between_them() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let call = ctx.activity::<()>("flaky", ()).timeout("1s");
        let retry = Retry::fixed(Duration::from_millis(300)).max_attempts(10);
        call.retry(retry).await
    });
    let mut driver = Driver::begin(workflow, "null");
    for attempt in 1..=3 {
        driver.outcome(1, attempt, Err(failure("no")));
        driver.pass(Duration::from_millis(300));
    }
    driver.pass(Duration::from_millis(100));
    assert_eq!(driver.error().code, Code::TIMEOUT);
    let message = "activity \"flaky\" took longer than 1s";
    assert_eq!(driver.error().message, message);
}

#[test]
fn the_next_attempt_is_told_the_last_heartbeat() {
    let mut driver = flaky();
    assert_eq!(task(&driver.load()).unwrap().heartbeat, None);
    for number in [5, 9] {
        let beat = beat(&driver, 1, number);
        driver.give(beat);
    }
    let entries = driver.entries().len();
    assert_eq!((told(&driver), entries), (Some(9), 1), "not in the journal");
    for late in [5, 9] {
        let late = beat(&driver, 1, late);
        assert_eq!(
            driver.invocation.place(&late, 99, driver.now),
            Placement::Taken
        );
    }
    driver.outcome(1, 1, Err(failure("no")));
    let late = beat(&driver, 1, 10);
    assert_eq!(
        driver.invocation.place(&late, 99, driver.now),
        Placement::Taken
    );
    driver.pass(Duration::from_secs(1));
    let next = task(&driver.load()).unwrap();
    assert_eq!(
        (next.attempt, next.heartbeat),
        (2, Some(Payload::encode(&9).unwrap()))
    );
    // The next one counts anew.
    let first = beat(&driver, 2, 3);
    driver.give(first);
    assert_eq!(told(&driver), Some(3));
    driver.outcome(1, 2, Ok("1"));
    assert!(driver.invocation.value.beats.is_empty());
}

#[test]
fn a_heartbeat_needs_no_program_and_is_taken_while_parked() {
    let mut driver = flaky();
    let mut loaded = driver.load();
    let first = beat(&driver, 1, 1);
    assert!(!loaded.needs_program_for(&first));
    assert_eq!(loaded.place(&first, 99, driver.now), Placement::Take);
    loaded.take(first, 99, driver.now);
    loaded.prepare(driver.now, "e-x".into()).unwrap();
    assert_eq!(loaded.value.beats.len(), 1);
    let pause = headwater_wire::lifecycle::Pause {
        id: "p".into(),
        reason: String::new(),
    };
    driver.give(Command::Pause(pause));
    let second = beat(&driver, 1, 2);
    driver.give(second);
    assert_eq!((driver.status(), told(&driver)), (Status::Paused, Some(2)));
}

#[test]
fn a_heartbeat_of_what_is_not_known_is_dropped() {
    let driver = flaky();
    let other = |change: &dyn Fn(&mut Heartbeat)| {
        let Command::Heartbeat(mut beat) = beat(&driver, 1, 1) else {
            panic!()
        };
        change(&mut beat);
        let command = Command::Heartbeat(beat);
        driver.invocation.place(&command, 99, driver.now)
    };
    let unknown: [&dyn Fn(&mut Heartbeat); 3] = [
        &|beat| beat.run.continued = 1,
        &|beat| beat.step = 7,
        &|beat| beat.attempt = 2,
    ];
    for change in unknown {
        assert!(matches!(other(change), Placement::Drop(_)));
    }
}

#[test]
fn of_very_many_heartbeats_the_oldest_are_forgotten() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let calls = (0..20).map(|n| ctx.activity::<u32>("work", n));
        Ok::<_, Error>(ctx.all(calls).await.len())
    });
    let mut driver = Driver::begin(workflow, "null");
    let details = "x".repeat(limits::HEARTBEAT_DETAILS_BYTES_MAX - 2);
    for step in 1..=20 {
        driver.give(Command::Heartbeat(Heartbeat {
            run: birth_run(),
            step,
            attempt: 1,
            number: u64::from(step),
            details: Payload::encode(&details).unwrap(),
        }));
    }
    let kept: Vec<u32> = driver.invocation.value.beats.keys().copied().collect();
    // Sixteen of 4 KiB would fit by themselves; each has its frame.
    assert_eq!(kept, (6..=20).collect::<Vec<u32>>());
}
