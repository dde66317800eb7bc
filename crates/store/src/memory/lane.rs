//! A durable consumer: what it has to deliver, and who asked for how much.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{
    listeners::Inbox,
    timeline::{Lane, Timeline},
};
use crate::Delivery;

/// One who takes from a consumer.
struct Holder {
    credits: usize,
    inbox: Inbox<Delivery>,
}

/// The consumer of one filter. It is there, and its messages wait, before anyone has asked.
pub(super) struct LaneQueue {
    pub(super) lane: Lane,
    /// Commands and schedules stored, in flight ones included.
    pub(super) stored: u64,
    fresh: VecDeque<u64>,
    again: VecDeque<u64>,
    opened: u64,
    holders: BTreeMap<u64, Holder>,
    /// Those with credits, next one first.
    asking: VecDeque<u64>,
}

impl LaneQueue {
    pub(super) fn new(timeline: &mut Timeline) -> Self {
        Self {
            lane: timeline.add_lane(),
            stored: 0,
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            opened: 0,
            holders: BTreeMap::new(),
            asking: VecDeque::new(),
        }
    }

    /// A message that has never been delivered.
    pub(super) fn add_fresh(&mut self, seq: u64) {
        self.fresh.push_back(seq);
    }

    /// A message that is to be delivered again, before fresh ones.
    pub(super) fn add_again(&mut self, seq: u64) {
        self.again.push_back(seq);
    }

    /// The next message to deliver, if anyone asks for one. It may have been removed meanwhile.
    pub(super) fn next_wanted(&mut self) -> Option<u64> {
        self.asking.front()?;
        self.again.pop_front().or_else(|| self.fresh.pop_front())
    }

    /// Give a message to who is next; they take turns.
    pub(super) fn hand_over(&mut self, delivery: Delivery) {
        let Some(number) = self.asking.pop_front() else {
            return;
        };
        let Some(holder) = self.holders.get_mut(&number) else {
            return;
        };
        holder.inbox.put(delivery);
        holder.credits -= 1;
        if holder.credits > 0 {
            self.asking.push_back(number);
        }
    }

    pub(super) fn open(&mut self) -> (u64, Arc<Notify>) {
        self.opened += 1;
        let inbox = Inbox::new([]);
        let bell = inbox.bell();
        self.holders
            .insert(self.opened, Holder { credits: 0, inbox });
        (self.opened, bell)
    }

    pub(super) fn request(&mut self, number: u64, deliveries: usize) {
        let Some(holder) = self.holders.get_mut(&number) else {
            return;
        };
        if holder.credits == 0 && deliveries > 0 {
            self.asking.push_back(number);
        }
        holder.credits = holder.credits.saturating_add(deliveries);
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Delivery> {
        self.holders.get_mut(&number)?.inbox.take()
    }

    /// Forget its credits, and what it has not taken: that comes again after the ack wait.
    pub(super) fn close(&mut self, number: u64) {
        self.holders.remove(&number);
        self.asking.retain(|asking| *asking != number);
    }
}
