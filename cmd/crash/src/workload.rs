//! The jobs: what each workflow is to do and what comes out of it, all by its number.

use std::{ops::Range, time::Duration};

use serde::{Deserialize, Serialize};

/// Partition keys.
const KEYS: u64 = 24;

/// Activities that a fan-out joins; its journal does not fit into one value.
pub(crate) const FAN: u64 = 24;

/// Local steps of a long chain; its journal has pages.
pub(crate) const LONG: u64 = 60;

/// Input of a workflow.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) n: u64,
}

/// What a step returns: its result, and which execution it was that gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Result.
    pub(crate) r: u64,
    /// Execution, as in the ledger.
    pub(crate) x: String,
}

/// Kinds of workflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Local steps in sequence.
    Chain,
    /// Activities in sequence.
    Remote,
    /// Activities at the same time, joined, then a local step.
    Fan,
    /// Local steps with sleeps between, one in memory and one on the server.
    Sleep,
    /// Steps that fail at first.
    Retry,
    /// One at a time for each partition key.
    Keyed,
    /// Many short local steps.
    Long,
}

impl Kind {
    /// The kind of a job.
    pub(crate) fn of(n: u64) -> Self {
        match n % 20 {
            0 | 4 | 8 | 12 | 16 => Self::Chain,
            1 | 5 | 9 | 13 => Self::Remote,
            2 | 10 => Self::Fan,
            3 | 11 | 19 => Self::Sleep,
            6 | 14 => Self::Retry,
            7 | 15 | 18 => Self::Keyed,
            _ => Self::Long,
        }
    }

    /// Name of the workflow.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Remote => "remote",
            Self::Fan => "fan",
            Self::Sleep => "sleep",
            Self::Retry => "retry",
            Self::Keyed => "keyed",
            Self::Long => "long",
        }
    }

    /// Its steps that leave a trace, by their places.
    pub(crate) fn steps(self) -> Range<u64> {
        match self {
            Self::Chain => 0..6,
            Self::Remote => 0..4,
            Self::Fan => 0..FAN + 1,
            Self::Sleep | Self::Keyed => 0..3,
            Self::Retry => 0..2,
            Self::Long => 0..LONG,
        }
    }
}

/// The partition key of a job.
pub(crate) fn key(n: u64) -> Option<String> {
    (Kind::of(n) == Kind::Keyed).then(|| format!("key-{}", mixed(n, 99) % KEYS))
}

/// The result of one step of a job.
pub(crate) fn value(n: u64, place: u64) -> u64 {
    mixed(n, place) % 1_000_000
}

/// The right result of a job.
pub(crate) fn expected(n: u64) -> u64 {
    Kind::of(n).steps().map(|place| value(n, place)).sum()
}

/// How long a step of a job takes.
pub(crate) fn delay(n: u64, place: u64) -> Duration {
    let millis = match Kind::of(n) {
        Kind::Long => mixed(n, place) % 20,
        _ => 20 + mixed(n, place) % 230,
    };
    Duration::from_millis(millis)
}

/// How long a job sleeps: the first time under the time for which timers stay in memory, then
/// over it.
pub(crate) fn sleep(n: u64, time: u64) -> Duration {
    Duration::from_millis(300 + mixed(n, 50 + time) % 1_500 + time * 2_000)
}

/// Numbers that look random and are always the same.
fn mixed(n: u64, place: u64) -> u64 {
    let mut z = n
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(place.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(1);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_every_key_has_jobs() {
        let kinds: std::collections::BTreeSet<_> = (0..20).map(|n| Kind::of(n).name()).collect();
        assert_eq!(kinds.len(), 7);
        let keys: std::collections::BTreeSet<_> = (0..3_000).filter_map(key).collect();
        assert_eq!(keys.len() as u64, KEYS);
    }

    #[test]
    fn a_result_tells_of_every_step() {
        let steps = Kind::of(0).steps();
        assert!(steps.clone().all(|place| value(0, place) > 0));
        assert_eq!(expected(0), steps.map(|place| value(0, place)).sum::<u64>());
        assert_ne!(expected(0), expected(4));
    }
}
