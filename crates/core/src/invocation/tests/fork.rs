//! A fork begins with what another had recorded before it decided a step.

use headwater_wire::{fork::Fork, limits};

use super::{pending::What, *};

const FORKED: u64 = 70;

fn fork_birth(at: Timestamp) -> Birth {
    Birth {
        id: InvocationId::new("fork").unwrap(),
        seq: FORKED,
        at,
        ..birth()
    }
}

fn fork_of(source: &Invocation, step: u32) -> Fork {
    Fork {
        invocation: source.value.id.clone(),
        run: source.value.run,
        step,
    }
}

impl Driver {
    /// Fork what this one has stored, a day later.
    fn try_fork(&self, step: u32) -> Result<Invocation, Failure> {
        let source = &self.invocation;
        let fork = fork_of(source, step);
        let own = Start {
            fork: Some(Box::new(fork.clone())),
            ..Start::new(
                "test",
                source.value.input.clone(),
                Asker::Request("f".into()),
            )
        };
        let at = self.now.after(Duration::from_secs(24 * 3600));
        Invocation::fork(&own, &fork, &fork_birth(at), &source.value, &self.entries())
    }

    fn fork(&self, step: u32) -> Driver {
        let mut invocation = self.try_fork(step).unwrap();
        let now = invocation.value.created_at;
        let program = self.workflow.instantiate(invocation.program_info());
        invocation.attach(program, &[] as &[&[u8]], now).unwrap();
        let mut forked = Driver {
            workflow: self.workflow.clone(),
            invocation,
            pages: Vec::new(),
            now,
            seq: FORKED,
            revision: 0,
            turns: Vec::new(),
        };
        forked.store();
        forked
    }
}

/// What it draws, sees and is given, with state beside it.
fn story() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        let began = ctx.now();
        ctx.info("begins");
        let drawn = ctx.random();
        ctx.kv().set("at", 1)?;
        let one: String = ctx.activity("one", drawn).await?;
        ctx.kv().set("at", 2)?;
        ctx.search().incr("count", 1.0)?;
        let two: String = ctx.activity("two", (&one, ctx.id())).await?;
        ctx.kv().set("at", 3)?;
        ctx.sleep(Duration::from_secs(60)).await?;
        let again = ctx.random();
        let three: String = ctx.activity("three", &two).await?;
        let took = ctx.now().since(began).as_secs();
        Ok::<_, Error>(((drawn, again), (one, two, three), took))
    })
}

type Told = ((u64, u64), (String, String, String), u64);

fn output(driver: &Driver) -> Told {
    serde_json::from_str(&driver.output()).unwrap()
}

fn told() -> Driver {
    let mut driver = Driver::begin(story(), "null");
    driver.outcome(1, 1, Ok("\"first\""));
    driver.outcome(2, 1, Ok("\"second\""));
    driver.pass(Duration::from_secs(60));
    driver.outcome(4, 1, Ok("\"third\""));
    assert_eq!(driver.status(), Status::Completed);
    driver
}

#[test]
fn the_steps_before_stand_and_the_others_are_decided_anew() {
    let source = told();
    let (dice, ..) = output(&source);
    for step in 1..=4 {
        let mut fork = source.fork(step);
        let value = &fork.invocation.value;
        let forked = value.forked.clone().unwrap();
        assert_eq!((forked.step, forked.of.as_str()), (step, "inv"));
        let kept = forked.entries as usize;
        assert_eq!(fork.entries()[..kept], source.entries()[..kept]);
        assert_eq!(value.kv["at"].bytes(), step.min(3).to_string().as_bytes());
        assert_eq!(value.search.contains_key("count"), step > 1);
        let told_again = fork.invocation.take_logs().len();
        assert_eq!(
            told_again,
            usize::from(kept == 0),
            "what is past is not told"
        );
        if step == 1 {
            fork.outcome(1, 1, Ok("\"first\""));
        }
        if step <= 2 {
            fork.outcome(2, 1, Ok("\"mended\""));
        }
        if step <= 3 {
            fork.pass(Duration::from_secs(60));
        }
        fork.outcome(4, 1, Ok("\"other\""));
        let (drawn, (one, two, three), took) = output(&fork);
        assert_eq!(drawn, dice, "the same numbers");
        let second = if step <= 2 { "mended" } else { "second" };
        assert_eq!(
            (one.as_str(), two.as_str(), three.as_str()),
            ("first", second, "other")
        );
        assert!(
            took >= 24 * 3600,
            "its clock goes on from that of the other: {took}"
        );
    }
}

#[test]
fn the_tasks_of_a_fork_are_its_own() {
    let fork = told().fork(2);
    let Effect::Task { task, topic } = &fork.invocation.effects()[0] else {
        panic!()
    };
    let key = task.idempotency_key();
    assert_eq!((topic.as_str(), key.as_str()), ("two", "fork/70.0/2"));
    assert_eq!(fork.invocation.value.turn.roots, [Root::Command(FORKED)]);
    assert_eq!(fork.turns.len(), 1, "one write");
}

#[test]
fn what_was_pending_at_the_step_is_begun_by_the_fork() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let long = ctx.sleep(Duration::from_secs(30 * 24 * 3600));
        let slow = ctx.activity::<u32>("slow", 1);
        let work = || async { Ok::<_, Error>(5) };
        let local = ctx.run("local", work);
        let next = async {
            let quick: u32 = ctx.activity("quick", 2).await?;
            let last: u32 = ctx.activity("last", 3).await?;
            Ok::<_, Error>(quick + last)
        };
        let rest = async { futures::join!(slow.into_future(), local.into_future(), next) };
        let (long, rest) = (std::pin::pin!(long), std::pin::pin!(rest));
        match futures::future::select(long, rest).await {
            futures::future::Either::Left(_) => Err(Error::msg("too long")),
            futures::future::Either::Right(((slow, local, next), _)) => Ok((slow?, local?, next?)),
        }
    });
    let mut source = Driver::begin(workflow, "null");
    source.outcome(4, 1, Ok("7"));
    assert_eq!(source.invocation.pending.len(), 4);
    let mut fork = source.fork(5);
    let effects = fork.invocation.value.turn.effects.iter().copied();
    let (tasks, others): (Vec<_>, Vec<_>) =
        effects.partition(|effect| matches!(effect, EffectTag::Task(..)));
    assert_eq!(tasks, [EffectTag::Task(2, 1), EffectTag::Task(5, 1)]);
    assert_eq!(others, [EffectTag::Schedule(1, 0)]);
    assert!(
        fork.invocation.is_anchor(&Root::Command(FORKED)),
        "the local step"
    );
    fork.run_locals();
    fork.outcome(2, 1, Ok("6"));
    fork.outcome(5, 1, Ok("1"));
    assert_eq!(fork.output(), "[6,5,8]");
}

#[test]
fn it_begins_before_a_child_that_had_not_ended() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let ended: u32 = ctx.child("child", 1).await?;
        let child = ctx.child::<u32>("child", 2).begin()?;
        let one: u32 = ctx.activity("one", 1).await?;
        let two: u32 = ctx.activity("two", 2).await?;
        Ok::<_, Error>(ended + child.await? + one + two)
    });
    let mut source = Driver::begin(workflow, "null");
    source.outcome(1, 1, Ok("100"));
    source.outcome(3, 1, Ok("1"));
    let fork = source.fork(4);
    let forked = fork.invocation.value.forked.as_ref().unwrap();
    assert_eq!(forked.step, 2, "behind the child that had ended");
    let what = fork.invocation.pending.get(&2).map(|pending| &pending.what);
    let Some(What::Child(child)) = what else {
        panic!("{what:?}")
    };
    assert_eq!(child.id.as_str(), "fork/70.0/2", "a child of its own");
    source.outcome(4, 1, Ok("2"));
    source.outcome(2, 1, Ok("10"));
    assert_eq!(source.output(), "113");
}

/// Who waits for a hook of the other is answered by the other.
#[test]
fn a_hook_that_ran_at_the_step_runs_in_the_fork_and_tells_nobody() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.on_hook("deposit", |ctx: Context, amount: u32| async move {
            let fee: u32 = ctx.activity("fee", amount).await?;
            ctx.search().incr("balance", f64::from(amount - fee))
        });
        ctx.activity::<()>("work", ()).await?;
        ctx.activity::<()>("more", ()).await?;
        ctx.search().get::<f64>("balance")
    });
    let mut source = Driver::begin(workflow, "null");
    let asker = Asker::Parent {
        invocation: InvocationId::new("parent").unwrap(),
        run: source.invocation.value.run,
        step: 1,
        queue: "others".into(),
        partition: Partition(3),
    };
    source.give(Command::Hook(headwater_wire::ask::Hook {
        id: "h".into(),
        name: "deposit".into(),
        input: Payload::from_json_text("10").unwrap(),
        asker: Some(asker),
    }));
    source.outcome(1, 1, Ok("null"));
    let mut fork = source.fork(3);
    // Nor after the next load.
    assert_eq!((source.load().hooks.len(), fork.load().hooks.len()), (1, 0));
    let is_own = |entry: &Entry| matches!(entry, Entry::Hook { asker: None, .. });
    assert!(fork.entries().iter().any(is_own));
    for driver in [&mut source, &mut fork] {
        driver.outcome(2, 1, Ok("3"));
        driver.outcome(3, 1, Ok("null"));
        assert_eq!(driver.output(), "7.0");
    }
    let tells = |driver: &Driver| {
        let turns = driver.turns.iter();
        turns
            .map(|turn| Value::decode(turn).unwrap().0.sends.len())
            .sum::<usize>()
    };
    assert_eq!((tells(&source), tells(&fork)), (1, 0));
}

#[test]
fn a_fork_of_a_fork_is_one_of_the_first_and_the_next_run_has_dice_of_its_own() {
    let fork = told().fork(4);
    let again = fork.fork(4);
    let own = |driver: &Driver| driver.invocation.value.forked.clone().unwrap();
    let (one, other) = (own(&fork), own(&again));
    assert_eq!(
        (one.epoch, one.began_at, one.seed),
        (other.epoch, other.began_at, other.seed)
    );
    assert_eq!((other.of.as_str(), other.entries), ("fork", one.entries));

    let workflow = async_workflow(|ctx: Context, first: Option<u64>| async move {
        let drawn = ctx.random();
        ctx.activity::<()>("work", ()).await?;
        match first {
            Some(first) => Ok::<_, Error>((first, drawn)),
            None => ctx.continue_as_new(Some(drawn)).await,
        }
    });
    let mut fork = Driver::begin(workflow, "null").fork(1);
    assert_eq!(fork.invocation.value.seed(), "inv/10.0");
    fork.outcome(1, 1, Ok("null"));
    assert_eq!(fork.invocation.value.seed(), "fork/70.1");
    fork.outcome(1, 1, Ok("null"));
    let (first, second): (u64, u64) = serde_json::from_str(&fork.output()).unwrap();
    assert_ne!(first, second);
}

#[test]
fn what_cannot_be_forked_is_told() {
    let source = told();
    let failure = source.try_fork(5).err().unwrap();
    assert!(failure.message.contains("has not decided"), "{failure}");
    let mut moved = fork_of(&source.invocation, 2);
    moved.run.continued += 1;
    let (value, entries) = (&source.invocation.value, source.entries());
    let birth = fork_birth(source.now);
    let failure = Invocation::fork(&start("null"), &moved, &birth, value, &entries);
    let failure = failure.err().unwrap();
    assert!(failure.message.contains("continued as new"), "{failure}");

    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        for n in 0..6 {
            let large = "x".repeat(limits::FORK_BYTES_MAX / 5);
            let work = || async { Ok::<_, Error>(large.clone()) };
            ctx.run(format!("step-{n}"), work).await?;
        }
        Ok::<_, Error>(())
    });
    let mut large = Driver::begin(workflow, "null");
    large.run_locals();
    assert!(large.try_fork(4).is_ok());
    let failure = large.try_fork(6).err().unwrap();
    assert_eq!(failure.code, Code::TOO_LARGE);
}

type Build = std::sync::Arc<dyn Workflow>;

/// Why a build cannot begin a fork of one that waits for `step`.
fn refused_before(step: u32, own: Build, other: &Build) -> Vec<(String, String)> {
    let mut source = Driver::begin(own, "null");
    while source.invocation.journal.steps < step {
        let open = source.invocation.pending.keys().next_back();
        let open = *open.unwrap();
        source.outcome(open, 1, Ok("null"));
    }
    let mut fork = source.try_fork(step).unwrap();
    let program = other.instantiate(fork.program_info());
    let begun = fork.attach(program, &[] as &[&[u8]], source.now);
    let difference = begun.map_or_else(|mismatch| mismatch.difference, |()| Vec::new());
    let told = difference.into_iter().map(|one| (one.journal, one.program));
    told.collect()
}

/// Regression: it waited for ever, since the outcomes of the steps behind went to others.
#[test]
fn a_build_that_maps_over_another_number_of_items_does_not_begin() {
    let mapped = |activity: &'static str, count: u32| -> Build {
        async_workflow(move |ctx: Context, (): ()| async move {
            let done = ctx.map::<()>(activity, 0..count).await;
            ctx.activity::<()>("more", done.len()).await
        })
    };
    let told = |count: u32| format!("map of activity \"do\" on topic \"do\" over {count} inputs");
    for count in [2, 4] {
        let refused = refused_before(4, mapped("do", 3), &mapped("do", count));
        assert_eq!(refused, [(told(3), told(count))]);
    }
    assert_eq!(refused_before(4, mapped("do", 3), &mapped("do", 3)), []);
    assert_eq!(
        refused_before(4, mapped("do", 3), &mapped("other", 3)).len(),
        1
    );
}

#[test]
fn a_build_that_drops_other_steps_or_starts_another_workflow_does_not_begin() {
    let dropped = |lost: usize| -> Build {
        async_workflow(move |ctx: Context, (): ()| async move {
            let call = |n: u32| Some(Box::pin(ctx.activity::<()>("slow", n).into_future()));
            let mut calls = [call(1), call(2)];
            for call in calls.iter_mut().flatten() {
                let _ = futures::poll!(call);
            }
            calls[lost] = None;
            ctx.activity::<()>("more", ()).await
        })
    };
    assert_eq!(refused_before(3, dropped(0), &dropped(0)), []);
    let [one, two] = [1, 2].map(|step| format!("drop of step {step}"));
    assert_eq!(refused_before(3, dropped(0), &dropped(1)), [(one, two)]);
    let started = |workflow: &'static str, detached: bool| -> Build {
        async_workflow(move |ctx: Context, (): ()| async move {
            if detached {
                ctx.child::<()>(workflow, ctx.id()).detach()?;
            } else {
                ctx.child::<()>(workflow, ctx.id()).await?;
            }
            ctx.activity::<()>("more", ()).await
        })
    };
    let own = started("child", false);
    assert_eq!(refused_before(2, own.clone(), &started("child", false)), []);
    for (workflow, detached) in [("other", false), ("child", true)] {
        let refused = refused_before(2, own.clone(), &started(workflow, detached));
        assert_eq!(refused.len(), 1, "{workflow} {detached}");
    }
}

#[test]
fn a_build_that_decides_otherwise_before_the_step_does_not_begin() {
    let source = told();
    let mut fork = source.try_fork(3).unwrap();
    let other = async_workflow(|ctx: Context, (): ()| async move {
        ctx.kv().set("at", 1)?;
        ctx.activity::<String>("another", ()).await
    });
    let program = other.instantiate(fork.program_info());
    let none = &[] as &[&[u8]];
    let mismatch = fork.attach(program, none, source.now).unwrap_err();
    assert_eq!(mismatch.difference[0].field, "name");
}

/// Regression: it was taken for one whose build decides otherwise.
#[test]
fn a_fork_that_could_not_be_made_never_ran() {
    let mut source = told();
    let fork = fork_of(&source.invocation, 9);
    let failure = source.try_fork(9).err().unwrap();
    let (birth, now) = (fork_birth(source.now), source.now);
    source.invocation = Invocation::not_forked(start("null"), &fork, birth, failure, now);
    (source.revision, source.pages) = (0, Vec::new());
    source.store();
    assert_eq!(source.status(), Status::Failed);
    let stored = source.turns.last().unwrap();
    let none = &[] as &[&[u8]];
    let checked = Invocation::check(stored, none, source.workflow.as_ref()).unwrap();
    assert_eq!((checked.entries, checked.ended), (0, true));
    let asked = Invocation::query(
        stored,
        none,
        source.workflow.as_ref(),
        "q",
        &Payload::null(),
    );
    assert_eq!(asked.unwrap_err().code, Code::UNANSWERED);

    // Nor did one that no engine has the workflow of.
    let mut fork = told().try_fork(3).unwrap();
    let failure = Failure::fatal(Code::UNREGISTERED, "for the test");
    fork.fail(failure, &[], now);
    let turn = fork.prepare(now, "e".into()).unwrap();
    let checked = Invocation::check(&turn.value, none, source.workflow.as_ref()).unwrap();
    assert!(checked.ended && checked.entries > 0);

    // One that has begun at the first step and failed there is compared.
    let fails = |message: &'static str| {
        async_workflow(move |ctx: Context, (): ()| async move {
            match ctx.id().as_str() {
                "inv" => ctx.activity::<()>("work", ()).await,
                _ => Err(Error::fatal(message)),
            }
        })
    };
    let fork = Driver::begin(fails("one"), "null").fork(1);
    assert_eq!((fork.status(), fork.entries().len()), (Status::Failed, 0));
    let check = |build: Build| Invocation::check(&fork.turns[0], none, build.as_ref());
    assert!(check(fails("one")).is_ok() && check(fails("other")).is_err());
}
