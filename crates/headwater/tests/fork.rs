//! Forks, through the whole product over the in-memory store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::time::Duration;

use headwater::{
    ClientError,
    prelude::*,
    testing::{self, TestResult, World},
    wire::{Code, InvocationId, Status, journal::Entry},
};

const SOON: Duration = Duration::from_secs(60);
const STEPS: u32 = 60;

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// Local steps enough for pages, an activity, and two more steps.
async fn long(ctx: Context, (): ()) -> Result<(u64, u32, String, u64)> {
    let mut sum = 0;
    for n in 0..STEPS {
        let work = || async { Ok::<_, Error>((n, "x".repeat(100))) };
        sum += ctx.run(format!("step-{n}"), work).await?.0;
    }
    ctx.kv().set("sum", sum)?;
    let drawn = ctx.random();
    let said: String = ctx.activity("say", sum).await?;
    ctx.sleep(Duration::from_secs(5)).await?;
    let drawn_last = ctx.run("last", || async { Ok::<_, Error>(drawn) }).await?;
    Ok((drawn, sum, said, drawn_last))
}

/// What follows the local steps.
const SAY: u32 = STEPS + 1;

async fn world_with_one(world: &World) -> Result<Client, Box<dyn std::error::Error>> {
    world.mock("say", |sum: u32| Ok(format!("it is {sum}")));
    let client = world.client();
    client.start("long").id("source").send().await?;
    Ok(client)
}

#[test]
fn a_fork_goes_on_from_the_step_whenever_its_engine_dies() -> TestResult {
    for turn in 0..=8 {
        testing::run(|world| async move {
            let processor = world.processor().workflow("long", long)?;
            let client = world_with_one(&world).await?;
            let running = world.start(processor).await?;
            let source = client.wait(&id("source"), SOON).await?;
            let before = client.state(&id("source")).await?;
            assert!(before.journal.pages > 1);
            assert_eq!(world.attempts("say"), 1);
            match turn % 2 {
                _ if turn == 0 => {}
                0 => running.crash_engine_after(turn / 2),
                _ => running.crash_engine_before(turn / 2 + 1),
            }
            let handle = client.handle(&id("source"));
            let mut fork = handle.fork(SAY).await?.id("fork").send().await?;
            let ended = fork.wait(SOON).await?;
            type Told = (u64, u32, String, u64);
            assert_eq!(ended.output::<Told>()?, source.output::<Told>()?, "{turn}");
            assert_eq!(world.attempts("say"), 2, "what is before is not done again");
            let state = fork.state().await?;
            assert_eq!(state.value.forked.as_ref().unwrap().step, SAY);
            let entries = fork.history().await?;
            let own = client.history(&before).await?;
            let say = |entry: &Entry| matches!(entry, Entry::Activity { .. });
            let at = own.iter().position(say).unwrap();
            assert_eq!(entries[..at], own[..at]);
            assert_eq!(entries.iter().filter(|entry| say(entry)).count(), 1);
            assert_eq!(client.kv::<u32>(&id("fork"), "sum").await?, Some(1770));
            assert_eq!(
                client.state(&id("source")).await?,
                before,
                "it is as it was"
            );
            Ok::<_, Box<dyn std::error::Error>>(())
        })?;
    }
    Ok(())
}

#[test]
fn one_that_goes_on_is_forked_and_both_go_their_ways() -> TestResult {
    testing::run(|world| async move {
        let approve = |ctx: Context, (): ()| async move {
            let price: u32 = ctx.activity("price", ()).await?;
            let by: String = ctx.signal("approval").await?;
            Ok::<_, Error>(format!("{price} by {by}"))
        };
        world.mock("price", |(): ()| Ok(7));
        world
            .start(world.processor().workflow("approve", approve)?)
            .await?;
        let client = world.client();
        client.start("approve").id("a").send().await?;
        world.advance(Duration::from_secs(1)).await;
        let mut fork = client.fork(&id("a"), 2).await?.send().await?;
        world.advance(Duration::from_secs(1)).await;
        for (of, by) in [(&id("a"), "ada"), (fork.id(), "eve")] {
            assert_eq!(client.state(of).await?.value.status, Status::Waiting);
            client.signal(of, "approval", by).await?;
        }
        assert_eq!(fork.result::<String>(SOON).await?, "7 by eve");
        let source = client.wait(&id("a"), SOON).await?;
        assert_eq!(source.output::<String>()?, "7 by ada");
        assert_eq!(world.attempts("price"), 1);
        Ok(())
    })
}

#[test]
fn what_cannot_be_forked_is_told_at_once_or_fails() -> TestResult {
    testing::run(|world| async move {
        let loops = |ctx: Context, round: u32| async move {
            ctx.signal::<()>("go").await?;
            ctx.continue_as_new::<Result<()>>(round + 1).await
        };
        world
            .start(world.processor().workflow("loops", loops)?)
            .await?;
        let client = world.client();
        client.start("loops").id("l").input(&0).send().await?;
        world.advance(Duration::from_secs(1)).await;
        let none = client.fork(&id("none"), 1).await.err().unwrap();
        assert!(matches!(none, ClientError::NotFound(_)), "{none}");
        for step in [0, 2] {
            let none = client.fork(&id("l"), step).await.err().unwrap();
            assert!(matches!(none, ClientError::Fork(_)), "{none}");
        }
        let keyed = client.fork(&id("l"), 1).await?.key("k").send().await;
        assert!(matches!(keyed.err().unwrap(), ClientError::Fork(_)));
        // The run that was meant is over before the fork begins.
        let call = client.fork(&id("l"), 1).await?;
        client.signal(&id("l"), "go", &()).await?;
        world.advance(Duration::from_secs(1)).await;
        let ended = call.id("late").send().await?.wait(SOON).await?;
        let failure = ended.error.unwrap();
        assert_eq!(
            (ended.status, &failure.code),
            (Status::Failed, &Code::FAILED)
        );
        assert!(
            failure.message.contains("continued as new since"),
            "{failure}"
        );
        // No program was ever asked, and none is.
        let asked = client.query::<(), ()>(&id("late"), "any", &()).await;
        let asked = asked.unwrap_err().to_string();
        assert!(asked.contains("its workflow has not begun"), "{asked}");
        // And so is the invocation.
        let call = client.fork(&id("l"), 1).await?;
        client.delete(&id("l"), true).await?;
        world.advance(Duration::from_secs(1)).await;
        let ended = call.id("later").send().await?.wait(SOON).await?;
        assert_eq!(ended.error.unwrap().code, Code::NOT_FOUND);
        Ok(())
    })
}

#[test]
fn a_fork_takes_an_id_that_is_free_again() -> TestResult {
    testing::run(|world| async move {
        let processor = world.processor().workflow("long", long)?;
        let client = world_with_one(&world).await?;
        world.start(processor).await?;
        client.wait(&id("source"), SOON).await?;
        let first = client.start("long").id("again").result_ttl("1s");
        first.send().await?.wait(SOON).await?;
        world.advance(Duration::from_secs(2)).await;
        let mut fork = client
            .fork(&id("source"), SAY)
            .await?
            .id("again")
            .send()
            .await?;
        assert_eq!(fork.wait(SOON).await?.status, Status::Completed);
        let state = fork.state().await?;
        assert!(state.value.replaced.is_some() && state.value.forked.is_some());
        assert_eq!(fork.history().await?.len() as u64, state.journal.entries);
        assert_eq!(world.attempts("say"), 3);
        Ok(())
    })
}
