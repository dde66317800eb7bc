//! Topics that engines tell of while a worker runs: those with a tag, for a worker that takes any,
//! and those that have sessions.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::StreamExt as _;
use headwater_store::{Bucket, Change, Record};
use headwater_wire::{
    member::Member,
    topic::{TopicRecord, untagged},
};
use tokio::sync::watch;

use crate::{
    run::Shared,
    sessions,
    tags::TagFilter,
    worker::{Taking, asked_to_stop},
};

/// Pause before it watches again, after it could not.
const WATCH_AGAIN: Duration = Duration::from_secs(1);

/// What was told so far.
struct Follower {
    shared: Arc<Shared>,
    taking: Taking,
    own: Member,
    /// Topics with a tag that are taken from.
    tagged: BTreeSet<String>,
    /// Topics that have sessions, for who takes those; none before the first.
    with_sessions: Option<watch::Sender<BTreeSet<String>>>,
}

/// Take from the topics that engines tell of, until asked to stop.
pub(crate) async fn follow(shared: Arc<Shared>, taking: Taking, own: Member) {
    let mut stopping = taking.stopping.clone();
    let mut follower = Follower {
        shared,
        taking,
        own,
        tagged: BTreeSet::new(),
        with_sessions: None,
    };
    tokio::select! {
        biased;
        () = asked_to_stop(&mut stopping) => {}
        () = follower.run() => {}
    }
}

impl Follower {
    async fn run(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            match shared.store.watch(Bucket::Config, None).await {
                Ok(mut changes) => {
                    while let Some(change) = changes.next().await {
                        if let Ok(Change::Put(record)) = change {
                            self.hear(&record);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot see which topics there are"),
            }
            shared.env.sleep(WATCH_AGAIN).await;
        }
    }

    fn hear(&mut self, record: &Record) {
        if !TopicRecord::is_key(&record.key) {
            return;
        }
        let Ok(TopicRecord { topic, sessions }) = TopicRecord::decode(&record.value) else {
            return;
        };
        let has = self.shared.activities.topics().contains(untagged(&topic));
        if !has || !self.own.takes(&topic) {
            return;
        }
        let any = self.shared.config.tags == TagFilter::Any;
        if sessions {
            self.add_sessions(topic);
        } else if any && self.tagged.insert(topic.clone()) {
            self.taking.begin(&self.shared, topic);
        }
    }

    fn add_sessions(&mut self, topic: String) {
        let topics = self.with_sessions.get_or_insert_with(|| {
            let (send, topics) = watch::channel(BTreeSet::new());
            let (shared, taking) = (Arc::clone(&self.shared), self.taking.clone());
            let take = sessions::take(Arc::clone(&shared), taking, self.own.clone(), topics);
            shared.env.spawn(Box::pin(take));
            send
        });
        topics.send_if_modified(|topics| topics.insert(topic));
    }
}
