//! Ruling the life of an invocation: terminate, pause, delete. To cancel and to resume is in
//! `client.rs`.

use headwater_store::Read;
use headwater_wire::{
    Code, Command, InvocationId, Status,
    command::Asker,
    lifecycle::{Delete, Pause, Terminate},
};

use crate::{Client, ClientError, State};

/// What an invocation held that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Entries of its journal.
    pub entries: u64,
    /// Key-value pairs.
    pub kv: usize,
    /// Whether it had not ended, and was ended for it.
    pub was_running: bool,
}

impl Client {
    /// End an invocation at once, whatever it is at: its workflow is not asked and cleans up
    /// nothing. It ends as `terminated`, with the code [`Code::INTERRUPTED`] (410). Activities
    /// that run are told to stop, and cut off after their grace.
    ///
    /// Returns when the request is stored. Errors: [`ClientError::NotFound`],
    /// [`ClientError::AlreadyEnded`].
    pub async fn terminate(&self, id: &InvocationId, reason: &str) -> Result<(), ClientError> {
        self.terminate_with(id, reason, None).await
    }

    /// [`Client::terminate`] with a code of the caller's own for the error.
    pub async fn terminate_with(
        &self,
        id: &InvocationId,
        reason: &str,
        code: Option<Code>,
    ) -> Result<(), ClientError> {
        self.going_on(id).await?;
        let terminate = Terminate {
            id: self.inner.new_id(),
            reason: reason.to_owned(),
            code,
        };
        self.send(id, Command::Terminate(terminate)).await
    }

    /// Let an invocation act on nothing until it is resumed ([`Client::resume`]). What comes
    /// meanwhile is kept; a local step that runs is cut off, and runs again then. One that is
    /// parked stays parked.
    ///
    /// Returns when the request is stored. Errors: [`ClientError::NotFound`],
    /// [`ClientError::AlreadyEnded`].
    pub async fn pause(&self, id: &InvocationId, reason: &str) -> Result<(), ClientError> {
        self.going_on(id).await?;
        let pause = Pause {
            id: self.inner.new_id(),
            reason: reason.to_owned(),
        };
        self.send(id, Command::Pause(pause)).await
    }

    /// Forget an ended invocation: its input, its result, its journal, all that it held. For the
    /// client it is gone, and its id may be used again. With `force` one that goes on is ended
    /// first, as by [`Client::terminate`].
    ///
    /// Returns when the request is stored. Errors: [`ClientError::NotFound`],
    /// [`ClientError::StillRunning`] without `force`, [`ClientError::IsChild`] also with it.
    pub async fn delete(&self, id: &InvocationId, force: bool) -> Result<Deleted, ClientError> {
        let state = match self.read_state(id, Read::Leader).await? {
            Some(state) => state,
            None if self.start_is_pending(id).await? => {
                return Err(ClientError::StillRunning {
                    id: id.clone(),
                    status: Status::Queued,
                });
            }
            None => return Err(ClientError::NotFound(id.clone())),
        };
        self.refuse_child(&state).await?;
        if !force {
            refuse_running(&state)?;
        }
        self.send_delete(&state, force).await
    }

    /// A child may be asked for its outcome by a parent that goes on.
    pub(crate) async fn refuse_child(&self, state: &State) -> Result<(), ClientError> {
        let Asker::Parent { invocation, .. } = &state.value.asker else {
            return Ok(());
        };
        let parent = self.read_state(invocation, Read::Leader).await?;
        match parent.is_some_and(|parent| !parent.value.status.is_ended()) {
            true => Err(ClientError::IsChild {
                id: state.value.id.clone(),
                parent: invocation.clone(),
            }),
            false => Ok(()),
        }
    }

    pub(crate) async fn send_delete(
        &self,
        state: &State,
        force: bool,
    ) -> Result<Deleted, ClientError> {
        let delete = Delete {
            id: self.inner.new_id(),
            force,
        };
        let value = &state.value;
        self.send(&value.id, Command::Delete(delete)).await?;
        Ok(Deleted {
            entries: state.journal.entries,
            kv: value.kv.len(),
            was_running: !value.status.is_ended(),
        })
    }

    /// The state of an invocation that has not ended; none if its start is under way.
    async fn going_on(&self, id: &InvocationId) -> Result<Option<State>, ClientError> {
        let state = self.read_state(id, Read::Leader).await?;
        match &state {
            None if !self.start_is_pending(id).await? => Err(ClientError::NotFound(id.clone())),
            Some(state) if state.value.status.is_ended() => Err(ClientError::AlreadyEnded {
                id: id.clone(),
                status: state.value.status,
            }),
            _ => Ok(state),
        }
    }
}

/// Only what has ended is deleted without force.
pub(crate) fn refuse_running(state: &State) -> Result<(), ClientError> {
    let value = &state.value;
    match value.status.is_ended() {
        true => Ok(()),
        false => Err(ClientError::StillRunning {
            id: value.id.clone(),
            status: value.status,
        }),
    }
}
