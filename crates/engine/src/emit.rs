//! Effects to the store: each is tried until it is acknowledged.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use headwater_core::Effect;
use headwater_store::{Bucket, Env, Expect, Message, Store, StoreError, Ttl};
use headwater_wire::Command;

use crate::{router::Shared, sent::emit_sent, tags::tell_topic};

/// First wait after a failure; doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Waits between tries, told to the log when they grow long.
pub(crate) struct Backoff {
    pause: Duration,
    what: &'static str,
}

impl Backoff {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { pause: PAUSE, what }
    }

    pub(crate) async fn wait(&mut self, env: &Arc<dyn Env>, error: &StoreError) {
        if self.pause >= PAUSE_MAX {
            tracing::warn!(what = self.what, %error, "storage does not take this, still trying");
        }
        env.sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }
}

/// Emit every effect and await the acknowledgements.
pub(crate) async fn emit(shared: &Shared, effects: Vec<Effect>) {
    let each = effects.into_iter().map(|effect| emit_one(shared, effect));
    join_all(each).await;
}

async fn emit_one(shared: &Shared, effect: Effect) {
    let (store, env) = (&shared.store, &shared.env);
    let message = match effect {
        Effect::Task { topic, task } => {
            tell_topic(shared, &topic).await;
            let body = task.encode();
            Message::Task { topic, body }
        }
        Effect::Command { to, command } => Message::Command {
            to,
            body: command.encode(),
        },
        Effect::Schedule { to, timer, due } => Message::Schedule {
            to,
            timer,
            due,
            body: Command::TimerFired(timer).encode(),
        },
        Effect::Send(sent) => return emit_sent(shared, *sent).await,
        Effect::Reply { inbox, reply } => return store.hint(&inbox, reply.encode()).await,
        Effect::Unschedule { to, timer } => {
            let mut backoff = Backoff::new("removing a schedule");
            while let Err(error) = store.unschedule(&to, timer).await {
                backoff.wait(env, &error).await;
            }
            return;
        }
        Effect::ExpirePages { key, pages, ttl } => {
            let mut backoff = Backoff::new("expiring journal pages");
            while let Err(error) = expire_pages(store, &key, pages.clone(), ttl).await {
                if matches!(error, StoreError::Refused(_)) {
                    tracing::warn!(%key, %error, "the journal pages keep no time to live");
                    return;
                }
                backoff.wait(env, &error).await;
            }
            return;
        }
    };
    publish(store, env, message).await;
}

/// Publish what follows from a turn, until it is stored.
pub(crate) async fn publish(store: &Arc<dyn Store>, env: &Arc<dyn Env>, message: Message) {
    let mut backoff = Backoff::new("publishing what follows from a turn");
    while let Err(error) = store.publish(message.clone()).await {
        backoff.wait(env, &error).await;
    }
}

async fn expire_pages(
    store: &Arc<dyn Store>,
    key: &headwater_wire::Key,
    pages: RangeInclusive<u32>,
    ttl: Duration,
) -> Result<(), StoreError> {
    let contents = store.pages(key, pages.clone()).await?;
    let expire = |(number, page)| put_page(store, key, number, page, Ttl::After(ttl));
    try_join_all(pages.zip(contents).map(expire))
        .await
        .map(drop)
}

/// Store a journal page: its contents are a function of the stored value, so anybody may.
pub(crate) async fn put_page(
    store: &Arc<dyn Store>,
    key: &headwater_wire::Key,
    number: u32,
    page: Bytes,
    ttl: Ttl,
) -> Result<(), StoreError> {
    let page_key = headwater_wire::names::page_key(key, number);
    store
        .put(Bucket::Journal, &page_key, page, Expect::Any, ttl)
        .await
        .map(drop)
}
