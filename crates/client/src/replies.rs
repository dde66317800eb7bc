//! One inbox for all that this client waits for of a kind: the outcomes of its starts, the answers
//! to its updates and queries.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, stream::BoxStream};
use headwater_store::{Env, Store, StoreError};
use headwater_wire::{InvocationId, ask::Answer, task::Reply};
use tokio::sync::{OnceCell, oneshot};

/// What is told to an inbox.
pub(crate) trait Told: Clone + Send + Sized + 'static {
    /// What it is about.
    type About: Clone + Ord + Send;

    /// None: it is something else.
    fn decode(body: &[u8]) -> Option<Self>;

    fn about(&self) -> &Self::About;
}

impl Told for Reply {
    type About = InvocationId;

    fn decode(body: &[u8]) -> Option<Self> {
        Self::decode(body).ok()
    }

    fn about(&self) -> &InvocationId {
        &self.invocation
    }
}

impl Told for Answer {
    /// Id of the update or query.
    type About = String;

    fn decode(body: &[u8]) -> Option<Self> {
        Self::decode(body).ok()
    }

    fn about(&self) -> &String {
        &self.id
    }
}

type Senders<T> = BTreeMap<<T as Told>::About, Vec<oneshot::Sender<T>>>;
type Waiting<T> = Arc<Mutex<Senders<T>>>;

/// The inbox, listened to from the first time that something is waited for.
pub(crate) struct Inbox<T: Told> {
    subject: OnceCell<String>,
    waiting: Waiting<T>,
}

impl<T: Told> Default for Inbox<T> {
    fn default() -> Self {
        Self {
            subject: OnceCell::new(),
            waiting: Waiting::<T>::default(),
        }
    }
}

fn lock<T: Told>(waiting: &Waiting<T>) -> MutexGuard<'_, Senders<T>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Told> Inbox<T> {
    /// The subject, and what will be told about this.
    pub(crate) async fn expect(
        &self,
        store: &Arc<dyn Store>,
        env: &Arc<dyn Env>,
        about: &T::About,
    ) -> Result<(String, oneshot::Receiver<T>), StoreError> {
        let listen = || async {
            let subject = store.new_inbox();
            let told = store.listen(&subject).await?;
            env.spawn(Box::pin(pass_on(told, Arc::clone(&self.waiting))));
            Ok::<_, StoreError>(subject)
        };
        let subject = self.subject.get_or_try_init(listen).await?.clone();
        let (send, receive) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        let senders = waiting.entry(about.clone()).or_default();
        senders.retain(|sender| !sender.is_closed());
        senders.push(send);
        Ok((subject, receive))
    }

    /// Forget who has stopped waiting for this.
    pub(crate) fn forget(&self, about: &T::About) {
        let mut waiting = lock(&self.waiting);
        if let Some(senders) = waiting.get_mut(about) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(about);
            }
        }
    }
}

async fn pass_on<T: Told>(mut told: BoxStream<'static, bytes::Bytes>, waiting: Waiting<T>) {
    while let Some(body) = told.next().await {
        let Some(told) = T::decode(&body) else {
            continue;
        };
        let senders = lock(&waiting).remove(told.about());
        for sender in senders.into_iter().flatten() {
            // Whoever stopped waiting has no use for it.
            let _ = sender.send(told.clone());
        }
    }
}
