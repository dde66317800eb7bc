//! Membership: each process says every `HEARTBEAT` that it lives and what it can do; whoever
//! wants to know watches. A hint: nothing about correctness rests on it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture};
use headwater_wire::{limits, member::Member};
use tokio::sync::watch;

use crate::{Bucket, Change, Env, Expect, Store, TaskHandle, Ttl};

/// The members that live, by key.
pub type Members = BTreeMap<String, Member>;

/// Say that a member lives until the returned handle is aborted; see [`leave`].
pub fn heartbeat(store: Arc<dyn Store>, env: &Arc<dyn Env>, member: &Member) -> TaskHandle {
    let key = member.key();
    let value = bytes::Bytes::from(member.encode().unwrap_or_default());
    let sleeper = Arc::clone(env);
    let beat: BoxFuture<'static, ()> = Box::pin(async move {
        loop {
            let ttl = Ttl::After(limits::MEMBER_TTL);
            if let Err(error) = store
                .put(Bucket::Members, &key, value.clone(), Expect::Any, ttl)
                .await
            {
                tracing::debug!(%error, "a heartbeat was not stored");
            }
            sleeper.sleep(limits::HEARTBEAT).await;
        }
    });
    env.spawn(beat)
}

/// Say that a member is gone, so that nobody has to wait for its time to live.
pub async fn leave(store: &Arc<dyn Store>, member: &Member) {
    if let Err(error) = store.delete(Bucket::Members, &member.key()).await {
        tracing::debug!(%error, "the farewell was not stored; the heartbeat will expire");
    }
}

/// Keep a view of the members up to date until the handle is aborted.
pub fn view(store: Arc<dyn Store>, env: &Arc<dyn Env>) -> (watch::Receiver<Members>, TaskHandle) {
    let (send, receive) = watch::channel(Members::new());
    let world = Arc::clone(env);
    let follow: BoxFuture<'static, ()> = Box::pin(async move {
        loop {
            let mut view = View::new(&send);
            if let Err(error) = view.follow(&store, &world).await {
                tracing::debug!(%error, "watching the members failed, trying again");
            }
            world.sleep(limits::HEARTBEAT).await;
        }
    });
    (receive, env.spawn(follow))
}

/// A view under way: what is told, and when each member was heard of last.
struct View<'a> {
    send: &'a watch::Sender<Members>,
    heard: BTreeMap<String, Duration>,
    /// The picture being made, until the first is complete: it replaces what was known.
    first: Option<Members>,
}

impl<'a> View<'a> {
    fn new(send: &'a watch::Sender<Members>) -> Self {
        Self {
            send,
            heard: BTreeMap::new(),
            first: Some(Members::new()),
        }
    }

    async fn follow(
        &mut self,
        store: &Arc<dyn Store>,
        env: &Arc<dyn Env>,
    ) -> Result<(), crate::StoreError> {
        let mut changes = store.watch(Bucket::Members, None).await?;
        loop {
            tokio::select! {
                biased;
                change = changes.next() => match change {
                    Some(change) => self.apply(change?, env.elapsed()),
                    None => return Ok(()),
                },
                // The server says nothing when a time to live is over.
                () = env.sleep(limits::HEARTBEAT / 2) => self.forget_silent(env.elapsed()),
            }
        }
    }

    fn apply(&mut self, change: Change, now: Duration) {
        match change {
            Change::Put(record) => {
                let Ok(member) = Member::decode(&record.value) else {
                    return;
                };
                self.heard.insert(record.key.clone(), now);
                self.update(move |members| {
                    members.insert(record.key, member.clone()) != Some(member)
                });
            }
            Change::Gone { key } => self.update(|members| members.remove(&key).is_some()),
            Change::Current => {
                if let Some(all) = self.first.take() {
                    self.send.send_replace(all);
                }
            }
        }
    }

    fn forget_silent(&mut self, now: Duration) {
        let silent: Vec<String> = self
            .heard
            .iter()
            .filter(|(_, heard)| now.saturating_sub(**heard) > limits::MEMBER_TTL)
            .map(|(key, _)| key.clone())
            .collect();
        for key in silent {
            self.heard.remove(&key);
            self.update(|members| members.remove(&key).is_some());
        }
    }

    fn update(&mut self, change: impl FnOnce(&mut Members) -> bool) {
        match &mut self.first {
            Some(members) => {
                change(members);
            }
            None => {
                self.send.send_if_modified(change);
            }
        }
    }
}
