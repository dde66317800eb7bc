//! One inbox for all starts that this client waits for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream::BoxStream};
use headwater_store::{Env, Store, StoreError};
use headwater_wire::{InvocationId, task::Reply};
use tokio::sync::{OnceCell, oneshot};

type Waiting = Arc<Mutex<BTreeMap<InvocationId, Vec<oneshot::Sender<Reply>>>>>;

/// The inbox, listened to from the first start that is waited for.
#[derive(Default)]
pub(crate) struct Replies {
    inbox: OnceCell<String>,
    waiting: Waiting,
}

impl Replies {
    /// The inbox, and what will be told about the invocation.
    pub(crate) async fn expect(
        &self,
        store: &Arc<dyn Store>,
        env: &Arc<dyn Env>,
        id: &InvocationId,
    ) -> Result<(String, oneshot::Receiver<Reply>), StoreError> {
        let listen = || async {
            let inbox = store.new_inbox();
            let replies = store.listen(&inbox).await?;
            env.spawn(Box::pin(pass_on(replies, Arc::clone(&self.waiting))));
            Ok::<_, StoreError>(inbox)
        };
        let inbox = self.inbox.get_or_try_init(listen).await?.clone();
        let (send, receive) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = waiting.entry(id.clone()).or_default();
        senders.retain(|sender| !sender.is_closed());
        senders.push(send);
        Ok((inbox, receive))
    }

    /// Nobody waits for this invocation through the inbox any more.
    pub(crate) fn forget(&self, id: &InvocationId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(senders) = waiting.get_mut(id) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(id);
            }
        }
    }
}

async fn pass_on(mut replies: BoxStream<'static, bytes::Bytes>, waiting: Waiting) {
    while let Some(body) = replies.next().await {
        let Ok(reply) = Reply::decode(&body) else {
            continue;
        };
        let senders = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&reply.invocation);
        for sender in senders.into_iter().flatten() {
            // Whoever stopped waiting has no use for it.
            let _ = sender.send(reply.clone());
        }
    }
}
