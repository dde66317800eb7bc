//! The suite that every store has to pass, each case in a namespace of its own on one server.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use common::{connect, options};
use headwater_nats::{Options, SyncInterval};
use headwater_store::{
    TokioEnv,
    conformance::{self, Bench},
};
use headwater_testkit::{NatsServer, ServerOptions};
use headwater_wire::Namespace;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_on_jetstream_conforms() {
    conforms(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_with_group_commit() {
    conforms(true).await;
}

async fn conforms(sync_always: bool) {
    let server = NatsServer::start_with(ServerOptions {
        sync_always,
        ..ServerOptions::default()
    })
    .await;
    let cases = AtomicUsize::new(0);
    conformance::all(|_| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        let options = Options {
            namespace: Namespace::new(&format!("case-{case}")).unwrap(),
            ack_wait: Duration::from_secs(1),
            sync_interval: sync_always.then_some(SyncInterval::Always),
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
