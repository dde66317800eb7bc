//! What the tests of this crate share.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used
)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use headwater_nats::{NatsStore, Options};
use headwater_store::{Consumer, Delivery, Message, Source, Store, TokioEnv};
use headwater_testkit::NatsServer;
use headwater_wire::{InvocationId, Partition, names::Address};

/// Long enough for anything that must happen, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn options(server: &NatsServer) -> Options {
    Options {
        ack_wait: Duration::from_secs(1),
        ..Options::new(server.url())
    }
}

pub async fn connect(options: Options) -> Arc<NatsStore> {
    NatsStore::connect(options, TokioEnv::shared())
        .await
        .unwrap()
}

/// A server, and a store on it that is ready.
pub async fn ready() -> (NatsServer, Arc<NatsStore>) {
    let server = NatsServer::start().await;
    let store = connect(options(&server)).await;
    store.setup().await.unwrap();
    (server, store)
}

/// The same server without our layer.
pub async fn raw(server: &NatsServer) -> async_nats::jetstream::Context {
    let client = async_nats::connect(server.url()).await.unwrap();
    async_nats::jetstream::new(client)
}

pub fn address(partition: u16, id: &str) -> Address {
    Address {
        queue: "default".to_owned(),
        partition: Partition(partition),
        key: InvocationId::new(id).unwrap().key(),
    }
}

pub fn partition(number: u16) -> Source {
    Source::Partition {
        queue: "default".to_owned(),
        partition: Partition(number),
    }
}

pub fn command(id: &str, body: &str) -> Message {
    Message::Command {
        to: address(1, id),
        body: Bytes::from(body.to_owned()),
    }
}

pub async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    tokio::time::timeout(PATIENCE, consumer.next())
        .await
        .expect("a delivery comes")
}

/// Nothing comes for a while.
pub async fn quiet(consumer: &mut Box<dyn Consumer>, millis: u64) {
    let wait = Duration::from_millis(millis);
    let came = tokio::time::timeout(wait, consumer.next()).await;
    assert!(came.is_err(), "{came:?}");
}

/// Publish until the store takes it: a server may just be coming up.
pub async fn publish_until_taken(store: &dyn Store, message: Message) -> u64 {
    tokio::time::timeout(PATIENCE, async {
        loop {
            match store.publish(message.clone()).await {
                Ok(seq) => return seq,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await
    .expect("the store takes messages again")
}
