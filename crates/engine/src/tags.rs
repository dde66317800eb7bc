//! Topics with a tag are told to the workers that take tasks of any tag, before the first task.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use headwater_store::{Bucket, Expect, Ttl};
use headwater_wire::topic::{TopicRecord, tag_of};

use crate::{emit::Backoff, router::Shared};

/// Topics that an engine remembers to have told. Beyond, it tells them once more.
const TOLD_MAX: usize = 1_000;

/// Topics that this engine has told.
#[derive(Default)]
pub(crate) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    fn has(&self, topic: &str) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.contains(topic)
    }

    fn add(&self, topic: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(topic);
    }
}

/// See that the workers can know of a topic.
pub(crate) async fn tell_topic(shared: &Shared, topic: &str) {
    if tag_of(topic).is_none() || shared.told.has(topic) {
        return;
    }
    let record = TopicRecord {
        topic: topic.to_owned(),
    };
    // Text only: it can always be encoded.
    let Ok(bytes) = record.encode().map(Bytes::from) else {
        return;
    };
    let (key, store) = (record.key(), &shared.store);
    let mut backoff = Backoff::new("telling of a tag");
    loop {
        let put = store.put(Bucket::Config, &key, bytes.clone(), Expect::Any, Ttl::Never);
        match put.await {
            Ok(_) => return shared.told.add(record.topic),
            Err(error) => backoff.wait(&shared.env, &error).await,
        }
    }
}
