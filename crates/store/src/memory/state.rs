//! Everything that the store holds.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use headwater_wire::{Timestamp, dead::DeadLetter};

use super::{
    listeners::Listeners,
    queue::{Work, WorkQueue},
    timeline::{Event, Lane, Timeline},
    values::Values,
};
use crate::{Bucket, DeadRecord};

/// The four buckets.
pub(super) struct Buckets {
    state: Values,
    journal: Values,
    members: Values,
    config: Values,
}

impl Buckets {
    fn new(timeline: &mut Timeline) -> Self {
        Self {
            state: Values::new(timeline, Bucket::State),
            journal: Values::new(timeline, Bucket::Journal),
            members: Values::new(timeline, Bucket::Members),
            config: Values::new(timeline, Bucket::Config),
        }
    }

    pub(super) fn of(&mut self, bucket: Bucket) -> &mut Values {
        match bucket {
            Bucket::State => &mut self.state,
            Bucket::Journal => &mut self.journal,
            Bucket::Members => &mut self.members,
            Bucket::Config => &mut self.config,
        }
    }
}

/// The two work queues.
pub(super) struct Queues {
    pub(super) commands: WorkQueue,
    pub(super) tasks: WorkQueue,
}

impl Queues {
    pub(super) fn of(&mut self, work: Work) -> &mut WorkQueue {
        match work {
            Work::Commands => &mut self.commands,
            Work::Tasks => &mut self.tasks,
        }
    }
}

/// DEAD_LETTERS.
#[derive(Default)]
pub(super) struct Dead {
    last_seq: u64,
    pub(super) letters: BTreeMap<u64, DeadRecord>,
}

/// Everything that the store holds.
pub(super) struct State {
    pub(super) timeline: Timeline,
    pub(super) buckets: Buckets,
    pub(super) queues: Queues,
    pub(super) dead: Dead,
    pub(super) hints: Listeners<Bytes>,
    /// Lane of those who wait for nothing that has a time.
    pub(super) timeless: Lane,
}

impl State {
    pub(super) fn new(ack_wait: Duration) -> Self {
        let mut timeline = Timeline::default();
        Self {
            buckets: Buckets::new(&mut timeline),
            queues: Queues {
                commands: WorkQueue::new(Work::Commands, ack_wait),
                tasks: WorkQueue::new(Work::Tasks, ack_wait),
            },
            dead: Dead::default(),
            hints: Listeners::default(),
            timeless: timeline.add_lane(),
            timeline,
        }
    }

    /// Let everything happen that is due by this time.
    pub(super) fn advance(&mut self, elapsed: Duration, wall: Timestamp) {
        while let Some(event) = self.timeline.advance(elapsed, wall) {
            self.happen(event);
        }
    }

    /// Let everything happen that a call has made due at once.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.timeline.due_now() {
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        let timeline = &mut self.timeline;
        match event {
            Event::Expire { bucket, key } => self.buckets.of(bucket).remove(timeline, &key),
            Event::Redeliver { work, seq } => self.queues.of(work).redeliver(timeline, seq),
            Event::Fire { seq } => self.queues.commands.fire(timeline, seq),
        }
    }

    pub(super) fn publish(&mut self, work: Work, subject: &str, body: Bytes) -> u64 {
        let queue = self.queues.of(work);
        queue.publish(&mut self.timeline, subject, body)
    }

    pub(super) fn schedule(
        &mut self,
        subject: &str,
        target: String,
        due: Timestamp,
        body: Bytes,
    ) -> u64 {
        let commands = &mut self.queues.commands;
        commands.schedule(&mut self.timeline, subject, target, due, body)
    }

    pub(super) fn bury(&mut self, letter: DeadLetter) -> u64 {
        self.dead.last_seq += 1;
        let seq = self.dead.last_seq;
        let at = self.timeline.wall();
        self.dead
            .letters
            .insert(seq, DeadRecord { seq, at, letter });
        seq
    }
}
