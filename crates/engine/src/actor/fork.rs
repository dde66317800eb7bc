//! A new invocation from its start. A fork begins with what another has recorded.

use headwater_core::{Invocation, invocation::Birth};
use headwater_store::{Bucket, Read, StoreError};
use headwater_wire::{
    Code, Entry, Failure, Value,
    command::Start,
    fork::Fork,
    journal::{JournalError, Lines},
};

use super::Actor;
use crate::{emit::Backoff, router::Shared};

impl Actor {
    /// The invocation that a start begins. One whose fork cannot be made has failed.
    pub(super) async fn create_from(&mut self, start: Start, birth: Birth) -> Invocation {
        let Some(fork) = start.fork.clone() else {
            return Invocation::create(start, birth);
        };
        // What follows does not rest on the start alone.
        self.new_start = false;
        let source = self.read_source(&fork).await;
        let forked = source.and_then(|(source, entries)| {
            Invocation::fork(&start, &fork, &birth, &source, &entries)
        });
        forked.unwrap_or_else(|failure| {
            let now = self.shared.env.now();
            Invocation::not_forked(start, &fork, birth, failure, now)
        })
    }

    /// What is forked, as it is stored now.
    async fn read_source(&self, fork: &Fork) -> Result<(Value, Vec<Entry>), Failure> {
        let mut backoff = Backoff::new("reading what is forked");
        loop {
            let error = match self.try_source(fork).await {
                Ok(read) => return read,
                Err(error) => error,
            };
            backoff.wait(&self.shared.env, &error).await;
        }
    }

    async fn try_source(
        &self,
        fork: &Fork,
    ) -> Result<Result<(Value, Vec<Entry>), Failure>, StoreError> {
        let Shared { store, .. } = self.shared.as_ref();
        let gone = |why: &str| {
            let message = format!("the invocation {} cannot be forked: {why}", fork.invocation);
            Err(Failure::fatal(Code::NOT_FOUND, message))
        };
        let key = fork.invocation.key();
        let record = store.get(Bucket::State, key.as_str(), Read::Leader).await?;
        let Some(record) = record else {
            return Ok(gone("it is kept no longer"));
        };
        let (value, journal) = match Value::decode(&record.value) {
            Ok((value, _)) if value.deleted_at.is_some() => return Ok(gone("it was deleted")),
            Ok(read) => read,
            Err(error) => return Ok(gone(&error.to_string())),
        };
        let pages = journal.run_pages();
        let pages = match pages.is_empty() {
            true => Vec::new(),
            false => match store.pages(&key, pages).await {
                Err(StoreError::Refused(reason)) => return Ok(gone(&reason)),
                pages => pages?,
            },
        };
        let entries = || -> Result<Vec<Entry>, JournalError> {
            let mut entries = Vec::new();
            for page in &pages {
                entries.extend(Lines::from_page(page)?.entries()?);
            }
            entries.extend(journal.tail.entries()?);
            Ok(entries)
        };
        Ok(match entries() {
            Ok(entries) => Ok((value, entries)),
            Err(error) => gone(&error.to_string()),
        })
    }
}
