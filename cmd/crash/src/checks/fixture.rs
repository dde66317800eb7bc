//! Small evidence for the tests of the checks.

use std::time::Duration;

use headwater::wire::{Entry, Payload, Run, Status, Timestamp};

use crate::{
    evidence::{Evidence, Invocation},
    faults::{Fault, Kind},
    ledger::{Event, Executed},
    workload::{self, Outcome},
};

/// A point in time, in seconds.
pub(crate) fn second(at: i64) -> Timestamp {
    Timestamp::from_micros(at * 1_000_000)
}

/// A completed invocation of a job, with an empty journal.
pub(crate) fn invocation(n: u64) -> Invocation {
    Invocation {
        id: format!("job:{n}"),
        n,
        workflow: workload::Kind::of(n).name().to_owned(),
        key: workload::key(n),
        run: Run {
            start: 1,
            continued: 0,
        },
        status: Status::Completed,
        why: "it has ended".to_owned(),
        output: Some(workload::expected(n)),
        ended_at: Some(second(1_000)),
        entries: Vec::new(),
    }
}

pub(crate) fn evidence(invocations: Vec<Invocation>) -> Evidence {
    Evidence {
        jobs: invocations.len() as u64,
        invocations,
        ..Evidence::default()
    }
}

/// A recorded outcome.
pub(crate) fn done(step: u32, x: &str) -> Entry {
    Entry::Done {
        step,
        t: 0,
        value: Payload::encode(&outcome(x)).unwrap(),
    }
}

fn outcome(x: &str) -> Outcome {
    Outcome {
        r: 1,
        x: x.to_owned(),
    }
}

/// An execution that began at a second and took half of one.
pub(crate) fn executed(n: u64, step: u32, x: &str, at: i64) -> Executed {
    Executed {
        x: x.to_owned(),
        key: format!("job:{n}/1.0/{step}"),
        attempt: 1,
        begun: second(at),
        ended: Some((
            second(at).after(Duration::from_millis(500)),
            Event::Done(outcome(x)),
        )),
    }
}

pub(crate) fn fault(kind: Kind, target: &str, at: i64, until: i64) -> Fault {
    Fault {
        kind,
        target: target.to_owned(),
        at: second(at),
        until: second(until),
    }
}
