//! Topics with a tag, and those that have sessions, are told to the workers before the first task.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use headwater_store::{Bucket, Expect, Ttl};
use headwater_wire::topic::TopicRecord;

use crate::{emit::Backoff, router::Shared};

/// Topics that an engine remembers to have told. Beyond, it tells them once more.
const TOLD_MAX: usize = 1_000;

/// Topics that this engine has told, by the keys of their records.
#[derive(Default)]
pub(crate) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    fn has(&self, key: &str) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.contains(key)
    }

    fn add(&self, key: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(key);
    }
}

/// See that the workers can know of a topic.
pub(crate) async fn tell_topic(shared: &Shared, topic: &str) {
    let Some(record) = TopicRecord::of(topic) else {
        return;
    };
    let key = record.key();
    if shared.told.has(&key) {
        return;
    }
    // Text only: it can always be encoded.
    let Ok(bytes) = record.encode().map(Bytes::from) else {
        return;
    };
    let mut backoff = Backoff::new("telling of a tag");
    loop {
        let store = &shared.store;
        let put = store.put(Bucket::Config, &key, bytes.clone(), Expect::Any, Ttl::Never);
        match put.await {
            Ok(_) => return shared.told.add(key),
            Err(error) => backoff.wait(&shared.env, &error).await,
        }
    }
}
