//! The simulation itself: a seed always does the same, and it does what it says.
#![allow(clippy::unwrap_used, missing_docs)]

use headwater_sim::{run, weather::Climate};

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    for seed in [1, 7, 19, 54, 237] {
        let (first, second) = (run(seed, true), run(seed, true));
        let (first, second) = (first.truth.trace.text(), second.truth.trace.text());
        assert!(
            first.lines().count() > 50,
            "seed {seed} does next to nothing"
        );
        if let Some((a, b)) = first.lines().zip(second.lines()).find(|(a, b)| a != b) {
            panic!("seed {seed} differs:\n{a}\n{b}");
        }
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn writing_the_trace_changes_nothing() {
    for seed in [2, 3, 119] {
        let (with, without) = (run(seed, true), run(seed, false));
        assert_eq!(with.violation, without.violation, "seed {seed}");
        assert_eq!(with.lasted, without.lasted, "seed {seed}");
        assert_eq!(with.repeats, without.repeats, "seed {seed}");
    }
}

#[test]
fn seeds_differ_in_what_happens_and_in_the_weather() {
    let traces: std::collections::BTreeSet<String> = (1..10)
        .map(|seed| run(seed, true).truth.trace.text())
        .collect();
    assert_eq!(traces.len(), 9);
    let climates: Vec<Climate> = (1..200).map(Climate::of).collect();
    assert!(climates.iter().any(|climate| climate.calm));
    assert!(climates.iter().any(|climate| climate.kill > 0.3));
    assert!(climates.iter().any(|climate| climate.lost_answer > 0.03));
    assert!(climates.iter().any(|climate| climate.stale_read > 0.2));
}

#[test]
fn in_calm_weather_no_step_runs_twice() {
    let calm = (1..400).filter(|seed| Climate::of(*seed).calm).take(12);
    for seed in calm {
        let report = run(seed, false);
        assert_eq!(report.violation, None, "seed {seed}");
        assert_eq!(report.repeats, 0, "seed {seed}");
    }
}
