//! One turn ends a run and begins the next.

use headwater_wire::command::{Channel, Ticket};

use super::*;

fn run(continued: u32) -> Run {
    Run {
        start: START,
        continued,
    }
}

fn outcome(run: Run, step: u32, json: &str) -> Command {
    Command::Outcome(Outcome {
        run,
        step,
        attempt: 1,
        result: Ok(Payload::from_json_text(json).unwrap()),
        worker: "w".into(),
    })
}

fn timer(run: Run, step: u32) -> TimerId {
    TimerId {
        run,
        step,
        attempt: 0,
    }
}

fn input(driver: &Driver) -> String {
    String::from_utf8(driver.invocation.value.input.bytes().to_vec()).unwrap()
}

/// Counts up to three by runs, one activity each.
fn counter() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, n: u32| async move {
        let next: u32 = ctx.activity("inc", n).await?;
        match next {
            3 => Ok::<_, Error>(next),
            _ => ctx.continue_as_new(next).await,
        }
    })
}

#[test]
fn one_turn_ends_a_run_and_begins_the_next() {
    let mut driver = Driver::begin(counter(), "0");
    driver.outcome(1, 1, Ok("1"));
    assert_eq!(driver.turns.len(), 2, "one write for both");
    let value = &driver.invocation.value;
    assert_eq!((value.run, value.status), (run(1), Status::Running));
    assert_eq!(
        (value.run_started_at, value.created_at),
        (Some(birth().at), birth().at)
    );
    assert_eq!(input(&driver), "1");
    let kinds: Vec<_> = driver.entries().iter().map(Entry::kind).collect();
    assert_eq!(kinds, ["activity"], "a journal of its own");
    assert_eq!(driver.invocation.value.turn.roots, [Root::Command(11)]);
    let Effect::Task { task, .. } = &driver.invocation.effects()[0] else {
        panic!()
    };
    assert_eq!(task.idempotency_key(), "inv/10.1/1");
    driver.outcome(1, 1, Ok("2"));
    driver.outcome(1, 1, Ok("3"));
    assert_eq!(driver.invocation.value.run, run(2));
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "3")
    );
}

#[test]
fn what_the_run_before_was_given_late_is_not_placed() {
    let mut driver = Driver::begin(counter(), "0");
    driver.outcome(1, 1, Ok("1"));
    let last_root = driver
        .invocation
        .place(&outcome(run(0), 1, "7"), driver.seq, driver.now);
    assert_eq!(last_root, Placement::Taken, "the turn rests on it");
    for (run, step) in [(run(0), 1), (run(0), 2), (run(2), 1)] {
        let placed = driver
            .invocation
            .place(&outcome(run, step, "7"), 99, driver.now);
        assert!(matches!(placed, Placement::Drop(_)), "{run}: {placed:?}");
    }
    let again = driver
        .invocation
        .place(&Command::Start(start("0")), START, driver.now);
    assert_eq!(again, Placement::Taken, "the start is the invocation's");
}

#[test]
fn local_steps_of_every_run_hang_on_the_roots_of_its_first_turn() {
    let workflow = async_workflow(|ctx: Context, n: u32| async move {
        let n = ctx.run("inc", || async { Ok::<_, Error>(n + 1) }).await?;
        if n < 30 {
            return ctx.continue_as_new(n).await;
        }
        Ok::<_, Error>(n)
    });
    let mut driver = Driver::begin(workflow.clone(), "0");
    driver.run_locals();
    assert_eq!(driver.output(), "30");
    assert_eq!(driver.turns.len(), 31, "the first value and one a run");
    assert_eq!(driver.invocation.value.turn.roots, [Root::Command(START)]);
    // Wherever it is cut off, the start brings the local step back.
    driver.turns.truncate(12);
    driver.invocation = driver.reload();
    assert_eq!(driver.invocation.value.run, run(11));
    assert!(driver.invocation.is_anchor(&Root::Command(START)));
    driver.run_locals();
    assert_eq!(driver.output(), "30");
}

#[test]
fn local_work_of_the_run_before_is_over_and_frees_its_anchor() {
    let workflow = async_workflow(|ctx: Context, round: u32| async move {
        if round == 0 {
            let work = std::future::pending::<Result<(), Error>>;
            let work = std::pin::pin!(ctx.run("work", work).into_future());
            let nap = std::pin::pin!(ctx.sleep(Duration::from_secs(1)));
            let both = std::pin::pin!(futures::future::join(work, nap));
            let go = ctx.signal::<()>("go").into_future();
            futures::future::select(both, go).await;
            return ctx.continue_as_new(1).await;
        }
        ctx.activity::<u32>("x", ()).await
    });
    let mut driver = Driver::begin(workflow, "0");
    driver.run_locals();
    assert!(driver.invocation.is_anchor(&Root::Command(START)));
    driver.signal("s", "go", "null");
    assert_eq!(driver.invocation.value.run, run(1));
    assert_eq!(driver.invocation.value.anchors, BTreeMap::new());
    assert!(!driver.invocation.has_running_steps());
    driver.pass(Duration::from_secs(2));
    assert_eq!(driver.turns.len(), 2, "nothing fired");
    driver.outcome(1, 1, Ok("1"));
    assert_eq!(driver.output(), "1");
}

#[test]
fn only_the_first_run_goes_ahead_of_its_first_value() {
    let workflow = async_workflow(|ctx: Context, n: u32| async move {
        if n == 0 {
            return ctx.continue_as_new(1).await;
        }
        ctx.run("only", || async { Ok::<_, Error>(n) }).await
    });
    let mut invocation = Invocation::create(start("0"), birth());
    let program = workflow.instantiate(invocation.program_info());
    let none: &[&[u8]] = &[];
    invocation.attach(program, none, birth().at).unwrap();
    assert!(!invocation.may_run_before_first_value());
    let mut driver = Driver::begin(workflow, "0");
    assert_eq!(driver.invocation.value.run, run(1));
    driver.run_locals();
    assert_eq!(driver.output(), "1");
}

/// Each run sleeps for long beside an activity, which wins.
fn sleepers() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, n: u32| async move {
        let nap = std::pin::pin!(ctx.sleep(Duration::from_secs(3600)));
        let call = std::pin::pin!(ctx.activity::<u32>("inc", n).into_future());
        match futures::future::select(nap, call).await {
            futures::future::Either::Left(_) => Ok::<_, Error>("slept".to_owned()),
            futures::future::Either::Right((n, nap)) => {
                // The sleep is still pending.
                let next = ctx.continue_as_new(n?).await;
                nap.await?;
                next
            }
        }
    })
}

#[test]
fn sleeps_of_the_run_before_are_removed_and_do_not_wake_the_next() {
    let mut driver = Driver::begin(sleepers(), "0");
    driver.outcome(2, 1, Ok("1"));
    let lost = timer(run(0), 1);
    assert_eq!(
        driver.invocation.value.turn.effects,
        [
            EffectTag::UnscheduleOf(lost),
            EffectTag::Schedule(1, 0),
            EffectTag::Task(2, 1)
        ]
    );
    // Also one that only has the stored value knows whose schedules those are.
    for invocation in [&driver.invocation, &driver.load()] {
        let effects = invocation.effects();
        assert!(matches!(&effects[0], Effect::Unschedule { timer, .. } if *timer == lost));
        assert!(
            matches!(&effects[1], Effect::Schedule { timer: own, .. } if *own == timer(run(1), 1))
        );
        assert!(matches!(&effects[2], Effect::Task { task, .. } if task.run == run(1)));
    }
    driver.now = driver.now.after(Duration::from_secs(1800));
    let late = driver
        .invocation
        .place(&Command::TimerFired(lost), 98, driver.now);
    assert!(matches!(late, Placement::Drop(_)), "{late:?}");
    driver.pass(Duration::from_secs(1700));
    assert_eq!(driver.status(), Status::Running, "never early");
    driver.give(Command::TimerFired(timer(run(1), 1)));
    assert_eq!(driver.output(), "\"slept\"");
}

#[test]
fn timers_due_together_do_not_fire_into_the_next_run() {
    let workflow = async_workflow(|ctx: Context, n: u32| async move {
        let long = Duration::from_secs(60 + u64::from(n) * 1000);
        let naps = [ctx.sleep(long), ctx.sleep(long), ctx.sleep(long)];
        // The others are still pending.
        let (woke, _, _others) = futures::future::select_all(naps).await;
        woke?;
        match n {
            0 => ctx.continue_as_new(1).await,
            n => Ok::<_, Error>(n),
        }
    });
    let mut driver = Driver::begin(workflow, "0");
    driver.pass(Duration::from_secs(61));
    assert_eq!(driver.invocation.value.run, run(1));
    assert_eq!(
        driver.invocation.value.turn.roots,
        [Root::Timer(timer(run(0), 1))]
    );
    let removed = &driver.invocation.value.turn.effects[..2];
    let lost = [2, 3].map(|step| EffectTag::UnscheduleOf(timer(run(0), step)));
    assert_eq!(removed, lost, "own firing never cancels the schedule");
    assert_eq!(
        driver
            .invocation
            .place(&Command::TimerFired(timer(run(0), 1)), 99, driver.now),
        Placement::Taken
    );
    driver.pass(Duration::from_secs(900));
    assert_eq!(driver.status(), Status::Waiting, "never early");
    driver.pass(Duration::from_secs(200));
    assert_eq!(driver.output(), "1");
}

/// The turn before is settled while the next is made: its effects are those of its own run.
#[test]
fn settling_the_turn_before_emits_nothing_of_a_run_that_is_not_stored() {
    let mut driver = Driver::begin(sleepers(), "0");
    let before = driver.invocation.effects();
    assert_eq!(before.len(), 2);
    let taken = outcome(run(0), 2, "1");
    driver.invocation.take(taken, 11, driver.now);
    assert_eq!(driver.invocation.value.run, run(1));
    assert_eq!(driver.invocation.effects(), [], "what was wanted is over");
    driver.store();
    assert_eq!(driver.invocation.effects().len(), 3);

    // A removal stays that of its run.
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let wait = ctx
            .signal::<()>("go")
            .timeout(Duration::from_secs(60))
            .await;
        wait?;
        ctx.activity::<()>("x", ()).await?;
        ctx.continue_as_new::<Result<(), Error>>(()).await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.signal("s", "go", "null");
    let removal = driver.invocation.effects()[0].clone();
    assert!(matches!(&removal, Effect::Unschedule { timer: lost, .. } if lost.run == run(0)));
    driver
        .invocation
        .take(outcome(run(0), 3, "null"), 12, driver.now);
    assert_eq!(driver.invocation.value.run, run(1));
    assert_eq!(driver.invocation.effects(), [removal]);
}

#[test]
fn signals_go_on_to_the_next_run_and_each_is_taken_once() {
    let workflow = async_workflow(|ctx: Context, mut seen: Vec<u32>| async move {
        seen.push(ctx.signal("n").await?);
        if seen.len() < 5 {
            return ctx.continue_as_new(&seen).await;
        }
        ctx.activity::<()>("end", ()).await?;
        Ok::<_, Error>(seen)
    });
    let mut driver = Driver::begin(workflow, "[]");
    driver.signal("early", "other", "0");
    for n in 1..=2 {
        driver.signal(&format!("s{n}"), "n", &n.to_string());
    }
    assert_eq!(driver.invocation.value.run, run(2));
    // Several in one turn: a run each, every one of them stored.
    for n in 3..=5 {
        let data = Payload::from_json_text(&n.to_string()).unwrap();
        driver
            .invocation
            .value
            .signals
            .waiting
            .push(headwater_wire::value::BufferedSignal {
                id: format!("s{n}"),
                name: "n".into(),
                data,
                channel: Channel::Signal,
                reply_to: None,
            });
    }
    let turns = driver.turns.len();
    driver.store();
    assert_eq!(
        driver.turns.len(),
        turns + 2,
        "s4 in the turn that s3 began"
    );
    assert_eq!(driver.invocation.value.run, run(4));
    assert_eq!(input(&driver), "[1,2,3,4]");
    let again = Command::Signal(Signal::new("s1", "n", Payload::null()));
    assert_eq!(
        driver.invocation.place(&again, 99, driver.now),
        Placement::Taken,
        "a repeat is known, whatever run took it"
    );
    driver.outcome(2, 1, Ok("null"));
    assert_eq!(driver.output(), "[1,2,3,4,5]");
}

#[test]
fn whoever_is_asked_to_end_does_not_continue() {
    let workflow = async_workflow(|ctx: Context, n: u32| async move {
        // Cancelled or not: on it goes.
        let slept = ctx.sleep(Duration::from_secs(3600)).await;
        if slept.is_err() {
            ctx.run("clean-up", || async { Ok::<_, Error>(()) }).await?;
        }
        ctx.continue_as_new::<Result<(), Error>>(n + 1).await
    });
    let mut driver = Driver::begin(workflow, "0");
    driver.pass(Duration::from_secs(3601));
    assert_eq!(driver.invocation.value.run, run(1));
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "enough".into(),
    }));
    driver.run_locals();
    assert_eq!(driver.status(), Status::Cancelled);
    assert_eq!(driver.error().message, "enough");
    assert_eq!(driver.invocation.value.run, run(1));
}

#[test]
fn pages_are_numbered_on_and_those_of_the_run_before_expire() {
    let workflow = async_workflow(|ctx: Context, round: u32| async move {
        for n in 0..100 {
            ctx.activity::<u32>("n", n).await?;
        }
        match round {
            3 => Ok::<_, Error>(()),
            round => ctx.continue_as_new(round + 1).await,
        }
    });
    let mut driver = Driver::begin(workflow, "1");
    let mut last = 0;
    for round in 1..=3 {
        assert_eq!(driver.invocation.pages(), 0, "nothing of the run before");
        assert_eq!(driver.invocation.journal.first_page, last + 1);
        for step in 1..=100 {
            driver.outcome(step, 1, Ok("0"));
        }
        let (first, pages) = (last + 1, driver.pages.len() as u32);
        assert!(pages > first, "{first}..={pages}");
        let expire = EffectTag::ExpirePages(first, pages);
        let effects = &driver.invocation.value.turn.effects;
        assert!(effects.contains(&expire), "{expire} in {effects:?}");
        let expiring = driver.load().effects();
        let is_emitted = |effect: &Effect| matches!(effect, Effect::ExpirePages { pages: range, .. } if *range == (first..=pages));
        assert!(expiring.iter().any(is_emitted), "round {round}");
        last = pages;
    }
    assert_eq!(driver.status(), Status::Completed);
}

/// A page that is full in the stored value is written by whatever turn follows. If one engine
/// continues as new there while another does something else, the number must be used.
#[test]
fn a_page_that_another_turn_would_write_is_not_one_of_the_next_run() {
    let workflow = async_workflow(|ctx: Context, round: u32| async move {
        ctx.activity::<u32>("n", "x".repeat(limits::PAGE_BYTES))
            .await?;
        ctx.continue_as_new::<Result<(), Error>>(round + 1).await
    });
    let driver = Driver::begin(workflow, "0");
    let (mut one, mut other) = (driver.reload(), driver.reload());
    one.take(outcome(run(0), 1, "1"), 11, driver.now);
    let continued = one.prepare(driver.now, "one-1".into()).unwrap();
    let noise = Command::Signal(Signal::new("s", "n", Payload::null()));
    other.take(noise, 12, driver.now);
    let late = other.prepare(driver.now, "other-1".into()).unwrap();
    assert!(late.page.is_some());
    assert_eq!(continued.page, late.page, "the same number, the same bytes");
    one.committed(2);
    one.take(outcome(run(1), 1, "1"), 13, driver.now);
    let next = one.prepare(driver.now, "one-2".into()).unwrap();
    assert_eq!(next.page.map(|(number, _)| number), Some(2));
}

#[test]
fn time_starts_with_the_run_and_random_differs_from_run_to_run() {
    let workflow = async_workflow(|ctx: Context, mut seen: Vec<(String, u64)>| async move {
        // The replay compares the input.
        ctx.activity::<()>("x", ctx.now().to_string()).await?;
        seen.push((ctx.now().to_string(), ctx.random()));
        if seen.len() < 3 {
            return ctx.continue_as_new(&seen).await;
        }
        ctx.sleep(Duration::from_secs(60)).await?;
        Ok::<_, Error>(seen)
    });
    let mut driver = Driver::begin(workflow, "[]");
    for _ in 0..3 {
        driver.now = driver.now.after(Duration::from_micros(1_000_000_900));
        driver.outcome(1, 1, Ok("null"));
    }
    assert_eq!(
        driver.invocation.value.run_started_at,
        Some(
            birth()
                .at
                .after(Duration::from_secs(2000))
                .after(Duration::from_millis(2))
        )
    );
    driver.pass(Duration::from_secs(59));
    assert_eq!(driver.status(), Status::Waiting, "not by an older clock");
    driver.pass(Duration::from_secs(2));
    let seen: Vec<(String, u64)> = serde_json::from_str(&driver.output()).unwrap();
    let times: Vec<_> = seen.iter().map(|(time, _)| time.as_str()).collect();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
    assert!(seen[0].1 != seen[1].1 && seen[1].1 != seen[2].1, "{seen:?}");
}

#[test]
fn runs_that_await_nothing_are_parked_rather_than_spinning_and_resume_when_mended() {
    let make = |broken: bool| {
        async_workflow(move |ctx: Context, n: u32| async move {
            if broken || n == 0 {
                return ctx.continue_as_new(n + 1).await;
            }
            ctx.run("work", || async { Ok::<_, Error>(n) }).await
        })
    };
    let mut driver = Driver::begin_parked(make(true), "0");
    assert_eq!(driver.status(), Status::Parked);
    let why = &driver.invocation.value.why;
    assert!(why.contains("without awaiting anything"), "{why}");
    driver.invocation = driver.reload();
    driver.give(Command::Resume { id: "r1".into() });
    assert_eq!(driver.status(), Status::Parked, "still the same build");
    driver.workflow = make(false);
    driver.invocation = driver.reload();
    driver.give(Command::Resume { id: "r2".into() });
    driver.run_locals();
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "2")
    );
}

impl Driver {
    /// As [`Driver::begin`], for what parks: it does not replay.
    fn begin_parked(workflow: std::sync::Arc<dyn Workflow>, input: &str) -> Self {
        let mut invocation = Invocation::create(start(input), birth());
        let program = workflow.instantiate(invocation.program_info());
        let none: &[&[u8]] = &[];
        invocation.attach(program, none, birth().at).unwrap();
        let turn = invocation.prepare(birth().at, "e-0".into()).unwrap();
        invocation.committed(1);
        Self {
            workflow,
            invocation,
            pages: Vec::new(),
            now: birth().at,
            seq: START,
            revision: 1,
            turns: vec![turn.value],
        }
    }
}

/// What was deferred has no run in it: it goes with its run.
#[test]
fn what_was_deferred_for_the_run_before_does_not_reach_the_next() {
    let make = |name: &'static str| {
        async_workflow(move |ctx: Context, round: u32| async move {
            let calls = [ctx.activity::<u32>(name, 1), ctx.activity(name, 2)];
            let (_, won) = ctx.race(calls).await;
            match round {
                0 => ctx.continue_as_new(won?).await,
                _ => won,
            }
        })
    };
    let mut driver = Driver::begin(make("a"), "0");
    // A build that decides otherwise takes the outcomes, and defers them.
    let mut parked = driver.load();
    let program = make("b").instantiate(parked.program_info());
    let mismatch = parked
        .attach(program, driver.run_pages(), driver.now)
        .unwrap_err();
    parked.park(mismatch, driver.now);
    parked.take(outcome(run(0), 1, "5"), 11, driver.now);
    parked.take(outcome(run(0), 2, "6"), 12, driver.now);
    let turn = parked.prepare(driver.now, "e-9".into()).unwrap();
    driver.turns.push(turn.value);
    driver.revision += 1;
    driver.invocation = driver.reload();
    driver.seq = 20;
    driver.give(Command::Resume { id: "r".into() });
    assert_eq!(driver.invocation.value.run, run(1));
    assert_eq!(input(&driver), "5");
    assert_eq!(driver.invocation.value.pending, 2, "nothing came yet");
    assert_eq!(driver.invocation.value.deferred, []);
    driver.outcome(2, 1, Ok("9"));
    assert_eq!(driver.output(), "9");
}

/// Regression: the command that resumed a parked invocation was applied although what was
/// deferred had ended the step, or the run, that it was for.
#[test]
fn the_outcome_that_resumes_it_is_moot_if_what_was_deferred_ended_its_run() {
    for (continues, pending_after) in [(true, 600), (false, 1)] {
        let make = |name: &'static str| {
            async_workflow(move |ctx: Context, round: u32| async move {
                if round > 0 {
                    // More than fits the turn: what comes meanwhile is deferred.
                    let calls = (0..600).map(|n| ctx.activity::<u32>("n", n));
                    ctx.all(calls).await;
                }
                let calls = [ctx.activity::<u32>(name, 1), ctx.activity(name, 2)];
                let (_, won) = ctx.race(calls).await;
                if round == 0 && continues {
                    return ctx.continue_as_new(won?).await;
                }
                ctx.signal::<()>("never").await?;
                won
            })
        };
        let mut driver = Driver::begin(make("a"), "0");
        let mut parked = driver.load();
        let program = make("b").instantiate(parked.program_info());
        let mismatch = parked
            .attach(program, driver.run_pages(), driver.now)
            .unwrap_err();
        parked.park(mismatch, driver.now);
        parked.take(outcome(run(0), 1, "5"), 11, driver.now);
        let turn = parked.prepare(driver.now, "e-9".into()).unwrap();
        driver.turns.push(turn.value);
        driver.revision += 1;
        driver.invocation = driver.reload();
        driver.seq = 20;
        driver.give(outcome(run(0), 2, "6"));
        assert_eq!(driver.invocation.value.pending, pending_after);
        driver.check_replay();
    }
}

#[test]
fn a_build_that_continues_where_the_journal_goes_on_is_parked() {
    let make = |early: bool| {
        async_workflow(move |ctx: Context, (): ()| async move {
            ctx.activity::<u32>("first", ()).await?;
            if early {
                return ctx.continue_as_new(()).await;
            }
            ctx.activity::<u32>("second", ()).await
        })
    };
    let mut driver = Driver::begin(make(false), "null");
    driver.outcome(1, 1, Ok("1"));
    let mut other = driver.load();
    let program = make(true).instantiate(other.program_info());
    let mismatch = other
        .attach(program, driver.run_pages(), driver.now)
        .unwrap_err();
    assert_eq!(
        mismatch.difference[0].program,
        "the workflow continued as new"
    );
}

#[test]
fn an_input_that_is_too_large_fails_the_invocation_whoever_swallows_errors() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let large = "x".repeat(limits::PAYLOAD_BYTES_MAX);
        let next = std::pin::pin!(ctx.continue_as_new::<()>(large));
        let nap = ctx.sleep(Duration::from_secs(1));
        futures::future::select(next, nap).await;
        Ok::<_, Error>("swallowed")
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(
        (driver.status(), driver.error().code),
        (Status::Failed, Code::TOO_LARGE)
    );
}

#[test]
fn what_is_decided_beside_it_is_not_done() {
    let workflow = async_workflow(|ctx: Context, round: u32| async move {
        ctx.activity::<()>("first", ()).await?;
        if round == 0 {
            let lost = ctx.activity::<()>("lost", ()).into_future();
            let next = ctx.continue_as_new::<Result<(), Error>>(1);
            return futures::join!(lost, next).1;
        }
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "0");
    driver.outcome(1, 1, Ok("null"));
    assert_eq!(driver.invocation.value.run, run(1));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Task(1, 1)]
    );
    driver.outcome(1, 1, Ok("null"));
    assert_eq!(driver.status(), Status::Completed);
}

#[test]
fn first_decisions_that_do_not_fit_the_turn_go_to_further_ones() {
    let workflow = async_workflow(|ctx: Context, round: u32| async move {
        let naps = (0..300).map(|_| ctx.sleep(Duration::from_secs(60)));
        let calls = (0..600).map(|n| ctx.activity::<u32>("n", n));
        match round {
            0 => {
                let naps = std::pin::pin!(ctx.all(naps));
                let go = ctx.signal::<()>("go").into_future();
                futures::future::select(naps, go).await;
                ctx.continue_as_new(1).await
            }
            _ => Ok::<_, Error>(ctx.all(calls).await.len()),
        }
    });
    let mut driver = Driver::begin(workflow, "0");
    let turns = driver.turns.len();
    driver.signal("s", "go", "null");
    assert!(
        driver.turns.len() > turns + 2,
        "{} turns",
        driver.turns.len()
    );
    let (value, _) = Value::decode(&driver.turns[turns]).unwrap();
    assert!(value.turn.partial && value.run == run(1));
    assert_eq!(driver.invocation.value.pending, 600);
    let seq = driver.seq;
    assert_eq!(driver.invocation.value.turn.roots, [Root::Command(seq)]);
    for step in 1..=600 {
        driver.outcome(step, 1, Ok("0"));
    }
    assert_eq!(driver.output(), "600");
}

#[test]
fn its_partition_key_stays_held_until_the_last_run_ends() {
    let (invocation, grant) = queued();
    let mut driver = Driver {
        workflow: async_workflow(|ctx: Context, round: Option<u32>| async move {
            ctx.activity::<()>("x", ()).await?;
            match round {
                None => ctx.continue_as_new(1).await,
                Some(round) => Ok::<_, Error>(round),
            }
        }),
        invocation,
        pages: Vec::new(),
        now: birth().at,
        seq: START,
        revision: 1,
        turns: Vec::new(),
    };
    let program = driver
        .workflow
        .instantiate(driver.invocation.program_info());
    let none: &[&[u8]] = &[];
    driver.invocation.attach(program, none, driver.now).unwrap();
    driver.give(grant.clone());
    driver.outcome(1, 1, Ok("null"));
    let ticket: Option<Ticket> = driver.invocation.value.ticket.clone();
    assert!(ticket.is_some_and(|ticket| ticket.number == 9));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Task(1, 1)]
    );
    assert_eq!(
        driver.invocation.place(&grant, 99, driver.now),
        Placement::Taken
    );
    driver.outcome(1, 1, Ok("null"));
    assert_eq!(driver.invocation.value.turn.effects, [EffectTag::Release]);
}
