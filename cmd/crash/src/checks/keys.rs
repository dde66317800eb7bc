//! Invocations of one partition key ran one at a time, in the order of submission.
//!
//! Held against the executions whose outcomes are recorded: what a zombie does beside them
//! nobody can stop, and it counts as a repeat.

use std::collections::{BTreeMap, HashMap};

use headwater::wire::{Entry, Timestamp};

use super::Check;
use crate::{
    evidence::{Evidence, Invocation},
    ledger::Executed,
    workload::Outcome,
};

pub(crate) fn one_at_a_time(evidence: &Evidence) -> Check {
    let mut check =
        Check::new("workflows of one partition key ran one at a time, in order of submission");
    let by_name: HashMap<&str, &Executed> = evidence
        .executed
        .iter()
        .map(|executed| (executed.x.as_str(), executed))
        .collect();
    let mut keys: BTreeMap<&str, Vec<&Invocation>> = BTreeMap::new();
    for invocation in &evidence.invocations {
        if let Some(key) = &invocation.key {
            keys.entry(key).or_default().push(invocation);
        }
    }
    let (mut count, keys_count) = (0, keys.len());
    for (key, mut of_key) in keys {
        of_key.sort_by_key(|invocation| invocation.n);
        count += of_key.len();
        let mut before: Option<(&Invocation, Timestamp)> = None;
        for invocation in of_key {
            let Some((first, last)) = span(invocation, &by_name) else {
                continue;
            };
            if let Some((other, ended)) = before
                && first < ended
            {
                let (id, other) = (&invocation.id, &other.id);
                check.fail(
                    id,
                    format!("{key}: {id} began at {first}, {other} was at work until {ended}"),
                );
            }
            before = Some((invocation, last));
        }
    }
    check.seen = format!("{count} invocations of {keys_count} keys");
    check
}

/// From the beginning of the first recorded execution to the end of the last.
fn span(
    invocation: &Invocation,
    by_name: &HashMap<&str, &Executed>,
) -> Option<(Timestamp, Timestamp)> {
    let recorded = invocation.entries.iter().filter_map(|entry| match entry {
        Entry::Done { value, .. } => {
            let outcome: Outcome = value.decode().ok()?;
            by_name.get(outcome.x.as_str()).copied()
        }
        _ => None,
    });
    let all: Vec<&Executed> = recorded.collect();
    let first = all.iter().map(|executed| executed.begun).min()?;
    let last = all.iter().map(|executed| executed.last()).max()?;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::fixture::{done, evidence, executed, invocation};

    fn ran_at(first: i64, second: i64) -> Check {
        let of_key = |n| Invocation {
            key: Some("k".to_owned()),
            ..invocation(n)
        };
        let mut all = evidence(vec![of_key(1), of_key(0)]);
        all.executed = vec![
            executed(0, 1, "p1.1-0", first),
            executed(1, 1, "p2.1-0", second),
        ];
        all.invocations[0].entries = vec![done(1, "p2.1-0")];
        all.invocations[1].entries = vec![done(1, "p1.1-0")];
        one_at_a_time(&all)
    }

    #[test]
    fn two_at_a_time_and_the_wrong_order_are_found() {
        assert!(ran_at(10, 11).holds());
        assert_eq!(ran_at(10, 10).failures.len(), 1, "at the same time");
        assert_eq!(ran_at(11, 10).failures.len(), 1, "the later one first");
    }
}
