//! Replaying each turn once more: what a workflow does that its context does not know of (a clock,
//! a random number, the order of a `HashMap`) is found in a debug build, not after a crash.

use headwater_core::{Invocation, Turn, invocation::CheckError};

use super::{Actor, Loaded};

/// Longest journal that is replayed with each turn: what it costs grows with its square.
const VERIFIED_ENTRIES_MAX: u64 = 500;

impl Actor {
    /// The value that is to be replayed once it is stored, if any is.
    pub(super) fn to_verify(&self, turn: &Turn) -> Option<Vec<u8>> {
        let invocation = match &self.loaded {
            Some(Loaded::Invocation(invocation)) if self.shared.config.verify_replay => invocation,
            _ => return None,
        };
        let is_short = invocation.entry_count() <= VERIFIED_ENTRIES_MAX;
        let is_whole = invocation.pages() == 0 && invocation.value().parked.is_none();
        (is_short && is_whole).then(|| turn.value.clone())
    }

    /// Replay what was stored.
    pub(super) fn verify(&mut self, stored: &[u8]) {
        let now = self.shared.env.now();
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return;
        };
        let (name, version) = (&invocation.value().workflow, &invocation.value().version);
        let Some(workflow) = self.shared.registry.get(name, version) else {
            return;
        };
        let pages: &[&[u8]] = &[];
        let Err(CheckError::Differs(mut mismatch)) =
            Invocation::check(stored, pages, workflow.as_ref())
        else {
            return;
        };
        let message = &mut mismatch.reason.message;
        *message = format!(
            "replayed at once, the workflow does not do the same again; it uses something that its context does not give it: a clock, a random number, an environment variable, a static, the order of a HashMap ({message})"
        );
        tracing::error!(invocation_id = %invocation.value().id, reason = %mismatch.reason, "not deterministic");
        if !invocation.value().status.is_ended() {
            self.shared.metrics.parked.inc();
            invocation.park(mismatch, now);
        }
    }
}
