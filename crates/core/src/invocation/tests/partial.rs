//! Turns that cannot hold all that is there, and what is left of a parked invocation.

use super::*;

/// Store the turn that has been made, and no more than that one.
fn store_one(driver: &mut Driver) {
    let id = format!("e-{}", driver.turns.len());
    let turn = driver.invocation.prepare(driver.now, id).unwrap();
    if let Some((_, page)) = turn.page {
        driver.pages.push(page.into_bytes());
    }
    driver.revision += 1;
    driver.invocation.committed(driver.revision);
    driver.turns.push(turn.value);
}

/// Parked, and in no memory.
fn park(driver: &mut Driver) {
    let reason = Failure::fatal(Code::NONDETERMINISM, "for the test");
    let difference = Vec::new();
    driver
        .invocation
        .park(Mismatch { reason, difference }, driver.now);
    store_one(driver);
    driver.invocation = driver.load();
}

/// Regression: a signal that no longer fitted into the turn was taken out of the buffer, and lost.
#[test]
fn signals_that_do_not_fit_into_one_turn_are_all_received() {
    const SIGNALS: usize = 150;
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.activity::<()>("wait", ()).await?;
        let wait = |n: usize| {
            let ctx = ctx.clone();
            async move { ctx.signal::<String>(format!("s{n}")).await }
        };
        let all: Vec<String> = futures::future::try_join_all((0..SIGNALS).map(wait)).await?;
        Ok::<_, Error>(all.iter().map(String::len).sum::<usize>())
    });
    let mut driver = Driver::begin(workflow, "null");
    for n in 0..SIGNALS {
        let data = format!("{:?}", "x".repeat(if n == 0 { 70_000 } else { 1_000 }));
        driver.signal(&format!("id-{n}"), &format!("s{n}"), &data);
    }
    driver.outcome(1, 1, Ok("null"));
    let expected = 70_000 + (SIGNALS - 1) * 1_000;
    assert_eq!(driver.output(), expected.to_string());
}

/// Regression: the command that resumed it was acknowledged before all was acted on.
#[test]
fn what_was_deferred_hangs_on_the_command_that_resumes() {
    const STEPS: usize = 200;
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let calls = (0..STEPS).map(|n| ctx.activity::<String>("work", n).into_future());
        let all = futures::future::try_join_all(calls).await?;
        Ok::<_, Error>(all.len())
    });
    let mut driver = Driver::begin(workflow, "null");
    park(&mut driver);
    let (run, result) = (
        driver.invocation.value.run,
        format!("{:?}", "x".repeat(900)),
    );
    for step in 1..=STEPS as u32 {
        driver.seq += 1;
        let result = Ok(Payload::from_json_text(&result).unwrap());
        let (attempt, worker) = (1, String::new());
        let outcome = Outcome {
            run,
            step,
            attempt,
            result,
            worker,
        };
        let loaded = &mut driver.invocation;
        loaded.take(Command::Outcome(outcome), driver.seq, driver.now);
        store_one(&mut driver);
    }
    assert_eq!(driver.invocation.value.deferred.len(), STEPS);

    driver.invocation = driver.reload();
    driver.seq += 1;
    let resume = Root::Command(driver.seq);
    driver
        .invocation
        .take(Command::Resume { id: "r".into() }, driver.seq, driver.now);
    let mut turns = 0;
    while driver.invocation.has_turn() {
        store_one(&mut driver);
        let rest = driver.invocation.value.deferred.len();
        assert_eq!(
            driver.invocation.is_anchor(&resume),
            rest > 0,
            "{rest} left"
        );
        assert_eq!(driver.reload().is_anchor(&resume), rest > 0, "{rest} left");
        turns += 1;
        driver.invocation.go_on(driver.now);
    }
    assert!(turns > 1, "it did not fit into one");
    assert_eq!(driver.output(), STEPS.to_string());
}

/// Regression: loaded cold, a short wait of a parked invocation was taken for one with a schedule.
#[test]
fn a_short_wait_of_a_parked_invocation_hangs_on_the_command_that_resumes() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("fails", || async { Err::<u32, _>(Error::msg("not yet")) })
            .retry(Retry::fixed(Duration::from_secs(1)))
            .await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.run_locals();
    assert!(driver.invocation.is_anchor(&Root::Command(START)));
    park(&mut driver);
    assert!(!driver.invocation.is_anchor(&Root::Command(START)));
    driver.invocation = driver.reload();
    driver.give(Command::Resume { id: "r".into() });
    assert!(driver.invocation.is_anchor(&Root::Command(driver.seq)));
    assert_eq!(driver.invocation.last_effects(), [], "no schedule");
}

/// Regression: parked with decisions that no turn had room for, it was not known to be unfinished,
/// and parked again whatever was mended.
#[test]
fn what_the_turn_had_no_room_for_is_decided_again_by_a_mended_build() {
    const STEPS: usize = 150;
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.activity::<()>("wait", ()).await?;
        let input = "x".repeat(1_000);
        let calls = (0..STEPS).map(|_| ctx.activity::<u32>("work", &input).into_future());
        let all = futures::future::try_join_all(calls).await?;
        Ok::<_, Error>(all.len())
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.seq += 1;
    let run = driver.invocation.value.run;
    let (step, attempt, worker) = (1, 1, String::new());
    let result = Ok(Payload::null());
    let outcome = Outcome {
        run,
        step,
        attempt,
        result,
        worker,
    };
    let loaded = &mut driver.invocation;
    loaded.take(Command::Outcome(outcome), driver.seq, driver.now);
    store_one(&mut driver);
    assert!(driver.invocation.value.turn.partial);
    // As an engine that replays each turn at once does.
    park(&mut driver);
    assert!(driver.invocation.value.turn.partial);
    driver.invocation = driver.reload();
    driver.give(Command::Resume { id: "r".into() });
    for step in 0..STEPS as u32 {
        driver.outcome(step + 2, 1, Ok("1"));
    }
    assert_eq!(driver.output(), STEPS.to_string());
}
