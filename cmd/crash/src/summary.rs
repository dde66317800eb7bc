//! What is told: the plan at the beginning, figures and verdict at the end.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};

use crate::{
    checks::{Check, Reason, Repeats},
    cli::Options,
    evidence::Evidence,
    faults::Kind,
    recovery::{Recovery, p50_and_max},
    submit::Submissions,
};

/// Cases of a failed check that are told.
const CASES_TOLD: usize = 10;

/// Weakly explained repeats that are told.
const WEAK_TOLD: usize = 5;

/// When what was over.
pub(crate) struct Times {
    pub(crate) faults_over: Duration,
    /// None: not all workflows have ended in time.
    pub(crate) all_done: Option<Duration>,
}

/// A seed that is easily typed.
pub(crate) fn new_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}

pub(crate) fn announce(options: &Options, seed: u64) {
    let servers = match options.servers {
        1 => "one NATS server".to_owned(),
        count => format!(
            "a cluster of {count} NATS servers (three replicas; a node is cut off by proxies before its clients' port and on every route)"
        ),
    };
    let Options {
        seconds, workflows, ..
    } = options;
    println!(
        "Crash test: {servers}, 3 processors, 2 workers; {workflows} workflows over {seconds} s."
    );
    println!("Faults by seed {seed}; the same ones again: --seed {seed}\n");
}

pub(crate) fn tell(
    evidence: &Evidence,
    times: &Times,
    repeats: &Repeats,
    recoveries: &[Recovery],
    submissions: &Submissions,
) {
    println!("\nWhat was done\n{}", done(evidence, submissions));
    println!("\nSteps that ran more than once\n{}", ran_again(repeats));
    let weak = repeats
        .all
        .iter()
        .filter(|(reason, _)| *reason == Some(Reason::AnyProcess));
    for (reason, example) in weak.take(WEAK_TOLD) {
        let words = reason.map_or("", Reason::words);
        println!("  for example: {example} ({words})");
    }
    println!(
        "\nTime to go on, in seconds (alone: no other processor and no NATS server was away)\n{}",
        recovered(recoveries)
    );
    let over = times.faults_over.as_secs_f64();
    match times.all_done {
        Some(done) => println!(
            "\nTime to all done: {:.1} s after the last fault ({:.1} s after the start)",
            (done - times.faults_over).as_secs_f64(),
            done.as_secs_f64()
        ),
        None => println!("\nNot all were done; the faults were over after {over:.1} s"),
    }
}

/// Tell what holds and what does not. Answers whether all does.
pub(crate) fn verdict(checks: &[Check]) -> bool {
    println!("\nChecks");
    for check in checks {
        let mark = if check.holds() { "ok  " } else { "FAIL" };
        println!("  {mark}  {} ({})", check.claim, check.seen);
        for case in check.failures.iter().take(CASES_TOLD) {
            println!("          {case}");
        }
        let more = check.failures.len().saturating_sub(CASES_TOLD);
        if more > 0 {
            println!("          and {more} more");
        }
    }
    let failed = checks.iter().filter(|check| !check.holds()).count();
    match failed {
        0 => println!("\nEverything holds."),
        failed => println!("\n{failed} of {} checks failed.", checks.len()),
    }
    failed == 0
}

fn done(evidence: &Evidence, submissions: &Submissions) -> Table {
    let mut table = table(&[]);
    let mut row = |what: &str, count: usize| {
        table.add_row(vec![right(count.to_string()), Cell::new(what)]);
    };
    row("workflows", evidence.invocations.len());
    row("of them with a partition key", count_keyed(evidence));
    row("executions of steps", evidence.executed.len());
    row("lines of the ledger cut short by a kill", evidence.torn);
    let turns = evidence.turns.values().map(Vec::len).sum();
    row("turns seen", turns);
    row(
        "results that waiting clients were told",
        usize::try_from(submissions.results()).unwrap_or(usize::MAX),
    );
    for kind in Kind::ALL {
        let of_kind = evidence.faults.iter().filter(|fault| fault.kind == kind);
        let count = of_kind.count();
        if count > 0 {
            row(kind.words(), count);
        }
    }
    table
}

fn count_keyed(evidence: &Evidence) -> usize {
    let keyed = |one: &&crate::evidence::Invocation| one.key.is_some();
    evidence.invocations.iter().filter(keyed).count()
}

fn ran_again(repeats: &Repeats) -> Table {
    let mut table = table(&[]);
    let mut row = |what: &str, count: usize| {
        table.add_row(vec![right(count.to_string()), Cell::new(what)]);
    };
    row("attempts of steps", repeats.attempts);
    row("of them begun more than once", repeats.repeated);
    row(
        "of them with the side effect more than once",
        repeats.effects,
    );
    for (reason, count) in &repeats.by_reason {
        row(&format!("because {}", reason.words()), *count);
    }
    row("runs begun after the workflow had ended", repeats.late);
    table
}

/// Every repeat, a line each, for who looks into them.
pub(crate) fn repeats(repeats: &Repeats) -> String {
    let mut text = String::new();
    for (reason, told) in &repeats.all {
        let words = reason.map_or("UNEXPLAINED", Reason::words);
        text += &format!("{words}: {told}\n");
    }
    text
}

fn recovered(recoveries: &[Recovery]) -> Table {
    let mut table = table(&[
        "fault", "until", "times", "p50", "max", "alone", "p50", "max",
    ]);
    let mut rows: Vec<_> = recoveries
        .iter()
        .map(|one| (one.fault, one.measure))
        .collect();
    rows.sort_unstable();
    rows.dedup();
    for (fault, measure) in rows {
        let of_row = recoveries
            .iter()
            .filter(|one| (one.fault, one.measure) == (fault, measure));
        let mut cells = vec![Cell::new(fault.words()), Cell::new(measure.words())];
        let all: Vec<Duration> = of_row.clone().map(|one| one.took).collect();
        let alone = of_row.filter(|one| one.alone);
        let alone: Vec<Duration> = alone.map(|one| one.took).collect();
        for mut took in [all, alone] {
            cells.push(right(took.len().to_string()));
            match p50_and_max(&mut took) {
                Some((p50, max)) => cells.extend([p50, max].map(|took| right(seconds(took)))),
                None => cells.extend(["", ""].map(Cell::new)),
            }
        }
        table.add_row(cells);
    }
    table
}

fn seconds(took: Duration) -> String {
    format!("{:.2}", took.as_secs_f64())
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if !header.is_empty() {
        table.set_header(header);
    }
    table
}
