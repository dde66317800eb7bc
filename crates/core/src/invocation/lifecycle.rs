//! The life of an invocation as people rule it: terminate, pause, delete.

use headwater_wire::{Command, Timestamp};

use super::Invocation;
use crate::machine::Placement;

impl Invocation {
    pub(super) fn place_lifecycle(&self, command: &Command) -> Placement {
        Placement::Foreign(match command {
            Command::Terminate(_) => "terminate is not served by this build",
            Command::Pause(_) => "pause is not served by this build",
            _ => "delete is not served by this build",
        })
    }

    /// Nothing is taken as long as nothing is placed.
    pub(super) fn take_lifecycle(&mut self, _command: Command, _now: Timestamp) {}
}
