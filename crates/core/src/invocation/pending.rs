//! A step that has been decided and has no final outcome yet.

use headwater_wire::{
    Entry, InvocationId, Payload, Timestamp,
    command::Channel,
    journal::{ActivityOptions, ChildSpec, Sending},
};

use crate::{Retry, program::Decision};

/// A pending step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pending {
    pub(super) what: What,
    /// Attempt under way, or next while it waits for it; from 1.
    pub(super) attempt: u32,
    /// Sleeping, or waiting before the next attempt.
    pub(super) wake: Option<Wake>,
    pub(super) retry: Retry,
    /// Error of the last attempt.
    pub(super) error: Option<String>,
    /// The local step runs in this process.
    pub(super) running: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Run {
        name: String,
    },
    Activity {
        name: String,
        topic: String,
        input: Payload,
        options: Option<ActivityOptions>,
    },
    Timer,
    Signal {
        name: String,
        channel: Channel,
    },
    /// A signal from the box of its name.
    Named {
        name: String,
    },
    Child(Box<ChildSpec>),
    /// A hook of another invocation.
    Hook {
        to: InvocationId,
        name: String,
    },
}

impl What {
    /// Whether its outcome comes as a command.
    pub(super) fn takes_outcomes(&self) -> bool {
        matches!(
            self,
            Self::Activity { .. } | Self::Named { .. } | Self::Child(_) | Self::Hook { .. }
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wake {
    pub(super) due: Timestamp,
    /// There is a schedule in COMMANDS; else it hangs on an anchor.
    pub(super) scheduled: bool,
}

impl Pending {
    pub(super) fn new(what: What, retry: Retry) -> Self {
        Self {
            what,
            attempt: 1,
            wake: None,
            retry,
            error: None,
            running: false,
        }
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self.what, What::Run { .. }) && self.wake.is_none()
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        self.wake.map(|wake| wake.due)
    }

    /// The attempt of a local step that has to begin now.
    pub(super) fn release(&mut self) -> Option<u32> {
        if !self.is_local() || self.running {
            return None;
        }
        self.running = true;
        Some(self.attempt)
    }

    /// The attempt that a timer of this step starts; 0 for a sleep.
    pub(super) fn timer_attempt(&self) -> u32 {
        match self.what {
            What::Timer => 0,
            _ => self.attempt,
        }
    }

    /// The steps that a decision entry begins and that are waited for.
    pub(super) fn of_entry(entry: &Entry) -> impl Iterator<Item = (u32, Self)> + '_ {
        let one = Self::of_one(entry).and_then(|pending| Some((entry.step()?, pending)));
        one.into_iter().chain(Self::of_map(entry))
    }

    /// The steps of a map, one for each of its inputs.
    fn of_map(entry: &Entry) -> impl Iterator<Item = (u32, Self)> + '_ {
        let map = match entry {
            Entry::Map {
                name,
                topic,
                options,
                inputs,
                ..
            } => entry
                .begins()
                .map(|steps| (steps, inputs, name, topic, options)),
            _ => None,
        };
        map.into_iter()
            .flat_map(|(steps, inputs, name, topic, options)| {
                steps.zip(inputs).map(move |(step, input)| {
                    let what = What::Activity {
                        name: name.clone(),
                        topic: topic.clone(),
                        input: input.clone(),
                        options: options.clone(),
                    };
                    (step, Self::new(what, Retry::default()))
                })
            })
    }

    /// The one step that a decision entry begins.
    fn of_one(entry: &Entry) -> Option<Self> {
        let what = match entry {
            Entry::Run { name, .. } => What::Run { name: name.clone() },
            Entry::Activity {
                name,
                topic,
                input,
                options,
                ..
            } => What::Activity {
                name: name.clone(),
                topic: topic.clone(),
                input: input.clone(),
                options: options.clone(),
            },
            Entry::Timer { due, .. } => {
                let mut pending = Self::new(What::Timer, Retry::none());
                pending.wake = Some(Wake {
                    due: *due,
                    scheduled: true,
                });
                return Some(pending);
            }
            Entry::Signal { name, channel, .. } => What::Signal {
                name: name.clone(),
                channel: *channel,
            },
            Entry::Named { name, .. } => What::Named { name: name.clone() },
            Entry::Child(child) if !child.detached => What::Child(child.clone()),
            Entry::Send {
                to,
                what:
                    Sending::Hook {
                        name,
                        awaited: true,
                        ..
                    },
                ..
            } => What::Hook {
                to: to.clone(),
                name: name.clone(),
            },
            _ => return None,
        };
        Some(Self::new(what, Retry::default()))
    }
}

/// The entry of a decision, and the retry policy that the journal does not hold.
pub(super) fn entry_of(decision: Decision) -> (Entry, Retry) {
    let entry = match decision {
        Decision::Run { step, name, retry } => return (Entry::Run { step, name }, retry),
        Decision::Activity {
            step,
            name,
            topic,
            input,
            options,
            retry,
        } => {
            let entry = Entry::Activity {
                step,
                name,
                topic,
                input,
                options,
            };
            return (entry, retry);
        }
        Decision::Map {
            step,
            name,
            topic,
            inputs,
            options,
            retry,
        } => {
            let entry = Entry::Map {
                step,
                name,
                topic,
                options,
                inputs,
            };
            return (entry, retry);
        }
        Decision::Timer { step, due } => Entry::Timer { step, due },
        Decision::Signal {
            step,
            name,
            channel,
        } => Entry::Signal {
            step,
            name,
            channel,
        },
        Decision::Named { step, name } => Entry::Named { step, name },
        Decision::Child(child) => Entry::Child(child),
        Decision::Hook {
            step,
            to,
            queue,
            name,
            input,
        } => Entry::Send {
            step,
            to,
            queue,
            what: Sending::Hook {
                name,
                input,
                awaited: true,
            },
        },
        Decision::Drop { step, through } => Entry::Drop { step, through },
        Decision::Note(entry) => entry,
    };
    (entry, Retry::none())
}
