//! Retry policies at work: what ends them, and the jitter of their waits.

use super::*;

fn call(retry: impl Fn() -> Retry + Send + Sync + 'static) -> Driver {
    let workflow = async_workflow(move |ctx: Context, (): ()| {
        let call = ctx.activity::<()>("flaky", ()).retry(retry());
        async move { call.await }
    });
    Driver::begin(workflow, "null")
}

fn due(driver: &Driver) -> Option<Timestamp> {
    driver.invocation.pending.values().find_map(Pending::due)
}

#[test]
fn a_code_that_is_listed_ends_retrying_and_is_told_as_it_is() {
    let mut driver = call(|| Retry::default().give_up_on(["card_declined"]));
    driver.outcome(1, 1, Err(failure("busy")));
    driver.pass(Duration::from_millis(100));
    let declined = Failure::new(Code::new("card_declined"), "no funds");
    driver.outcome(1, 2, Err(declined.clone()));
    assert_eq!(
        (driver.status(), driver.error()),
        (Status::Failed, declined)
    );
}

#[test]
fn an_attempt_that_timed_out_is_the_last_unless_the_policy_says_otherwise() {
    let slow = || Failure::new(Code::TIMEOUT, "timeout: activity timed out");
    let mut driver = call(Retry::default);
    driver.outcome(1, 1, Err(slow()));
    assert_eq!((driver.status(), driver.error()), (Status::Failed, slow()));
    let mut driver = call(|| Retry::default().retry_timeouts());
    driver.outcome(1, 1, Err(slow()));
    driver.pass(Duration::from_millis(100));
    driver.outcome(1, 2, Ok("null"));
    assert_eq!(driver.status(), Status::Completed);
}

#[test]
fn attempts_end_after_the_exact_number_that_is_allowed() {
    let mut driver = call(|| Retry::hotmesh().max_attempts(2));
    driver.outcome(1, 1, Err(failure("one")));
    driver.pass(Duration::from_secs(1));
    driver.outcome(1, 2, Err(failure("two")));
    assert_eq!(driver.error().code, Code::RETRIES_EXHAUSTED);
}

/// Two engines that race, or one that begins anew, draw the same wait.
#[test]
fn jitter_is_the_same_in_every_engine_and_differs_between_attempts() {
    let begin = || call(|| Retry::fixed(Duration::from_secs(1)).jitter(0.5));
    let (mut one, mut other) = (begin(), begin());
    let mut waits = Vec::new();
    for attempt in 1..=3 {
        for driver in [&mut one, &mut other] {
            driver.outcome(1, attempt, Err(failure("no")));
        }
        assert_eq!(due(&one), due(&other));
        let wait = due(&one).expect("a wait").since(one.now);
        assert!((500..=1_000).contains(&wait.as_millis()), "{wait:?}");
        waits.push(wait);
        one.pass(wait);
        other.pass(wait);
    }
    waits.dedup();
    assert_eq!(waits.len(), 3);
}
