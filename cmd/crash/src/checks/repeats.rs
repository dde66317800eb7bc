//! A step that ran more than once did so because of a fault, and the fault is named.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use headwater::wire::{
    Timestamp,
    limits::{ACK_WAIT, REQUEST_TIMEOUT},
};

use super::Check;
use crate::{
    clock::before,
    evidence::Evidence,
    faults::{Fault, Kind},
    ledger::Executed,
};

/// What a fault had in hand comes again within this time, and what it has left without an
/// answer is given up within it.
const AFTERMATH: Duration = ACK_WAIT.saturating_add(REQUEST_TIMEOUT);

/// Why a step ran again: the first that applies, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The process that ran it was killed before it had recorded the outcome.
    ItsProcessKilled,
    /// A process that ran it was paused meanwhile, or just before.
    ItsProcessPaused,
    /// A processor that wrote turns of the invocation was killed or paused meanwhile.
    ProcessorOfInvocation,
    /// A server was killed or cut off meanwhile.
    Server,
    /// Only a process that is not known to have had to do with it was.
    AnyProcess,
}

impl Reason {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::ItsProcessKilled => "the process that ran it was killed",
            Self::ItsProcessPaused => "a process that ran it was paused (a zombie)",
            Self::ProcessorOfInvocation => "a processor of the invocation was killed or paused",
            Self::Server => "a NATS server was killed or cut off",
            Self::AnyProcess => "some other process was killed or paused",
        }
    }
}

/// How much was done more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Repeats {
    /// Attempts of steps that were begun.
    pub(crate) attempts: usize,
    /// Attempts that ran more than once.
    pub(crate) repeated: usize,
    /// Attempts whose side effect happened more than once.
    pub(crate) effects: usize,
    /// Runs beyond the first, by reason.
    pub(crate) by_reason: BTreeMap<Reason, usize>,
    /// Runs that began after the invocation had ended.
    pub(crate) late: usize,
    /// Each of them, with its reason.
    pub(crate) all: Vec<(Option<Reason>, String)>,
}

/// The check, and the figures.
pub(crate) fn explained(evidence: &Evidence) -> (Check, Repeats) {
    let mut check = Check::new("every step that ran more than once did so because of a fault");
    let mut repeats = Repeats::default();
    let mut attempts: BTreeMap<(&str, u32), Vec<&Executed>> = BTreeMap::new();
    for executed in &evidence.executed {
        let attempt = (executed.key.as_str(), executed.attempt);
        attempts.entry(attempt).or_default().push(executed);
    }
    let ends: HashMap<&str, Timestamp> = evidence
        .invocations
        .iter()
        .filter_map(|invocation| Some((invocation.id.as_str(), invocation.ended_at?)))
        .collect();
    repeats.attempts = attempts.len();
    for runs in attempts.into_values() {
        let effects = runs.iter().filter(|run| run.ended.is_some()).count();
        repeats.repeated += usize::from(runs.len() > 1);
        repeats.effects += usize::from(effects > 1);
        let end = ends.get(runs[0].invocation());
        let late = |run: &&&Executed| end.is_some_and(|end| run.begun > *end);
        repeats.late += runs.iter().filter(late).count();
        for pair in runs.windows(2) {
            let (first, again) = (pair[0], pair[1]);
            let reason = reason(evidence, first, again);
            let text = told(evidence, first, again);
            match reason {
                Some(reason) => *repeats.by_reason.entry(reason).or_default() += 1,
                None => check.fail(first.invocation(), text.clone()),
            }
            repeats.all.push((reason, text));
        }
    }
    check.seen = format!(
        "{} of {} attempts ran more than once",
        repeats.repeated, repeats.attempts
    );
    (check, repeats)
}

/// A repeat, for people.
fn told(evidence: &Evidence, first: &Executed, again: &Executed) -> String {
    let [began, begun] = [first, again].map(|run| evidence.second(run.begun));
    let (id, turns) = (first.invocation(), evidence.turns_of(first.invocation()));
    let workflow = evidence
        .invocations
        .iter()
        .find(|invocation| invocation.id == id)
        .map_or("?", |invocation| invocation.workflow.as_str());
    format!(
        "{workflow} {} attempt {}: {} at {began} s, {} at {begun} s; turns: {turns}",
        first.key, first.attempt, first.x, again.x
    )
}

fn reason(evidence: &Evidence, first: &Executed, again: &Executed) -> Option<Reason> {
    let (from, to) = (first.begun, again.begun);
    let (early, had) = (before(from, AFTERMATH), [first.process(), again.process()]);
    let is_kill = |fault: &Fault| matches!(fault.kind, Kind::ProcessorKilled | Kind::WorkerKilled);
    let any = |holds: &dyn Fn(&Fault) -> bool| evidence.faults.iter().any(holds);
    let lasts = |fault: &Fault, from| fault.at <= to && fault.until >= from;
    if any(&|fault| is_kill(fault) && fault.target == had[0] && from <= fault.at && fault.at <= to)
    {
        return Some(Reason::ItsProcessKilled);
    }
    // A zombie goes on with what it had in hand for a while.
    let is_pause = |fault: &Fault| fault.kind == Kind::ProcessorPaused && lasts(fault, early);
    if any(&|fault| is_pause(fault) && had.contains(&fault.target.as_str())) {
        return Some(Reason::ItsProcessPaused);
    }
    let of_processes = |fault: &Fault| {
        let is_near = match is_kill(fault) {
            true => early <= fault.at && fault.at <= to,
            false => lasts(fault, early),
        };
        !fault.kind.is_of_servers() && is_near
    };
    let writers = writers(evidence, first.invocation());
    if any(&|fault| of_processes(fault) && writers.contains(fault.target.as_str())) {
        return Some(Reason::ProcessorOfInvocation);
    }
    if any(&|fault| fault.kind.is_of_servers() && lasts(fault, early)) {
        return Some(Reason::Server);
    }
    any(&of_processes).then_some(Reason::AnyProcess)
}

/// The processes that wrote turns of an invocation.
fn writers<'a>(evidence: &'a Evidence, id: &str) -> BTreeSet<&'a str> {
    let turns = evidence.turns.get(id);
    turns
        .into_iter()
        .flatten()
        .map(|turn| evidence.process_of(&turn.engine))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checks::fixture::{evidence, executed, fault, invocation, second},
        history::Turn,
    };

    fn reason_with(faults: Vec<Fault>) -> Option<Reason> {
        let mut all = evidence(vec![invocation(0)]);
        all.executed = vec![executed(0, 1, "p1.1-0", 100), executed(0, 1, "p2.1-0", 105)];
        all.faults = faults;
        all.engines.insert("e3".to_owned(), "p3.1".to_owned());
        all.turns.insert(
            "job:0".to_owned(),
            vec![Turn {
                at: second(99),
                engine: "e3".to_owned(),
                ended: false,
            }],
        );
        let (check, repeats) = explained(&all);
        assert_eq!((repeats.repeated, repeats.effects), (1, 1));
        let reason = repeats.by_reason.keys().next().copied();
        assert_eq!(check.holds(), reason.is_some());
        reason
    }

    #[test]
    fn a_repeat_has_the_closest_reason_or_none() {
        use Kind::{ProcessorKilled, ProcessorPaused, ServerKilled, WorkerKilled};
        let cases = [
            (
                fault(ProcessorKilled, "p1.1", 101, 102),
                Some(Reason::ItsProcessKilled),
            ),
            // Killed before it began, or after the repeat: not this one.
            (fault(ProcessorKilled, "p1.1", 106, 107), None),
            (fault(ProcessorKilled, "p1.1", 90, 107), None),
            (
                fault(ProcessorPaused, "p1.1", 90, 101),
                Some(Reason::ItsProcessPaused),
            ),
            (
                fault(ProcessorPaused, "p2.1", 97, 104),
                Some(Reason::ItsProcessPaused),
            ),
            (
                fault(ProcessorKilled, "p3.1", 98, 99),
                Some(Reason::ProcessorOfInvocation),
            ),
            (fault(ServerKilled, "nats", 90, 95), Some(Reason::Server)),
            (fault(ServerKilled, "nats", 90, 92), None),
            (
                fault(WorkerKilled, "w1.1", 101, 102),
                Some(Reason::AnyProcess),
            ),
        ];
        for (fault, reason) in cases {
            let text = format!("{fault:?}");
            assert_eq!(reason_with(vec![fault]), reason, "{text}");
        }
        assert_eq!(reason_with(Vec::new()), None);
    }

    #[test]
    fn a_second_attempt_is_no_repeat_and_a_late_run_is_counted() {
        let mut all = evidence(vec![invocation(0)]);
        let mut second_attempt = executed(0, 1, "p1.1-1", 2_000);
        second_attempt.attempt = 2;
        all.executed = vec![executed(0, 1, "p1.1-0", 100), second_attempt];
        let (check, repeats) = explained(&all);
        assert!(check.holds());
        assert_eq!(
            (repeats.repeated, repeats.attempts, repeats.late),
            (0, 2, 1)
        );
    }
}
