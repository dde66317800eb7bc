//! What a workflow shows of itself: its key-value pairs and its status. What it is found by, its
//! search attributes, stands in its [`State`](crate::State).

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream::select};
use headwater_store::Read;
use headwater_wire::{InvocationId, Payload, Value, names::Hint, value::CustomStatus};
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

/// Hints can be lost: the value is read this often at first, then less and less.
const READ_FIRST: Duration = Duration::from_millis(500);
const READ_LAST: Duration = Duration::from_secs(5);

impl Client {
    /// One of the key-value pairs of an invocation, also after its end.
    pub async fn kv<T: DeserializeOwned>(
        &self,
        id: &InvocationId,
        key: &str,
    ) -> Result<Option<T>, ClientError> {
        let pairs = self.kv_all(id).await?;
        Ok(pairs.get(key).map(Payload::decode).transpose()?)
    }

    /// The key-value pairs of an invocation, also after its end.
    pub async fn kv_all(
        &self,
        id: &InvocationId,
    ) -> Result<BTreeMap<String, Payload>, ClientError> {
        Ok(self.state(id).await?.value.kv)
    }

    /// What the workflow says of itself, with its version; none if it never said anything.
    pub async fn custom_status(
        &self,
        id: &InvocationId,
    ) -> Result<Option<CustomStatus>, ClientError> {
        Ok(self.state(id).await?.value.custom_status)
    }

    /// Wait until a key has a value. None: it has ended without.
    /// [`ClientError::Unchanged`] if neither comes in time.
    pub async fn wait_for_kv<T: DeserializeOwned>(
        &self,
        id: &InvocationId,
        key: &str,
        timeout: Duration,
    ) -> Result<Option<T>, ClientError> {
        let find = |value: &Value| value.kv.get(key).cloned();
        let found = self.wait_for(id, timeout, find).await?;
        Ok(found.map(|payload| payload.decode()).transpose()?)
    }

    /// Wait for a status that is newer than this version, 0 for the first. A status that was
    /// soon followed by another may be passed over. None: it has ended without a newer one.
    /// [`ClientError::Unchanged`] if neither comes in time.
    pub async fn wait_for_status(
        &self,
        id: &InvocationId,
        after_version: u64,
        timeout: Duration,
    ) -> Result<Option<CustomStatus>, ClientError> {
        let find = |value: &Value| {
            let status = value.custom_status.as_ref();
            status.filter(|s| s.version > after_version).cloned()
        };
        self.wait_for(id, timeout, find).await
    }

    /// Wait until something is found in the value, or it has ended. No consumer is made: hints
    /// say when to look, and without them it is looked at every few seconds.
    async fn wait_for<T>(
        &self,
        id: &InvocationId,
        timeout: Duration,
        find: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, ClientError> {
        let (store, env) = (&self.inner.store, &self.inner.env);
        let deadline = env.elapsed().saturating_add(timeout);
        let key = id.key();
        let changed = store.listen(&store.hint_subject(Hint::Status(&key)));
        let ended = store.listen(&store.ended_subject(&key));
        let mut hints = select(changed.await?, ended.await?);
        let mut pause = READ_FIRST;
        let mut is_known = false;
        loop {
            match self.read_state(id, Read::Leader).await {
                Ok(Some(state)) => {
                    is_known = true;
                    let found = find(&state.value);
                    if found.is_some() || state.value.status.is_ended() {
                        return Ok(found);
                    }
                }
                Ok(None) if is_known || !self.start_is_pending(id).await? => {
                    return Err(ClientError::NotFound(id.clone()));
                }
                // Its start is under way.
                Ok(None) => {}
                // An outage: wait on, the deadline decides.
                Err(ClientError::Store(_)) => {}
                Err(error) => return Err(error),
            }
            let left = deadline.saturating_sub(env.elapsed());
            if left.is_zero() {
                let id = id.clone();
                return Err(ClientError::Unchanged { id, timeout });
            }
            tokio::select! {
                biased;
                Some(_) = hints.next() => {}
                () = env.sleep(pause.min(left)) => pause = (pause * 2).min(READ_LAST),
            }
        }
    }
}
