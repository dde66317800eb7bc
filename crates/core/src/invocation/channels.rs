//! What is sent to an invocation beside signals: events, queues, updates; and signals that are
//! addressed by their name alone.

use headwater_wire::{
    Entry,
    command::{Channel, Signal},
};

use super::Invocation;
use crate::machine::Placement;

impl Invocation {
    /// Where something stands that did not come on the channel of signals.
    pub(super) fn place_channel(&self, signal: &Signal) -> Placement {
        Placement::Foreign(match signal.channel {
            Channel::Event => "an event is not served by this build",
            Channel::Queue => "a queue is not served by this build",
            Channel::Update => "an update is not served by this build",
            Channel::Signal => "a signal in the place of another channel",
        })
    }

    /// A wait for a named signal, or an answer, stands in the journal. No program decides one yet.
    pub(super) fn channel_decided(&mut self, _entry: &Entry) {}
}
