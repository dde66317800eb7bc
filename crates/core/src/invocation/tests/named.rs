//! Waiting for a signal by its name: what is told to the box, and when.

use headwater_wire::{
    Key,
    send::{Sent, SentCommand},
};

use super::*;

impl Driver {
    /// What the last turn tells the box, as the step and whether it waits.
    fn told_the_box(&self) -> Vec<(u32, bool)> {
        let told = |effect| {
            let Effect::Send(sent) = effect else {
                return None;
            };
            let Sent::Command { to, command } = *sent else {
                return None;
            };
            assert_eq!(to.key, Key::of_signal_box("default", "paid").unwrap());
            match command {
                SentCommand::Await(wait) => {
                    assert_eq!(
                        (wait.invocation.as_str(), wait.partition),
                        ("inv", Partition(1))
                    );
                    Some((wait.step, true))
                }
                SentCommand::Unawait(wait) => Some((wait.step, false)),
                _ => None,
            }
        };
        self.invocation
            .effects()
            .into_iter()
            .filter_map(told)
            .collect()
    }

    fn place_outcome(&self, step: u32) -> Placement {
        let outcome = Outcome {
            run: Run {
                start: START,
                continued: 0,
            },
            step,
            attempt: 1,
            result: Ok(Payload::null()),
            worker: String::new(),
        };
        self.invocation.place_outcome(&outcome)
    }
}

#[test]
fn a_wait_is_told_to_the_box_which_gives_its_outcome() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let first: u32 = ctx.wait_for("paid").await?;
        let second: u32 = ctx.wait_for("paid").timeout("1 hour").await?;
        Ok::<_, Error>(first + second)
    });
    let mut driver = Driver::begin(workflow, "null");
    assert_eq!(driver.status(), Status::Waiting);
    let why = &driver.invocation.value.why;
    assert!(
        why.starts_with("waits for signal \"paid\", whoever"),
        "{why}"
    );
    assert_eq!(driver.told_the_box(), [(1, true)]);
    driver.reloaded();
    assert_eq!(driver.told_the_box(), [(1, true)], "until it is settled");
    let outcome = Command::Outcome(Outcome {
        run: driver.invocation.value.run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    });
    let effects = driver.invocation.effects();
    assert!(driver.invocation.proves(&outcome, &effects[0]));
    driver.outcome(1, 1, Ok("2"));
    assert_eq!(driver.told_the_box(), [(2, true)]);
    driver.reloaded();
    driver.outcome(2, 1, Ok("3"));
    assert_eq!(driver.told_the_box(), [], "it has what it waited for");
    assert_eq!(driver.output(), "5");
}

#[test]
fn one_that_no_longer_waits_gives_its_signal_back() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let paid = ctx.wait_for::<u32>("paid").timeout("1 hour").await;
        ctx.signal::<()>("end").await?;
        Ok::<_, Error>(paid.is_err_and(|error| error.is_timeout()))
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.pass(Duration::from_secs(3600));
    assert_eq!(driver.told_the_box(), [(1, false)]);
    driver.reloaded();
    assert_eq!(driver.told_the_box(), [(1, false)]);
    assert_eq!(driver.place_outcome(1), Placement::Taken, "too late");
    driver.signal("s", "end", "null");
    assert_eq!(driver.output(), "true");
}

#[test]
fn a_wait_that_loses_in_its_own_turn_is_told_to_nobody() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let paid = ctx.wait_for::<u32>("paid").into_future();
        let signal = ctx.signal::<u32>("other").into_future();
        match futures::future::select(paid, signal).await {
            futures::future::Either::Left((paid, _)) => paid,
            futures::future::Either::Right((other, _)) => other,
        }
    });
    let mut start = start("null");
    start.signal = Some(Box::new(Signal::new(
        "s",
        "other",
        Payload::from_json_text("7").unwrap(),
    )));
    let driver = Driver::begin_with(workflow, start);
    assert_eq!(driver.output(), "7");
    assert_eq!(driver.told_the_box(), []);
}

#[test]
fn whatever_ends_the_wait_the_box_is_told() {
    let make = || {
        async_workflow(|ctx: Context, run: u32| async move {
            let paid = ctx.wait_for::<u32>("paid").into_future();
            let next = ctx.signal::<()>("next").into_future();
            futures::future::select(paid, next).await;
            match run {
                0 => ctx.continue_as_new(1).await,
                _ => Ok::<_, Error>(()),
            }
        })
    };
    let mut driver = Driver::begin(make(), "0");
    driver.signal("s", "next", "null");
    assert_eq!(
        driver.told_the_box(),
        [(1, false), (1, true)],
        "the old run, the new one"
    );
    driver.reloaded();
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "enough".into(),
    }));
    assert_eq!(driver.told_the_box(), [(1, false)]);
    let mut driver = Driver::begin(make(), "1");
    driver
        .invocation
        .fail(failure("too large"), &[], driver.now);
    driver.store();
    assert_eq!(driver.told_the_box(), [(1, false)]);
}
