//! Children, from the side of the parent and from their own.

use headwater_wire::{
    command::Ticket,
    id::child_id,
    journal::ParentClose,
    send::{Sent, SentCommand},
};

use super::*;

/// What a parent's last turn sends.
fn sent(invocation: &Invocation) -> Vec<SentCommand> {
    let sends = invocation.value.sends.iter();
    let commands = sends.filter_map(|sent| match sent {
        Sent::Command { command, .. } => Some(command.clone()),
        _ => None,
    });
    commands.collect()
}

fn start_of(command: &SentCommand) -> Start {
    match command {
        SentCommand::Start(start) | SentCommand::Submit { start, .. } => (**start).clone(),
        other => panic!("not a start: {other:?}"),
    }
}

fn cancel(driver: &mut Driver) {
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "no longer needed".into(),
    }));
}

/// A child of step 1 of `inv`, with a workflow that waits for an activity.
fn child() -> Driver {
    let workflow =
        async_workflow(
            |ctx: Context, n: u32| async move { ctx.activity::<u32>("double", n).await },
        );
    let asker = Asker::Parent {
        invocation: InvocationId::new("parent").unwrap(),
        run: Run {
            start: 3,
            continued: 0,
        },
        step: 7,
        queue: "parents".into(),
        partition: Partition(4),
    };
    let start = Start::new("test", Payload::encode(&5).unwrap(), asker);
    Driver::begin_with(workflow, start)
}

#[test]
fn a_child_is_started_and_its_output_is_awaited() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let ten: u32 = ctx.child("double", 5).await?;
        let call = ctx.child::<u32>("double", ten).id("mine").queue("q");
        let call = call.version("2.0.0").begin()?;
        assert_eq!(call.id().as_str(), "mine");
        call.signal("go", 1)?;
        call.await
    });
    let mut driver = Driver::begin(workflow, "null");
    let run = driver.invocation.value.run;
    let id = child_id(&driver.invocation.value.id, run, 1);
    assert_eq!(driver.status(), Status::Waiting);
    assert_eq!(
        driver.invocation.value.why,
        format!("waits for child {id} (step 1)")
    );
    let start = start_of(&sent(&driver.invocation)[0]);
    assert_eq!((start.workflow.as_str(), start.new_id), ("double", false));
    let address = start.asker.address().unwrap();
    assert_eq!(address, driver.invocation.address());
    let outcome = Command::Outcome(Outcome {
        run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    });
    let effects = driver.invocation.effects();
    assert!(driver.invocation.proves(&outcome, &effects[0]));

    driver.outcome(1, 1, Ok("10"));
    let sends = &driver.invocation.value.sends;
    for sent in sends {
        let Sent::Command { to, .. } = sent else {
            panic!("{sent:?}")
        };
        assert_eq!(to.key, InvocationId::new("mine").unwrap().key());
        assert_eq!(to.queue.as_deref(), Some("q"));
    }
    let start = start_of(&sent(&driver.invocation)[0]);
    assert_eq!(start.version.as_deref(), Some("2.0.0"));
    driver.outcome(2, 1, Ok("20"));
    assert_eq!(driver.output(), "20");
    assert_eq!(
        driver.invocation.place(&outcome, 99, driver.now),
        Placement::Taken,
        "an outcome that comes again"
    );
}

#[test]
fn a_child_that_fails_can_be_caught_and_is_not_tried_again() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let error = ctx.child::<u32>("double", 5).await.unwrap_err();
        Ok::<_, Error>(format!("{}: {error}", error.code()))
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(1, 1, Err(Failure::new(Code::new("odd"), "not mine")));
    assert_eq!(driver.output(), "\"odd: not mine\"");
}

#[test]
fn what_cannot_be_a_child_is_an_error_and_nothing_is_decided() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let child = || ctx.child::<u32>("double", 1);
        let short = headwater_wire::command::Retention::Seconds(5);
        let refused = [
            child().id("").await.unwrap_err(),
            child().queue("").begin().err().unwrap(),
            child().key("").detach().unwrap_err(),
            child().retention(short).await.unwrap_err(),
            ctx.child::<u32>("", 1).await.unwrap_err(),
        ];
        Ok::<_, Error>(refused.iter().all(|error| *error.code() == Code::DECODE))
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(driver.output(), "true");
    assert!(driver.entries().is_empty());
}

#[test]
fn a_detached_child_has_an_id_at_once_and_no_outcome() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let one = ctx.child::<()>("audit", 1).detach()?;
        let two = ctx.child::<()>("audit", 2).id("two").key("k").detach()?;
        Ok::<_, Error>(vec![one.to_string(), two.to_string()])
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(driver.status(), Status::Completed);
    assert_eq!(driver.output(), r#"["inv/10.0/1","two"]"#);
    let sends = sent(&driver.load());
    assert_eq!(start_of(&sends[0]).input, Payload::encode(&1).unwrap());
    let SentCommand::Submit { invocation, .. } = &sends[1] else {
        panic!("{sends:?}")
    };
    assert_eq!(invocation.as_str(), "two");
    let Sent::Command { to, .. } = &driver.invocation.value.sends[1] else {
        panic!()
    };
    assert_eq!(
        to.key,
        headwater_wire::Key::of_key_queue("default", "k").unwrap()
    );
}

/// Three children: one for each policy.
fn three(ctx: &Context) -> Result<Vec<crate::workflow::Child<u32>>, Error> {
    [
        ParentClose::Cancel,
        ParentClose::Terminate,
        ParentClose::Abandon,
    ]
    .into_iter()
    .map(|policy| ctx.child::<u32>("double", 5).on_close(policy).begin())
    .collect()
}

/// What became of the three: kind and reason.
fn closed(driver: &Driver) -> Vec<(&'static str, String)> {
    let closed = sent(&driver.load()).into_iter();
    let closed = closed.map(|command| match command {
        SentCommand::Cancel(cancel) => {
            assert_eq!(cancel.id, "inv/10.0/1/close");
            ("cancel", cancel.reason)
        }
        SentCommand::Terminate(terminate) => ("terminate", terminate.reason),
        other => panic!("{other:?}"),
    });
    closed.collect()
}

#[test]
fn children_that_nobody_waits_for_any_more_are_closed_by_their_policy() {
    let signalled = async_workflow(|ctx: Context, (): ()| async move {
        let children = three(&ctx)?;
        let _: u32 = ctx.signal("go").await?;
        drop(children);
        ctx.signal::<u32>("end").await
    });
    let mut driver = Driver::begin(signalled, "null");
    driver.signal("s", "go", "1");
    let reason = "its parent inv no longer waits for it".to_owned();
    let both = [("cancel", reason.clone()), ("terminate", reason)];
    assert_eq!(closed(&driver), both);

    let make = || {
        async_workflow(|ctx: Context, n: u32| async move {
            let children = three(&ctx)?;
            let go: u32 = ctx.signal("go").await?;
            if go == 1 {
                return ctx.continue_as_new(n + 1).await;
            }
            drop(children);
            Ok::<_, Error>(())
        })
    };
    let mut cancelled = Driver::begin(make(), "0");
    cancel(&mut cancelled);
    let reason = "parent canceled".to_owned();
    let both = [("cancel", reason.clone()), ("terminate", reason)];
    assert_eq!(closed(&cancelled), both);

    let mut ended = Driver::begin(make(), "0");
    ended.signal("s", "go", "2");
    assert_eq!(ended.status(), Status::Completed);
    assert_eq!(closed(&ended).len(), 2);

    let mut continued = Driver::begin(make(), "0");
    continued.signal("s", "go", "1");
    let kinds: Vec<_> = sent(&continued.load())
        .iter()
        .map(|command| match command {
            SentCommand::Cancel(cancel) => cancel.reason.clone(),
            SentCommand::Terminate(terminate) => terminate.reason.clone(),
            start => start_of(start).workflow,
        })
        .collect();
    let reason = "its parent inv goes on as new";
    assert_eq!(kinds, [reason, reason, "double", "double", "double"]);
}

#[test]
fn a_child_that_is_dropped_in_the_turn_that_decides_it_is_not_started_unless_abandoned() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        drop(three(&ctx)?);
        ctx.signal::<u32>("end").await
    });
    let driver = Driver::begin(workflow, "null");
    let sends = sent(&driver.invocation);
    assert_eq!(sends.len(), 1, "{sends:?}");
    let Asker::Parent { step, .. } = start_of(&sends[0]).asker else {
        panic!()
    };
    assert_eq!(step, 3);
}

#[test]
fn more_children_than_can_be_closed_at_once_do_not_keep_the_parent_from_ending() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let calls = (0..4_000).map(|n| ctx.child::<u32>("double", n));
        let children: Vec<_> = calls.map(|call| call.begin()).collect::<Result<_, _>>()?;
        let _: u32 = ctx.signal("go").await?;
        drop(children);
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    cancel(&mut driver);
    assert_eq!(driver.status(), Status::Cancelled);
    let closed = driver.invocation.value.sends.len();
    assert!((1_000..4_000).contains(&closed), "{closed}");
    let left = driver.invocation.take_logs();
    assert_eq!(left.len(), 4_000 - closed);
    assert!(driver.turns.last().unwrap().len() < limits::VALUE_BYTES_MAX);
}

#[test]
fn a_child_tells_its_parent_how_it_ended_and_again_if_asked_again() {
    let mut driver = child();
    let start = Command::Start(Start {
        asker: driver.invocation.value.asker.clone(),
        ..start("5")
    });
    assert_eq!(
        driver.invocation.place(&start, START, driver.now),
        Placement::Taken
    );
    driver.outcome(1, 1, Ok("10"));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::TellParent]
    );
    let told = driver.load().effects();
    let [Effect::Command { to, command }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((to.queue.as_str(), to.partition), ("parents", Partition(4)));
    assert_eq!(to.key.as_str(), "parent");
    let Command::Outcome(outcome) = &**command else {
        panic!("{command:?}")
    };
    assert_eq!(
        (outcome.run.start, outcome.step, outcome.attempt),
        (3, 7, 1)
    );
    assert_eq!(outcome.result, Ok(Payload::encode(&10).unwrap()));
    // The parent's start comes again, when what it rested on is long over.
    assert_eq!(
        driver.invocation.place(&start, 77, driver.now),
        Placement::Tell(told.clone())
    );
    let last = driver.seq;
    assert_eq!(
        driver.invocation.place(&start, last, driver.now),
        Placement::Taken,
        "a root of the last turn, which settles it"
    );
}

#[test]
fn a_child_that_fails_says_so_for_good_and_names_itself() {
    let mut driver = child();
    driver.outcome(1, 1, Err(Failure::fatal(Code::new("odd"), "not even")));
    let told = driver.invocation.effects();
    let [Effect::Command { command, .. }] = &told[..] else {
        panic!("{told:?}")
    };
    let Command::Outcome(Outcome {
        result: Err(error), ..
    }) = &**command
    else {
        panic!("{command:?}")
    };
    assert!(error.is_final);
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("odd", "not even")
    );
    let details = error.details.as_ref().unwrap();
    assert_eq!(details.bytes(), br#"{"child":"inv"}"#);
}

#[test]
fn a_parent_whose_id_for_a_child_is_taken_is_told() {
    let driver = child();
    let mut other = start("5");
    other.ticket = Some(Ticket {
        key: "k".into(),
        number: 9,
    });
    other.asker = Asker::Parent {
        invocation: InvocationId::new("somebody").unwrap(),
        run: Run::default(),
        step: 2,
        queue: "default".into(),
        partition: Partition(1),
    };
    let Placement::Tell(tell) = driver
        .invocation
        .place(&Command::Start(other), 78, driver.now)
    else {
        panic!()
    };
    let [Effect::Command { .. }, Effect::Command { to, command }] = &tell[..] else {
        panic!("{tell:?}")
    };
    assert_eq!(to.key.as_str(), "somebody");
    let Command::Outcome(outcome) = &**command else {
        panic!()
    };
    assert_eq!(outcome.result.as_ref().unwrap_err().code, Code::EXISTS);
}
