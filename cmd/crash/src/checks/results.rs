//! Every job has ended with the right result, once.

use std::collections::BTreeMap;

use headwater::wire::Status;

use super::Check;
use crate::{
    evidence::{Evidence, Invocation},
    workload::{self, Kind},
};

pub(crate) fn right(evidence: &Evidence) -> Check {
    let mut check = Check::new("every workflow has ended with the right result");
    let mut of_job: BTreeMap<u64, Vec<&Invocation>> = BTreeMap::new();
    for invocation in &evidence.invocations {
        let right = workload::expected(invocation.n);
        if invocation.status != Status::Completed {
            let Invocation {
                id, status, why, ..
            } = invocation;
            check.fail(id, format!("{id} is {status}: {why}"));
        } else if invocation.output != Some(right) {
            let Invocation { id, output, .. } = invocation;
            check.fail(id, format!("{id} gave {output:?} instead of {right}"));
        }
        if invocation.workflow != Kind::of(invocation.n).name() {
            let Invocation { id, workflow, .. } = invocation;
            check.fail(id, format!("{id} ran workflow {workflow}"));
        }
        of_job.entry(invocation.n).or_default().push(invocation);
    }
    for n in 0..evidence.jobs {
        match of_job.remove(&n).as_deref() {
            None | Some([]) => check.fail("", format!("job {n} was never run")),
            Some([_]) => {}
            Some([_, ..]) if evidence.twice.contains(&n) => {}
            Some(several) => {
                let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
                check.fail(ids[0], format!("job {n} was run as {ids:?}"));
            }
        }
    }
    for (n, _) in of_job {
        check.fail("", format!("job {n} was never submitted"));
    }
    check.seen = format!("{} invocations", evidence.invocations.len());
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::fixture::{evidence, invocation};

    #[test]
    fn a_wrong_a_missing_and_a_doubled_result_are_found() {
        let good = evidence(vec![invocation(0), invocation(1)]);
        assert_eq!(right(&good).failures, Vec::<String>::new());

        let mut wrong = good.clone();
        wrong.invocations[0].output = Some(1);
        assert_eq!(right(&wrong).about, ["job:0"]);

        let mut open = good.clone();
        open.invocations[1].status = Status::Waiting;
        assert!(right(&open).failures[0].contains("job:1 is waiting"));

        let missing = evidence(vec![invocation(1)]);
        assert_eq!(
            right(&missing).failures.len(),
            2,
            "0 never run, 1 never submitted"
        );

        let mut doubled = good.clone();
        doubled.invocations.push(invocation(1));
        assert_eq!(right(&doubled).failures.len(), 1);
        doubled.twice.insert(1);
        assert!(right(&doubled).holds());
    }
}
