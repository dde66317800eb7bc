//! What the tests on the in-memory store share.
#![allow(dead_code)] // no test file uses all of it

use std::{sync::Arc, time::Duration};

use headwater::{
    EngineConfig, Processor,
    store::{Env, Store, TokioEnv, memory::MemoryStore},
    wire::{InvocationId, Namespace},
};
use tokio::runtime::Runtime;

/// Long enough for everything that a test waits for.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What a process that has died held comes again after this.
pub(crate) const ACK_WAIT: Duration = Duration::from_millis(150);

pub(crate) fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

pub(crate) fn storage() -> (Arc<dyn Store>, Arc<dyn Env>) {
    let env = TokioEnv::shared();
    let store = MemoryStore::with_ack_wait(Arc::clone(&env), Namespace::default(), ACK_WAIT);
    (store, env)
}

pub(crate) fn processor(store: &Arc<dyn Store>, env: &Arc<dyn Env>) -> Processor {
    let config = EngineConfig {
        ack_wait: ACK_WAIT,
        ..EngineConfig::default()
    };
    Processor::on(Arc::clone(store), Arc::clone(env)).engine(Some(config))
}

/// A process: thrown away, it has died.
pub(crate) fn process() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

pub(crate) async fn until(what: &str, is: impl AsyncFn() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(SOON, wait).await;
    assert!(waited.is_ok(), "{what}");
}
