//! Queries: a replay over what is stored, asked and thrown away. It touches neither the value nor
//! the invocation that an engine may have in memory.

use std::time::Duration;

use headwater_wire::{Code, Entry, Failure, Payload, Status};

use super::Invocation;
use crate::{
    program::{Program, Workflow},
    workflow::unanswered,
};

impl Invocation {
    /// Ask a program that has been replayed over a stored value and its pages. No step is run, and
    /// what it decides is thrown away. Also one that has ended is asked, as it stood at its end.
    ///
    /// # Errors
    /// What the query answers; [`Code::NOT_FOUND`]: the workflow has none of this name;
    /// [`Code::UNANSWERED`]: it has not begun, or is parked; and what keeps it from being replayed.
    pub fn query(
        bytes: &[u8],
        pages: &[impl AsRef<[u8]>],
        workflow: &dyn Workflow,
        name: &str,
        data: &Payload,
    ) -> Result<Payload, Failure> {
        let unreadable = |error: super::LoadError| Failure::fatal(Code::DECODE, error.to_string());
        let mut invocation = Self::load(bytes, 1, pages, Duration::ZERO).map_err(unreadable)?;
        let entries = invocation.entries(pages).map_err(unreadable)?;
        invocation.can_be_asked(&entries)?;
        let mut program = workflow.instantiate(invocation.program_info());
        program.set_replaying(true);
        invocation
            .replay(program.as_mut(), &entries)
            .map_err(|mismatch| mismatch.reason)?;
        ask(program.as_ref(), name, data)
    }

    fn can_be_asked(&self, entries: &[Entry]) -> Result<(), Failure> {
        let value = &self.value;
        if value.deleted_at.is_some() {
            let message = format!("the invocation {} was deleted", value.id);
            return Err(Failure::fatal(Code::NOT_FOUND, message));
        }
        if let (Some(parked), false) = (&value.parked, self.is_paused()) {
            return Err(unanswered(&format!("parked: {}", parked.reason.message)));
        }
        // What has ended its engine may end the one that replays it.
        if value.suspected_crashes > 0 {
            return Err(unanswered("its handling has ended its engine"));
        }
        if value.status == Status::Queued
            || self.is_held_at_its_start()
            || self.was_never_run(entries)
        {
            return Err(unanswered("its workflow has not begun"));
        }
        Ok(())
    }
}

fn ask(program: &dyn Program, name: &str, data: &Payload) -> Result<Payload, Failure> {
    program.query(name, data).unwrap_or_else(|| {
        let message = format!("the workflow answers no query {name:?}");
        Err(Failure::fatal(Code::NOT_FOUND, message))
    })
}
