//! Updates and queries, through the whole product over the in-memory store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use headwater::{
    ClientError,
    prelude::*,
    testing::{self, TestResult, World},
    wire::{Code, InvocationId, Payload, Status},
};
use serde::{Deserialize, Serialize};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<String>,
    paid: bool,
}

/// A cart that its clients fill, look at, and pay.
async fn cart(ctx: Context, (): ()) -> Result<Cart> {
    let cart = Arc::new(Mutex::new(Cart::default()));
    let seen = Arc::clone(&cart);
    ctx.on_query("cart", move |(): ()| Ok(seen.lock().unwrap().clone()));
    loop {
        let add = ctx.update::<String>("add").await?;
        if add.request == "nothing" {
            add.refuse(Error::fatal("there is nothing to add").with_code("empty"));
            continue;
        }
        let items = {
            let mut cart = cart.lock().unwrap();
            cart.items.push(add.request.clone());
            cart.items.len()
        };
        add.answer(items)?;
        if items == 3 {
            break;
        }
    }
    cart.lock().unwrap().paid = true;
    let cart = cart.lock().unwrap().clone();
    Ok(cart)
}

fn register(world: &World) -> Processor {
    world.processor().workflow("cart", cart).unwrap()
}

/// The code of an error that is an answer.
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Code {
    match answer.unwrap_err() {
        ClientError::Refused { failure, .. } => failure.code,
        other => panic!("{other}"),
    }
}

#[test]
fn a_client_is_answered_by_the_workflow_that_it_asks() -> TestResult {
    testing::run(|world| async move {
        let running = world.start(register(&world)).await?;
        let client = world.client();
        let handle = client.start("cart").id("c").send().await?;
        let added: usize = handle.update("add", "apple", SOON).await?;
        assert_eq!(added, 1);
        assert_eq!(
            refused(handle.update::<_, usize>("add", "nothing", SOON).await),
            Code::new("empty")
        );
        assert_eq!(
            refused(handle.update::<_, usize>("add", &7, SOON).await),
            Code::DECODE
        );
        let seen: Cart = handle.query("cart", &()).await?;
        assert_eq!(seen.items, ["apple"]);
        // An engine that dies before it has told the answer does not lose it.
        running.crash_engine_after(1);
        let added: usize = handle.update("add", "pear", SOON).await?;
        assert_eq!(added, 2);
        client.pause(&id("c"), "").await?;
        while handle.status().await? != Status::Paused {
            world.advance(Duration::from_millis(10)).await;
        }
        let seen: Cart = handle.query("cart", &()).await?;
        assert_eq!(seen.items, ["apple", "pear"]);
        let waits = handle
            .update::<_, usize>("add", "plum", Duration::from_secs(1))
            .await;
        assert!(
            matches!(waits, Err(ClientError::NoAnswer { .. })),
            "{waits:?}"
        );
        client.resume(&id("c")).await?;
        let ended = client.wait(&id("c"), SOON).await?;
        let cart: Cart = ended.output()?;
        assert_eq!(cart.items, ["apple", "pear", "plum"]);
        let seen: Cart = handle.query("cart", &()).await?;
        assert!(seen.paid, "also after its end");
        assert_eq!(
            refused(handle.update::<_, usize>("add", "fig", SOON).await),
            Code::UNANSWERED
        );
        Ok(())
    })
}

#[test]
fn a_query_finds_no_one_or_nothing_to_ask() -> TestResult {
    testing::run(|world| async move {
        let client = world.client();
        let nobody = client.query::<_, Cart>(&id("nobody"), "cart", &()).await;
        assert!(
            matches!(nobody, Err(ClientError::NotFound(_))),
            "{nobody:?}"
        );
        let handle = client.start("cart").id("c").send().await?;
        let silence = handle.query::<_, Cart>("cart", &()).await;
        assert!(
            matches!(silence, Err(ClientError::NoAnswer { .. })),
            "{silence:?}"
        );
        world.start(register(&world)).await?;
        assert_eq!(handle.query::<_, Cart>("cart", &()).await?, Cart::default());
        assert_eq!(
            refused(handle.query::<_, Cart>("card", &()).await),
            Code::NOT_FOUND
        );
        TestResult::Ok(())
    })
}

/// A query is answered by whichever engine pulls the partition, with a journal of many pages.
#[test]
fn a_query_replays_a_long_journal_in_another_engine_and_stores_nothing() -> TestResult {
    async fn count(ctx: Context, (): ()) -> Result<()> {
        let count = Arc::new(Mutex::new(0_usize));
        let seen = Arc::clone(&count);
        ctx.on_query("count", move |(): ()| Ok(*seen.lock().unwrap()));
        for _ in 0..200 {
            let text = "x".repeat(100);
            let text = ctx
                .run("add", || async { Ok::<_, Error>(text.clone()) })
                .await?;
            *count.lock().unwrap() += text.len();
        }
        ctx.signal("end").await
    }
    testing::run(|world| async move {
        let register = || world.processor().workflow("count", count);
        let first = world.start(register()?).await?;
        let client = world.client();
        let handle = client.start("count").send().await?;
        while !matches!(handle.status().await, Ok(Status::Waiting)) {
            world.advance(Duration::from_millis(10)).await;
        }
        world.start(register()?).await?;
        first.kill_engine();
        let before = handle.state().await?;
        assert!(before.journal.pages > 3);
        assert_eq!(handle.query::<_, usize>("count", &()).await?, 20_000);
        assert_eq!(handle.state().await?.revision, before.revision);
        TestResult::Ok(())
    })
}

/// An id of the sender's is one of its invocation: two may have the same. Sent again, it is answered
/// again.
#[test]
fn an_update_with_an_id_of_its_sender_is_taken_once_and_answered_each_time() -> TestResult {
    testing::run(|world| async move {
        world.start(register(&world)).await?;
        let client = world.client();
        for name in ["a", "b"] {
            client.start("cart").id(name).send().await?;
        }
        let add = |cart: &'static str, item: &'static str, wait: Duration| {
            let client = client.clone();
            async move {
                let item = Payload::encode(item).unwrap();
                let own_id = Some("one".to_owned());
                client
                    .update_payload(&id(cart), "add", item, own_id, wait)
                    .await
            }
        };
        // Nobody answers this one yet, under the same id as the other.
        client.pause(&id("a"), "").await?;
        let handle = client.handle(&id("a"));
        while !matches!(handle.status().await, Ok(Status::Paused)) {
            world.advance(Duration::from_millis(10)).await;
        }
        let (a, b) = futures::join!(
            add("a", "apple", Duration::from_secs(1)),
            add("b", "nothing", SOON)
        );
        assert!(matches!(a, Err(ClientError::NoAnswer { .. })), "{a:?}");
        assert_eq!(refused(b), Code::new("empty"));
        client.resume(&id("a")).await?;
        for _ in 0..2 {
            let added: usize = add("a", "apple", SOON).await?.decode()?;
            assert_eq!(added, 1);
        }
        let seen: Cart = client.query(&id("a"), "cart", &()).await?;
        assert_eq!(seen.items, ["apple"]);
        TestResult::Ok(())
    })
}
