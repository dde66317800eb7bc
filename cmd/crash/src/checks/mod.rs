//! What must hold of the evidence. Each check is a function of it and nothing else.

#[cfg(test)]
pub(crate) mod fixture;
mod journals;
mod keys;
mod repeats;
mod results;

pub(crate) use repeats::{Reason, Repeats};

use crate::evidence::Evidence;

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// What must hold, as a sentence.
    pub(crate) claim: &'static str,
    /// What it was held against, for people.
    pub(crate) seen: String,
    /// Each case in which it does not hold.
    pub(crate) failures: Vec<String>,
    /// Ids of invocations that the failures are about.
    pub(crate) about: Vec<String>,
}

impl Check {
    fn new(claim: &'static str) -> Self {
        Self {
            claim,
            seen: String::new(),
            failures: Vec::new(),
            about: Vec::new(),
        }
    }

    /// A check that is made elsewhere.
    pub(crate) fn made(claim: &'static str, seen: String, failures: Vec<String>) -> Self {
        Self {
            seen,
            failures,
            ..Self::new(claim)
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.failures.is_empty()
    }

    fn fail(&mut self, id: &str, text: String) {
        self.failures.push(text);
        if !self.about.iter().any(|other| other == id) {
            self.about.push(id.to_owned());
        }
    }
}

/// All checks on what is known at the end.
pub(crate) fn all(evidence: &Evidence) -> (Vec<Check>, Repeats) {
    let (repeated, repeats) = repeats::explained(evidence);
    let checks = vec![
        results::right(evidence),
        journals::executed(evidence),
        repeated,
        keys::one_at_a_time(evidence),
    ];
    (checks, repeats)
}
