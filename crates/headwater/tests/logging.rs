//! What workflows log, over deaths of their engines: in memory, on virtual time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use headwater::{
    prelude::*,
    testing::{self, TestResult, World},
    wire::InvocationId,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// Where a log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines of workflows that are logged meanwhile.
fn logged(test: impl FnOnce() -> TestResult) -> Vec<String> {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("headwater::workflow=info")
        .with_writer(move || written.clone())
        .json()
        .finish();
    tracing::subscriber::with_default(subscriber, test).unwrap();
    let bytes = log.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let message = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["fields"]["message"].as_str().unwrap().to_owned()
    };
    text.lines().map(message).collect()
}

/// Three steps, each with a line before it.
async fn three(ctx: Context, (): ()) -> Result<()> {
    for step in ["one", "two", "three"] {
        ctx.info(step);
        ctx.sleep(HOUR).await?;
    }
    Ok(())
}

async fn start(world: &World) -> Result<testing::Running, Box<dyn std::error::Error>> {
    let running = world.start(world.processor().workflow("three", three)?);
    let running = running.await?;
    let id = InvocationId::new("i")?;
    world.client().start("three").id(id).send().await?;
    Ok(running)
}

#[test]
fn each_line_is_logged_once_over_restarts() {
    let lines = logged(|| {
        testing::run(|world| async move {
            let running = start(&world).await?;
            for _ in 0..3 {
                world.advance(HOUR / 2).await;
                running.crash_engine();
                world.advance(HOUR / 2).await;
            }
            let mut handle = world.client().handle(&InvocationId::new("i")?);
            handle.result::<()>(HOUR).await?;
            Ok(())
        })
    });
    assert_eq!(lines, ["one", "two", "three"]);
}

#[test]
fn no_line_is_logged_twice_whenever_the_engine_dies() {
    for turns in 1..=4 {
        let lines = logged(|| {
            testing::run(|world| async move {
                let running = world.start(world.processor().workflow("three", three)?);
                running.await?.crash_engine_after(turns);
                let mut handle = world.client().start("three").send().await?;
                handle.result::<()>(4 * HOUR).await?;
                Ok(())
            })
        });
        let mut once = lines.clone();
        once.dedup();
        assert_eq!(lines, once, "crashed after {turns}");
        assert!(lines.len() >= 2, "crashed after {turns}: {lines:?}");
    }
}
