//! Hooks: further functions of a workflow, run beside its main one.

use headwater_wire::{Timestamp, ask::Hook, value::Deferred};

use super::Invocation;
use crate::machine::Placement;

impl Invocation {
    pub(super) fn place_hook(&self, _hook: &Hook) -> Placement {
        Placement::Foreign("a hook is not served by this build")
    }

    /// Nothing is taken as long as nothing is placed.
    pub(super) fn take_hook(&mut self, _hook: Hook, _seq: u64, _now: Timestamp) {}

    /// A hook that was taken while the invocation could not act on it.
    pub(super) fn take_deferred_hook(&mut self, _hook: Deferred, _now: Timestamp) {}
}
