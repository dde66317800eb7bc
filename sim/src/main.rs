//! `headwater-sim`: run seeds, or one with its timeline.

#[cfg(feature = "mutants")]
mod mutants;

use std::process::ExitCode;
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use clap::Parser;
use headwater_sim::{Report, run};

/// Deterministic simulation of engines, workers and clients with faults.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Run this seed alone and print the timeline of the invocation concerned.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to run.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// With --seed: the whole trace, not only one invocation's.
    #[arg(long)]
    all: bool,
    /// Break the rules one at a time instead and tell how many seeds each needed to be noticed.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    mutants: bool,
    /// With --mutants: only this one.
    #[cfg(feature = "mutants")]
    #[arg(long)]
    only: Option<String>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Steps panic on purpose here; a panic that matters is reported as a broken rule.
    std::panic::set_hook(Box::new(|_| {}));
    #[cfg(feature = "mutants")]
    if args.mutants {
        return mutants::table(args.from, args.seeds, args.threads, args.only.as_deref());
    }
    match args.seed {
        Some(seed) => one(seed, args.all),
        None => many(&args),
    }
}

fn one(seed: u64, all: bool) -> ExitCode {
    let report = run(seed, true);
    let key = report
        .violation
        .as_ref()
        .map_or("", |violation| violation.key.as_str());
    let trace = &report.truth.trace;
    match all || key.is_empty() {
        true => print!("{}", trace.text()),
        false => print!("{}", trace.timeline(key)),
    }
    tell(&report);
    match report.violation {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn tell(report: &Report) {
    let Report {
        seed, violation, ..
    } = report;
    match violation {
        Some(violation) => println!(
            "seed {seed}: BROKEN at {:.6} s, invocation {:?}: {}\n  again, with its timeline: make sim SEED={seed}",
            violation.at.as_secs_f64(),
            violation.key,
            violation.what
        ),
        None => println!(
            "seed {seed}: clean, {} invocations, {} steps run again, {:.1} s of virtual time",
            report.invocations,
            report.repeats,
            report.lasted.as_secs_f64()
        ),
    }
}

fn many(args: &Args) -> ExitCode {
    let next = AtomicU64::new(args.from);
    let end = args.from + args.seeds;
    let broken = Mutex::new(Vec::new());
    let totals = Mutex::new((0_usize, 0_usize, 0.0));
    std::thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let report = run(seed, false);
                    let mut totals = totals.lock().unwrap_or_else(|e| e.into_inner());
                    totals.0 += report.invocations;
                    totals.1 += report.repeats;
                    totals.2 += report.lasted.as_secs_f64();
                    if report.violation.is_some() {
                        tell(&report);
                        broken.lock().unwrap_or_else(|e| e.into_inner()).push(seed);
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().unwrap_or_else(|e| e.into_inner());
    broken.sort_unstable();
    let (invocations, repeats, seconds) = totals.into_inner().unwrap_or_else(|e| e.into_inner());
    println!(
        "seeds {} to {}: {} broken, {invocations} invocations, {repeats} steps run again, {:.1} h of virtual time",
        args.from,
        end - 1,
        broken.len(),
        seconds / 3600.0
    );
    match broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
