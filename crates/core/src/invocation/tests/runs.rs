//! Runs that are over: what each leaves, what is listed, what is forgotten.

use headwater_wire::{journal::Lines, lifecycle::Delete, limits, runs::Prune};

use super::*;
use crate::Turn;

/// So many local steps with results of some size, then an activity, then the next run.
fn rounds(steps: u32, last: u32) -> std::sync::Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, round: u32| async move {
        ctx.kv().set("round", round)?;
        for n in 0..steps {
            let work = || async { Ok::<_, Error>("x".repeat(500)) };
            ctx.run(format!("step-{n}"), work).await?;
        }
        ctx.activity::<()>("work", round).await?;
        match round == last {
            true => Ok::<_, Error>(round),
            false => ctx.continue_as_new(round + 1).await,
        }
    })
}

impl Driver {
    /// Make one turn of the outcome of a step, as this engine, and do not store it.
    fn turn_of(&mut self, step: u32, engine: &str) -> Turn {
        let mut other = self.reload();
        let outcome = Outcome {
            run: other.value.run,
            step,
            attempt: 1,
            result: Ok(Payload::null()),
            worker: "w".into(),
        };
        other.take(Command::Outcome(outcome), self.seq + 1, self.now);
        other.prepare(self.now, engine.to_owned()).unwrap()
    }

    fn runs(&self) -> Vec<u32> {
        let runs = self.invocation.value.runs.iter();
        runs.map(|ended| ended.run.continued).collect()
    }
}

fn prune(keep_last: u32) -> Command {
    Command::Prune(Prune {
        id: "p".into(),
        keep_last,
        ended_before: None,
    })
}

#[test]
fn a_run_that_ends_leaves_all_entries_that_are_in_no_page() {
    for steps in [0, 3, 7, 8, 9, 30] {
        let mut driver = Driver::begin(rounds(steps, 1), "0");
        driver.run_locals();
        let turn = driver.turn_of(steps + 1, "a-7");
        let (value, journal) = Value::decode(&turn.value).unwrap();
        let [ended] = value.runs.as_slice() else {
            panic!("{:?}", value.runs)
        };
        assert_eq!(ended.run, driver.invocation.value.run);
        assert_eq!(
            (ended.version.as_str(), ended.started_at),
            ("1.0.0", birth().at)
        );
        assert_eq!(Some(ended.ended_at), value.run_started_at);
        // One note, then two entries a step.
        assert_eq!(ended.entries, 1 + 2 * (u64::from(steps) + 1));
        let archive = turn.archive.unwrap();
        assert_eq!(ended.archive.as_deref(), Some(archive.name.as_str()));
        assert_eq!(archive.name, "0-a-7");
        assert!(archive.ttl > Duration::from_secs(3600));
        let mut pages = driver.pages.clone();
        pages.extend(turn.page.map(|(_, page)| page.into_bytes()));
        assert_eq!(
            ended.pages,
            (!pages.is_empty()).then_some((1, pages.len() as u32))
        );
        assert_eq!(journal.first_page as usize, pages.len() + 1);
        pages.push(archive.page.into_bytes());
        let entries: Vec<Entry> = pages
            .iter()
            .flat_map(|page| Lines::from_page(page).unwrap().entries().unwrap())
            .collect();
        assert_eq!(entries.len() as u64, ended.entries, "{steps}");
        let stored = driver.entries();
        assert_eq!(entries[..stored.len()], stored);
        assert!(matches!(&entries[stored.len()..], [Entry::Done { .. }]));
        // Whoever makes another turn on the same value leaves it elsewhere.
        let other = driver.turn_of(steps + 1, "b-1").archive.unwrap();
        assert_eq!(other.name, "0-b-1");
    }
}

#[test]
fn only_the_last_runs_are_listed_and_the_journals_of_the_others_are_let_go() {
    let count = limits::RUNS_LISTED_MAX as u32 + 3;
    let mut driver = Driver::begin(rounds(0, count), "0");
    for round in 0..count {
        let turn = driver.turn_of(1, "a-1");
        let expected = match round.checked_sub(limits::RUNS_LISTED_MAX as u32) {
            Some(oldest) => vec![format!("{oldest}-e-{}", oldest + 1)],
            None => Vec::new(),
        };
        assert_eq!(turn.forgotten, expected, "{round}");
        driver.outcome(1, 1, Ok("null"));
    }
    assert_eq!(driver.runs(), (3..count).collect::<Vec<_>>());
}

#[test]
fn runs_are_pruned_while_it_goes_on_while_it_is_parked_and_after_its_end() {
    let mut driver = Driver::begin(rounds(0, 6), "0");
    for _ in 0..5 {
        driver.outcome(1, 1, Ok("null"));
    }
    let before = driver.invocation.value.clone();
    driver.give(prune(4));
    assert_eq!(driver.runs(), [2, 3, 4]);
    assert_eq!(driver.invocation.value.kv, before.kv);
    assert_eq!(driver.invocation.value.status, before.status);
    // It comes again.
    let again = driver.invocation.place(&prune(4), driver.seq, driver.now);
    assert_eq!(again, Placement::Taken);
    let late = driver.invocation.place(&prune(4), 99, driver.now);
    assert!(matches!(late, Placement::Drop(_)), "{late:?}");

    driver.give(Command::Pause(headwater_wire::lifecycle::Pause {
        id: "pause".into(),
        reason: String::new(),
    }));
    driver.give(prune(3));
    assert_eq!(
        (driver.runs(), driver.status()),
        (vec![3, 4], Status::Paused)
    );
    driver.invocation = driver.reload();
    driver.give(Command::Resume { id: "r".into() });
    driver.outcome(1, 1, Ok("null"));
    driver.outcome(1, 1, Ok("null"));
    assert_eq!(driver.status(), Status::Completed);
    driver.give(prune(0));
    assert_eq!((driver.runs(), driver.output().as_str()), (vec![], "6"));
}

#[test]
fn a_run_that_ends_in_the_turn_is_not_pruned_before_it_has_a_name() {
    let mut driver = Driver::begin(rounds(0, 2), "0");
    driver.outcome(1, 1, Ok("null"));
    let mut draft = driver.reload();
    let outcome = Outcome {
        run: draft.value.run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    };
    draft.take(Command::Outcome(outcome), 50, driver.now);
    assert_eq!(draft.value.runs.len(), 2);
    assert_eq!(draft.place(&prune(0), 51, driver.now), Placement::Wait);
}

#[test]
fn what_is_deleted_has_no_runs_any_more() {
    let mut driver = Driver::begin(rounds(0, 2), "0");
    driver.outcome(1, 1, Ok("null"));
    driver.outcome(1, 1, Ok("null"));
    let parts: Vec<String> = driver
        .invocation
        .value
        .runs
        .iter()
        .flat_map(|run| run.parts().collect::<Vec<_>>())
        .collect();
    let delete = Command::Delete(Delete {
        id: "d".into(),
        force: true,
    });
    let mut deleted = driver.reload();
    deleted.take(delete, 60, driver.now);
    let turn = deleted.prepare(driver.now, "a-1".into()).unwrap();
    assert_eq!((parts.len(), turn.forgotten), (2, parts));
    assert!(turn.archive.is_none() && deleted.value.runs.is_empty());
}
