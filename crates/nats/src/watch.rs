//! The values of a bucket and their changes.
//!
//! A put is told by the stream. A value that expires or is deleted leaves no message behind
//! (no markers in our buckets), so the watcher keeps the time of each value that has one, is
//! hinted at deletions, and asks the leader before it says that a key is gone. After any doubt
//! about the feed it opens another and compares. When a feed has told all that was there is
//! known from the leader's list of subjects: the server's count of what is still to come leaves
//! out what is written again at that moment.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_nats::{Subscriber, header};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use headwater_store::{Bucket, Change, Read, Record, StoreError};

use crate::{
    feed::{FedMessage, Feed, Told},
    kv::{KV_OPERATION, parse_ttl},
    link::Link,
    streams::BucketNames,
};

/// The server removes an expired value within about this time.
const EXPIRY_SLACK: Duration = Duration::from_millis(300);

/// Pause before asking again about a value that should have expired.
const RECHECK_PAUSE: Duration = Duration::from_millis(250);

/// A feed that has not caught up for so long is looked at all the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause before asking or opening again after an error.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A put may arrive this much later than the hint that its key was deleted.
const HINT_LIFE: Duration = Duration::from_secs(5);

/// Every value of a bucket, once.
pub(crate) async fn scan(
    link: Arc<Link>,
    bucket: Bucket,
) -> Result<BoxStream<'static, Result<Record, StoreError>>, StoreError> {
    let watcher = Watcher::open(link, bucket, None, Mode::Scan).await?;
    let records = stream::unfold(Some(watcher), |watcher| async {
        let mut watcher = watcher?;
        loop {
            match watcher.next().await {
                Ok(Change::Put(record)) => return Some((Ok(record), Some(watcher))),
                Ok(Change::Gone { .. }) => {}
                Ok(Change::Current) => return None,
                Err(error) => return Some((Err(error), None)),
            }
        }
    });
    Ok(records.boxed())
}

/// Every value of a bucket or of one key, then each change.
pub(crate) async fn watch(
    link: Arc<Link>,
    bucket: Bucket,
    key: Option<&str>,
) -> Result<BoxStream<'static, Result<Change, StoreError>>, StoreError> {
    let watcher = Watcher::open(link, bucket, key, Mode::Watch).await?;
    let changes = stream::unfold(watcher, |mut watcher| async {
        let change = watcher.next().await;
        Some((change, watcher))
    });
    Ok(changes.boxed())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Each key once, no changes.
    Scan,
    /// For ever.
    Watch,
}

struct Known {
    revision: u64,
    /// The comparison that has last seen it.
    round: u64,
}

/// A feed that has not yet told all that was there when it was opened.
struct Comparison {
    /// Subjects that the leader had and the feed has not told.
    awaited: HashSet<String>,
    /// The server has nothing more to tell, so one that is still awaited may be gone.
    caught_up: bool,
    /// When the leader was asked.
    asked: Duration,
}

impl Comparison {
    /// When to ask the leader again.
    fn due(&self) -> Duration {
        match self.caught_up {
            true => self.asked + RECHECK_PAUSE,
            false => self.asked + PATIENCE,
        }
    }
}

struct Watcher {
    link: Arc<Link>,
    bucket: Bucket,
    names: BucketNames,
    filter: String,
    mode: Mode,
    feed: Feed,
    /// Hints of deleted keys.
    hints: Option<Subscriber>,
    known: BTreeMap<String, Known>,
    /// When to ask whether a key is gone, if it has that revision still.
    checks: BTreeSet<(Duration, String, u64)>,
    /// Keys that were hinted as deleted, and when.
    hinted: BTreeMap<String, Duration>,
    round: u64,
    comparison: Option<Comparison>,
    told_current: bool,
    ready: VecDeque<Change>,
}

enum Event {
    Told(Told),
    Hint(String),
    Check,
    Compare,
}

impl Watcher {
    async fn open(
        link: Arc<Link>,
        bucket: Bucket,
        key: Option<&str>,
        mode: Mode,
    ) -> Result<Self, StoreError> {
        let names = link.buckets.of(bucket).clone();
        let filter = names.subject(key.unwrap_or(">"));
        let hints = match mode {
            Mode::Scan => None,
            Mode::Watch => {
                let gone = format!("{}{}", names.gone_prefix, key.unwrap_or(">"));
                Some(link.subscribe(&gone).await?)
            }
        };
        let (feed, values) = Feed::open(&link, &names.stream, &filter).await?;
        let mut watcher = Self {
            link,
            bucket,
            names,
            filter,
            mode,
            feed,
            hints,
            known: BTreeMap::new(),
            checks: BTreeSet::new(),
            hinted: BTreeMap::new(),
            round: 0,
            comparison: None,
            told_current: false,
            ready: VecDeque::new(),
        };
        watcher.begin_comparing(values).await?;
        Ok(watcher)
    }

    async fn next(&mut self) -> Result<Change, StoreError> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            match self.event().await {
                Event::Told(Told::Message(message)) => self.take(message),
                Event::Told(Told::Broken(why)) => self.reopen(why).await?,
                Event::Hint(key) => self.take_hint(key),
                Event::Check => self.check_due().await,
                Event::Compare => self.compare_again().await?,
            }
        }
    }

    async fn event(&mut self) -> Event {
        let check = self.until(self.checks.first().map(|(due, ..)| *due));
        let compare = self.until(self.comparison.as_ref().map(Comparison::due));
        let hint = async {
            match &mut self.hints {
                Some(hints) => hints.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { biased;
            told = self.feed.next() => Event::Told(told),
            Some(hint) = hint => {
                let key = hint.subject.strip_prefix(&self.names.gone_prefix);
                Event::Hint(key.unwrap_or_default().to_owned())
            }
            () = check => Event::Check,
            () = compare => Event::Compare,
        }
    }

    /// Until this time; for ever if there is none.
    fn until(&self, due: Option<Duration>) -> impl Future<Output = ()> + use<> {
        let env = Arc::clone(&self.link.env);
        async move {
            match due.map(|due| due.saturating_sub(env.elapsed())) {
                Some(wait) if wait.is_zero() => {}
                Some(wait) => env.sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    fn take(&mut self, message: FedMessage) {
        let key = self.names.key(&message.subject).to_owned();
        if let Some(comparison) = &mut self.comparison {
            comparison.awaited.remove(&message.subject);
            comparison.caught_up |= message.ack.pending == 0;
        }
        if message.headers.get(KV_OPERATION).is_some() {
            self.gone(key);
        } else {
            self.take_value(key, message);
        }
        self.end_comparing();
    }

    fn take_value(&mut self, key: String, message: FedMessage) {
        let revision = message.ack.seq;
        let known = Known {
            revision,
            round: self.round,
        };
        let before = self.known.insert(key.clone(), known);
        let is_news = match (before, self.mode) {
            (None, _) => true,
            (Some(_), Mode::Scan) => false,
            (Some(before), Mode::Watch) => before.revision != revision,
        };
        if !is_news {
            return;
        }
        if self.mode == Mode::Watch {
            self.plan_check(&key, &message);
        }
        self.ready.push_back(Change::Put(Record {
            key,
            value: message.data,
            revision,
            written_at: message.ack.stored_at,
        }));
    }

    /// When the value may be gone: after its time, or now if its deletion was hinted.
    fn plan_check(&mut self, key: &str, message: &FedMessage) {
        let now = self.link.env.elapsed();
        if self
            .hinted
            .remove(key)
            .is_some_and(|at| now < at + HINT_LIFE)
        {
            self.checks.insert((now, key.to_owned(), message.ack.seq));
        }
        let ttl = message.headers.get(header::NATS_MESSAGE_TTL);
        let Some(ttl) = ttl.and_then(|ttl| parse_ttl(ttl.as_str())) else {
            return;
        };
        // Never longer than the time to live, however far the server's clock is from ours.
        let age = self.link.env.now().since(message.ack.stored_at);
        let left = ttl.saturating_sub(age);
        let due = now + left + EXPIRY_SLACK;
        self.checks.insert((due, key.to_owned(), message.ack.seq));
    }

    fn take_hint(&mut self, key: String) {
        let now = self.link.env.elapsed();
        self.hinted.retain(|_, at| now < *at + HINT_LIFE);
        match self.known.get(&key) {
            Some(known) => {
                self.checks.insert((now, key, known.revision));
            }
            None => {
                self.hinted.insert(key, now);
            }
        }
    }

    async fn check_due(&mut self) {
        let Some((_, key, revision)) = self.checks.pop_first() else {
            return;
        };
        // Written again, or gone: told already.
        if self
            .known
            .get(&key)
            .is_none_or(|known| known.revision != revision)
        {
            return;
        }
        let now = self.link.env.elapsed();
        match self.link.get(self.bucket, &key, Read::Leader).await {
            Ok(None) => self.gone(key),
            // The feed tells it, and its own check is planned then.
            Ok(Some(record)) if record.revision != revision => {}
            Ok(Some(_)) if self.checks.iter().any(|(_, other, _)| *other == key) => {}
            Ok(Some(_)) => {
                tracing::trace!(key, revision, "not yet gone");
                self.checks.insert((now + RECHECK_PAUSE, key, revision));
            }
            Err(error) => {
                tracing::debug!(key, %error, "can't tell yet whether the value is gone");
                self.checks.insert((now + RETRY_PAUSE, key, revision));
            }
        }
    }

    fn gone(&mut self, key: String) {
        if self.known.remove(&key).is_some() {
            self.ready.push_back(Change::Gone { key });
        }
    }

    async fn reopen(&mut self, why: &'static str) -> Result<(), StoreError> {
        tracing::debug!(stream = self.names.stream, why, "watching anew");
        loop {
            let opened = match Feed::open(&self.link, &self.names.stream, &self.filter).await {
                Ok((feed, values)) => {
                    self.feed = feed;
                    self.begin_comparing(values).await
                }
                Err(error) => Err(error),
            };
            match opened {
                Ok(()) => return Ok(()),
                Err(error) if self.mode == Mode::Scan => return Err(error),
                Err(error) => {
                    tracing::debug!(stream = self.names.stream, %error, "can't watch yet");
                    self.link.env.sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// The feed is new; the server says that it has this many values to tell at first.
    async fn begin_comparing(&mut self, values: u64) -> Result<(), StoreError> {
        self.round += 1;
        self.comparison = Some(Comparison {
            awaited: self.subjects().await?,
            caught_up: values == 0,
            asked: self.link.env.elapsed(),
        });
        self.end_comparing();
        Ok(())
    }

    /// What the feed does not tell may have gone since it was opened.
    async fn compare_again(&mut self) -> Result<(), StoreError> {
        let subjects = match self.subjects().await {
            Ok(subjects) => Some(subjects),
            Err(error) if self.mode == Mode::Scan => return Err(error),
            Err(error) => {
                tracing::debug!(stream = self.names.stream, %error, "can't compare yet");
                None
            }
        };
        if let Some(comparison) = &mut self.comparison {
            comparison.asked = self.link.env.elapsed();
            if let Some(subjects) = subjects {
                comparison.awaited.retain(|one| subjects.contains(one));
            }
        }
        self.end_comparing();
        Ok(())
    }

    /// The subjects of all values, from the leader.
    fn subjects(&self) -> impl Future<Output = Result<HashSet<String>, StoreError>> + use<> {
        let link = Arc::clone(&self.link);
        let (stream, filter) = (self.names.stream.clone(), self.filter.clone());
        async move { Ok(link.subjects(&stream, &filter).await?.into_keys().collect()) }
    }

    /// If all is told: what this comparison has not seen is gone.
    fn end_comparing(&mut self) {
        if self
            .comparison
            .take_if(|one| one.awaited.is_empty())
            .is_none()
        {
            return;
        }
        let round = self.round;
        let missing = self.known.iter().filter(|(_, known)| known.round != round);
        let missing: Vec<String> = missing.map(|(key, _)| key.clone()).collect();
        for key in missing {
            self.gone(key);
        }
        if !std::mem::replace(&mut self.told_current, true) {
            self.ready.push_back(Change::Current);
        }
    }
}
