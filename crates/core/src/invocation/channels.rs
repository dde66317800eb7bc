//! What is sent to an invocation: signals, events, queues, updates; and signals that are addressed
//! by their name alone.
//!
//! A signal, and an item of a queue, is kept until a step waits for it. An event is not: raised
//! while no step waits for it, it is dropped.

use headwater_wire::{
    command::{Channel, Signal},
    limits,
};

use super::{Invocation, pending::What};
use crate::{
    machine::Placement,
    program::{LogLevel, LogLine},
};

/// Why an event is dropped.
const UNAWAITED: &str = "an event that was raised before anybody waited for it";

impl Invocation {
    pub(super) fn place_signal(&self, signal: &Signal) -> Placement {
        let signals = &self.value.signals;
        if signals.taken.iter().any(|taken| taken.id == signal.id) {
            Placement::Taken
        } else if signal.id.len() > limits::SENDER_ID_BYTES_MAX {
            Placement::Foreign("a signal whose id is longer than SENDER_ID_BYTES_MAX")
        } else if self.value.status.is_ended() {
            match signal.channel {
                Channel::Update => Self::place_late_update(signal),
                _ => Placement::Drop("the invocation has ended"),
            }
        } else if signal.channel == Channel::Event && !self.awaits_event(&signal.name) {
            // What is decided but not yet in the journal may wait for it.
            match self.can_go_on() || (self.value.parked.is_none() && self.has_more()) {
                true => Placement::Wait,
                false => Placement::Drop(UNAWAITED),
            }
        } else if self.buffer_is_full(signal.data.bytes().len()) || self.remembers_too_many() {
            Placement::Wait
        } else {
            self.place_in_turn()
        }
    }

    /// Whether a step waits for an event of this name that none of those at hand is for.
    fn awaits_event(&self, event: &str) -> bool {
        let waits = |what: &What| matches!(what, What::Signal { name, channel: Channel::Event } if name == event);
        let waiting = self.pending.values().filter(|pending| waits(&pending.what));
        let at_hand = self.value.signals.waiting.iter();
        let at_hand = at_hand.filter(|s| s.channel == Channel::Event && s.name == event);
        waiting.count() > at_hand.count()
    }

    pub(super) fn buffer_is_full(&self, more_bytes: usize) -> bool {
        let waiting = &self.value.signals.waiting;
        let bytes: usize = waiting.iter().map(|signal| signal.data.bytes().len()).sum();
        waiting.len() >= limits::SIGNALS_BUFFERED_MAX
            || (!waiting.is_empty() && bytes + more_bytes > limits::PAYLOAD_BYTES_MAX)
    }

    /// Events are not kept for later: those that came while it could not act, and that no step
    /// waits for any more, and those of a run that is over.
    pub(super) fn drop_events(&mut self) {
        let waiting = &mut self.value.signals.waiting;
        if waiting.is_empty() {
            return;
        }
        let dropped = waiting.extract_if(.., |signal| signal.channel == Channel::Event);
        self.logs.extend(dropped.map(|event| LogLine {
            level: LogLevel::Warn,
            message: format!("dropped the event {:?}: nobody waits for it", event.name),
        }));
    }
}
