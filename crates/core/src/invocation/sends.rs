//! Messages to others: kept in the turn that sends them, then in its value, by which they are sent
//! and sent again until they are settled. Re-emission needs no program.

use headwater_wire::{
    Code, Entry, Payload,
    ask::Hook,
    command::{Asker, Cancel, Signal},
    journal::Sending,
    lifecycle::Terminate,
    limits::CLOSES_BYTES_MAX,
    send::{Recipient, Sent, SentCommand},
    task::idempotency_key,
    turn::EffectTag,
};

use super::Invocation;
use crate::machine::Effect;

impl Invocation {
    /// A message to another invocation, or an event, stands in the journal.
    pub(super) fn send_decided(&mut self, entry: &Entry) {
        match entry {
            Entry::Send {
                step,
                to,
                queue,
                what,
            } => {
                // One that has no value yet is looked for where its sender is.
                let queue = queue.as_ref().unwrap_or(&self.value.queue);
                let to = Recipient {
                    key: to.key(),
                    queue: Some(queue.clone()),
                    partition: None,
                };
                let (command, bytes) = self.command_of(*step, what);
                let of_step = matches!(what, Sending::Hook { awaited: true, .. }).then_some(*step);
                self.send(of_step, Sent::Command { to, command }, bytes);
            }
            Entry::Emit { topic, data, .. } => {
                let (topic, data) = (topic.clone(), data.clone());
                let bytes = data.bytes().len();
                self.send(None, Sent::Event { topic, data }, bytes);
            }
            _ => {}
        }
    }

    /// The command that a step sends, and its size, about. The id of the step is that of the
    /// command: sent again, it is known again.
    fn command_of(&self, step: u32, what: &Sending) -> (SentCommand, usize) {
        let id = idempotency_key(&self.value.id, self.value.run, step);
        let bytes = |data: &Payload| data.bytes().len();
        match what.clone() {
            Sending::Signal {
                name,
                channel,
                data,
            } => {
                let bytes = bytes(&data);
                let signal = Signal {
                    channel,
                    ..Signal::new(id, name, data)
                };
                (SentCommand::Signal(signal), bytes)
            }
            Sending::Cancel { reason } => {
                let bytes = reason.len();
                (SentCommand::Cancel(Cancel { id, reason }), bytes)
            }
            Sending::Terminate { reason, code } => {
                let bytes =
                    reason.len() + code.as_ref().map_or(0, |code: &Code| code.as_str().len());
                let terminate = Terminate { id, reason, code };
                (SentCommand::Terminate(terminate), bytes)
            }
            Sending::Hook {
                name,
                input,
                awaited,
            } => {
                let bytes = bytes(&input);
                let asker = awaited.then(|| self.as_asker(step));
                let hook = Hook {
                    id,
                    name,
                    input,
                    asker,
                };
                (SentCommand::Hook(hook), bytes)
            }
        }
    }

    /// A step of this invocation as one that waits for an outcome from elsewhere.
    pub(super) fn as_asker(&self, step: u32) -> Asker {
        Asker::Parent {
            invocation: self.value.id.clone(),
            run: self.value.run,
            step,
            queue: self.value.queue.clone(),
            partition: self.value.partition,
        }
    }

    /// Send something with the turn that is being made. `of_step`: the step that sends it, if the
    /// program can still drop it. `bytes`: its size, about.
    pub(super) fn send(&mut self, of_step: Option<u32>, sent: Sent, bytes: usize) {
        self.draft.sends.push((of_step, sent));
        self.draft.sent_bytes += bytes;
        self.draft.dirty = true;
    }

    /// Whether the turn has room for a message of this size that lets go of something elsewhere.
    /// Counted apart from what the program sends: that must not keep it out.
    pub(super) fn may_close(&mut self, bytes: usize) -> bool {
        let has_room = self.draft.closing_bytes + bytes <= CLOSES_BYTES_MAX;
        if has_room {
            self.draft.closing_bytes += bytes;
        }
        has_room
    }

    /// Do not send what this step has sent in this very turn. False: it sent nothing in it, so what
    /// it sent earlier has to be undone.
    pub(super) fn unsend(&mut self, step: u32) -> bool {
        let before = self.draft.sends.len();
        self.draft.sends.retain(|(of, _)| *of != Some(step));
        self.draft.sends.len() < before
    }

    /// What this step has sent in this very turn is sent, whatever becomes of the step.
    pub(super) fn keep_sent(&mut self, step: u32) {
        for (of, _) in &mut self.draft.sends {
            if *of == Some(step) {
                *of = None;
            }
        }
    }

    /// What this turn sends goes into its value, in the place of what the last one sent.
    pub(super) fn keep_sends(&mut self) {
        let sends = self.draft.sends.drain(..).map(|(_, sent)| sent);
        self.value.sends.clear();
        self.value.sends.extend(sends);
        self.draft.sent_bytes = 0;
        self.draft.closing_bytes = 0;
        let count = u32::try_from(self.value.sends.len()).unwrap_or(u32::MAX);
        self.draft.effects.extend((0..count).map(EffectTag::Send));
    }

    /// The message at this place of the value.
    pub(super) fn sent(&self, index: u32) -> Option<Effect> {
        let sent = self.value.sends.get(usize::try_from(index).ok()?)?;
        Some(Effect::Send(Box::new(sent.clone())))
    }
}
