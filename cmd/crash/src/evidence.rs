//! What is known once everything has come to rest.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use headwater::{
    Client,
    client::Filter,
    wire::{Entry, Run, Status, Timestamp, Value},
};

use crate::{
    error::CrashError,
    faults::{Fault, Log},
    history::{History, Turns},
    ledger::{self, Executed},
    submit::Submissions,
    workload::Job,
};

/// An invocation as it stands at the end.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) n: u64,
    pub(crate) workflow: String,
    pub(crate) key: Option<String>,
    pub(crate) run: Run,
    pub(crate) status: Status,
    /// Why, in one sentence.
    pub(crate) why: String,
    pub(crate) output: Option<u64>,
    pub(crate) ended_at: Option<Timestamp>,
    /// The whole journal.
    pub(crate) entries: Vec<Entry>,
}

impl Invocation {
    fn new(value: &Value, entries: Vec<Entry>) -> Option<Self> {
        let job: Job = value.input.decode().ok()?;
        Some(Self {
            id: value.id.to_string(),
            n: job.n,
            workflow: value.workflow.clone(),
            key: value.partition_key.clone(),
            run: value.run,
            status: value.status,
            why: value.why.clone(),
            output: value
                .output
                .as_ref()
                .and_then(|output| output.decode().ok()),
            ended_at: value.ended_at,
            entries,
        })
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// When the run began.
    pub(crate) began: Timestamp,
    /// Jobs that were to be submitted: 0 to this.
    pub(crate) jobs: u64,
    /// Jobs that may have been started twice.
    pub(crate) twice: BTreeSet<u64>,
    pub(crate) invocations: Vec<Invocation>,
    /// In the order of their beginnings.
    pub(crate) executed: Vec<Executed>,
    /// Lines of the ledger that cannot be read.
    pub(crate) torn: usize,
    pub(crate) faults: Vec<Fault>,
    pub(crate) turns: Turns,
    /// Process with its life, by the id of its engine.
    pub(crate) engines: HashMap<String, String>,
}

impl Evidence {
    pub(crate) async fn gather(
        client: &Client,
        folder: &Path,
        submissions: &Submissions,
        jobs: u64,
        history: &History,
        log: &Log,
    ) -> Result<Self, CrashError> {
        let mut invocations = Vec::new();
        for state in client.list(&Filter::new()).await?.states {
            let entries = client.history(&state).await?;
            match Invocation::new(&state.value, entries) {
                Some(invocation) => invocations.push(invocation),
                None => log.unexpected(format!("{} is of no job", state.value.id)),
            }
        }
        let read = ledger::read(&folder.join("ledger"));
        let (executed, torn) = read.map_err(CrashError::io("the ledger"))?;
        Ok(Self {
            began: log.began,
            jobs,
            twice: submissions.twice(),
            invocations,
            executed,
            torn,
            faults: log.faults(),
            turns: history.turns(),
            engines: log.engines(),
        })
    }

    /// A point in time as the lines of the run have it, in seconds.
    pub(crate) fn second(&self, at: Timestamp) -> String {
        let micros = at.as_micros() - self.began.as_micros();
        format!("{:.3}", micros as f64 / 1e6)
    }

    /// The turns of an invocation, for people.
    pub(crate) fn turns_of(&self, id: &str) -> String {
        let turns = self.turns.get(id).into_iter().flatten();
        let told = turns.map(|turn| {
            let process = self.process_of(&turn.engine);
            format!("{} {process}", self.second(turn.at))
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// The process that wrote a turn.
    pub(crate) fn process_of<'a>(&'a self, engine: &'a str) -> &'a str {
        self.engines.get(engine).map_or(engine, String::as_str)
    }
}
