//! Children, seen from both sides: what a parent starts, and what a child tells it at its end.

use headwater_wire::journal::ChildSpec;

use super::Invocation;
use crate::machine::Effect;

impl Invocation {
    /// A child, awaited or detached, stands in the journal. No program decides one yet.
    pub(super) fn child_decided(&mut self, _child: &ChildSpec) {}

    /// The outcome for the step of another invocation that asked for this one.
    pub(super) fn tell_parent(&self) -> Option<Effect> {
        None
    }
}
