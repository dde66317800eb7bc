//! Dead letters: reading them, and giving one another chance.

use async_nats::HeaderMap;
use headwater_store::{DeadRecord, StoreError};
use headwater_wire::{
    dead::{DeadKind, DeadLetter},
    names::header as ours,
};
use serde::Serialize;

use crate::{
    direct::DirectMessage,
    errors::code,
    group::Write,
    link::{Ignored, Link, MessageQuery, Stored},
    publish::unescape,
};

/// Letters that one request asks for.
const BATCH: usize = 256;

impl Link {
    /// Dead letters from the sequence on, oldest first.
    pub(crate) async fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<DeadRecord>, StoreError> {
        let (stream, all) = (
            self.namespace.dead_letters_stream(),
            self.namespace.dead_letters_subject(),
        );
        let (mut records, mut next) = (Vec::new(), from_seq.max(1));
        while records.len() < limit {
            let query = MessageQuery {
                seq: Some(next),
                next_of: Some(&all),
                batch: Some(BATCH.min(limit - records.len())),
                ..MessageQuery::default()
            };
            let batch = self.direct_batch(&stream, &query).await?;
            let Some(last) = batch.last() else {
                break;
            };
            next = last.seq + 1;
            records.extend(batch.into_iter().map(record));
        }
        Ok(records)
    }

    /// Publish a letter's message again on its own subject, then remove the letter.
    pub(crate) async fn redrive(&self, seq: u64) -> Result<bool, StoreError> {
        let stream = self.namespace.dead_letters_stream();
        let query = MessageQuery {
            seq: Some(seq),
            ..MessageQuery::default()
        };
        let Some(stored) = self.leader_get(&stream, &query).await? else {
            return Ok(false);
        };
        let subject = self.own_subject(&stored)?;
        self.publish_alone(Write::new(subject, None, stored.data))
            .await?;
        self.remove(&stream, seq).await?;
        Ok(true)
    }

    /// Where the message came from: a work queue of ours, or the letter is not ours.
    fn own_subject(&self, letter: &Stored) -> Result<String, StoreError> {
        let subject = unescape(letter.header(ours::SUBJECT).unwrap_or_default());
        let mut ours = self.namespace.commands_subjects();
        ours.push(self.namespace.tasks_subject());
        let is_ours = ours
            .iter()
            .any(|filter| subject.starts_with(filter.trim_end_matches('>')));
        if is_ours {
            return Ok(subject);
        }
        Err(StoreError::Refused(format!(
            "the dead letter {} came from {subject:?}, which is no work queue of this namespace",
            letter.seq
        )))
    }

    async fn remove(&self, stream: &str, seq: u64) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Delete {
            seq: u64,
            no_erase: bool,
        }
        let verb = format!("STREAM.MSG.DELETE.{stream}");
        let body = Delete {
            seq,
            no_erase: true,
        };
        match self.api::<Ignored>(&verb, &body, self.timeout).await? {
            Ok(_) => Ok(()),
            // Somebody else has removed it.
            Err(error) if error.is_missing() => Ok(()),
            Err(error) if error.err_code == code::STREAM_MESSAGE_DELETE_FAILED => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn record(message: DirectMessage) -> DeadRecord {
    let text = |name| unescape(header(&message.headers, name));
    let number = |name| header(&message.headers, name).parse().unwrap_or(0);
    let kind = match message.subject.rsplit('.').nth(1) {
        Some(kind) if kind == DeadKind::Task.as_str() => DeadKind::Task,
        _ => DeadKind::Command,
    };
    DeadRecord {
        seq: message.seq,
        at: message.time,
        letter: DeadLetter {
            kind,
            subject: text(ours::SUBJECT),
            seq: number(ours::SEQUENCE),
            deliveries: number(ours::DELIVERIES),
            reason: text(ours::REASON),
            by: text(ours::BY),
            payload: message.data,
        },
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", async_nats::HeaderValue::as_str)
}
