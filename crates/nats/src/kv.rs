//! Values of buckets: one message a key.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use async_nats::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use headwater_store::{Bucket, Expect, Read, Record, Revision, StoreError, Ttl};
use headwater_wire::{Key, names::page_key};

use crate::{
    direct::{DirectMessage, SUBJECTS_MAX},
    group::{Lane, Write},
    link::{Link, MessageQuery, Stored},
    streams::BucketNames,
};

/// Header by which KV clients mark a removed key, and by which they know that it is no value.
pub(crate) const KV_OPERATION: &str = "KV-Operation";

impl Link {
    /// Read a value. A marker that a KV client left behind is no value.
    pub(crate) async fn get(
        &self,
        bucket: Bucket,
        key: &str,
        read: Read,
    ) -> Result<Option<Record>, StoreError> {
        check_key(key)?;
        let names = self.buckets.of(bucket);
        let subject = names.subject(key);
        match read {
            Read::Any => {
                let message = self.direct_get(&names.stream, &subject).await?;
                Ok(message.and_then(|message| of_direct(names, message)))
            }
            Read::Leader => {
                let query = MessageQuery {
                    last_of: Some(&subject),
                    ..MessageQuery::default()
                };
                let stored = self.leader_get(&names.stream, &query).await?;
                Ok(stored.and_then(|stored| of_stored(names, stored)))
            }
        }
    }

    /// Write a value.
    pub(crate) async fn put(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Ttl,
    ) -> Result<Revision, StoreError> {
        check_key(key)?;
        let subject = self.buckets.of(bucket).subject(key);
        let again = match expect {
            Expect::Revision(0) => Some((subject.clone(), value.clone())),
            _ => None,
        };
        let answer = self.store(bucket, subject, expect, ttl, value).await;
        let (Err(StoreError::Conflict), Some((subject, value))) = (&answer, again) else {
            return answer;
        };
        // Somebody may have deleted the key by hand, which leaves a marker: that is no value.
        let Some(marker) = self.marker(bucket, &subject).await? else {
            return Err(StoreError::Conflict);
        };
        let expect = Expect::Revision(marker);
        self.store(bucket, subject, expect, ttl, value).await
    }

    async fn store(
        &self,
        bucket: Bucket,
        subject: String,
        expect: Expect,
        ttl: Ttl,
        value: Bytes,
    ) -> Result<Revision, StoreError> {
        let write = Write::new(subject, put_headers(expect, ttl)?, value);
        match bucket {
            Bucket::State => self.publish(Lane::State, write).await,
            // Few are written at the same time.
            Bucket::Journal | Bucket::Members | Bucket::Config => self.publish_alone(write).await,
        }
    }

    /// The sequence of the delete marker that a KV client has left on a key.
    async fn marker(&self, bucket: Bucket, subject: &str) -> Result<Option<u64>, StoreError> {
        let query = MessageQuery {
            last_of: Some(subject),
            ..MessageQuery::default()
        };
        let stored = self
            .leader_get(&self.buckets.of(bucket).stream, &query)
            .await?;
        Ok(stored
            .filter(|stored| stored.header(KV_OPERATION).is_some())
            .map(|stored| stored.seq))
    }

    /// Remove a value. A delete marker would be the key's last message, and a write that expects
    /// no value would fail on it; so the subject is purged, and watchers are told by a hint.
    pub(crate) async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        let names = self.buckets.of(bucket);
        self.purge(&names.stream, &names.subject(key)).await?;
        let gone = format!("{}{key}", names.gone_prefix);
        self.hint(&gone, Bytes::new()).await;
        Ok(())
    }

    /// Pages of a journal, in order. Those that a replica does not have yet are read at the
    /// leader.
    pub(crate) async fn pages(
        &self,
        key: &Key,
        pages: RangeInclusive<u32>,
    ) -> Result<Vec<Bytes>, StoreError> {
        let names = self.buckets.of(Bucket::Journal);
        let subject = |page| names.subject(&page_key(key, page));
        let mut found: BTreeMap<u32, Bytes> = BTreeMap::new();
        let (last, numbers): (u32, Vec<u32>) = (*pages.end(), pages.collect());
        for chunk in numbers.chunks(SUBJECTS_MAX) {
            let mut missing: BTreeMap<String, u32> =
                chunk.iter().map(|page| (subject(*page), *page)).collect();
            // The server ends an answer early that has too many bytes: ask for the rest.
            while !missing.is_empty() {
                let before = missing.len();
                let subjects: Vec<String> = missing.keys().cloned().collect();
                let query = MessageQuery {
                    last_of_each: &subjects,
                    ..MessageQuery::default()
                };
                for message in self.direct_batch(&names.stream, &query).await? {
                    if let Some(page) = missing.remove(&message.subject) {
                        found.insert(page, message.data);
                    }
                }
                if missing.len() == before {
                    break;
                }
            }
            for (subject, page) in missing {
                let query = MessageQuery {
                    last_of: Some(&subject),
                    ..MessageQuery::default()
                };
                let stored = self.leader_get(&names.stream, &query).await?;
                let Some(stored) = stored else {
                    return Err(StoreError::Refused(format!(
                        "page {page} of {last} of the journal of {key} is missing"
                    )));
                };
                found.insert(page, stored.data);
            }
        }
        Ok(found.into_values().collect())
    }
}

/// What KV allows as a key; also keeps wildcards out of purges.
fn check_key(key: &str) -> Result<(), StoreError> {
    let valid = !key.is_empty()
        && !key.starts_with('.')
        && !key.ends_with('.')
        && !key.contains("..")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_=/.".contains(&b));
    if valid {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "{key:?} can't be a key: use [-/_=.A-Za-z0-9]"
    )))
}

/// The server takes whole seconds, at least one.
fn whole_seconds(ttl: Duration) -> Result<u64, StoreError> {
    match (ttl.as_secs(), ttl.subsec_nanos()) {
        (seconds @ 1.., 0) => Ok(seconds),
        _ => Err(StoreError::Refused(format!(
            "{ttl:?} can't be a time to live: use whole seconds, at least one"
        ))),
    }
}

/// A time to live as the server takes it: whole seconds, or with a unit.
fn some(headers: HeaderMap) -> Option<HeaderMap> {
    (!headers.is_empty()).then_some(headers)
}

pub(crate) fn parse_ttl(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Duration::from_secs(count.checked_mul(seconds)?))
}

/// What a write expects, and how long the value lives; none where there is nothing to say.
fn put_headers(expect: Expect, ttl: Ttl) -> Result<Option<HeaderMap>, StoreError> {
    let mut headers = HeaderMap::new();
    if let Expect::Revision(revision) = expect {
        headers.insert(
            header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
            HeaderValue::from(revision),
        );
    }
    if let Ttl::After(ttl) = ttl {
        headers.insert(
            header::NATS_MESSAGE_TTL,
            HeaderValue::from(whole_seconds(ttl)?),
        );
    }
    Ok(some(headers))
}

fn of_direct(names: &BucketNames, message: DirectMessage) -> Option<Record> {
    if message.headers.get(KV_OPERATION).is_some() {
        return None;
    }
    Some(Record {
        key: names.key(&message.subject).to_owned(),
        value: message.data,
        revision: message.seq,
        written_at: message.time,
    })
}

fn of_stored(names: &BucketNames, stored: Stored) -> Option<Record> {
    if stored.header(KV_OPERATION).is_some() {
        return None;
    }
    Some(Record {
        key: names.key(&stored.subject).to_owned(),
        value: stored.data,
        revision: stored.seq,
        written_at: stored.time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_are_whole_seconds() {
        for (millis, seconds) in [
            (0, None),
            (1, None),
            (1_000, Some(1)),
            (1_001, None),
            (5_000, Some(5)),
        ] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)).ok(), seconds);
        }
    }

    #[test]
    fn wildcards_are_no_keys() {
        for key in ["", "a.*", ">", "a b", ".a", "a.", "a..b"] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
        for key in ["a", "engine.7", "order=207", "=Kuser-1", "a.12"] {
            assert!(check_key(key).is_ok(), "{key:?}");
        }
    }

    #[test]
    fn times_to_live_are_read() {
        for (text, seconds) in [
            ("5", Some(5)),
            ("2s", Some(2)),
            ("3m", Some(180)),
            ("1h", Some(3_600)),
            ("never", None),
            ("5ms", None),
        ] {
            assert_eq!(parse_ttl(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
