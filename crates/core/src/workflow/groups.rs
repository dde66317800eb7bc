//! Steps that one future waits for together: it is told which of them have come, and need not look
//! at all of them each time.

use std::{ops::RangeInclusive, task::Waker};

use headwater_wire::{Failure, Payload};

use super::shared::{Slot, State};
use crate::program::Decision;

/// What the future of several steps is told.
#[derive(Default)]
pub(super) struct Group {
    waker: Option<Waker>,
    /// Steps whose outcomes have come.
    done: Vec<u32>,
}

impl State {
    /// Number `count` new steps, at least one, and decide them together.
    pub(super) fn decide_many(
        &mut self,
        count: u32,
        make: impl FnOnce(u32) -> Decision,
    ) -> RangeInclusive<u32> {
        let first = self.steps + 1;
        self.steps += count;
        self.decisions.push(make(first));
        first..=self.steps
    }

    /// Have the outcomes of these steps told to a group, and its future woken.
    pub(super) fn join_group(&mut self, group: u32, steps: RangeInclusive<u32>, waker: &Waker) {
        for step in steps {
            let slot = Slot::of_group(group, self.reach);
            self.slots.insert(step, slot);
        }
        self.groups.entry(group).or_default().waker = Some(waker.clone());
    }

    pub(super) fn tell_group(&mut self, group: u32, step: u32) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.done.push(step);
            if let Some(waker) = group.waker.take() {
                waker.wake();
            }
        }
    }

    /// The outcomes that have come to a group.
    pub(super) fn take_group(
        &mut self,
        group: u32,
        waker: &Waker,
    ) -> Vec<(u32, Result<Payload, Failure>)> {
        let Some(group) = self.groups.get_mut(&group) else {
            return Vec::new();
        };
        group.waker = Some(waker.clone());
        let done = std::mem::take(&mut group.done);
        let slots = &mut self.slots;
        let outcome = |step| Some((step, slots.remove(&step)?.outcome?));
        done.into_iter().filter_map(outcome).collect()
    }

    /// The future of a group is gone, and those of `steps` that have no outcome are no longer
    /// wanted: neighbours are let go together.
    pub(super) fn forget_group(&mut self, group: u32, steps: impl Iterator<Item = u32>) {
        self.groups.remove(&group);
        let mut open: Option<(u32, u32)> = None;
        for step in steps {
            let slot = self.slots.remove(&step);
            if slot.is_none_or(|slot| slot.outcome.is_some()) {
                continue;
            }
            open = match open {
                Some((first, last)) if last + 1 == step => Some((first, step)),
                other => {
                    self.drop_range(other);
                    Some((step, step))
                }
            };
        }
        self.drop_range(open);
    }

    fn drop_range(&mut self, range: Option<(u32, u32)>) {
        let Some((step, last)) = range else { return };
        if !self.closed {
            let through = (last > step).then_some(last);
            self.decisions.push(Decision::Drop { step, through });
        }
    }
}
