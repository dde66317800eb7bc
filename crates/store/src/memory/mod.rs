//! A store in memory that behaves as JetStream does, for the simulation and for users' tests.
//!
//! It has no task of its own. Every call first lets happen what has become due by the clock of
//! its [`Env`] (expiries, schedules, redeliveries), in the order in which it was due and stamped
//! with that time; and whoever waits sleeps until the next event that concerns it. So an idle
//! store costs nothing, and on virtual time and one thread the same calls give the same result.
//!
//! What a server can do to its clients (lose answers, be slow, answer from a stale replica) is
//! not in here: the simulation puts it around a [`Store`].

mod lane;
mod listeners;
mod queue;
mod state;
mod timeline;
mod values;
mod wait;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    future::BoxFuture,
    stream::{self, BoxStream, StreamExt},
};
use headwater_wire::{
    Key, Namespace, Partition,
    limits::ACK_WAIT,
    names::{Address, Hint, TimerId},
};

use self::{
    queue::Work,
    state::State,
    wait::{MemoryConsumer, Shared, Subscription},
};
use crate::{
    Bucket, Change, Consumer, DeadRecord, Depth, Env, Expect, Message, Read, Record, Revision,
    Source, Store, StoreError, Ttl, Verdict,
};

/// A store in memory, of one namespace. See the [module](self).
pub struct MemoryStore {
    shared: Arc<Shared>,
    namespace: Namespace,
}

impl MemoryStore {
    /// An empty store whose deliveries come again after [`ACK_WAIT`].
    #[must_use]
    pub fn new(env: Arc<dyn Env>, namespace: Namespace) -> Arc<Self> {
        Self::with_ack_wait(env, namespace, ACK_WAIT)
    }

    /// An empty store whose deliveries come again after `ack_wait`.
    #[must_use]
    pub fn with_ack_wait(env: Arc<dyn Env>, namespace: Namespace, ack_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::new(Shared::new(env, ack_wait)),
            namespace,
        })
    }

    /// Which work queue stores a subject.
    fn stream_of(&self, subject: &str) -> Option<Work> {
        let takes = |filter: &String| subject.starts_with(filter.trim_end_matches('>'));
        if self.namespace.commands_subjects().iter().any(takes) {
            Some(Work::Commands)
        } else if takes(&self.namespace.tasks_subject()) {
            Some(Work::Tasks)
        } else {
            None
        }
    }

    fn store(&self, state: &mut State, message: Message) -> u64 {
        let names = &self.namespace;
        match message {
            Message::Command { to, body } => {
                state.publish(Work::Commands, &names.command_subject(&to), body)
            }
            Message::Schedule {
                to,
                timer,
                due,
                body,
            } => {
                let subject = names.timer_subject(&to, timer);
                state.schedule(&subject, names.command_subject(&to), due, body)
            }
            Message::Task { topic, body } => {
                state.publish(Work::Tasks, &names.task_subject(&topic), body)
            }
            Message::Dead(letter) => state.bury(letter),
        }
    }

    fn redrive_now(&self, state: &mut State, seq: u64) -> Result<bool, StoreError> {
        let Some(record) = state.dead.letters.get(&seq) else {
            return Ok(false);
        };
        let subject = record.letter.subject.clone();
        let work = self.stream_of(&subject).ok_or_else(|| {
            StoreError::Refused(format!("no stream takes the subject {subject:?}"))
        })?;
        let payload = record.letter.payload.clone();
        state.publish(work, &subject, payload);
        state.dead.letters.remove(&seq);
        Ok(true)
    }

    /// Do something to the state when the future is first polled, as a request would be.
    fn act<'a, T: Send + 'a>(
        &'a self,
        act: impl FnOnce(&mut State) -> T + Send + 'a,
    ) -> BoxFuture<'a, T> {
        Box::pin(async move { self.shared.act(act) })
    }
}

impl Store for MemoryStore {
    fn get(
        &self,
        bucket: Bucket,
        key: &str,
        _read: Read,
    ) -> BoxFuture<'_, Result<Option<Record>, StoreError>> {
        let key = key.to_owned();
        self.act(move |state| Ok(state.buckets.of(bucket).get(&key)))
    }

    fn put(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Ttl,
    ) -> BoxFuture<'_, Result<Revision, StoreError>> {
        let key = key.to_owned();
        self.act(move |state| {
            let values = state.buckets.of(bucket);
            values.put(&mut state.timeline, &key, value, expect, ttl)
        })
    }

    fn delete(&self, bucket: Bucket, key: &str) -> BoxFuture<'_, Result<(), StoreError>> {
        let key = key.to_owned();
        self.act(move |state| {
            let values = state.buckets.of(bucket);
            values.remove(&mut state.timeline, &key);
            Ok(())
        })
    }

    fn pages(
        &self,
        key: &Key,
        pages: RangeInclusive<u32>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        let key = key.clone();
        self.act(move |state| {
            let journal = state.buckets.of(Bucket::Journal);
            let page = |page| {
                let found = journal.get(&headwater_wire::names::page_key(&key, page));
                let missing = || StoreError::Refused(format!("page {page} of {key} is missing"));
                found.map(|record| record.value).ok_or_else(missing)
            };
            pages.map(page).collect()
        })
    }

    fn scan(
        &self,
        bucket: Bucket,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Record, StoreError>>, StoreError>> {
        self.act(move |state| {
            let records: Vec<_> = state.buckets.of(bucket).all().map(Ok).collect();
            Ok(stream::iter(records).boxed())
        })
    }

    fn watch(
        &self,
        bucket: Bucket,
        key: Option<&str>,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, StoreError>>, StoreError>> {
        let key = key.map(str::to_owned);
        let shared = Arc::clone(&self.shared);
        self.act(move |state| {
            let values = state.buckets.of(bucket);
            let (lane, ticket) = (values.lane, values.watch(key)?);
            let changes = Subscription::new(shared, lane, ticket, move |state| {
                &mut state.buckets.of(bucket).watchers
            });
            Ok(changes.stream().map(Ok).boxed())
        })
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.act(move |state| Ok(self.store(state, message)))
    }

    fn unschedule(&self, to: &Address, timer: TimerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let subject = self.namespace.timer_subject(to, timer);
        self.act(move |state| {
            let commands = &mut state.queues.commands;
            commands.purge(&mut state.timeline, &subject);
            Ok(())
        })
    }

    fn is_scheduled(
        &self,
        to: &Address,
        timer: TimerId,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let subject = self.namespace.timer_subject(to, timer);
        self.act(move |state| Ok(state.queues.commands.has(&subject)))
    }

    fn any_in_commands(&self, seqs: &[u64]) -> BoxFuture<'_, Result<bool, StoreError>> {
        let seqs = seqs.to_vec();
        self.act(move |state| {
            let commands = &state.queues.commands;
            Ok(seqs.into_iter().any(|seq| commands.holds(seq)))
        })
    }

    fn first_command(
        &self,
        queue: &str,
        key: &Key,
        from_seq: u64,
    ) -> BoxFuture<'_, Result<Option<(u64, Bytes)>, StoreError>> {
        let filter = self.namespace.key_filter(queue, key);
        self.act(move |state| Ok(state.queues.commands.first(&filter, from_seq)))
    }

    fn backlog(&self, queue: &str, partition: Partition) -> BoxFuture<'_, Result<u64, StoreError>> {
        let filter = self.namespace.partition_filter(queue, partition);
        self.act(move |state| Ok(state.queues.commands.backlog(&filter)))
    }

    fn queue_depths(&self) -> BoxFuture<'_, Result<Vec<Depth>, StoreError>> {
        self.act(move |state| {
            let queues = &state.queues;
            let subjects = queues.commands.subjects().chain(queues.tasks.subjects());
            Ok(Depth::of_subjects(&self.namespace, subjects))
        })
    }

    fn consume(&self, source: &Source) -> BoxFuture<'_, Result<Box<dyn Consumer>, StoreError>> {
        let (work, filter) = match source {
            Source::Partition { queue, partition } => {
                let filter = self.namespace.partition_filter(queue, *partition);
                (Work::Commands, filter)
            }
            Source::Topic(topic) => (Work::Tasks, self.namespace.task_subject(topic)),
        };
        let shared = Arc::clone(&self.shared);
        self.act(move |state| {
            let queue = state.queues.of(work);
            let seat = queue.open(&mut state.timeline, &filter);
            let consumer = MemoryConsumer::new(shared, work, seat);
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }

    fn answer(&self, token: &str, verdict: Verdict) -> BoxFuture<'_, ()> {
        let token = token.to_owned();
        self.act(move |state| {
            let Some((work, seq)) = Work::of_token(&token) else {
                return tracing::warn!(token, "an answer to no delivery of this store");
            };
            let queue = state.queues.of(work);
            queue.answer(&mut state.timeline, seq, verdict);
        })
    }

    fn hint(&self, subject: &str, body: Bytes) -> BoxFuture<'_, ()> {
        let subject = subject.to_owned();
        self.act(move |state| state.hints.tell(&subject, &body))
    }

    fn listen(
        &self,
        subject: &str,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, StoreError>> {
        let subject = subject.to_owned();
        let shared = Arc::clone(&self.shared);
        self.act(move |state| {
            let ticket = state.hints.add(subject, []);
            let hints = Subscription::new(shared, state.timeless, ticket, |state| &mut state.hints);
            Ok(hints.stream().boxed())
        })
    }

    fn new_inbox(&self) -> String {
        format!("_INBOX.{:032x}", self.shared.env.random())
    }

    fn ended_subject(&self, key: &Key) -> String {
        self.namespace.ended_subject(key)
    }

    fn hint_subject(&self, hint: Hint<'_>) -> String {
        self.namespace.hint_subject(hint)
    }

    fn parse_command_subject(&self, subject: &str) -> Result<Address, String> {
        let parsed = self.namespace.parse_command_subject(subject);
        parsed.map_err(|error| error.to_string())
    }

    fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadRecord>, StoreError>> {
        self.act(move |state| {
            let letters = state.dead.letters.range(from_seq..);
            Ok(letters
                .take(limit)
                .map(|(_, letter)| letter.clone())
                .collect())
        })
    }

    fn redrive(&self, seq: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.act(move |state| self.redrive_now(state, seq))
    }
}
