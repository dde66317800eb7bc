//! Further functions of a workflow, run beside its main one.

use headwater_wire::{
    ask::Hook,
    lifecycle::Pause,
    send::{Sent, SentCommand},
};

use super::*;

/// Counts what it is given until it is told to close; the hook works by an activity.
fn account() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        ctx.on_hook("deposit", |ctx: Context, amount: f64| async move {
            let fee: f64 = ctx.activity("fee", amount).await?;
            ctx.search().incr("balance", amount - fee)
        });
        ctx.on_hook("fail", |_: Context, (): ()| async move {
            Err::<(), _>(Error::msg("it does not"))
        });
        ctx.signal::<()>("close").await?;
        ctx.search().get::<f64>("balance")
    })
}

fn asker(step: u32) -> Asker {
    Asker::Parent {
        invocation: InvocationId::new("parent").unwrap(),
        run: headwater_wire::Run {
            start: 5,
            continued: 0,
        },
        step,
        queue: "others".into(),
        partition: Partition(3),
    }
}

fn hook(id: &str, name: &str, input: &str, asker: Option<Asker>) -> Command {
    Command::Hook(Hook {
        id: id.into(),
        name: name.into(),
        input: Payload::from_json_text(input).unwrap(),
        asker,
    })
}

/// The outcomes that the last turn sends: the step, and the value or the code.
fn answers(driver: &Driver) -> Vec<(u32, String)> {
    let sends = driver.invocation.value.sends.iter();
    let outcome = |sent: &Sent| match sent {
        Sent::Command {
            command: SentCommand::Outcome(outcome),
            to,
        } => {
            assert_eq!(to.queue.as_deref(), Some("others"));
            Some(match &outcome.result {
                Ok(value) => (
                    outcome.step,
                    String::from_utf8_lossy(value.bytes()).into_owned(),
                ),
                Err(failure) => (outcome.step, failure.code.to_string()),
            })
        }
        _ => None,
    };
    sends.filter_map(outcome).collect()
}

#[test]
fn a_hook_sets_search_data_that_the_main_function_sees() {
    let mut driver = Driver::begin(account(), "null");
    driver.give(hook("h1", "deposit", "10", None));
    driver.give(hook("h2", "deposit", "5", Some(asker(1))));
    let twice = hook("h1", "deposit", "10", None);
    let again = driver.invocation.place(&twice, 99, driver.now);
    assert_eq!(again, Placement::Taken);
    // The second is the first to get its outcome.
    driver.outcome(3, 1, Ok("0.5"));
    assert_eq!(answers(&driver), [(1, "4.5".to_owned())]);
    driver.outcome(2, 1, Ok("1"));
    assert_eq!(
        driver.invocation.value.search["balance"],
        Payload::from_json_text("13.5").unwrap()
    );
    driver.signal("s", "close", "null");
    assert_eq!(driver.output(), "13.5");
}

#[test]
fn a_hook_that_fails_or_is_not_there_says_so_to_who_asked() {
    let mut driver = Driver::begin(account(), "null");
    driver.give(hook("h1", "fail", "null", Some(asker(1))));
    assert_eq!(answers(&driver), [(1, "failed".to_owned())]);
    driver.give(hook("h2", "withdraw", "1", Some(asker(2))));
    assert_eq!(answers(&driver), [(2, "unregistered".to_owned())]);
    driver.give(hook("h3", "deposit", "\"ten\"", Some(asker(3))));
    assert_eq!(answers(&driver), [(3, "decode".to_owned())]);
    assert_eq!(driver.status(), Status::Waiting);
}

#[test]
fn hooks_end_with_the_workflow_and_those_who_wait_are_told() {
    let mut driver = Driver::begin(account(), "null");
    driver.give(hook("h1", "deposit", "10", Some(asker(1))));
    driver.give(hook("h2", "deposit", "10", None));
    driver.signal("s", "close", "null");
    assert_eq!(driver.status(), Status::Completed);
    assert_eq!(answers(&driver), [(1, "unanswered".to_owned())]);

    let late = hook("h3", "deposit", "10", Some(asker(4)));
    let Placement::Tell(tell) = driver.invocation.place(&late, 99, driver.now) else {
        panic!("nobody is told");
    };
    let Effect::Command { to, command } = &tell[0] else {
        panic!("{tell:?}");
    };
    assert_eq!((to.queue.as_str(), to.partition), ("others", Partition(3)));
    assert!(matches!(&**command, Command::Outcome(o) if o.step == 4 && o.result.is_err()));
    let unasked = hook("h4", "deposit", "10", None);
    assert!(matches!(
        driver.invocation.place(&unasked, 99, driver.now),
        Placement::Drop(_)
    ));
}

#[test]
fn a_hook_of_a_paused_workflow_runs_when_it_is_resumed() {
    let mut driver = Driver::begin(account(), "null");
    driver.give(Command::Pause(Pause {
        id: "p".into(),
        reason: "lunch".into(),
    }));
    driver.give(hook("h1", "deposit", "10", Some(asker(1))));
    let twice = hook("h1", "deposit", "10", None);
    let again = driver.invocation.place(&twice, 99, driver.now);
    assert_eq!(again, Placement::Taken);
    assert!(!driver.entries().iter().any(|e| e.kind() == "hook"));
    driver.invocation = driver.reload();
    driver.give(Command::Resume { id: "r".into() });
    driver.outcome(2, 1, Ok("1"));
    assert_eq!(answers(&driver), [(1, "9.0".to_owned())]);
}

#[test]
fn a_workflow_calls_a_hook_of_another_and_waits_for_its_result() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let account = ctx.other("account-1");
        account.hook("deposit", 1)?;
        let calls = [1, 2].map(|amount| account.call_hook::<f64>("deposit", amount).into_future());
        let results = ctx.all(calls).await;
        let told = results.into_iter().map(|result| match result {
            Ok(balance) => balance.to_string(),
            Err(error) => error.code().to_string(),
        });
        Ok::<_, Error>(told.collect::<Vec<_>>())
    });
    let mut driver = Driver::begin(workflow, "null");
    let sends = driver.invocation.value.sends.iter();
    let awaited: Vec<_> = sends
        .map(|sent| match sent {
            Sent::Command {
                command: SentCommand::Hook(hook),
                ..
            } => (hook.id.as_str(), hook.asker.is_some()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        awaited,
        [
            ("inv/10.0/1", false),
            ("inv/10.0/2", true),
            ("inv/10.0/3", true)
        ]
    );
    assert!(driver.invocation.value.why.contains("hook \"deposit\""));
    driver.outcome(3, 1, Ok("2.5"));
    let failed = Failure::fatal(Code::UNANSWERED, "gone");
    driver.outcome(2, 1, Err(failed));
    assert_eq!(driver.output(), r#"["unanswered","2.5"]"#);
}

#[test]
fn a_hook_goes_with_its_run() {
    let workflow = async_workflow(|ctx: Context, run: u32| async move {
        ctx.on_hook("work", |ctx: Context, (): ()| async move {
            ctx.activity::<()>("work", ()).await
        });
        ctx.signal::<()>("next").await?;
        ctx.continue_as_new::<Result<(), Error>>(run + 1).await
    });
    let mut driver = Driver::begin(workflow, "0");
    driver.give(hook("h1", "work", "null", Some(asker(1))));
    driver.signal("s", "next", "null");
    assert_eq!(driver.invocation.value.run.continued, 1);
    assert_eq!(answers(&driver), [(1, "unanswered".to_owned())]);
    driver.give(hook("h2", "work", "null", Some(asker(2))));
    driver.outcome(2, 1, Ok("null"));
    assert_eq!(answers(&driver), [(2, "null".to_owned())]);
}

#[test]
fn who_waits_for_a_hook_of_the_one_before_is_told() {
    let mut driver = Driver::begin(account(), "null");
    driver.invocation.value.replaced = Some(headwater_wire::Run {
        start: START - 5,
        continued: 0,
    });
    let early = |asker| {
        let hook = hook("h", "deposit", "1", asker);
        driver.invocation.place(&hook, START - 1, driver.now)
    };
    assert!(matches!(early(Some(asker(1))), Placement::Tell(told) if told.len() == 1));
    assert!(matches!(early(None), Placement::Drop(_)));
}

#[test]
fn a_hook_waits_while_very_many_are_open() {
    let mut driver = Driver::begin(account(), "null");
    for n in 0..limits::HOOKS_AWAITED_MAX {
        let id = format!("h{n}");
        driver.invocation.hooks.insert(id, asker(1));
    }
    let one_more = hook("one more", "deposit", "1", Some(asker(2)));
    let placed = driver.invocation.place(&one_more, 99, driver.now);
    assert_eq!(placed, Placement::Wait);
}

#[test]
fn an_invocation_that_remembers_too_many_signals_forgets_them_in_time() {
    let mut driver = Driver::begin(account(), "null");
    let taken = (0..2 * limits::SIGNALS_TAKEN_MAX).map(|n| TakenSignal {
        id: format!("s{n}"),
        seq: 1_000 + n as u64,
        t: 0,
    });
    driver.invocation.value.signals.taken = taken.collect();
    let signal = Command::Signal(Signal::new("new", "other", Payload::null()));
    let place = |driver: &Driver| driver.invocation.place(&signal, 99, driver.now);
    driver.invocation.tidy(driver.now);
    assert_eq!(place(&driver), Placement::Wait);
    driver.now = driver.now.after(2 * limits::SIGNALS_TAKEN_KEPT);
    driver.invocation.tidy(driver.now);
    assert_eq!(place(&driver), Placement::Take);
}

#[test]
fn an_id_of_a_sender_has_an_end() {
    let driver = Driver::begin(account(), "null");
    let placed = |length| {
        let id = "x".repeat(length);
        let signal = Signal::new(&id, "close", Payload::null());
        [Command::Signal(signal), hook(&id, "fail", "null", None)]
            .map(|command| driver.invocation.place(&command, 99, driver.now))
    };
    let longest = headwater_wire::limits::SENDER_ID_BYTES_MAX;
    assert_eq!(placed(longest), [Placement::Take, Placement::Take]);
    for refused in placed(longest + 1) {
        assert!(matches!(refused, Placement::Foreign(_)), "{refused:?}");
    }
}
