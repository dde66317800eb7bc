//! Waiting for any change of an invocation.

use std::time::Duration;

use futures::StreamExt;
use headwater_store::Read;
use headwater_wire::InvocationId;

use crate::{Client, ClientError, State};

/// A change is looked for sooner than an end, then less and less often too.
const READ_FIRST: Duration = Duration::from_millis(100);

impl Client {
    /// The state of an invocation; none while its start is under way.
    pub(crate) async fn state_or_start(
        &self,
        id: &InvocationId,
    ) -> Result<Option<State>, ClientError> {
        if let Some(state) = self.read_state(id, Read::Leader).await? {
            return Ok(Some(state));
        }
        if self.start_is_pending(id).await? {
            return Ok(None);
        }
        // An engine may have taken it between the two questions.
        self.state(id).await.map(Some)
    }

    /// Wait until an invocation has another revision than `after`, and answer its state. With 0,
    /// or with a revision that is over already, it answers at once; with [`State::revision`] of
    /// the state in hand it answers what has come since, of several changes only the last.
    pub async fn wait_for_change(
        &self,
        id: &InvocationId,
        after: u64,
        timeout: Duration,
    ) -> Result<State, ClientError> {
        let inner = &self.inner;
        let deadline = inner.env.elapsed().saturating_add(timeout);
        let ended = inner.store.ended_subject(&id.key());
        let mut ended = inner.store.listen(&ended).await?;
        let mut again = self.again(id, READ_FIRST).await?;
        loop {
            if let Some(state) = self.state_or_start(id).await?
                && state.revision > after
            {
                return Ok(state);
            }
            let left = deadline.saturating_sub(inner.env.elapsed());
            if left.is_zero() {
                let id = id.clone();
                return Err(ClientError::Unchanged { id, timeout });
            }
            tokio::select! {
                biased;
                _ = ended.next() => {}
                () = again.wait(inner.env.as_ref(), left) => {}
            }
        }
    }
}
