//! A bucket: the last value of each key, compare-and-swap, time to live, watchers.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use headwater_wire::Timestamp;

use super::{
    listeners::{Listeners, Ticket},
    timeline::{At, Event, Lane, Timeline},
};
use crate::{Bucket, Change, Expect, Record, Revision, StoreError, Ttl};

/// Name under which those listen who watch every key; no key is empty.
const EVERY_KEY: &str = "";

struct Value {
    bytes: Bytes,
    revision: Revision,
    written_at: Timestamp,
    expires: Option<At>,
}

impl Value {
    fn record(&self, key: &str) -> Record {
        Record {
            key: key.to_owned(),
            value: self.bytes.clone(),
            revision: self.revision,
            written_at: self.written_at,
        }
    }
}

/// A bucket.
pub(super) struct Values {
    bucket: Bucket,
    pub(super) lane: Lane,
    last_seq: Revision,
    values: BTreeMap<String, Value>,
    pub(super) watchers: Listeners<Change>,
}

impl Values {
    pub(super) fn new(timeline: &mut Timeline, bucket: Bucket) -> Self {
        Self {
            bucket,
            lane: timeline.add_lane(),
            last_seq: 0,
            values: BTreeMap::new(),
            watchers: Listeners::default(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Record> {
        self.values.get(key).map(|value| value.record(key))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Record> {
        self.values.iter().map(|(key, value)| value.record(key))
    }

    pub(super) fn put(
        &mut self,
        timeline: &mut Timeline,
        key: &str,
        bytes: Bytes,
        expect: Expect,
        ttl: Ttl,
    ) -> Result<Revision, StoreError> {
        check_key(key)?;
        let life = check_ttl(ttl)?;
        let current = self.values.get(key).map_or(0, |value| value.revision);
        if matches!(expect, Expect::Revision(revision) if revision != current) {
            return Err(StoreError::Conflict);
        }
        self.last_seq += 1;
        let value = Value {
            bytes,
            revision: self.last_seq,
            written_at: timeline.wall(),
            expires: life.map(|life| self.expire_after(timeline, key, life)),
        };
        self.tell(key, &Change::Put(value.record(key)));
        let replaced = self.values.insert(key.to_owned(), value);
        if let Some(at) = replaced.and_then(|value| value.expires) {
            timeline.cancel(at);
        }
        Ok(self.last_seq)
    }

    fn expire_after(&self, timeline: &mut Timeline, key: &str, life: Duration) -> At {
        let event = Event::Expire {
            bucket: self.bucket,
            key: key.to_owned(),
        };
        timeline.appoint(self.lane, life, event)
    }

    /// Remove a value, because someone asked or because its time is over.
    pub(super) fn remove(&mut self, timeline: &mut Timeline, key: &str) {
        let Some(value) = self.values.remove(key) else {
            return;
        };
        if let Some(at) = value.expires {
            timeline.cancel(at);
        }
        let key = key.to_owned();
        self.tell(&key.clone(), &Change::Gone { key });
    }

    fn tell(&mut self, key: &str, change: &Change) {
        self.watchers.tell(key, change);
        self.watchers.tell(EVERY_KEY, change);
    }

    pub(super) fn watch(&mut self, key: Option<String>) -> Result<Ticket, StoreError> {
        let mut first: Vec<Change> = match &key {
            None => self.all().map(Change::Put).collect(),
            Some(key) => {
                check_key(key)?;
                self.get(key).map(Change::Put).into_iter().collect()
            }
        };
        first.push(Change::Current);
        let name = key.unwrap_or_else(|| EVERY_KEY.to_owned());
        Ok(self.watchers.add(name, first))
    }
}

/// What JetStream takes as a key: one or more subject tokens.
fn check_key(key: &str) -> Result<(), StoreError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-/_=.".contains(&b);
    let dots_part_tokens = !key.split('.').any(str::is_empty);
    if dots_part_tokens && key.bytes().all(fits) {
        return Ok(());
    }
    Err(StoreError::Refused(format!("{key:?} is not a key")))
}

fn check_ttl(ttl: Ttl) -> Result<Option<Duration>, StoreError> {
    match ttl {
        Ttl::Never => Ok(None),
        Ttl::After(life) if life.as_secs() >= 1 && life.subsec_nanos() == 0 => Ok(Some(life)),
        Ttl::After(life) => Err(StoreError::Refused(format!(
            "a time to live is in whole seconds, at least one, and {life:?} is not"
        ))),
    }
}
