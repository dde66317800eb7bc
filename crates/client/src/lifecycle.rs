//! Ruling the life of an invocation: terminate, pause. To cancel and to resume is in
//! [`crate::client`].

use headwater_store::Read;
use headwater_wire::{
    Code, Command, InvocationId,
    lifecycle::{Pause, Terminate},
};

use crate::{Client, ClientError, State};

impl Client {
    /// End an invocation at once, whatever it is at: its workflow is not asked and cleans up
    /// nothing. It ends as `terminated`, with the code [`Code::INTERRUPTED`] (410). Activities
    /// that run go on, and their outcomes are dropped.
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
