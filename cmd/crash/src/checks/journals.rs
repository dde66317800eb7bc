//! Every outcome in a journal is that of an execution in the ledger: same step, same attempt's
//! words, same value.

use std::collections::{BTreeSet, HashMap};

use headwater::wire::{Entry, Failure, InvocationId, Payload, task::idempotency_key};

use super::Check;
use crate::{
    evidence::{Evidence, Invocation},
    ledger::{Event, Executed},
    workflows::failure,
    workload::Outcome,
};

pub(crate) fn executed(evidence: &Evidence) -> Check {
    let mut check = Check::new("every recorded outcome is that of an execution in the ledger");
    let by_name: HashMap<&str, &Executed> = evidence
        .executed
        .iter()
        .map(|executed| (executed.x.as_str(), executed))
        .collect();
    let (mut outcomes, mut failures) = (0, 0);
    for invocation in &evidence.invocations {
        let mut steps = BTreeSet::new();
        for entry in &invocation.entries {
            let wrong = match entry {
                Entry::Done { step, value, .. } => {
                    outcomes += 1;
                    let again = (!steps.insert(*step)).then(|| "recorded twice".to_owned());
                    again.or_else(|| done(invocation, *step, value, &by_name))
                }
                Entry::Retry {
                    step,
                    attempt,
                    error,
                    ..
                } => {
                    failures += 1;
                    failed(invocation, *step, attempt - 1, error, &by_name)
                }
                Entry::Failed { error, .. } => Some(format!("failed for good: {error}")),
                _ => None,
            };
            if let Some(wrong) = wrong {
                let step = entry.step().unwrap_or_default();
                let id = &invocation.id;
                check.fail(id, format!("{id} step {step}: {wrong}"));
            }
        }
    }
    let known: BTreeSet<&str> = evidence
        .invocations
        .iter()
        .map(|invocation| invocation.id.as_str())
        .collect();
    for executed in &evidence.executed {
        let id = executed.invocation();
        if !known.contains(id) {
            check.fail(id, format!("{} was executed for nobody: {id}", executed.x));
        }
    }
    check.seen = format!(
        "{outcomes} outcomes and {failures} failed attempts, {} executions",
        evidence.executed.len()
    );
    check
}

fn key(invocation: &Invocation, step: u32) -> Option<String> {
    let id = InvocationId::new(invocation.id.as_str()).ok()?;
    Some(idempotency_key(&id, invocation.run, step))
}

/// What is wrong with an outcome.
fn done(
    invocation: &Invocation,
    step: u32,
    value: &Payload,
    by_name: &HashMap<&str, &Executed>,
) -> Option<String> {
    let outcome: Outcome = match value.decode() {
        Ok(outcome) => outcome,
        Err(error) => return Some(error.to_string()),
    };
    let Some(executed) = by_name.get(outcome.x.as_str()) else {
        return Some(format!("{} is not in the ledger", outcome.x));
    };
    if Some(&executed.key) != key(invocation, step).as_ref() {
        return Some(format!(
            "{} was an execution of {}",
            outcome.x, executed.key
        ));
    }
    match &executed.ended {
        Some((_, Event::Done(returned))) if *returned == outcome => None,
        ended => Some(format!(
            "{outcome:?} is recorded, the ledger says {ended:?}"
        )),
    }
}

/// What is wrong with a failed attempt.
fn failed(
    invocation: &Invocation,
    step: u32,
    attempt: u32,
    error: &Failure,
    by_name: &HashMap<&str, &Executed>,
) -> Option<String> {
    let text = error.to_string();
    let name = text.rsplit(' ').next().unwrap_or_default();
    let Some(executed) = by_name.get(name) else {
        return Some(format!("an attempt failed that should not have: {text}"));
    };
    let is_planned = text.contains(&failure(name))
        && matches!(executed.ended, Some((_, Event::Fails)))
        && executed.attempt == attempt
        && Some(&executed.key) == key(invocation, step).as_ref();
    (!is_planned)
        .then(|| format!("attempt {attempt} failed as {text}, the ledger says {executed:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::fixture::{done, evidence, executed as execution, invocation};

    #[test]
    fn an_outcome_without_its_execution_is_found() {
        let mut good = evidence(vec![invocation(0)]);
        good.executed = vec![execution(0, 1, "p1.1-0", 10)];
        good.invocations[0].entries = vec![done(1, "p1.1-0")];
        assert_eq!(executed(&good).failures, Vec::<String>::new());

        let mut invented = good.clone();
        invented.invocations[0].entries = vec![done(1, "p1.1-7")];
        assert!(executed(&invented).failures[0].contains("not in the ledger"));

        let mut other_step = good.clone();
        other_step.invocations[0].entries = vec![done(2, "p1.1-0")];
        assert!(executed(&other_step).failures[0].contains("was an execution of"));

        let mut twice = good.clone();
        twice.invocations[0].entries.push(done(1, "p1.1-0"));
        assert!(executed(&twice).failures[0].contains("recorded twice"));

        let mut interrupted = good.clone();
        interrupted.executed[0].ended = None;
        assert!(executed(&interrupted).failures[0].contains("the ledger says None"));

        let mut nobody = good;
        nobody.executed.push(execution(5, 1, "p1.1-1", 11));
        assert!(executed(&nobody).failures[0].contains("for nobody"));
    }
}
