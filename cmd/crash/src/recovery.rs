//! How long it took to go on after each fault.

use std::{collections::HashMap, time::Duration};

use headwater::wire::Timestamp;

use crate::{
    checks::Check,
    evidence::Evidence,
    faults::{Fault, Kind},
    history::Turn,
    ledger::Executed,
};

/// What is measured from a fault on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// The next turn of any invocation.
    AnyTurn,
    /// The next turn of one of those whose last turn the process wrote.
    FirstHeld,
    /// The same for one of those of which it was just running a local step.
    FirstInterrupted,
    /// Until each of those whose last turn it wrote has had a next one.
    AllHeld,
    /// The next end of an execution of one of the tasks that a worker was running.
    FirstTask,
    /// Until each of those has been executed again.
    AllTasks,
}

impl Measure {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::AnyTurn => "first progress of any workflow",
            Self::FirstHeld => "first progress of one that it held",
            Self::FirstInterrupted => "first progress of one whose step it was running",
            Self::AllHeld => "all that it held have progressed",
            Self::FirstTask => "first end of a task that it was running",
            Self::AllTasks => "all tasks that it was running have ended",
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recovery {
    pub(crate) fault: Kind,
    pub(crate) measure: Measure,
    pub(crate) took: Duration,
    /// No other processor and no server was away meanwhile.
    pub(crate) alone: bool,
}

/// Everything that was measured.
pub(crate) fn measure(evidence: &Evidence) -> Vec<Recovery> {
    let mut all = Vec::new();
    let ledger = Ledger::new(evidence);
    for fault in &evidence.faults {
        let took = |measure, until: Option<Timestamp>| {
            until.map(|until| Recovery {
                fault: fault.kind,
                measure,
                took: until.since(fault.at),
                alone: !evidence.faults.iter().any(|other| {
                    let is_other = other != fault && other.kind != Kind::WorkerKilled;
                    is_other && other.at <= until && other.until >= fault.at
                }),
            })
        };
        let any = next_of_any(evidence, fault.at);
        all.extend(took(Measure::AnyTurn, any));
        match fault.kind {
            Kind::ProcessorKilled | Kind::ProcessorPaused => {
                let held = held(evidence, fault);
                let next: Vec<Timestamp> = held.values().copied().collect();
                all.extend(took(Measure::FirstHeld, next.iter().min().copied()));
                all.extend(took(Measure::AllHeld, next.iter().max().copied()));
                let interrupted = ledger.interrupted(fault).into_iter();
                let next = interrupted.filter_map(|executed| held.get(executed.invocation()));
                all.extend(took(Measure::FirstInterrupted, next.min().copied()));
            }
            Kind::WorkerKilled => {
                let interrupted = ledger.interrupted(fault);
                let next: Vec<Timestamp> = interrupted
                    .iter()
                    .filter_map(|executed| ledger.next_end(executed, fault.at))
                    .collect();
                all.extend(took(Measure::FirstTask, next.iter().min().copied()));
                all.extend(took(Measure::AllTasks, next.iter().max().copied()));
            }
            Kind::ServerKilled | Kind::ServerCut => {}
        }
    }
    all
}

fn next_of_any(evidence: &Evidence, at: Timestamp) -> Option<Timestamp> {
    let turns = evidence.turns.values().filter_map(|turns| next(turns, at));
    turns.min()
}

fn next(turns: &[Turn], at: Timestamp) -> Option<Timestamp> {
    turns.iter().map(|turn| turn.at).find(|turn| *turn > at)
}

/// The unfinished invocations whose last turn a process wrote, with the time of their next.
fn held<'a>(evidence: &'a Evidence, fault: &Fault) -> HashMap<&'a str, Timestamp> {
    let is_held = |turns: &[Turn]| {
        let last = turns.iter().take_while(|turn| turn.at <= fault.at).last();
        last.is_some_and(|turn| !turn.ended && evidence.process_of(&turn.engine) == fault.target)
    };
    evidence
        .turns
        .iter()
        .filter(|(_, turns)| is_held(turns))
        .filter_map(|(id, turns)| Some((id.as_str(), next(turns, fault.at)?)))
        .collect()
}

/// The ledger by process and by attempt.
struct Ledger<'a> {
    by_process: HashMap<&'a str, Vec<&'a Executed>>,
    by_attempt: HashMap<(&'a str, u32), Vec<&'a Executed>>,
}

impl<'a> Ledger<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let (mut by_process, mut by_attempt) = (HashMap::new(), HashMap::new());
        for executed in &evidence.executed {
            let of_process: &mut Vec<_> = by_process.entry(executed.process()).or_default();
            of_process.push(executed);
            let attempt = (executed.key.as_str(), executed.attempt);
            let of_attempt: &mut Vec<_> = by_attempt.entry(attempt).or_default();
            of_attempt.push(executed);
        }
        Self {
            by_process,
            by_attempt,
        }
    }

    /// What a process was executing when it was struck.
    fn interrupted(&self, fault: &Fault) -> Vec<&'a Executed> {
        let of_process = self.by_process.get(fault.target.as_str());
        let all = of_process.into_iter().flatten().copied();
        let is_cut_short = |executed: &&Executed| {
            let ended = executed.ended.as_ref();
            executed.begun <= fault.at && ended.is_none_or(|(at, _)| *at > fault.at)
        };
        all.filter(is_cut_short).collect()
    }

    /// When the same attempt ended, whoever ran it.
    fn next_end(&self, executed: &Executed, after: Timestamp) -> Option<Timestamp> {
        let attempt = (executed.key.as_str(), executed.attempt);
        let runs = self.by_attempt.get(&attempt)?;
        let ends = runs.iter().filter_map(|run| Some(run.ended.as_ref()?.0));
        ends.filter(|end| *end > after).min()
    }
}

/// Whether what a killed processor was running went on soon, with the other processors and the
/// servers at work.
pub(crate) fn within(recoveries: &[Recovery], seconds_max: f64) -> Option<Check> {
    let mut took: Vec<Duration> = recoveries
        .iter()
        .filter(|one| one.alone)
        .filter(|one| {
            (one.fault, one.measure) == (Kind::ProcessorKilled, Measure::FirstInterrupted)
        })
        .map(|one| one.took)
        .collect();
    let (p50, max) = p50_and_max(&mut took)?;
    let (p50, max) = (p50.as_secs_f64(), max.as_secs_f64());
    let seen = format!("p50 {p50:.2} s, max {max:.2} s, {} kills", took.len());
    let late = (max > seconds_max).then(|| format!("max is over {seconds_max} s"));
    let claim = "what a killed processor was running went on soon, where nothing else was away";
    Some(Check::made(claim, seen, late.into_iter().collect()))
}

/// The middle and the largest of some.
pub(crate) fn p50_and_max(took: &mut [Duration]) -> Option<(Duration, Duration)> {
    took.sort_unstable();
    Some((*took.get(took.len() / 2)?, *took.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::fixture::{evidence, executed, fault, second};

    fn turns(written: &[(i64, &str, bool)]) -> Vec<Turn> {
        let turn = |(at, engine, ended): &(i64, &str, bool)| Turn {
            at: second(*at),
            engine: (*engine).to_owned(),
            ended: *ended,
        };
        written.iter().map(turn).collect()
    }

    #[test]
    fn what_a_killed_processor_held_is_measured_to_its_next_turn() {
        let mut all = evidence(Vec::new());
        all.engines.insert("e1".to_owned(), "p1.1".to_owned());
        let invocations = [
            ("job:0", turns(&[(1, "e1", false), (16, "e2", false)])),
            ("job:1", turns(&[(2, "e1", false), (14, "e2", true)])),
            // Ended before, and held by another: they do not count.
            ("job:2", turns(&[(3, "e1", true)])),
            ("job:3", turns(&[(3, "e2", false), (11, "e2", false)])),
        ];
        all.turns = invocations.map(|(id, turns)| (id.to_owned(), turns)).into();
        all.executed = vec![executed(0, 1, "p1.1-0", 9)];
        all.executed[0].ended = None;
        all.faults = vec![fault(Kind::ProcessorKilled, "p1.1", 10, 12)];
        let seconds: Vec<(Measure, u64)> = measure(&all)
            .iter()
            .map(|recovery| (recovery.measure, recovery.took.as_secs()))
            .collect();
        let expected = [
            (Measure::AnyTurn, 1),
            (Measure::FirstHeld, 4),
            (Measure::AllHeld, 6),
            (Measure::FirstInterrupted, 6),
        ];
        assert_eq!(seconds, expected);
    }

    #[test]
    fn a_task_of_a_killed_worker_is_measured_to_its_next_end() {
        let mut all = evidence(Vec::new());
        all.executed = vec![executed(0, 1, "w1.1-0", 9), executed(0, 1, "w2.1-0", 15)];
        all.executed[0].ended = None;
        all.faults = vec![fault(Kind::WorkerKilled, "w1.1", 10, 12)];
        let measured = measure(&all);
        assert_eq!(measured.len(), 2);
        assert_eq!(measured[0].took, Duration::from_millis(5_500));
    }
}
