//! Updates are answered once, by the workflow or for it; queries are answered from what is stored.

use std::sync::{Arc, Mutex};

use headwater_wire::{Value, ask::Answer, command::Channel, send::Sent};

use super::*;

fn update(id: &str, json: &str) -> Signal {
    let data = Payload::from_json_text(json).unwrap();
    Signal {
        channel: Channel::Update,
        reply_to: Some("inbox".into()),
        ..Signal::new(id, "x", data)
    }
}

fn json(text: &str) -> Payload {
    Payload::from_json_text(text).unwrap()
}

impl Driver {
    fn ask(&mut self, id: &str, json: &str) {
        self.give(Command::Signal(update(id, json)));
    }

    /// The answers that the last turn hints at, with the id of each.
    fn hinted(&self) -> Vec<(String, Result<Payload, Code>)> {
        let effects = self.invocation.effects();
        effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Send(sent) => match *sent {
                    Sent::Answer { inbox, answer } => Some((inbox, answer)),
                    _ => None,
                },
                _ => None,
            })
            .map(|(inbox, Answer { id, result })| {
                assert_eq!(inbox, "inbox");
                (id, result.map_err(|failure| failure.code))
            })
            .collect()
    }

    /// What the stored value says was answered.
    fn answers(&self) -> Vec<(String, Result<Payload, Code>)> {
        let (value, _) = Value::decode(self.turns.last().unwrap()).unwrap();
        let answers = value.answers.into_iter();
        let code = |result: Result<Payload, Failure>| result.map_err(|failure| failure.code);
        answers
            .map(|answer| (answer.id, code(answer.result)))
            .collect()
    }

    fn query(&self, name: &str, input: &str) -> Result<Payload, Failure> {
        let bytes = self.turns.last().unwrap();
        let workflow = self.workflow.as_ref();
        Invocation::query(bytes, self.run_pages(), workflow, name, &json(input))
    }
}

/// A till: each update adds to it and answers the sum; below zero it refuses. Ends at 100.
fn till() -> Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        let sum = Arc::new(Mutex::new(0_i64));
        let seen = Arc::clone(&sum);
        ctx.on_query("sum", move |factor: i64| match factor {
            0 => Err(Error::fatal("zero is no factor")),
            factor => Ok(*seen.lock().unwrap() * factor),
        });
        while *sum.lock().unwrap() < 100 {
            let update = ctx.update::<i64>("x").await?;
            let next = *sum.lock().unwrap() + update.request;
            if next < 0 {
                update.refuse(Error::fatal("below zero").with_code("overdrawn"));
                continue;
            }
            ctx.activity::<()>("book", next).await?;
            *sum.lock().unwrap() = next;
            update.answer(next)?;
        }
        Ok::<_, Error>("full")
    })
}

#[test]
fn an_update_is_taken_once_and_answers_its_sender() {
    let mut driver = Driver::begin(till(), "null");
    assert_eq!(
        driver.invocation.value.why,
        "waits for update \"x\" (step 1)"
    );
    driver.ask("a", "5");
    driver.reloaded();
    let open = |driver: &Driver| driver.invocation.value.updates.len();
    assert_eq!((open(&driver), driver.hinted()), (1, vec![]));
    driver.outcome(2, 1, Ok("null"));
    let five = vec![("a".to_owned(), Ok(json("5")))];
    assert_eq!((open(&driver), driver.hinted()), (0, five.clone()));
    driver.reloaded();
    assert_eq!(driver.hinted(), five, "again, until it is settled");
    let again = Command::Signal(update("a", "5"));
    let placed = driver.invocation.place(&again, 900, driver.now);
    assert_eq!(placed, Placement::Taken);
    driver.ask("b", "-6");
    let refused = Err(Code::new("overdrawn"));
    assert_eq!(driver.hinted(), [("b".to_owned(), refused.clone())]);
    driver.reloaded();
    let both = [five[0].clone(), ("b".to_owned(), refused)];
    assert_eq!(driver.answers(), both);
}

#[test]
fn a_request_of_another_type_is_refused_and_the_workflow_does_not_see_it() {
    let mut driver = Driver::begin(till(), "null");
    driver.ask("a", "\"five\"");
    assert_eq!(driver.hinted(), [("a".to_owned(), Err(Code::DECODE))]);
    driver.reloaded();
    assert_eq!(
        driver.invocation.value.why,
        "waits for update \"x\" (step 2)"
    );
}

#[test]
fn whoever_comes_to_no_answer_is_told_so() {
    let workflow = async_workflow(|ctx: Context, run: u32| async move {
        let first = ctx.update::<u32>("x").await?;
        let second = ctx.update::<u32>("x").await?;
        if run == 0 {
            drop(first);
            return ctx.continue_as_new(1).await;
        }
        ctx.signal::<()>("end").await?;
        std::mem::forget(second);
        first.answer("x".repeat(100_000))
    });
    let mut driver = Driver::begin(workflow, "0");
    for id in ["a", "b"] {
        driver.ask(id, "1");
    }
    assert_eq!(driver.invocation.value.run.continued, 1);
    let none = |id: &str| (id.to_owned(), Err(Code::UNANSWERED));
    assert_eq!(driver.hinted(), [none("a"), none("b")]);
    driver.reloaded();
    for id in ["c", "d", "e"] {
        driver.ask(id, "1");
        driver.reloaded();
    }
    driver.give(Command::Signal(Signal::new("s", "end", Payload::null())));
    let too_large = ("c".to_owned(), Err(Code::TOO_LARGE));
    assert_eq!(driver.invocation.value.status, Status::Failed);
    assert_eq!(driver.hinted(), [too_large, none("d"), none("e")]);
    let late = Command::Signal(update("f", "1"));
    let Placement::Tell(told) = driver.invocation.place(&late, 900, driver.now) else {
        panic!("it is told");
    };
    assert_eq!(told.len(), 1);
}

#[test]
fn an_update_that_does_not_come_times_out() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let update = ctx.update::<u32>("x").timeout("1 hour").await;
        Ok::<_, Error>(update.is_err_and(|error| error.is_timeout()))
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.pass(Duration::from_secs(3600));
    assert_eq!(driver.output(), "true");
}

#[test]
fn answers_are_kept_for_a_while() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        for _ in 0..1000 {
            let update = ctx.update::<usize>("x").await?;
            let answer = "x".repeat(update.request);
            update.answer(answer)?;
        }
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    for n in 0..105 {
        driver.ask(&format!("u{n}"), "1");
    }
    let kept = driver.answers();
    assert_eq!((kept.len(), kept[0].0.as_str()), (100, "u5"));
    for id in ["large", "larger"] {
        driver.ask(id, "50000");
    }
    let kept: Vec<String> = driver.answers().into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept, ["larger"], "never more than a value has room for");
}

#[test]
fn a_query_sees_what_the_workflow_has_and_changes_nothing() {
    let mut driver = Driver::begin(till(), "null");
    assert_eq!(driver.query("sum", "1"), Ok(json("0")));
    driver.ask("a", "40");
    assert_eq!(driver.query("sum", "1"), Ok(json("0")), "not booked yet");
    driver.outcome(2, 1, Ok("null"));
    let turns = driver.turns.len();
    assert_eq!(driver.query("sum", "2"), Ok(json("80")));
    let code = |name: &str, input: &str| driver.query(name, input).unwrap_err().code;
    assert_eq!(code("sum", "0"), Code::FATAL);
    assert_eq!(code("sum", "\"two\""), Code::DECODE);
    assert_eq!(code("total", "1"), Code::NOT_FOUND);
    assert_eq!(driver.turns.len(), turns);
    driver.ask("b", "60");
    driver.outcome(4, 1, Ok("null"));
    assert_eq!(driver.output(), "\"full\"");
    assert_eq!(driver.query("sum", "1"), Ok(json("100")), "after its end");
}

#[test]
fn one_that_is_parked_or_has_not_begun_answers_nothing() {
    let paused = Start {
        paused: true,
        ..start("null")
    };
    let mut invocation = Invocation::create(paused, birth());
    let turn = invocation.prepare(birth().at, "t".into()).unwrap();
    let ask = |bytes: &[u8]| {
        let answer = Invocation::query(bytes, &[] as &[&[u8]], till().as_ref(), "sum", &json("1"));
        answer.unwrap_err()
    };
    assert!(ask(&turn.value).message.contains("has not begun"));
    let mut driver = Driver::begin(till(), "null");
    let mut parked = driver.load();
    parked.park_unfinished(Failure::fatal(Code::POISON, "it spins"), driver.now);
    let turn = parked.prepare(driver.now, "p".into()).unwrap();
    assert_eq!(ask(&turn.value).code, Code::UNANSWERED);
    driver.ask("a", "1");
    let other = async_workflow(|ctx: Context, (): ()| async move { ctx.sleep("1 day").await });
    let bytes = driver.turns.last().unwrap();
    let answer = Invocation::query(bytes, driver.run_pages(), other.as_ref(), "sum", &json("1"));
    assert_eq!(answer.unwrap_err().code, Code::NONDETERMINISM);
}

#[test]
fn a_query_that_panics_is_answered_with_that() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let context = ctx.clone();
        ctx.on_query("x", move |(): ()| -> crate::Result<u32> {
            panic!("{} is broken", context.id())
        });
        ctx.signal::<()>("end").await
    });
    let driver = Driver::begin(workflow, "null");
    let failure = driver.query("x", "null").unwrap_err();
    assert!(failure.message.contains("inv is broken"), "{failure}");
}
