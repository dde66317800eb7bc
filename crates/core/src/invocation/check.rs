//! Whether a build decides as a stored journal says, from its beginning to where it stands: what
//! a build can be asked before it is deployed.

use std::time::Duration;

use headwater_wire::{Code, Entry, Failure, Payload, Status, value::Difference};

use super::{
    Invocation, LoadError, Mismatch,
    replay::{describe_end, mismatch},
};
use crate::program::{End, Workflow};

/// A journal that the workflow decides as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Entries that were replayed.
    pub entries: u64,
    /// The invocation has ended, and its end was compared as well.
    pub ended: bool,
}

/// Why a journal is not decided again as it stands.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The workflow decides otherwise: an engine would park the invocation.
    #[error("{}", .0.reason.message)]
    Differs(Mismatch),
}

impl Invocation {
    /// Replay a stored value and its pages with a workflow, and throw both away. Of one that has
    /// ended the end has to be the same too, unless it was ended from outside.
    pub fn check(
        bytes: &[u8],
        pages: &[impl AsRef<[u8]>],
        workflow: &dyn Workflow,
    ) -> Result<Checked, CheckError> {
        let mut invocation = Self::load(bytes, 1, pages, Duration::ZERO)?;
        let entries = invocation.entries(pages)?;
        let checked = Checked {
            entries: entries.len() as u64,
            ended: invocation.value.status.is_ended(),
        };
        if invocation.value.status == Status::Queued || invocation.was_never_run(&entries) {
            return Ok(checked);
        }
        let mut program = workflow.instantiate(invocation.program_info());
        program.set_replaying(true);
        let replay = invocation
            .replay(program.as_mut(), &entries)
            .map_err(CheckError::Differs)?;
        if checked.ended {
            invocation.check_end(replay.ended.as_ref())
        } else if invocation.unfinished {
            Ok(())
        } else {
            replay.expect_nothing_more()
        }
        .map_err(CheckError::Differs)?;
        Ok(checked)
    }

    /// It was ended before its program was started: no engine had it, its turn never came, or what
    /// it was to fork could not be forked.
    pub(super) fn was_never_run(&self, entries: &[Entry]) -> bool {
        let is_given = |entry: &Entry| matches!(entry, Entry::Carried(_));
        let forked = self.value.forked_run();
        let of_other = forked.map_or(0, |forked| forked.entries) as usize;
        if self.error_code() == Some(&Code::UNREGISTERED) {
            return entries.iter().skip(of_other).all(is_given);
        }
        let could_not_be_forked = forked.is_some_and(|forked| forked.step == 0);
        entries.iter().all(is_given)
            && (could_not_be_forked
                || matches!(self.value.status, Status::Cancelled | Status::Terminated))
    }

    fn error_code(&self) -> Option<&Code> {
        self.value.error.as_ref().map(|error| &error.code)
    }

    fn check_end(&self, end: Option<&End>) -> Result<(), Mismatch> {
        let value = &self.value;
        let differs = |field: &str, journal: String, program: String| {
            mismatch(vec![Difference {
                step: 0,
                field: field.to_owned(),
                journal,
                program,
            }])
        };
        match (end, &value.output, &value.error) {
            // Ended by the engine or an operator: the program was not asked.
            (None, ..)
                if value.status == Status::Terminated
                    || self.error_code() == Some(&Code::TOO_LARGE) =>
            {
                Ok(())
            }
            (Some(End::Done(Ok(is))), Some(was), _) if is == was => Ok(()),
            (Some(End::Done(Err(is))), _, Some(was)) if is.clone().within_limits() == *was => {
                Ok(())
            }
            (Some(End::Done(Ok(is))), Some(was), _) => {
                Err(differs("output", preview(was), preview(is)))
            }
            (Some(End::Done(Err(is))), _, Some(was)) => {
                Err(differs("error", was.to_string(), is.to_string()))
            }
            (end, _, error) => {
                let goes_on = || "it goes on".to_owned();
                let journal = ended_as(error.as_ref());
                Err(differs(
                    "end",
                    journal,
                    end.map_or_else(goes_on, describe_end),
                ))
            }
        }
    }
}

fn ended_as(error: Option<&Failure>) -> String {
    match error {
        None => "the workflow returned".to_owned(),
        Some(error) => format!("the workflow failed: {error}"),
    }
}

/// The beginning of a payload.
fn preview(payload: &Payload) -> String {
    let text = String::from_utf8_lossy(payload.bytes());
    text.chars().take(200).collect()
}
