//! The suite that every store has to pass, each case in a namespace of its own on one server.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use common::{connect, options};
use headwater_nats::Options;
use headwater_store::{
    TokioEnv,
    conformance::{self, Bench},
};
use headwater_testkit::NatsServer;
use headwater_wire::Namespace;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_jetstream_conforms() {
    let server = NatsServer::start().await;
    let cases = AtomicUsize::new(0);
    conformance::all(|_| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        let options = Options {
            namespace: Namespace::new(&format!("case-{case}")).unwrap(),
            ack_wait: Duration::from_secs(1),
            ..options(&server)
        };
        async move {
            let store = connect(options).await;
            store.setup().await.unwrap();
            Bench {
                store,
                env: TokioEnv::shared(),
                ack_wait: Duration::from_secs(1),
            }
        }
    })
    .await;
}
