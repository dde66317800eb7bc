//! A work queue: COMMANDS with its schedules, or TASKS.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use headwater_wire::Timestamp;
use tokio::sync::Notify;

use super::{
    lane::LaneQueue,
    timeline::{At, Event, Lane, Timeline},
};
use crate::{Delivery, Verdict};

/// Which work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Commands,
    Tasks,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commands => "commands",
            Self::Tasks => "tasks",
        })
    }
}

impl Work {
    fn token(self, seq: u64) -> String {
        format!("{self}/{seq}")
    }

    /// The queue and the sequence in a delivery's token.
    pub(super) fn of_token(token: &str) -> Option<(Self, u64)> {
        let (work, seq) = token.split_once('/')?;
        let work = match work {
            "commands" => Self::Commands,
            "tasks" => Self::Tasks,
            _ => return None,
        };
        Some((work, seq.parse().ok()?))
    }

    /// What a subject has in common with the filter that it matches: all but a command's key.
    fn lane_name(self, subject: &str) -> &str {
        match self {
            Self::Commands => subject.rsplit_once('.').map_or(subject, |(name, _)| name),
            Self::Tasks => subject,
        }
    }
}

/// What a stored message waits for.
enum Phase {
    /// Its due time, to be published on the target then.
    Scheduled { fires: At, target: String },
    /// Someone who asks for it, for the first time or again.
    Ready,
    /// An answer.
    Given { again: At },
}

struct Stored {
    subject: Arc<str>,
    body: Bytes,
    stored_at: Timestamp,
    deliveries: u64,
    lane: usize,
    phase: Phase,
}

/// One who takes from the queue.
pub(super) struct Seat {
    lane: usize,
    number: u64,
    pub(super) clock: Lane,
    pub(super) bell: Arc<Notify>,
}

/// A work queue.
pub(super) struct WorkQueue {
    work: Work,
    ack_wait: Duration,
    last_seq: u64,
    messages: BTreeMap<u64, Stored>,
    by_subject: BTreeMap<Arc<str>, BTreeSet<u64>>,
    lanes: Vec<LaneQueue>,
    lane_of: BTreeMap<String, usize>,
}

impl WorkQueue {
    pub(super) fn new(work: Work, ack_wait: Duration) -> Self {
        Self {
            work,
            ack_wait,
            last_seq: 0,
            messages: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            lanes: Vec::new(),
            lane_of: BTreeMap::new(),
        }
    }

    fn lane(&mut self, timeline: &mut Timeline, subject: &str) -> usize {
        let name = self.work.lane_name(subject);
        if let Some(lane) = self.lane_of.get(name) {
            return *lane;
        }
        self.lanes.push(LaneQueue::new(timeline));
        let lane = self.lanes.len() - 1;
        self.lane_of.insert(name.to_owned(), lane);
        lane
    }

    pub(super) fn publish(&mut self, timeline: &mut Timeline, subject: &str, body: Bytes) -> u64 {
        let lane = self.lane(timeline, subject);
        let seq = self.insert(timeline, subject, lane, body, Phase::Ready);
        self.lanes[lane].add_fresh(seq);
        self.deliver(timeline, lane);
        seq
    }

    pub(super) fn schedule(
        &mut self,
        timeline: &mut Timeline,
        subject: &str,
        target: String,
        due: Timestamp,
        body: Bytes,
    ) -> u64 {
        self.purge(timeline, subject);
        let lane = self.lane(timeline, &target);
        let seq = self.last_seq + 1;
        let after = due.since(timeline.wall());
        let fires = timeline.appoint(self.lanes[lane].lane, after, Event::Fire { seq });
        self.insert(
            timeline,
            subject,
            lane,
            body,
            Phase::Scheduled { fires, target },
        )
    }

    fn insert(
        &mut self,
        timeline: &Timeline,
        subject: &str,
        lane: usize,
        body: Bytes,
        phase: Phase,
    ) -> u64 {
        self.last_seq += 1;
        let subject: Arc<str> = subject.into();
        let seqs = self.by_subject.entry(Arc::clone(&subject)).or_default();
        seqs.insert(self.last_seq);
        self.lanes[lane].stored += 1;
        let stored = Stored {
            subject,
            body,
            stored_at: timeline.wall(),
            deliveries: 0,
            lane,
            phase,
        };
        self.messages.insert(self.last_seq, stored);
        self.last_seq
    }

    fn remove(&mut self, timeline: &mut Timeline, seq: u64) -> Option<Stored> {
        let stored = self.messages.remove(&seq)?;
        self.lanes[stored.lane].stored -= 1;
        if let Some(seqs) = self.by_subject.get_mut(&stored.subject) {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.by_subject.remove(&stored.subject);
            }
        }
        match stored.phase {
            Phase::Scheduled { fires: at, .. } | Phase::Given { again: at } => timeline.cancel(at),
            Phase::Ready => {}
        }
        Some(stored)
    }

    /// Remove what is stored on a subject.
    pub(super) fn purge(&mut self, timeline: &mut Timeline, subject: &str) {
        for seq in self.by_subject.get(subject).cloned().unwrap_or_default() {
            self.remove(timeline, seq);
        }
    }

    /// A schedule is due: its command takes a place at the end.
    pub(super) fn fire(&mut self, timeline: &mut Timeline, seq: u64) {
        if let Some(Stored {
            body,
            phase: Phase::Scheduled { target, .. },
            ..
        }) = self.remove(timeline, seq)
        {
            self.publish(timeline, &target, body);
        }
    }

    /// A delivery was not answered in time, or is to be given again now.
    pub(super) fn redeliver(&mut self, timeline: &mut Timeline, seq: u64) {
        let Some(stored) = self.messages.get_mut(&seq) else {
            return;
        };
        stored.phase = Phase::Ready;
        let lane = stored.lane;
        self.lanes[lane].add_again(seq);
        self.deliver(timeline, lane);
    }

    /// Deliver as much as is there and asked for.
    fn deliver(&mut self, timeline: &mut Timeline, lane: usize) {
        let (work, ack_wait) = (self.work, self.ack_wait);
        let lane = &mut self.lanes[lane];
        while let Some(seq) = lane.next_wanted() {
            let Some(stored) = self.messages.get_mut(&seq) else {
                continue;
            };
            let event = Event::Redeliver { work, seq };
            let again = timeline.appoint(lane.lane, ack_wait, event);
            stored.phase = Phase::Given { again };
            stored.deliveries += 1;
            lane.hand_over(Delivery {
                subject: stored.subject.to_string(),
                body: stored.body.clone(),
                seq,
                deliveries: stored.deliveries,
                stored_at: stored.stored_at,
                token: work.token(seq),
            });
        }
    }

    /// Answer any delivery of a message, the last one or an older one.
    pub(super) fn answer(&mut self, timeline: &mut Timeline, seq: u64, verdict: Verdict) {
        match verdict {
            Verdict::Ack => self.acknowledge(timeline, seq),
            Verdict::Nak(delay) => self.put_off(timeline, seq, delay),
            Verdict::Progress => self.put_off(timeline, seq, self.ack_wait),
        }
    }

    fn acknowledge(&mut self, timeline: &mut Timeline, seq: u64) {
        let delivered = |stored: &Stored| stored.deliveries > 0;
        if self.messages.get(&seq).is_some_and(delivered) {
            self.remove(timeline, seq);
        }
    }

    /// Let a message that is in flight come again after `delay` from now.
    fn put_off(&mut self, timeline: &mut Timeline, seq: u64, delay: Duration) {
        let Some(stored) = self.messages.get_mut(&seq) else {
            return;
        };
        let Phase::Given { again } = &mut stored.phase else {
            return;
        };
        timeline.cancel(*again);
        let event = Event::Redeliver {
            work: self.work,
            seq,
        };
        *again = timeline.appoint(self.lanes[stored.lane].lane, delay, event);
    }

    /// Whether the message with this sequence is stored.
    pub(super) fn holds(&self, seq: u64) -> bool {
        self.messages.contains_key(&seq)
    }

    /// Whether a message of this subject is stored.
    pub(super) fn has(&self, subject: &str) -> bool {
        self.by_subject.contains_key(subject)
    }

    /// The first message whose subject fits a filter with one `*`, from a sequence on.
    pub(super) fn first(&self, filter: &str, from_seq: u64) -> Option<(u64, Bytes)> {
        let (head, tail) = filter.split_once('*')?;
        let fits = |subject: &str| {
            let middle = subject
                .strip_prefix(head)
                .and_then(|rest| rest.strip_suffix(tail));
            middle.is_some_and(|middle| !middle.contains('.'))
        };
        let seq = self
            .by_subject
            .range::<str, _>((Bound::Included(head), Bound::Unbounded))
            .take_while(|(subject, _)| subject.starts_with(head))
            .filter(|(subject, _)| fits(subject))
            .filter_map(|(_, seqs)| seqs.range(from_seq..).next().copied())
            .min()?;
        Some((seq, self.messages.get(&seq)?.body.clone()))
    }

    /// Messages and schedules that a filter matches.
    pub(super) fn backlog(&self, filter: &str) -> u64 {
        let lane = self.lane_of.get(self.work.lane_name(filter));
        lane.map_or(0, |lane| self.lanes[*lane].stored)
    }

    /// Every subject with its count of messages and schedules.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&str, u64)> {
        let subjects = self.by_subject.iter();
        subjects.map(|(subject, seqs)| (&**subject, seqs.len() as u64))
    }

    /// A further holder of the consumer of a filter.
    pub(super) fn open(&mut self, timeline: &mut Timeline, filter: &str) -> Seat {
        let lane = self.lane(timeline, filter);
        let (number, bell) = self.lanes[lane].open();
        Seat {
            lane,
            number,
            clock: self.lanes[lane].lane,
            bell,
        }
    }

    pub(super) fn request(&mut self, timeline: &mut Timeline, seat: &Seat, deliveries: usize) {
        self.lanes[seat.lane].request(seat.number, deliveries);
        self.deliver(timeline, seat.lane);
    }

    pub(super) fn take(&mut self, seat: &Seat) -> Option<Delivery> {
        self.lanes[seat.lane].take(seat.number)
    }

    pub(super) fn close(&mut self, seat: &Seat) {
        self.lanes[seat.lane].close(seat.number);
    }
}
