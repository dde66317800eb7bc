//! Messages to others: kept in the turn that sends them, then in its value, by which they are sent
//! and sent again until they are settled. Re-emission needs no program.

use headwater_wire::{Entry, send::Sent, turn::EffectTag};

use super::Invocation;
use crate::machine::Effect;

impl Invocation {
    /// A message to another invocation, or an event, stands in the journal. No program decides one
    /// yet.
    pub(super) fn send_decided(&mut self, _entry: &Entry) {}

    /// Send something with the turn that is being made. `of_step`: the step that sends it, if the
    /// program can still drop it. `bytes`: its size, about.
    #[allow(dead_code)] // for children, sends and signal boxes
    pub(super) fn send(&mut self, of_step: Option<u32>, sent: Sent, bytes: usize) {
        self.draft.sends.push((of_step, sent));
        self.draft.sent_bytes += bytes;
        self.draft.dirty = true;
    }

    /// Do not send what this step has sent in this very turn. False: it sent nothing in it, so what
    /// it sent earlier has to be undone.
    #[allow(dead_code)] // for children and signal boxes
    pub(super) fn unsend(&mut self, step: u32) -> bool {
        let before = self.draft.sends.len();
        self.draft.sends.retain(|(of, _)| *of != Some(step));
        self.draft.sends.len() < before
    }

    /// What this turn sends goes into its value, in the place of what the last one sent.
    pub(super) fn keep_sends(&mut self) {
        let sends = self.draft.sends.drain(..).map(|(_, sent)| sent);
        self.value.sends.clear();
        self.value.sends.extend(sends);
        self.draft.sent_bytes = 0;
        let count = u32::try_from(self.value.sends.len()).unwrap_or(u32::MAX);
        self.draft.effects.extend((0..count).map(EffectTag::Send));
    }

    /// The message at this place of the value.
    pub(super) fn sent(&self, index: u32) -> Option<Effect> {
        let sent = self.value.sends.get(usize::try_from(index).ok()?)?;
        Some(Effect::Send(Box::new(sent.clone())))
    }
}
