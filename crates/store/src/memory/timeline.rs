//! Time: what happens by itself, and when.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use headwater_wire::Timestamp;
use tokio::sync::Notify;

use super::queue::Work;
use crate::Bucket;

/// Something that happens when its time has come.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A value's time to live is over.
    Expire { bucket: Bucket, key: String },
    /// A delivery was not answered in time, or its `Nak` is over.
    Redeliver { work: Work, seq: u64 },
    /// A schedule is due.
    Fire { seq: u64 },
}

/// An appointment: a time, and an order among those of the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    due: Duration,
    order: u64,
}

/// Events that concern the same waiters: those of one bucket, or of one consumer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane(usize);

#[derive(Default)]
struct LaneClock {
    appointments: BTreeSet<At>,
    earlier: Arc<Notify>,
}

/// The clock as of the current call, and everything that is still to happen.
#[derive(Default)]
pub(super) struct Timeline {
    elapsed: Duration,
    wall: Timestamp,
    appointed: u64,
    events: BTreeMap<At, (Lane, Event)>,
    lanes: Vec<LaneClock>,
}

impl Timeline {
    /// Wall clock.
    pub(super) fn wall(&self) -> Timestamp {
        self.wall
    }

    /// A lane with nothing in it.
    pub(super) fn add_lane(&mut self) -> Lane {
        self.lanes.push(LaneClock::default());
        Lane(self.lanes.len() - 1)
    }

    /// Let `event` happen `after` from now. Tells the lane's waiters if nothing in it is earlier.
    pub(super) fn appoint(&mut self, lane: Lane, after: Duration, event: Event) -> At {
        self.appointed += 1;
        let at = At {
            due: self.elapsed.saturating_add(after),
            order: self.appointed,
        };
        self.events.insert(at, (lane, event));
        let clock = &mut self.lanes[lane.0];
        clock.appointments.insert(at);
        if clock.appointments.first() == Some(&at) {
            clock.earlier.notify_waiters();
        }
        at
    }

    /// Let it not happen.
    pub(super) fn cancel(&mut self, at: At) {
        if let Some((lane, _)) = self.events.remove(&at) {
            self.lanes[lane.0].appointments.remove(&at);
        }
    }

    /// When the next event of a lane happens.
    pub(super) fn next_in(&self, lane: Lane) -> Option<Duration> {
        let next = self.lanes[lane.0].appointments.first();
        next.map(|at| at.due)
    }

    /// Tells waiters that [`Timeline::next_in`] has become earlier.
    pub(super) fn earlier(&self, lane: Lane) -> Arc<Notify> {
        Arc::clone(&self.lanes[lane.0].earlier)
    }

    /// Go on to the next event that is due by `elapsed`; if there is none, to `elapsed`.
    pub(super) fn advance(&mut self, elapsed: Duration, wall: Timestamp) -> Option<Event> {
        let due = match self.events.first_key_value() {
            Some((at, _)) if at.due <= elapsed => at.due,
            _ => {
                (self.elapsed, self.wall) = (elapsed.max(self.elapsed), wall);
                return None;
            }
        };
        let (at, (lane, event)) = self.events.pop_first()?;
        self.lanes[lane.0].appointments.remove(&at);
        self.elapsed = due.max(self.elapsed);
        self.wall = before(wall, elapsed.saturating_sub(due));
        Some(event)
    }

    /// The next event that is due by the current time.
    pub(super) fn due_now(&mut self) -> Option<Event> {
        self.advance(self.elapsed, self.wall)
    }
}

fn before(wall: Timestamp, earlier_by: Duration) -> Timestamp {
    let micros = i64::try_from(earlier_by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(wall.as_micros().saturating_sub(micros))
}
