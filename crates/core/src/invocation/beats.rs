//! Heartbeats of activities: the last of each step stands in the value, for its next attempt.

use headwater_wire::{Payload, ask::Heartbeat};

use super::Invocation;
use crate::machine::Placement;

impl Invocation {
    pub(super) fn place_heartbeat(&self, _heartbeat: &Heartbeat) -> Placement {
        Placement::Foreign("a heartbeat is not served by this build")
    }

    /// Nothing is taken as long as nothing is placed.
    pub(super) fn take_heartbeat(&mut self, _heartbeat: Heartbeat) {}

    /// What the next attempt at a step is told.
    pub(super) fn beat_of(&self, step: u32) -> Option<Payload> {
        let beat = self.value.beats.get(&step)?;
        Some(beat.details.clone())
    }
}
