//! Events, queues and signals: names of their own, in order, and nothing lost to a loser.

use std::sync::Arc;

use headwater_wire::command::Channel;

use super::*;

fn sent(channel: Channel, id: &str, name: &str, json: &str) -> Command {
    let data = Payload::from_json_text(json).unwrap();
    Command::Signal(Signal {
        channel,
        ..Signal::new(id, name, data)
    })
}

impl Driver {
    fn send(&mut self, channel: Channel, id: &str, json: &str) {
        self.give(sent(channel, id, "x", json));
    }

    fn place_on(&self, channel: Channel, id: &str) -> Placement {
        let command = sent(channel, id, "x", "0");
        self.invocation.place(&command, 1_000, self.now)
    }

    /// Go on in another process.
    pub(super) fn reloaded(&mut self) {
        self.invocation = self.reload();
    }
}

fn no_event() -> Placement {
    Placement::Drop("an event that was raised before anybody waited for it")
}

#[test]
fn a_queue_keeps_its_order_from_run_to_run() {
    let workflow = async_workflow(|ctx: Context, run: u32| async move {
        let mut taken: Vec<u32> = Vec::new();
        ctx.activity::<()>("work", ()).await?;
        for _ in 0..2 {
            taken.push(ctx.queue("x").pop().await?);
        }
        match run {
            0 => ctx.continue_as_new(1).await,
            _ => Ok::<_, Error>(taken),
        }
    });
    let mut driver = Driver::begin(workflow, "0");
    for (id, json) in [("a", "1"), ("b", "2"), ("c", "3")] {
        driver.send(Channel::Queue, id, json);
        driver.reloaded();
    }
    assert_eq!(driver.place_on(Channel::Queue, "b"), Placement::Taken);
    driver.outcome(1, 1, Ok("null"));
    assert_eq!(driver.invocation.value.run.continued, 1);
    driver.reloaded();
    driver.outcome(1, 1, Ok("null"));
    assert_eq!(
        driver.invocation.value.why,
        "waits for queue \"x\" (step 3)"
    );
    driver.send(Channel::Queue, "d", "4");
    assert_eq!(driver.output(), "[3,4]");
}

#[test]
fn signals_events_and_queues_of_one_name_are_told_apart() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let (queue, event, signal) = futures::join!(
            ctx.queue("x").pop::<u32>().into_future(),
            ctx.event::<u32>("x").into_future(),
            ctx.signal::<u32>("x").into_future(),
        );
        Ok::<_, Error>((queue?, event?, signal?))
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.send(Channel::Signal, "a", "3");
    driver.reloaded();
    driver.send(Channel::Event, "b", "2");
    driver.reloaded();
    driver.send(Channel::Queue, "c", "1");
    assert_eq!(driver.output(), "[1,2,3]");
}

#[test]
fn an_event_is_for_who_waits_for_it_and_for_nobody_later() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.activity::<()>("work", ()).await?;
        let two = (
            ctx.event::<u32>("x").into_future(),
            ctx.event::<u32>("x").into_future(),
        );
        let (first, second) = futures::join!(two.0, two.1);
        ctx.activity::<()>("work", ()).await?;
        Ok::<_, Error>((first?, second?))
    });
    let mut driver = Driver::begin(workflow, "null");
    assert_eq!(driver.place_on(Channel::Event, "early"), no_event());
    driver.outcome(1, 1, Ok("null"));
    driver.send(Channel::Event, "a", "1");
    assert_eq!(driver.place_on(Channel::Event, "a"), Placement::Taken);
    driver.reloaded();
    driver.send(Channel::Event, "b", "2");
    driver.reloaded();
    assert_eq!(driver.place_on(Channel::Event, "late"), no_event());
    driver.outcome(4, 1, Ok("null"));
    assert_eq!(driver.output(), "[1,2]");
    let ended = driver.place_on(Channel::Event, "after");
    assert_eq!(ended, Placement::Drop("the invocation has ended"));
}

#[test]
fn a_parked_invocation_keeps_the_events_that_it_waits_for_and_no_others() {
    let make = |name: &'static str| {
        async_workflow(move |ctx: Context, (): ()| async move {
            ctx.activity::<()>(name, ()).await?;
            let first: u32 = ctx.event("x").await?;
            ctx.signal::<()>("on").await?;
            let second: u32 = ctx.event("x").await?;
            Ok::<_, Error>((first, second))
        })
    };
    let mut driver = Driver::begin(make("right"), "null");
    driver.outcome(1, 1, Ok("null"));
    let mut parked = driver.load();
    let program = make("wrong").instantiate(parked.program_info());
    let mismatch = parked.attach(program, driver.run_pages(), driver.now);
    parked.park(mismatch.unwrap_err(), driver.now);
    driver.invocation = parked;
    let turn = driver.invocation.prepare(driver.now, "p".into()).unwrap();
    driver.revision += 1;
    driver.invocation.committed(driver.revision);
    driver.turns.push(turn.value);
    let event = sent(Channel::Event, "a", "x", "1");
    assert_eq!(driver.place_on(Channel::Event, "a"), Placement::Take);
    driver.invocation.take(event, 50, driver.now);
    assert_eq!(driver.place_on(Channel::Event, "b"), no_event());
    let turn = driver.invocation.prepare(driver.now, "q".into()).unwrap();
    driver.revision += 1;
    driver.turns.push(turn.value);
    driver.reloaded();
    driver.seq = 60;
    driver.give(Command::Resume { id: "r".into() });
    driver.signal("s", "on", "null");
    driver.send(Channel::Event, "c", "2");
    assert_eq!(driver.output(), "[1,2]");
}

#[test]
fn an_event_does_not_reach_the_next_run() {
    let workflow = async_workflow(|ctx: Context, run: u32| async move {
        if run == 0 {
            return ctx.continue_as_new(1).await;
        }
        ctx.event::<u32>("x").await
    });
    let mut invocation = Invocation::create(start("0"), birth());
    let event = BufferedEvent::named("x");
    invocation.value.signals.waiting.push(event);
    let program = workflow.instantiate(invocation.program_info());
    let none: [&[u8]; 0] = [];
    invocation.attach(program, &none, birth().at).unwrap();
    assert_eq!(invocation.value.run.continued, 1);
    assert!(invocation.value.signals.waiting.is_empty());
    let logs = invocation.take_logs();
    assert!(logs[0].message.contains("dropped the event"), "{logs:?}");
}

/// An event at hand, as one that came while the invocation was parked.
struct BufferedEvent;

impl BufferedEvent {
    fn named(name: &str) -> headwater_wire::value::BufferedSignal {
        headwater_wire::value::BufferedSignal {
            id: "e".into(),
            name: name.into(),
            data: Payload::null(),
            channel: Channel::Event,
            reply_to: None,
        }
    }
}

#[test]
fn a_wait_that_lost_a_race_eats_nothing() {
    for channel in [Channel::Signal, Channel::Queue, Channel::Event] {
        let wait = move |ctx: &Context| match channel {
            Channel::Queue => ctx.queue("x").pop::<u32>(),
            Channel::Event => ctx.event("x"),
            _ => ctx.signal("x"),
        };
        let workflow = async_workflow(move |ctx: Context, (): ()| async move {
            let lost = wait(&ctx).timeout(Duration::from_secs(1)).await;
            assert!(lost.unwrap_err().is_timeout());
            let (first, _) = ctx
                .race([wait(&ctx).into_future(), wait(&ctx).into_future()])
                .await;
            let last = wait(&ctx).await?;
            Ok::<_, Error>((first, last))
        });
        let mut driver = Driver::begin(workflow, "null");
        driver.pass(Duration::from_secs(2));
        driver.send(channel, "a", "1");
        driver.reloaded();
        driver.send(channel, "b", "2");
        assert_eq!(driver.output(), "[0,2]", "{channel:?}");
    }
}

/// Waits for so many at once; answers in the order of the calls.
fn collate(count: usize) -> Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, (): ()| async move {
        let waits = (0..count).map(|n| ctx.signal::<usize>(format!("s{n}")));
        let results = ctx.all(waits).await;
        results.into_iter().collect::<Result<Vec<_>, Error>>()
    })
}

#[test]
fn any_number_of_waits_is_collated_in_the_order_of_the_calls() {
    for count in [2, 25, 26, 100] {
        let mut driver = Driver::begin(collate(count), "null");
        for n in (0..count).rev() {
            assert_eq!(driver.status(), Status::Waiting, "{n} are missing");
            driver.signal(&format!("id{n}"), &format!("s{n}"), &n.to_string());
        }
        let all: Vec<usize> = (0..count).collect();
        assert_eq!(driver.output(), serde_json::to_string(&all).unwrap());
    }
}

#[test]
fn waits_activities_and_sleeps_are_collated_together() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let (signal, activity, item, ()) = futures::join!(
            ctx.signal::<bool>("go").into_future(),
            ctx.activity::<u32>("work", ()).into_future(),
            ctx.queue("x").pop::<u32>().into_future(),
            async { ctx.sleep(Duration::from_secs(5)).await.unwrap() },
        );
        Ok::<_, Error>((signal?, activity?, item?))
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.pass(Duration::from_secs(6));
    driver.reloaded();
    driver.send(Channel::Queue, "q", "3");
    driver.reloaded();
    driver.outcome(2, 1, Ok("12345"));
    assert_eq!(driver.status(), Status::Waiting, "one is missing");
    driver.signal("s", "go", "true");
    assert_eq!(driver.output(), "[true,12345,3]");
}
