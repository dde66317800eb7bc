//! What a workflow sends to others.

use headwater_wire::{
    send::{Recipient, Sent, SentCommand},
    value::Status,
};

use super::*;

fn send_and_wait() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        ctx.other("b").signal("go", 7)?;
        ctx.other("c").queue("q").cancel("enough")?;
        ctx.emit("told", "news")?;
        let n: u32 = ctx.activity("double", 1).await?;
        ctx.other("d").terminate_with("late", "too_late")?;
        Ok::<_, Error>(n)
    })
}

fn sent(invocation: &Invocation) -> Vec<Sent> {
    let effects = invocation.effects().into_iter();
    let sent = effects.filter_map(|effect| match effect {
        Effect::Send(sent) => Some(*sent),
        _ => None,
    });
    sent.collect()
}

fn to(id: &str, queue: &str) -> Recipient {
    Recipient {
        key: InvocationId::new(id).unwrap().key(),
        queue: Some(queue.into()),
        partition: None,
    }
}

#[test]
fn what_is_sent_stands_in_the_value_until_the_next_turn() {
    let mut driver = Driver::begin(send_and_wait(), "null");
    let signal = Signal::new("inv/10.0/1", "go", Payload::encode(&7).unwrap());
    let cancel = Cancel {
        id: "inv/10.0/2".into(),
        reason: "enough".into(),
    };
    let all = [
        Sent::Command {
            to: to("b", "default"),
            command: SentCommand::Signal(signal),
        },
        Sent::Command {
            to: to("c", "q"),
            command: SentCommand::Cancel(cancel),
        },
        Sent::Event {
            topic: "told".into(),
            data: Payload::encode("news").unwrap(),
        },
    ];
    assert_eq!(driver.invocation.value.sends, all);
    assert_eq!(sent(&driver.invocation), all);
    // Without the program, by another engine: the same once more.
    assert_eq!(sent(&driver.load()), all);
    assert_eq!(
        driver.invocation.value.turn.effects,
        [
            EffectTag::Task(4, 1),
            EffectTag::Send(0),
            EffectTag::Send(1),
            EffectTag::Send(2)
        ]
    );

    driver.outcome(4, 1, Ok("2"));
    let [
        Sent::Command {
            command: SentCommand::Terminate(terminate),
            ..
        },
    ] = &sent(&driver.load())[..]
    else {
        panic!("{:?}", driver.invocation.value.sends)
    };
    assert_eq!(terminate.id, "inv/10.0/5");
    assert_eq!(terminate.code, Some(Code::new("too_late")));
    assert_eq!(driver.status(), Status::Completed);
}

#[test]
fn what_cannot_be_sent_is_an_error_and_nothing_is_decided() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let mut errors = vec![
            ctx.other("").cancel("no id"),
            ctx.other("b").signal("", 1),
            ctx.other("b").queue("").cancel("no queue"),
            ctx.emit("", 1),
        ];
        errors.push(ctx.other("b").signal("large", "x".repeat(2_000_000)));
        let codes: Vec<String> = errors
            .into_iter()
            .map(|sent| sent.unwrap_err().code().to_string())
            .collect();
        Ok::<_, Error>(codes)
    });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(
        driver.output(),
        r#"["decode","decode","decode","decode","too_large"]"#
    );
    assert!(driver.entries().is_empty());
    assert!(driver.invocation.value.sends.is_empty());
}

#[test]
fn many_messages_are_split_into_turns_and_each_is_sent_once() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        for n in 0..3_000 {
            ctx.other(format!("b{n}")).signal("go", n)?;
        }
        ctx.signal::<u32>("end").await
    });
    let driver = Driver::begin(workflow, "null");
    let mut all = Vec::new();
    for (index, turn) in driver.turns.iter().enumerate() {
        let (value, _) = Value::decode(turn).unwrap();
        assert_eq!(
            value.turn.partial,
            index + 1 < driver.turns.len(),
            "turn {index}"
        );
        all.extend(value.sends);
    }
    assert_eq!(all.len(), 3_000);
    assert!(driver.turns.len() > 1);
}

#[test]
fn a_build_that_sends_otherwise_is_found_out() {
    let driver = Driver::begin(send_and_wait(), "null");
    let other = async_workflow(|ctx: Context, (): ()| async move {
        ctx.other("b").signal("go", 8)?;
        ctx.activity::<u32>("double", 1).await
    });
    let mut loaded = driver.load();
    let program = other.instantiate(loaded.program_info());
    let mismatch = loaded
        .attach(program, driver.run_pages(), driver.now)
        .unwrap_err();
    assert_eq!(mismatch.reason.code, Code::NONDETERMINISM);
    assert_eq!(mismatch.difference[0].step, 1);
}

/// What a program sends must not keep out what has to be let go of.
#[test]
fn large_messages_of_the_last_turn_do_not_keep_children_open() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let _child = ctx.child::<()>("other", ()).begin()?;
        ctx.activity::<()>("work", ()).await?;
        for _ in 0..3 {
            ctx.emit("large", "x".repeat(100_000))?;
        }
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(2, 1, Ok("null"));
    assert_eq!(driver.status(), Status::Completed);
    let all: Vec<String> = driver
        .turns
        .iter()
        .map(|turn| String::from_utf8_lossy(turn).into_owned())
        .collect();
    assert!(
        all.iter().any(|turn| turn.contains("\"cancel\"")),
        "the child is cancelled"
    );
}
