//! Membership: each process says every `HEARTBEAT` that it lives and what it can do; whoever
//! wants to know watches. A hint: nothing about correctness rests on it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, future::BoxFuture};
use headwater_wire::{limits, member::Member};
use tokio::sync::watch;

use crate::{Bucket, Change, Env, Expect, Store, StoreError, TaskHandle, Ttl};

/// The members that live, by key.
pub type Members = BTreeMap<String, Member>;

/// How a death among the members is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Liveness {
    /// By silence: each says every [`limits::HEARTBEAT`] that it lives.
    #[default]
    Heartbeats,
    /// By being told: a member says once that it lives, and who ends it calls [`leave`] for it.
    /// Only where one process owns them all, as in tests whose time jumps by weeks.
    Told,
}

/// Say that a member lives until the returned handle is aborted; see [`leave`].
pub fn heartbeat(
    store: Arc<dyn Store>,
    env: &Arc<dyn Env>,
    member: &Member,
    liveness: Liveness,
) -> TaskHandle {
    let key = member.key();
    let value = bytes::Bytes::from(member.encode().unwrap_or_default());
    let sleeper = Arc::clone(env);
    let beat: BoxFuture<'static, ()> = Box::pin(async move {
        loop {
            let ttl = match liveness {
                Liveness::Heartbeats => Ttl::After(limits::MEMBER_TTL),
                Liveness::Told => Ttl::Never,
            };
            match store
                .put(Bucket::Members, &key, value.clone(), Expect::Any, ttl)
                .await
            {
                Ok(_) if liveness == Liveness::Told => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "a heartbeat was not stored"),
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
pub fn view(
    store: Arc<dyn Store>,
    env: &Arc<dyn Env>,
    liveness: Liveness,
) -> (watch::Receiver<Members>, TaskHandle) {
    let (send, receive) = watch::channel(Members::new());
    let world = Arc::clone(env);
    let follow: BoxFuture<'static, ()> = Box::pin(async move {
        loop {
            let followed = match store.watch(Bucket::Members, None).await {
                Ok(changes) => View::new(&send, liveness).follow(changes, &world).await,
                Err(error) => Err(error),
            };
            if let Err(error) = followed {
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
    liveness: Liveness,
    heard: BTreeMap<String, Duration>,
    /// The picture being made, until the first is complete: it replaces what was known.
    first: Option<Members>,
}

impl<'a> View<'a> {
    fn new(send: &'a watch::Sender<Members>, liveness: Liveness) -> Self {
        Self {
            send,
            liveness,
            heard: BTreeMap::new(),
            first: Some(Members::new()),
        }
    }

    async fn follow(
        &mut self,
        mut changes: impl Stream<Item = Result<Change, StoreError>> + Unpin,
        env: &Arc<dyn Env>,
    ) -> Result<(), StoreError> {
        loop {
            // Not left to the watch: whose heartbeats stop has to be noticed on time.
            let due = self
                .heard
                .values()
                .min()
                .filter(|_| self.liveness == Liveness::Heartbeats)
                .map(|heard| *heard + limits::MEMBER_TTL);
            let silence = async {
                match due {
                    Some(due) => env.sleep(due.saturating_sub(env.elapsed())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                change = changes.next() => match change {
                    Some(change) => self.apply(change?, env.elapsed()),
                    None => return Ok(()),
                },
                () = silence => self.forget_silent(env.elapsed()),
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
            Change::Gone { key } => {
                self.heard.remove(&key);
                self.update(|members| members.remove(&key).is_some());
            }
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
            .filter(|(_, heard)| now.saturating_sub(**heard) >= limits::MEMBER_TTL)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Record, TokioEnv};
    use futures::stream;
    use headwater_wire::Timestamp;

    fn beat(id: usize) -> Result<Change, StoreError> {
        let json = format!(
            r#"{{"role":"engine","id":"{id}","queue":"default","host":"h","pid":1,"build":"b","started_at":"2026-01-01T00:00:00Z","workflows":{{}}}}"#
        );
        Ok(Change::Put(Record {
            key: id.to_string(),
            value: json.into(),
            revision: 1,
            written_at: Timestamp::from_micros(0),
        }))
    }

    /// Regression: a silent member was looked for only after a second without a heartbeat of
    /// anybody.
    #[tokio::test(start_paused = true)]
    async fn a_silent_member_is_forgotten_on_time_however_many_others_beat() {
        const OTHERS: usize = 20;
        let env = TokioEnv::shared();
        let (send, mut members) = watch::channel(Members::new());
        let first = (0..=OTHERS).map(beat).chain([Ok(Change::Current)]);
        let sleeper = Arc::clone(&env);
        let later = stream::iter((1..=OTHERS).cycle()).then(move |id| {
            let pause = sleeper.sleep(limits::HEARTBEAT / 20);
            async move {
                pause.await;
                beat(id)
            }
        });
        let changes = stream::iter(first).chain(later).boxed();
        let began = env.elapsed();
        let mut view = View::new(&send, Liveness::Heartbeats);
        let follow = view.follow(changes, &env);
        let forgotten = members.wait_for(|members| members.len() == OTHERS);
        tokio::select! {
            followed = follow => followed.unwrap(),
            forgotten = forgotten => assert!(!forgotten.unwrap().contains_key("0")),
        }
        let took = env.elapsed().saturating_sub(began);
        assert!(took >= limits::MEMBER_TTL, "{took:?}");
        assert!(
            took < limits::MEMBER_TTL + limits::HEARTBEAT / 10,
            "{took:?}"
        );
    }
}
