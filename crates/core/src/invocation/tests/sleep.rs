//! Sleeping: how long, until when, and never shorter.

use super::*;

fn slept(pattern: &'static str) -> std::sync::Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, rounds: u32| async move {
        let mut woke = Vec::new();
        for _ in 0..rounds {
            ctx.sleep_until_next(pattern).await?;
            woke.push(ctx.now().to_string());
        }
        Ok::<_, Error>(woke)
    })
}

fn due(driver: &Driver) -> Timestamp {
    let pending = driver.invocation.pending.values().find_map(Pending::due);
    pending.expect("a sleep")
}

fn timer(driver: &Driver, step: u32) -> Command {
    let run = driver.invocation.value.run;
    Command::TimerFired(TimerId {
        run,
        step,
        attempt: 0,
    })
}

/// Regression: the program's clock was rounded down to milliseconds, and its sleeps began there.
#[test]
fn a_sleep_is_never_short_of_what_the_real_clock_says() {
    for micros in [0, 1, 500, 999, 1_000, 1_234_567] {
        let workflow = async_workflow(|ctx: Context, (): ()| async move {
            ctx.activity::<()>("x", ()).await?;
            ctx.sleep("1s").await
        });
        let mut driver = Driver::begin(workflow, "null");
        driver.now = driver.now.after(Duration::from_micros(micros));
        driver.outcome(1, 1, Ok("null"));
        let slept = due(&driver).since(driver.now);
        let (least, most) = (Duration::from_secs(1), Duration::from_millis(1_001));
        assert!((least..most).contains(&slept), "{slept:?} after {micros}");
        driver.pass(Duration::from_micros(999_999));
        assert_eq!(driver.status(), Status::Waiting);
        driver.pass(Duration::from_millis(1));
        assert_eq!(driver.status(), Status::Completed);
    }
}

#[test]
fn a_sleep_takes_words_and_answers_its_seconds() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let first = ctx.sleep_for("3s").await?;
        let second = ctx.sleep_for(Duration::from_millis(1_500)).await?;
        Ok::<_, Error>((first, second))
    });
    let mut driver = Driver::begin(workflow, "null");
    for _ in 0..2 {
        assert_eq!(driver.status(), Status::Waiting);
        driver.pass(Duration::from_secs(3));
    }
    assert_eq!(driver.output(), "[3.0,1.5]");
}

#[test]
fn words_that_say_no_time_fail_the_call_and_record_nothing() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let mut errors = Vec::new();
        errors.push(ctx.sleep("soon").await.unwrap_err());
        errors.push(ctx.sleep_for("-1s").await.unwrap_err());
        errors.push(ctx.sleep_until_next("soon").await.unwrap_err());
        errors.push(ctx.sleep_until_next("0 0 30 2 *").await.unwrap_err());
        errors.push(ctx.signal::<()>("go").timeout("soon").await.unwrap_err());
        let all = errors.iter().all(|error| error.code() == &Code::DECODE);
        Ok::<_, Error>((all, errors[0].message().to_owned()))
    });
    let driver = Driver::begin(workflow, "null");
    let expected = r#"[true,"\"soon\" is not a length of time: use for example \"250ms\", \"1.5h\" or \"2 days\""]"#;
    assert_eq!(driver.output(), expected);
    let timers = |entry: &Entry| matches!(entry, Entry::Timer { .. });
    assert!(!driver.entries().iter().any(timers));
}

#[test]
fn a_cron_loop_wakes_at_each_time_of_its_pattern() {
    let mut driver = Driver::begin(slept("*/5 * * * *"), "3");
    for expected in ["01:50:00", "01:55:00", "02:00:00"] {
        let left = due(&driver).since(driver.now);
        assert!((1..=300).contains(&left.as_secs()), "{left:?}");
        assert_eq!(due(&driver).to_string(), format!("2001-09-09T{expected}Z"));
        driver.pass(left + Duration::from_millis(20));
    }
    assert_eq!(driver.status(), Status::Completed);
}

/// A schedule fires by the server's clock: one that is ahead must not make a cron loop wake twice
/// for one time.
#[test]
fn a_timer_that_fires_by_a_clock_ahead_of_this_one_is_not_waited_for_again() {
    let mut driver = Driver::begin(slept("*/5 * * * *"), "2");
    driver.now = Timestamp::from_micros(due(&driver).as_micros() - 8_000);
    driver.give(timer(&driver, 1));
    assert_eq!(due(&driver).to_string(), "2001-09-09T01:55:00Z");
    driver.now = due(&driver);
    driver.give(timer(&driver, 2));
    assert_eq!(
        driver.output(),
        r#"["2001-09-09T01:50:00Z","2001-09-09T01:55:00Z"]"#
    );
}

#[test]
fn a_wait_for_a_signal_takes_words_for_its_timeout() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.signal::<u32>("go").timeout("1 minute").await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.pass(Duration::from_secs(59));
    assert_eq!(driver.status(), Status::Waiting);
    driver.pass(Duration::from_secs(1));
    assert_eq!(driver.error().code, Code::TIMEOUT);
    assert_eq!(driver.error().message, "no signal \"go\" within 60s");
}
