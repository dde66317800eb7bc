//! How much is stored in the work queues.

use std::collections::BTreeMap;

use headwater_wire::{Namespace, names::Queued};

/// How much of a kind is stored for one task queue or topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Depth {
    /// What.
    pub kind: Queued,
    /// Task queue of commands and timers, topic of tasks.
    pub name: String,
    /// Messages: those that wait, those in flight, and those that engines hold as anchors.
    pub messages: u64,
}

impl Depth {
    /// The depths that the subjects of COMMANDS and TASKS tell with their counts of messages, in
    /// order. Messages of no kind of ours are left out.
    pub fn of_subjects<'a>(
        namespace: &Namespace,
        subjects: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Vec<Self> {
        let mut depths: BTreeMap<(Queued, String), u64> = BTreeMap::new();
        for (subject, messages) in subjects {
            if let Some(of) = namespace.parse_queued(subject) {
                *depths.entry(of).or_default() += messages;
            }
        }
        let depth = |((kind, name), messages)| Self {
            kind,
            name,
            messages,
        };
        depths.into_iter().map(depth).collect()
    }
}
