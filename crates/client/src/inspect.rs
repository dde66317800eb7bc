//! Looking: states, journals, changes, members, dead letters.

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use headwater_store::{Bucket, Change, DeadRecord, Read};
use headwater_wire::{
    Entry, InvocationId, Key, Timestamp, Value, journal::Lines, member::Member, value::JournalPart,
};

use crate::{Client, ClientError};

/// The state of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// All but the journal's entries.
    pub value: Value,
    /// Its journal: the recent entries, and the number of pages.
    pub journal: JournalPart,
    /// Revision in EXECUTION_STATE.
    pub revision: u64,
    /// The bytes as stored, JSON.
    pub json: bytes::Bytes,
}

/// A change of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// It has this state now.
    State(Box<State>),
    /// Its retention is over, or it was deleted.
    Gone(Key),
    /// All states that were there when the watch began have been told.
    Current,
}

pub(crate) fn decode(id: &str, bytes: &[u8]) -> Result<(Value, JournalPart), ClientError> {
    Value::decode(bytes).map_err(|error| ClientError::Unreadable {
        id: id.to_owned(),
        reason: error.to_string(),
    })
}

pub(crate) fn state(record: headwater_store::Record) -> Result<State, ClientError> {
    let (value, journal) = decode(&record.key, &record.value)?;
    Ok(State {
        value,
        journal,
        revision: record.revision,
        json: record.value,
    })
}

pub(crate) fn is_built_in(key: &str) -> bool {
    Key::parse(key).is_ok_and(|key| key.is_built_in())
}

impl Client {
    /// The state of an invocation.
    pub async fn state(&self, id: &InvocationId) -> Result<State, ClientError> {
        self.read_state(id, Read::Leader)
            .await?
            .ok_or_else(|| ClientError::NotFound(id.clone()))
    }

    pub(crate) async fn read_state(
        &self,
        id: &InvocationId,
        read: Read,
    ) -> Result<Option<State>, ClientError> {
        let key = id.key();
        let record = self
            .inner
            .store
            .get(Bucket::State, key.as_str(), read)
            .await?;
        let state = record.map(state).transpose()?;
        Ok(state.filter(|state| state.value.deleted_at.is_none()))
    }

    /// Every entry of the journal of a state, pages first. The journal is that of its run: that of
    /// a run before is told by [`Client::history_of`].
    pub async fn history(&self, state: &State) -> Result<Vec<Entry>, ClientError> {
        let unreadable = |reason: String| ClientError::Unreadable {
            id: state.value.id.to_string(),
            reason,
        };
        let mut entries = Vec::new();
        for page in self.pages(state).await? {
            let lines = Lines::from_page(&page).map_err(|e| unreadable(e.to_string()))?;
            entries.extend(lines.entries().map_err(|e| unreadable(e.to_string()))?);
        }
        let tail = state.journal.tail.entries();
        entries.extend(tail.map_err(|e| unreadable(e.to_string()))?);
        Ok(entries)
    }

    /// The pages that hold the older entries of a state's journal.
    pub(crate) async fn pages(&self, state: &State) -> Result<Vec<bytes::Bytes>, ClientError> {
        let pages = state.journal.run_pages();
        if pages.is_empty() {
            return Ok(Vec::new());
        }
        let key = state.value.id.key();
        Ok(self.inner.store.pages(&key, pages).await?)
    }

    /// The states of all invocations, or of one, and then each change.
    pub async fn watch(
        &self,
        id: Option<&InvocationId>,
    ) -> Result<BoxStream<'static, Result<WatchEvent, ClientError>>, ClientError> {
        let key = id.map(InvocationId::key);
        let key = key.as_ref().map(Key::as_str);
        let changes = self.inner.store.watch(Bucket::State, key).await?;
        let events = changes.filter_map(|change| async {
            match change {
                Err(error) => Some(Err(error.into())),
                Ok(Change::Current) => Some(Ok(WatchEvent::Current)),
                Ok(Change::Put(record)) if is_built_in(&record.key) => None,
                Ok(Change::Put(record)) => {
                    Some(state(record).map(|state| match state.value.deleted_at {
                        Some(_) => WatchEvent::Gone(state.value.id.key()),
                        None => WatchEvent::State(Box::new(state)),
                    }))
                }
                Ok(Change::Gone { key }) => {
                    Key::parse(&key).ok().map(|key| Ok(WatchEvent::Gone(key)))
                }
            }
        });
        Ok(events.boxed())
    }

    /// The engines and workers that live.
    pub async fn members(&self) -> Result<Vec<Member>, ClientError> {
        let mut records = self.inner.store.scan(Bucket::Members).await?;
        let mut members = Vec::new();
        while let Some(record) = records.try_next().await? {
            if let Ok(member) = Member::decode(&record.value) {
                members.push(member);
            }
        }
        members.sort_by(|a, b| (a.role, &a.id).cmp(&(b.role, &b.id)));
        Ok(members)
    }

    /// Dead letters, oldest first.
    pub async fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<DeadRecord>, ClientError> {
        Ok(self.inner.store.dead_letters(from_seq, limit).await?)
    }

    /// Publish a dead letter's message again and remove the letter. False: there is none.
    pub async fn redrive(&self, seq: u64) -> Result<bool, ClientError> {
        Ok(self.inner.store.redrive(seq).await?)
    }

    /// The time, as this client's environment has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.env.now()
    }
}
