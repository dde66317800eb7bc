//! What is to fail, and how often something was tried.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use headwater_wire::Failure;

/// Of each activity: the failures of its next attempts, and the number of attempts so far.
#[derive(Default)]
pub(super) struct Faults(Mutex<BTreeMap<String, Activity>>);

#[derive(Default)]
struct Activity {
    failures: VecDeque<Failure>,
    attempts: u64,
}

impl Faults {
    fn activities(&self) -> MutexGuard<'_, BTreeMap<String, Activity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, activity: &str, times: usize, failure: &Failure) {
        let mut activities = self.activities();
        let failures = &mut activities.entry(activity.to_owned()).or_default().failures;
        failures.extend(std::iter::repeat_n(failure.clone(), times));
    }

    pub(super) fn attempts(&self, activity: &str) -> u64 {
        let activities = self.activities();
        activities
            .get(activity)
            .map_or(0, |activity| activity.attempts)
    }

    /// Count an attempt; it fails if one is to.
    pub(super) fn attempt(&self, activity: &str) -> Result<(), Failure> {
        let mut activities = self.activities();
        let activity = activities.entry(activity.to_owned()).or_default();
        activity.attempts += 1;
        activity.failures.pop_front().map_or(Ok(()), Err)
    }
}
