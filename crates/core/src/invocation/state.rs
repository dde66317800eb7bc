//! State that others can see: key-value pairs, search attributes, custom status, patches.

use headwater_wire::Entry;

use super::Invocation;

impl Invocation {
    /// A change of state stands in the journal. No program decides one yet.
    pub(super) fn state_decided(&mut self, _entry: &Entry) {}
}
