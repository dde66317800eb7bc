//! Typed handles: what one side sends is what the other side gets.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{sync::Arc, time::Duration};

use headwater::{
    prelude::*,
    store::{Store, TokioEnv, memory::MemoryStore},
    wire::{Code, Namespace},
};
use serde::{Deserialize, Serialize};

const SOON: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: Option<u32>,
    notes: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Answer {
    Bought { cents: u64 },
    Refused(String),
}

const ORDER: WorkflowType<Order, Answer> = WorkflowType::new("order");
const PRICE: ActivityType<Order, u64> = ActivityType::new("price").on("prices");
const APPROVAL: SignalType<Answer> = SignalType::new("approval");

fn processor() -> Processor {
    let env = TokioEnv::shared();
    let store: Arc<dyn Store> = MemoryStore::new(Arc::clone(&env), Namespace::default());
    Processor::on(store, env)
}

async fn order(ctx: Context, order: Order) -> Result<Answer> {
    let cents = ctx.activity_of(&PRICE, &order).await?;
    match ctx.signal_of(&APPROVAL).timeout("10 s").await? {
        Answer::Bought { .. } => Ok(Answer::Bought { cents }),
        refused => Ok(refused),
    }
}

async fn price(ctx: ActivityContext, order: Order) -> Result<u64> {
    assert_eq!(ctx.activity, "price");
    Ok(u64::from(order.count.unwrap_or(1)) * 199)
}

fn an_order() -> Order {
    Order {
        item: "müsli \u{1f963}".to_owned(),
        count: Some(3),
        notes: vec![String::new(), "\"quoted\"\n".to_owned()],
    }
}

#[tokio::test]
async fn types_go_round_through_workflow_activity_and_signal() {
    let running = processor()
        .workflow_of(&ORDER, order)
        .unwrap()
        .activity_of(&PRICE, price)
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    for (sent, expected) in [
        (Answer::Bought { cents: 0 }, Answer::Bought { cents: 597 }),
        (
            Answer::Refused("no".to_owned()),
            Answer::Refused("no".to_owned()),
        ),
    ] {
        let start = client.start_of(&ORDER, &an_order());
        let mut handle = start.send().await.unwrap();
        let id = handle.id().clone();
        client.signal_of(&id, &APPROVAL, &sent).await.unwrap();
        let answer = handle.result_of(&ORDER, SOON).await.unwrap();
        assert_eq!(answer, expected);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_version_is_started_exactly() {
    const LATEST: WorkflowType<(), String> = WorkflowType::new("which");
    const NEXT: WorkflowType<(), String> = LATEST.version("1.1.0");
    let which = |ctx: Context, (): ()| async move { Ok::<_, Error>(ctx.version().to_owned()) };
    let running = processor()
        .workflow_of(&LATEST, which)
        .unwrap()
        .workflow_of(&NEXT, which)
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    for (workflow, version) in [
        (LATEST, "1.1.0"),
        (NEXT, "1.1.0"),
        (LATEST.version("1.0.0"), "1.0.0"),
    ] {
        let mut handle = client.start_of(&workflow, &()).send().await.unwrap();
        assert_eq!(handle.result_of(&workflow, SOON).await.unwrap(), version);
    }
    running.stop().await;
}

/// Another build says otherwise what the types are: an error that says so, wherever it meets.
#[tokio::test]
async fn what_does_not_fit_the_type_is_an_error_that_says_what_was_expected() {
    const STRANGE: WorkflowType<String, u64> = WorkflowType::new("order");
    const LENGTH: ActivityType<String, u64> = ActivityType::new("price").on("prices");
    const NAME: WorkflowType<(), String> = WorkflowType::new("name");
    let running = processor()
        .workflow_of(&ORDER, order)
        .unwrap()
        .workflow("length", |ctx: Context, (): ()| async move {
            ctx.activity_of(&LENGTH, &"text".to_owned()).await
        })
        .unwrap()
        .workflow_of(&NAME, |_, ()| async { Ok::<_, Error>("ada".to_owned()) })
        .unwrap()
        .activity_of(&PRICE, price)
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let text = "not an order".to_owned();
    for (start, what) in [
        (
            client.start_of(&STRANGE, &text),
            "input of workflow \"order\"",
        ),
        (client.start("length"), "input of activity \"price\""),
    ] {
        let ended = start.send().await.unwrap().wait(SOON).await.unwrap();
        let error = ended.error.unwrap();
        assert_eq!(error.code, Code::DECODE, "{error}");
        assert!(error.message.starts_with(what), "{error}");
        assert!(error.message.contains("struct Order"), "{error}");
    }
    let mut handle = client.start("name").send().await.unwrap();
    assert!(handle.result::<u64>(SOON).await.is_err());
    assert_eq!(handle.result_of(&NAME, SOON).await.unwrap(), "ada");
    running.stop().await;
}
