//! The ledger: what was really executed, written by the executions themselves. One file a
//! process, one line a write, so that a killed process leaves whole lines.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use headwater::wire::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{clock, workload::Outcome};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When.
    pub(crate) t: Timestamp,
    /// Execution: `<process>.<life>-<count>`.
    pub(crate) x: String,
    /// Idempotency key of the step.
    pub(crate) key: String,
    /// Attempt.
    pub(crate) attempt: u32,
    /// What happened.
    pub(crate) event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    /// The execution begins.
    Begin,
    /// The side effect is done, and this will be returned.
    Done(Outcome),
    /// The attempt will fail, as it should.
    Fails,
}

/// The ledger of one process.
pub(crate) struct Ledger {
    file: File,
    process: String,
    count: AtomicU64,
}

impl Ledger {
    pub(crate) fn open(file: &Path, process: &str) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new().create(true).append(true).open(file)?,
            process: process.to_owned(),
            count: AtomicU64::new(0),
        })
    }

    /// Write down that an execution begins.
    pub(crate) fn begin(&self, key: &str, attempt: u32) -> io::Result<Execution<'_>> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let execution = Execution {
            ledger: self,
            x: format!("{}-{count}", self.process),
            key: key.to_owned(),
            attempt,
        };
        execution.write(Event::Begin)?;
        Ok(execution)
    }
}

/// An execution under way.
pub(crate) struct Execution<'a> {
    ledger: &'a Ledger,
    /// Its name.
    pub(crate) x: String,
    key: String,
    attempt: u32,
}

impl Execution<'_> {
    pub(crate) fn write(&self, event: Event) -> io::Result<()> {
        let line = Line {
            t: clock::now(),
            x: self.x.clone(),
            key: self.key.clone(),
            attempt: self.attempt,
            event,
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        (&self.ledger.file).write_all(text.as_bytes())
    }
}

/// What one execution has written.
#[derive(Clone, Debug)]
pub(crate) struct Executed {
    pub(crate) x: String,
    pub(crate) key: String,
    pub(crate) attempt: u32,
    pub(crate) begun: Timestamp,
    /// When and how it ended; none: it was interrupted.
    pub(crate) ended: Option<(Timestamp, Event)>,
}

impl Executed {
    /// The process, with its life.
    pub(crate) fn process(&self) -> &str {
        self.x.split('-').next().unwrap_or_default()
    }

    /// The invocation: the idempotency key is `<invocation>/<run>/<step>`.
    pub(crate) fn invocation(&self) -> &str {
        self.key.split('/').next().unwrap_or_default()
    }

    /// When it ended, or began if it did not.
    pub(crate) fn last(&self) -> Timestamp {
        self.ended.as_ref().map_or(self.begun, |(at, _)| *at)
    }
}

/// Read the ledgers of all processes, in the order of their beginnings. Also answers how many
/// lines could not be read: a process was killed within one.
pub(crate) fn read(folder: &Path) -> io::Result<(Vec<Executed>, usize)> {
    let (mut executed, mut torn) = (HashMap::new(), 0);
    for entry in std::fs::read_dir(folder)? {
        let text = std::fs::read_to_string(entry?.path())?;
        for line in text.lines() {
            match serde_json::from_str::<Line>(line) {
                Ok(line) => add(&mut executed, line),
                Err(_) => torn += 1,
            }
        }
    }
    let mut executed: Vec<Executed> = executed.into_values().collect();
    executed.sort_by(|a, b| (a.begun, &a.x).cmp(&(b.begun, &b.x)));
    Ok((executed, torn))
}

fn add(executed: &mut HashMap<String, Executed>, line: Line) {
    match line.event {
        Event::Begin => {
            let begun = Executed {
                x: line.x.clone(),
                key: line.key,
                attempt: line.attempt,
                begun: line.t,
                ended: None,
            };
            executed.insert(line.x, begun);
        }
        event => {
            if let Some(begun) = executed.get_mut(&line.x) {
                begun.ended = Some((line.t, event));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_torn_line_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p1.1");
        let ledger = Ledger::open(&file, "p1.1").unwrap();
        let first = ledger.begin("job/7.0/1", 1).unwrap();
        let outcome = Outcome {
            r: 5,
            x: first.x.clone(),
        };
        first.write(Event::Done(outcome.clone())).unwrap();
        ledger.begin("job/7.0/2", 3).unwrap();
        (&ledger.file).write_all(b"{\"t\":\"20").unwrap();
        let (executed, torn) = read(folder.path()).unwrap();
        assert_eq!((executed.len(), torn), (2, 1));
        assert_eq!(executed[0].ended.as_ref().unwrap().1, Event::Done(outcome));
        assert_eq!(executed[0].process(), "p1.1");
        assert_eq!(executed[1].invocation(), "job");
        assert_eq!(
            (executed[1].attempt, executed[1].ended.is_none()),
            (3, true)
        );
    }
}
