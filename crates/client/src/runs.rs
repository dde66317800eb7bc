//! The runs of an invocation: each time that it continues as new another begins.

use bytes::Bytes;
use futures::future::try_join_all;
use headwater_store::{Bucket, Read};
use headwater_wire::{
    Command, Entry, InvocationId, Run, Status, Timestamp,
    journal::Lines,
    runs::{self, EndedRun, journal_key},
};

use crate::{Client, ClientError, State};

/// One run of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The first is 1.
    pub number: u32,
    /// Its id, as it stands in idempotency keys.
    pub run: Run,
    /// Version of the workflow.
    pub version: String,
    /// [`Status::ContinuedAsNew`] of all but the last.
    pub status: Status,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Entries of its journal.
    pub entries: u64,
}

/// Which runs are to be forgotten: those that fit all that is said. The last one never is.
///
/// ```
/// use headwater_client::Prune;
///
/// let all_but_three = Prune::keep_last(3);
/// let all_before_the_last = Prune::default();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    keep_last: u32,
    ended_before: Option<Timestamp>,
}

impl Prune {
    /// All but the last so many, the current one counted.
    #[must_use]
    pub fn keep_last(runs: u32) -> Self {
        Self::default().and_keep_last(runs)
    }

    /// Those that ended before this time.
    #[must_use]
    pub fn ended_before(time: Timestamp) -> Self {
        Self::default().and_ended_before(time)
    }

    /// And none of the last so many.
    #[must_use]
    pub fn and_keep_last(self, keep_last: u32) -> Self {
        Self { keep_last, ..self }
    }

    /// And none that ended at this time or later.
    #[must_use]
    pub fn and_ended_before(self, time: Timestamp) -> Self {
        Self {
            ended_before: Some(time),
            ..self
        }
    }

    fn command(self, id: String) -> runs::Prune {
        runs::Prune {
            id,
            keep_last: self.keep_last,
            ended_before: self.ended_before,
        }
    }
}

/// What is forgotten by [`Client::prune`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs.
    pub runs: usize,
    /// Entries of their journals.
    pub entries: u64,
}

impl Client {
    /// The runs of an invocation that are known, the first of them first: the last ones that have
    /// continued as new, at most [`RUNS_LISTED_MAX`](headwater_wire::limits::RUNS_LISTED_MAX), and
    /// the current one.
    pub async fn executions(&self, id: &InvocationId) -> Result<Vec<Execution>, ClientError> {
        let state = self.state(id).await?;
        let mut all: Vec<Execution> = state.value.runs.iter().map(execution).collect();
        all.push(current(&state));
        Ok(all)
    }

    /// Every entry of the journal of one run, by its number from 1: see [`Client::executions`].
    /// The journal of a run that is over is kept as long as an ended invocation, a day by default.
    ///
    /// Errors: [`ClientError::NotFound`]; [`ClientError::NoRun`] if there was no such run, or it
    /// is kept no longer.
    pub async fn history_of(
        &self,
        id: &InvocationId,
        number: u32,
    ) -> Result<Vec<Entry>, ClientError> {
        let state = self.state(id).await?;
        if number == number_of(state.value.run) {
            return self.history(&state).await;
        }
        let no_run = || ClientError::NoRun {
            id: id.clone(),
            number,
        };
        let runs = &state.value.runs;
        let ended = runs.iter().find(|ended| number_of(ended.run) == number);
        let ended = ended.ok_or_else(no_run)?;
        let entries = self.entries_of(id, ended).await?;
        match entries.len() as u64 == ended.entries {
            true => Ok(entries),
            false => Err(no_run()),
        }
    }

    /// What is left of the journal of a run that is over.
    async fn entries_of(
        &self,
        id: &InvocationId,
        ended: &EndedRun,
    ) -> Result<Vec<Entry>, ClientError> {
        let key = id.key();
        let parts: Vec<String> = ended.parts().map(|part| journal_key(&key, &part)).collect();
        let store = &self.inner.store;
        let read = parts
            .iter()
            .map(|part| store.get(Bucket::Journal, part, Read::Leader));
        let parts = try_join_all(read).await?.into_iter().flatten();
        let pages = parts.map(|part| part.value).filter(|page| !page.is_empty());
        let mut entries = Vec::new();
        for page in pages {
            entries.extend(entries_in(id, &page)?);
        }
        Ok(entries)
    }

    /// Forget runs that are over: they are no longer listed, and their journals go. What the
    /// invocation holds itself (key-value pairs, search attributes) stays, whoever wrote it.
    ///
    /// Returns when the request is stored, with what it will forget by the state as it is now.
    /// Errors: [`ClientError::NotFound`].
    pub async fn prune(&self, id: &InvocationId, which: &Prune) -> Result<Pruned, ClientError> {
        let value = self.state(id).await?.value;
        let prune = which.command(self.inner.new_id());
        let forgotten = value
            .runs
            .iter()
            .filter(|run| prune.forgets(run, value.run));
        let pruned = forgotten.fold(Pruned::default(), |sum, run| Pruned {
            runs: sum.runs + 1,
            entries: sum.entries + run.entries,
        });
        if pruned.runs > 0 {
            self.send(id, Command::Prune(prune)).await?;
        }
        Ok(pruned)
    }
}

fn number_of(run: Run) -> u32 {
    run.continued.saturating_add(1)
}

fn execution(ended: &EndedRun) -> Execution {
    Execution {
        number: number_of(ended.run),
        run: ended.run,
        version: ended.version.clone(),
        status: Status::ContinuedAsNew,
        started_at: ended.started_at,
        ended_at: Some(ended.ended_at),
        entries: ended.entries,
    }
}

fn current(state: &State) -> Execution {
    let value = &state.value;
    Execution {
        number: number_of(value.run),
        run: value.run,
        version: value.version.clone(),
        status: value.status,
        started_at: value.run_started_at.unwrap_or(value.created_at),
        ended_at: value.ended_at,
        entries: state.journal.entries,
    }
}

fn entries_in(id: &InvocationId, page: &Bytes) -> Result<Vec<Entry>, ClientError> {
    let lines = Lines::from_page(page).and_then(|lines| lines.entries());
    lines.map_err(|error| ClientError::Unreadable {
        id: id.to_string(),
        reason: error.to_string(),
    })
}
