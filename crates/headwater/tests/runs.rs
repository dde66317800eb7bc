//! The runs of an invocation that continues as new, through the whole product over the in-memory
//! store.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{sync::Arc, time::Duration};

use headwater::{
    prelude::*,
    store::{Env, Store, TokioEnv, memory::MemoryStore},
    wire::{InvocationId, Namespace, limits},
};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

fn storage() -> (Arc<dyn Store>, Arc<dyn Env>) {
    let env = TokioEnv::shared();
    let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
    (store, env)
}

/// Its first run ends with a page that is due.
async fn upgraded(ctx: Context, next: Option<String>) -> Result<String> {
    let own = ctx.version().to_owned();
    if let Some(next) = next {
        let much = "x".repeat(limits::PAGE_BYTES);
        let much = ctx.run("much", || async { Ok::<_, Error>(much.clone()) });
        much.await?;
        ctx.sleep(Duration::from_millis(5)).await?;
        let none: Option<String> = None;
        return match next.as_str() {
            "latest" => ctx.continue_as_new(none).await,
            "same" => ctx.continue_as_new(none).same_version().await,
            _ => ctx.continue_as_new(none).version(next).await,
        };
    }
    ctx.run("own", || async { Ok::<_, Error>(own.clone()) })
        .await?;
    Ok(own)
}

#[tokio::test]
async fn the_next_run_is_of_the_latest_version_and_waits_for_an_engine_that_has_it() {
    let (store, env) = storage();
    let with = async |versions: &[&str]| {
        let mut processor = Processor::on(Arc::clone(&store), Arc::clone(&env));
        for version in versions {
            processor = processor.workflow_version("up", version, upgraded).unwrap();
        }
        processor.start().await.unwrap()
    };
    let first = with(&["1.0.0", "2.0.0"]).await;
    let client = first.client();
    for (next, expected) in [
        ("latest", "2.0.0"),
        ("same", "1.0.0"),
        ("1.0.0", "1.0.0"),
        ("2.0.0", "2.0.0"),
    ] {
        let call = client.start("up").version("1.0.0").input(&Some(next));
        let mut handle = call.send().await.unwrap();
        let version: String = handle.result(SOON).await.unwrap();
        assert_eq!(version, expected, "{next}");
    }
    let call = client.start("up").input(&Some("3.0.0")).id("waits");
    call.send().await.unwrap();
    let why = loop {
        let why = client.why(&id("waits")).await.unwrap();
        if why[0].contains("version 3.0.0") {
            break why;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(why[0].contains("waits for an engine"), "{why:?}");
    let missing = |line: &String| line.contains("no connected engine has version 3.0.0");
    assert!(why.iter().any(missing), "{why:?}");
    let second = with(&["3.0.0"]).await;
    let ended = client.wait(&id("waits"), SOON).await.unwrap();
    assert_eq!(ended.output::<String>().unwrap(), "3.0.0");
    first.stop().await;
    second.stop().await;
}
