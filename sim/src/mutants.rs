//! The proof that the checkers notice: each rule of the design broken once, and how many seeds it
//! took until one failed.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use headwater_core::mutant::{Mutant, break_rule};
use headwater_sim::{check::Violation, run};

/// Every mutant, with seeds `from` and on until one fails, `seeds` at the most.
pub(crate) fn table(from: u64, seeds: u64, threads: u64, only: Option<&str>) -> ExitCode {
    println!("| rule broken | seeds | noticed as |\n|---|---|---|");
    let mut survivors = 0;
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        if only.is_some_and(|only| only != name) {
            continue;
        }
        break_rule(Some(mutant));
        match first_failure(from, seeds, threads) {
            Some((seed, violation)) => {
                let needed = seed - from + 1;
                let what: String = violation.what.chars().take(110).collect();
                println!("| {name}: {} | {needed} | {what} |", mutant.rule());
            }
            None => {
                survivors += 1;
                println!("| {name}: {} | survived {seeds} | |", mutant.rule());
            }
        }
    }
    break_rule(None);
    match survivors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The lowest seed that fails.
fn first_failure(from: u64, seeds: u64, threads: u64) -> Option<(u64, Violation)> {
    let next = AtomicU64::new(from);
    let found: Mutex<Option<(u64, Violation)>> = Mutex::new(None);
    let end = AtomicU64::new(from + seeds);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= end.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Some(violation) = run(seed, false).violation {
                        end.fetch_min(seed, Ordering::SeqCst);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        if found.as_ref().is_none_or(|(earlier, _)| *earlier > seed) {
                            *found = Some((seed, violation));
                        }
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
