//! Heartbeats of activities: the last of each step stands in the value, for its next attempt. The
//! program is told nothing of them, so the journal has none.

use headwater_wire::{Payload, ask::Heartbeat, limits, turn::Root, value::Beat};

use super::{Invocation, pending::What};
use crate::machine::Placement;

impl Invocation {
    pub(super) fn place_heartbeat(&self, heartbeat: &Heartbeat) -> Placement {
        let Heartbeat {
            run, step, attempt, ..
        } = heartbeat;
        if *run != self.value.run {
            return Placement::Drop("a heartbeat of another run");
        }
        let Some(pending) = self.pending.get(step) else {
            return self.place_ended(*step);
        };
        let is_activity = matches!(pending.what, What::Activity { .. });
        if !is_activity || *attempt > pending.attempt {
            Placement::Drop("a heartbeat of an attempt that was never made")
        } else if *attempt < pending.attempt || self.has_beat(heartbeat) {
            Placement::Taken
        } else if pending.wake.is_some() {
            Placement::Drop("a heartbeat of an attempt that has not begun")
        } else if self.value.parked.is_none() && self.unfinished {
            // The rest of the last turn hangs on its roots, and this one would have others. The
            // next heartbeat will do.
            Placement::Drop("a heartbeat while the last turn is not finished")
        } else if self.value.parked.is_none() && self.has_more() {
            Placement::Wait
        } else {
            Placement::Take
        }
    }

    /// Whether this heartbeat, or a later one of the attempt, stands there.
    fn has_beat(&self, heartbeat: &Heartbeat) -> bool {
        let beat = self.value.beats.get(&heartbeat.step);
        beat.is_some_and(|beat| {
            beat.attempt == heartbeat.attempt && beat.number >= heartbeat.number
        })
    }

    /// It counts as no sign that the handling of other commands goes well.
    pub(super) fn take_heartbeat(&mut self, heartbeat: Heartbeat, seq: u64) {
        let Heartbeat {
            step,
            attempt,
            number,
            details,
            ..
        } = heartbeat;
        self.draft.roots.push(Root::Command(seq));
        self.draft.dirty = true;
        let beat = Beat {
            attempt,
            number,
            details,
        };
        self.value.beats.insert(step, beat);
        self.forget_beats_over(limits::BEATS_BYTES_MAX);
    }

    /// The value has a limit: the oldest heartbeats go first.
    fn forget_beats_over(&mut self, bytes_max: usize) {
        let beats = &mut self.value.beats;
        let mut bytes: usize = beats.values().map(size).sum();
        while bytes > bytes_max
            && let Some(oldest) = beats.iter().min_by_key(|(_, beat)| beat.number)
        {
            let step = *oldest.0;
            let gone = beats.remove(&step);
            bytes -= gone.as_ref().map_or(0, size);
        }
    }

    /// What the next attempt at a step is told.
    pub(super) fn beat_of(&self, step: u32) -> Option<Payload> {
        let beat = self.value.beats.get(&step)?;
        Some(beat.details.clone())
    }
}

/// What a heartbeat costs the value, about.
fn size(beat: &Beat) -> usize {
    60 + beat.details.bytes().len()
}
