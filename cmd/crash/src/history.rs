//! Every turn of every invocation, as it was stored: who wrote it, and when.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt as _;
use headwater::{
    Client,
    store::{Bucket, Change, Record},
    wire::{Key, Timestamp, Value},
};
use tokio::task::JoinSet;

use crate::error::CrashError;

/// A turn.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// When the server stored it.
    pub(crate) at: Timestamp,
    /// Which engine wrote it.
    pub(crate) engine: String,
    /// Whether the invocation ended with it.
    pub(crate) ended: bool,
}

/// The turns of each invocation, in order. Turns can be missing: a value that was replaced
/// before the watch came to it.
pub(crate) type Turns = HashMap<String, Vec<Turn>>;

/// A watch on EXECUTION_STATE that goes on until it is dropped.
pub(crate) struct History {
    shared: Arc<Mutex<Shared>>,
    _watching: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    turns: Turns,
    ended: u64,
    /// Errors of the watch, what it told was gone (nothing expires within a run), and values
    /// that could not be read.
    errors: Vec<String>,
}

impl History {
    pub(crate) async fn watch(client: &Client) -> Result<Self, CrashError> {
        let mut changes = client.store().watch(Bucket::State, None).await?;
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let mut watching = JoinSet::new();
        let to = Arc::clone(&shared);
        watching.spawn(async move {
            while let Some(change) = changes.next().await {
                let mut to = lock(&to);
                match change {
                    Ok(Change::Put(record)) => to.put(&record),
                    Ok(Change::Gone { key }) => {
                        to.errors
                            .push(format!("the watch tells that {key} is gone"));
                    }
                    Ok(Change::Current) => {}
                    Err(error) => to.errors.push(error.to_string()),
                }
            }
        });
        Ok(Self {
            shared,
            _watching: watching,
        })
    }

    /// Invocations that have ended so far.
    pub(crate) fn ended(&self) -> u64 {
        lock(&self.shared).ended
    }

    /// Invocations that have not ended, as far as was seen.
    pub(crate) fn open(&self) -> Vec<String> {
        let shared = lock(&self.shared);
        let open = shared
            .turns
            .iter()
            .filter(|(_, turns)| turns.last().is_some_and(|turn| !turn.ended));
        open.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn turns(&self) -> Turns {
        lock(&self.shared).turns.clone()
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        lock(&self.shared).errors.clone()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn put(&mut self, record: &Record) {
        if Key::parse(&record.key).is_ok_and(|key| key.is_built_in()) {
            return;
        }
        let value = match Value::decode(&record.value) {
            Ok((value, _)) => value,
            Err(error) => return self.errors.push(format!("{}: {error}", record.key)),
        };
        let engine = value.turn.id.rsplit_once('-');
        let engine = engine.map_or_else(String::new, |(engine, _)| engine.to_owned());
        let turns = self.turns.entry(value.id.to_string()).or_default();
        let ended = value.status.is_ended();
        let had_ended = turns.last().is_some_and(|turn| turn.ended);
        self.ended += u64::from(ended && !had_ended);
        turns.push(Turn {
            at: record.written_at,
            engine,
            ended,
        });
    }
}
