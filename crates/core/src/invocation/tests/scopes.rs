//! Timeouts, shields, scopes and sagas.

use futures::select_biased;

use super::*;

fn cancel(driver: &mut Driver) {
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "no longer needed".into(),
    }));
}

fn kinds(driver: &Driver) -> Vec<String> {
    let entries = driver.entries();
    let name = |entry: &Entry| match entry {
        Entry::Run { name, .. } | Entry::Activity { name, .. } => format!("{name} decided"),
        entry => entry.kind().to_owned(),
    };
    entries.iter().map(name).collect()
}

#[test]
fn a_timeout_bounds_anything_and_drops_what_takes_longer() {
    let make = || {
        async_workflow(|ctx: Context, (): ()| async move {
            let calls = async {
                let one: u32 = ctx.activity("slow", 1).await?;
                let two: u32 = ctx.activity("slow", 2).await?;
                Ok(one + two)
            };
            match ctx.timeout(Duration::from_secs(60), calls).await {
                Err(error) if error.is_timeout() => Ok(format!("late: {error}")),
                sum => Ok::<_, Error>(format!("{}", sum?)),
            }
        })
    };
    let mut late = Driver::begin(make(), "null");
    late.outcome(1, 1, Ok("5"));
    late.pass(Duration::from_secs(61));
    assert_eq!(late.output(), "\"late: it took longer than 60s\"");
    let late_outcome = Command::Outcome(Outcome {
        run: late.invocation.value.run,
        step: 3,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    });
    assert_eq!(
        late.invocation.place(&late_outcome, 99, late.now),
        Placement::Taken
    );

    let mut soon = Driver::begin(make(), "null");
    soon.outcome(1, 1, Ok("5"));
    soon.outcome(3, 1, Ok("6"));
    assert_eq!(soon.output(), "\"11\"");
    let gone = EffectTag::Unschedule(2, 0);
    assert_eq!(soon.invocation.value.turn.effects, [gone]);

    let mut cancelled = Driver::begin(make(), "null");
    cancel(&mut cancelled);
    assert_eq!(cancelled.status(), Status::Cancelled);
}

#[test]
fn after_a_cancellation_only_what_is_shielded_is_done() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let error = ctx.sleep(Duration::from_secs(3_600)).await.unwrap_err();
        let refused = ctx.activity::<u32>("after", 1).await.unwrap_err();
        assert!(refused.is_cancelled(), "{refused}");
        let clean_up = ctx.activity::<u32>("clean-up", 2);
        let cleaned = ctx.shield(clean_up).await?;
        assert_eq!(cleaned, 7);
        Err::<(), _>(error)
    });
    let mut driver = Driver::begin(workflow, "null");
    cancel(&mut driver);
    assert_eq!(driver.status(), Status::Running);
    assert_eq!(kinds(&driver), ["timer", "cancel", "clean-up decided"]);
    driver.outcome(2, 1, Ok("7"));
    assert_eq!(driver.status(), Status::Cancelled);
    assert_eq!(driver.error().message, "no longer needed");
}

#[test]
fn what_is_shielded_already_goes_on_through_a_cancellation() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let paid = ctx.shield(async {
            let paid: u32 = ctx.activity("pay", 1).await?;
            ctx.sleep(Duration::from_secs(3_600)).await?;
            Ok::<_, Error>(paid)
        });
        let other = ctx.activity::<u32>("other", 2);
        let (paid, other) = futures::join!(paid, other.into_future());
        assert!(other.unwrap_err().is_cancelled());
        paid
    });
    let mut driver = Driver::begin(workflow, "null");
    cancel(&mut driver);
    assert!(matches!(
        driver.entries().last(),
        Some(Entry::Cancel { shielded, .. }) if *shielded == [1]
    ));
    driver.outcome(1, 1, Ok("7"));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Schedule(3, 0)]
    );
    driver.pass(Duration::from_secs(3_601));
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "7")
    );
}

#[test]
fn a_workflow_that_swallows_its_cancellation_is_ended() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        loop {
            let _: Result<u32, Error> = ctx.activity("poll", ()).await;
            let _ = ctx.sleep(Duration::from_secs(60)).await;
        }
        #[allow(unreachable_code)] // it gives the workflow its type
        Ok::<(), Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    cancel(&mut driver);
    assert_eq!(driver.status(), Status::Cancelled);
    assert_eq!(driver.error().message, "no longer needed");
}

#[test]
fn a_scope_is_cancelled_and_the_workflow_goes_on() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let scope = ctx.scope();
        let work = scope.run(async {
            let inner = ctx.scope();
            let kept = ctx.shield(ctx.activity::<u32>("kept", 1));
            let nested = inner.run(ctx.activity::<u32>("nested", 2));
            let (kept, nested) = futures::join!(kept, nested);
            let later = ctx.activity::<u32>("later", 3).await;
            (kept, nested, later)
        });
        let stop = async {
            let _: u32 = ctx.signal("stop").await?;
            scope.cancel("the user went away");
            Ok::<_, Error>(())
        };
        let ((kept, nested, later), stopped) = futures::join!(work, stop);
        stopped?;
        assert!(scope.is_cancelled());
        assert!(nested.unwrap_err().is_cancelled());
        assert!(later.unwrap_err().is_cancelled());
        let after: u32 = ctx.activity("after", kept?).await?;
        Ok::<_, Error>(after)
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.signal("s", "stop", "1");
    assert!(matches!(
        driver.entries().last(),
        Some(Entry::Drop { step: 2, .. })
    ));
    driver.outcome(1, 1, Ok("5"));
    driver.outcome(4, 1, Ok("6"));
    assert_eq!(driver.output(), "6");
}

#[test]
fn a_cancelled_scope_that_goes_on_for_ever_fails_the_workflow() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let scope = ctx.scope();
        scope.cancel("enough");
        scope
            .run(async {
                loop {
                    let _ = ctx.sleep(Duration::from_secs(60)).await;
                }
                #[allow(unreachable_code)] // it gives the block its type
                ()
            })
            .await;
        Ok::<(), Error>(())
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(driver.status(), Status::Failed);
    assert_eq!(driver.error().message, "enough");
}

fn saga() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        let undo = |name: &'static str| {
            move |ctx: Context| async move { ctx.activity::<()>(name, ()).await }
        };
        ctx.saga(async |saga| {
            ctx.activity::<()>("book flight", ()).await?;
            saga.undo(undo("cancel flight"));
            ctx.activity::<()>("book hotel", ()).await?;
            saga.undo(undo("cancel hotel"));
            ctx.activity::<()>("pay", ()).await?;
            Ok("booked")
        })
        .await
    })
}

fn fatal(message: &str) -> Failure {
    Failure::fatal(Code::FAILED, message)
}

#[test]
fn a_saga_undoes_in_reverse_also_when_cancelled() {
    let mut done = Driver::begin(saga(), "null");
    for step in 1..=3 {
        done.outcome(step, 1, Ok("null"));
    }
    assert_eq!(done.output(), "\"booked\"");

    let mut failed = Driver::begin(saga(), "null");
    failed.outcome(1, 1, Ok("null"));
    failed.outcome(2, 1, Ok("null"));
    failed.outcome(3, 1, Err(fatal("no money")));
    failed.outcome(4, 1, Ok("null"));
    failed.outcome(5, 1, Ok("null"));
    let decided: Vec<String> = kinds(&failed)
        .into_iter()
        .filter(|kind| kind.ends_with("decided"))
        .skip(3)
        .collect();
    assert_eq!(decided, ["cancel hotel decided", "cancel flight decided"]);
    assert_eq!(failed.error().message, "no money");

    let mut cancelled = Driver::begin(saga(), "null");
    cancelled.outcome(1, 1, Ok("null"));
    cancel(&mut cancelled);
    cancelled.outcome(3, 1, Ok("null"));
    assert_eq!(cancelled.status(), Status::Cancelled);
}

#[test]
fn what_a_saga_could_not_undo_is_told() {
    let mut driver = Driver::begin(saga(), "null");
    driver.outcome(1, 1, Ok("null"));
    driver.outcome(2, 1, Ok("null"));
    driver.outcome(3, 1, Err(fatal("no money")));
    driver.outcome(4, 1, Err(fatal("the hotel does not answer")));
    driver.outcome(5, 1, Ok("null"));
    let error = driver.error();
    assert_eq!(error.code.to_string(), "saga_failed");
    for part in ["no money", "the hotel does not answer"] {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn select_biased_and_join_decide_the_same_on_replay() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let mut seen = Vec::new();
        let mut ticks = ctx.activity::<u32>("tick", ()).into_future();
        let mut stop = ctx.signal::<u32>("stop").into_future();
        loop {
            // The futures of a context are fused by themselves: once ready, they stay pending.
            let mut tick = futures::FutureExt::fuse(&mut ticks);
            let mut stopped = futures::FutureExt::fuse(&mut stop);
            select_biased! {
                n = stopped => {
                    seen.push(n?);
                    break;
                }
                n = tick => {
                    seen.push(n?);
                    ticks = ctx.activity::<u32>("tick", ()).into_future();
                }
            }
        }
        Ok::<_, Error>(seen)
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(2, 1, Ok("1"));
    driver.outcome(3, 1, Ok("2"));
    driver.signal("s", "stop", "9");
    assert_eq!(driver.output(), "[1,2,9]");
}

#[test]
fn a_failure_among_many_stays_in_its_place() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let calls = (0..3).map(|n| ctx.activity::<u32>("work", n));
        let results = ctx.all(calls).await;
        let told = results.into_iter().map(|result| match result {
            Ok(n) => n.to_string(),
            Err(error) => error.to_string(),
        });
        Ok::<_, Error>(told.collect::<Vec<_>>())
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(3, 1, Ok("3"));
    driver.outcome(1, 1, Ok("1"));
    driver.outcome(2, 1, Err(fatal("broken")));
    assert_eq!(driver.output(), r#"["1","broken","3"]"#);
}
