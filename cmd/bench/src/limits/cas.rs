//! Updates by compare-and-swap of a history-1 bucket: L1 with 256 keys in flight, L3 alone.

use std::time::Duration;

use async_nats::jetstream::{
    Context,
    message::PublishMessage,
    stream::{Config, DiscardPolicy, StorageType},
};
use bytes::Bytes;

use crate::{
    error::{BenchError, Doing as _},
    window::Work,
};

pub(crate) const WHAT: &str = "CAS updates, 11 a key, 0.37 to 1.57 kB";

const STREAM: &str = "KV_BENCH_LIMIT";
const PREFIX: &str = "$KV.BENCH_LIMIT";

/// Updates a key, the first creates it: as many as a value of ten steps has.
const UPDATES: usize = 11;
/// Size of the first value.
const FIRST_BYTES: usize = 370;
/// Growth from one value to the next.
const GROWTH_BYTES: usize = 120;
/// On the last update, as on an ended invocation.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// The bucket, with the settings of the product's.
pub(crate) struct Bucket {
    js: Context,
}

impl Bucket {
    pub(crate) async fn make(js: &Context, replicas: usize) -> Result<Self, BenchError> {
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec![format!("{PREFIX}.>")],
            storage: StorageType::File,
            num_replicas: replicas,
            discard: DiscardPolicy::New,
            max_messages_per_subject: 1,
            duplicate_window: Duration::from_secs(10),
            allow_direct: true,
            allow_rollup: true,
            allow_message_ttl: true,
            allow_atomic_publish: true,
            deny_delete: true,
            ..Config::default()
        };
        js.create_stream(config)
            .await
            .doing("making the bucket of the limits")?;
        Ok(Self { js: js.clone() })
    }

    pub(crate) async fn delete(self) -> Result<(), BenchError> {
        let deleted = self.js.delete_stream(STREAM).await;
        deleted
            .doing("deleting the bucket of the limits")
            .map(|_| ())
    }

    /// One key after the other, one update in flight.
    pub(crate) fn chain(&self, number: usize) -> Chain {
        let largest = vec![b'x'; FIRST_BYTES + (UPDATES - 1) * GROWTH_BYTES];
        Chain {
            js: self.js.clone(),
            number,
            key: 0,
            update: 0,
            revision: 0,
            largest: Bytes::from(largest),
        }
    }
}

pub(crate) struct Chain {
    js: Context,
    number: usize,
    key: usize,
    update: usize,
    revision: u64,
    largest: Bytes,
}

impl Work for Chain {
    async fn once(&mut self) -> Result<(), BenchError> {
        let value = self
            .largest
            .slice(..FIRST_BYTES + self.update * GROWTH_BYTES);
        let mut message = PublishMessage::build()
            .payload(value)
            .expected_last_subject_sequence(self.revision);
        let is_last = self.update + 1 == UPDATES;
        if is_last {
            message = message.ttl(TTL);
        }
        let subject = format!("{PREFIX}.{}-{}", self.number, self.key);
        let sent = self.js.send_publish(subject, message).await;
        let ack = sent.doing("a bare update")?.await.doing("a bare update")?;
        if is_last {
            (self.key, self.update, self.revision) = (self.key + 1, 0, 0);
        } else {
            (self.update, self.revision) = (self.update + 1, ack.sequence);
        }
        Ok(())
    }
}
