//! Signals by their name alone on a real server, with an engine that dies between the signal and
//! the wait.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::time::Duration;

use headwater::{Config, Processor, RunningProcessor, prelude::*, wire::Status};
use headwater_testkit::NatsServer;

const SOON: Duration = Duration::from_secs(30);

async fn wait(ctx: Context, name: String) -> Result<u32> {
    ctx.wait_for(name).await
}

fn config(nats: &NatsServer) -> Config {
    Config::load_with(None, &[("nats.url", nats.url())]).unwrap()
}

async fn processor(nats: &NatsServer) -> RunningProcessor {
    let processor = Processor::connect(config(nats)).await.unwrap();
    let processor = processor.workflow("wait", wait).unwrap();
    processor.start().await.unwrap()
}

/// A processor on a runtime of its own, which is gone at once when it is killed.
struct Killable(tokio::runtime::Runtime);

impl Killable {
    async fn start(nats: &NatsServer) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let config = config(nats);
        let started = runtime.spawn(async move {
            let processor = Processor::connect(config).await.unwrap();
            let processor = processor.workflow("wait", wait).unwrap();
            // Not kept: nothing says that it ends.
            std::mem::forget(processor.start().await.unwrap());
        });
        started.await.unwrap();
        Self(runtime)
    }

    fn kill(self) {
        self.0.shutdown_background();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_killed_between_loses_no_signal_and_no_wait() {
    let nats = NatsServer::start().await;
    let first = Killable::start(&nats).await;
    let client = config(&nats).client().await.unwrap();
    // One signal waits for a workflow, one workflow for a signal.
    client.signal_named("early", &1).await.unwrap();
    let mut late = client.start("wait").input("late").send().await.unwrap();
    while !matches!(late.status().await, Ok(Status::Waiting)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    first.kill();
    // Nobody is there to take these.
    client.signal_named("late", &2).await.unwrap();
    let mut early = client.start("wait").input("early").send().await.unwrap();
    let second = processor(&nats).await;
    assert_eq!(early.result::<u32>(SOON).await.unwrap(), 1);
    assert_eq!(late.result::<u32>(SOON).await.unwrap(), 2);
    second.stop().await;
}
