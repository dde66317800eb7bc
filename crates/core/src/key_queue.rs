//! The queue of a partition key: lets one invocation of the key run at a time, in the order in
//! which they were submitted.
//!
//! Submission → queue → start (`queued`, or granted at once) → grant → release. Submissions are
//! taken in stream order, so one watermark remembers for ever which were taken.

use std::time::Duration;

use headwater_wire::{
    Command, InvocationId, Partition, Status, Timestamp,
    command::{Start, Submit, Ticket},
    key_queue::{KeyQueueValue, Queued, Send},
    limits,
    names::Address,
    turn::{LastTurn, Root},
    value::ValueError,
};

use crate::{
    machine::{Effect, Machine, Placement, Turn, address, root_of},
    mutant::{Mutant, is_broken},
};

/// The queue of a partition key in an engine's memory.
pub struct KeyQueue {
    value: KeyQueueValue,
    revision: u64,
    retention: Duration,
    dirty: bool,
    roots: Vec<Root>,
    sends: Vec<Send>,
    sent_bytes: usize,
}

impl KeyQueue {
    /// The queue of a key that was never used, or not for longer than the retention.
    #[must_use]
    pub fn create(
        partition_key: &str,
        queue: &str,
        partition: Partition,
        retention: Duration,
    ) -> Self {
        let value = KeyQueueValue {
            format: limits::VALUE_FORMAT,
            program: "key queue".to_owned(),
            partition_key: partition_key.to_owned(),
            status: Status::Waiting,
            why: String::new(),
            queue: queue.to_owned(),
            partition,
            updated_at: Timestamp::default(),
            taken_through: 0,
            holder: None,
            waiting: Vec::new(),
            turn: LastTurn::default(),
            sends: Vec::new(),
        };
        Self::of(value, 0, retention)
    }

    fn of(value: KeyQueueValue, revision: u64, retention: Duration) -> Self {
        Self {
            value,
            revision,
            retention,
            dirty: false,
            roots: Vec::new(),
            sends: Vec::new(),
            sent_bytes: 0,
        }
    }

    /// Read a stored value.
    pub fn load(bytes: &[u8], revision: u64, retention: Duration) -> Result<Self, ValueError> {
        Ok(Self::of(KeyQueueValue::decode(bytes)?, revision, retention))
    }

    /// The state.
    #[must_use]
    pub fn value(&self) -> &KeyQueueValue {
        &self.value
    }

    fn add_root(&mut self, root: Root) {
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
        self.dirty = true;
    }

    fn submit(&mut self, submit: Submit, seq: u64) {
        let Submit { invocation, start } = submit;
        self.value.taken_through = seq;
        let queued = Queued {
            ticket: seq,
            invocation: invocation.clone(),
        };
        let granted = self.value.holder.is_none();
        if granted {
            self.value.holder = Some(queued);
        } else {
            self.value.waiting.push(queued);
        }
        self.sent_bytes += start.input.bytes().len();
        let ticket = Some(self.ticket(seq));
        let start = Box::new(Start {
            ticket,
            granted,
            ..start
        });
        self.sends.push(Send::Start { invocation, start });
    }

    fn release(&mut self, ticket: u64) {
        if self
            .value
            .holder
            .as_ref()
            .is_none_or(|h| h.ticket != ticket)
        {
            self.value.waiting.retain(|queued| queued.ticket != ticket);
            return;
        }
        self.value.holder = None;
        if self.value.waiting.is_empty() {
            return;
        }
        let next = self.value.waiting.remove(0);
        self.sends.push(Send::Grant {
            invocation: next.invocation.clone(),
            ticket: next.ticket,
        });
        self.value.holder = Some(next);
    }

    fn ticket(&self, number: u64) -> Ticket {
        Ticket {
            key: self.value.partition_key.clone(),
            number,
        }
    }

    fn why(&self) -> String {
        match &self.value.holder {
            None => "no invocation of this key runs".to_owned(),
            Some(holder) => format!(
                "{} holds the key, {} wait",
                holder.invocation,
                self.value.waiting.len()
            ),
        }
    }

    fn to(&self, invocation: &InvocationId) -> Address {
        address(&self.value.queue, self.value.partition, invocation)
    }

    fn holds(&self, ticket: u64) -> bool {
        let is = |queued: &Queued| queued.ticket == ticket;
        self.value.holder.as_ref().is_some_and(is) || self.value.waiting.iter().any(is)
    }
}

impl Machine for KeyQueue {
    fn place(&self, command: &Command, seq: u64, _stored_at: Timestamp) -> Placement {
        match command {
            Command::Submit(_) if seq <= self.value.taken_through => Placement::Taken,
            Command::Submit(_) if self.value.waiting.len() >= limits::KEY_QUEUE_MAX => {
                Placement::Wait
            }
            Command::Submit(_) if is_broken(Mutant::KeyOutOfOrder) => Placement::Take,
            Command::Submit(_) => Placement::TakeInOrder {
                from_seq: self.value.taken_through + 1,
            },
            Command::Release(ticket) if ticket.key != self.value.partition_key => {
                Placement::Foreign("a release for another partition key")
            }
            Command::Release(ticket) if self.holds(ticket.number) => Placement::Take,
            Command::Release(ticket) if ticket.number <= self.value.taken_through => {
                Placement::Taken
            }
            Command::Release(_) => Placement::Drop("a release of a ticket that was never given"),
            _ => Placement::Foreign(
                "a command for an invocation, sent to the queue of a partition key",
            ),
        }
    }

    fn take(&mut self, command: Command, seq: u64, _now: Timestamp) {
        self.add_root(root_of(&command, seq));
        match command {
            Command::Submit(submit) => self.submit(submit, seq),
            Command::Release(ticket) => self.release(ticket.number),
            _ => {}
        }
    }

    fn has_turn(&self) -> bool {
        self.dirty
    }

    fn turn_is_full(&self) -> bool {
        self.sent_bytes >= limits::TURN_BYTES_MAX || self.sends.len() >= limits::TURN_EFFECTS_MAX
    }

    fn prepare(&mut self, now: Timestamp, id: String) -> Result<Turn, String> {
        self.value.status = match self.value.holder {
            Some(_) => Status::Running,
            None => Status::Waiting,
        };
        self.value.why = self.why();
        self.value.updated_at = now.max(self.value.updated_at);
        self.value.sends = std::mem::take(&mut self.sends);
        self.value.turn = LastTurn {
            number: self.value.turn.number + 1,
            id: id.clone(),
            roots: std::mem::take(&mut self.roots),
            effects: Vec::new(),
            partial: false,
        };
        self.dirty = false;
        self.sent_bytes = 0;
        // An idle queue forgets its watermark only when no old submission can come any more.
        let idle = self.value.holder.is_none();
        if idle && is_broken(Mutant::KeyForgets) {
            self.value.taken_through = 0;
        }
        Ok(Turn {
            expected: self.revision,
            value: self.value.encode().map_err(|error| error.to_string())?,
            ttl: idle.then_some(self.retention.max(limits::RETENTION_MIN) * 2),
            page: None,
            archive: None,
            forgotten: Vec::new(),
            id,
        })
    }

    fn committed(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn last_turn(&self) -> &LastTurn {
        &self.value.turn
    }

    fn effects(&self) -> Vec<Effect> {
        let effect = |send: &Send| match send {
            Send::Start { invocation, start } => Effect::Command {
                to: self.to(invocation),
                command: Box::new(Command::Start(Start::clone(start))),
            },
            Send::Grant { invocation, ticket } => Effect::Command {
                to: self.to(invocation),
                command: Box::new(Command::Grant(self.ticket(*ticket))),
            },
        };
        self.value.sends.iter().map(effect).collect()
    }

    fn proves(&self, _command: &Command, _effect: &Effect) -> bool {
        false
    }

    fn is_anchor(&self, _root: &Root) -> bool {
        false
    }
}
