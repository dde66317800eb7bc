//! The store as a process sees it: every request, answer, delivery and acknowledgement travels,
//! and may be late, lost or doubled on its way. What arrives, arrives at the [`Truth`].

mod consumer;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use headwater_store::{
    Bucket, Change, Consumer, DeadRecord, Depth, Expect, Message, Read, Record, Revision, Source,
    Store, StoreError, Ttl, Verdict,
};
use headwater_wire::{
    Key, Partition, limits,
    names::{Address, Hint, TimerId},
};
use tokio::sync::oneshot;

use self::consumer::FlakyConsumer;
use crate::{
    truth::{Party, Truth},
    weather::{Fate, Passage, Weather},
    world::{WORLD, World},
};

/// What a process shares with everything that travels for it.
#[derive(Clone)]
pub struct Line {
    world: Arc<World>,
    truth: Arc<Truth>,
    weather: Arc<Weather>,
    party: Arc<Party>,
}

/// A [`Store`] over the network.
pub struct Network {
    line: Line,
}

impl Network {
    /// The connection of a process.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        truth: &Arc<Truth>,
        weather: &Arc<Weather>,
        party: Party,
    ) -> Arc<Self> {
        Arc::new(Self {
            line: Line {
                world: Arc::clone(world),
                truth: Arc::clone(truth),
                weather: Arc::clone(weather),
                party: Arc::new(party),
            },
        })
    }
}

impl Line {
    /// Run something on the way, which outlives its sender.
    fn travel(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(WORLD, Box::pin(future));
    }

    /// Send a request and await its answer.
    async fn request<T, F, Fut>(self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let timeout = limits::REQUEST_TIMEOUT;
        let fate = self.weather.fate(self.world.now(), timeout);
        let timed_out = self.world.sleep(timeout);
        let (there, back, answered) = match fate {
            Fate::Served(there, back) => (there, back, true),
            Fate::Unanswered(there) => (there, Duration::ZERO, false),
            Fate::Lost => {
                timed_out.await;
                return Err(no_answer());
            }
            Fate::Refused(after) => {
                self.world.sleep(after).await;
                return Err(StoreError::Unavailable("nobody is there".to_owned()));
            }
        };
        let (send, receive) = oneshot::channel();
        let line = self.clone();
        let arrives = line.world.sleep(there);
        self.travel(async move {
            arrives.await;
            let world = Arc::clone(&line.world);
            let answer = act(line).await;
            if answered {
                world.sleep(back).await;
                // Its sender may have died meanwhile.
                let _ = send.send(answer);
            }
        });
        tokio::select! {
            biased;
            Ok(answer) = receive => answer,
            () = timed_out => Err(no_answer()),
        }
    }

    /// Send something that nobody answers.
    fn send<Fut>(&self, passage: Passage, act: impl FnOnce(Self) -> Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        if let Passage::After(after) | Passage::Twice(after, _) = passage {
            let arrives = self.world.sleep(after);
            let act = act(self.clone());
            self.travel(async move {
                arrives.await;
                act.await;
            });
        }
    }

    fn requested<T, F, Fut>(&self, act: F) -> BoxFuture<'static, Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        Box::pin(self.clone().request(act))
    }
}

fn no_answer() -> StoreError {
    StoreError::Unknown("no answer in time".to_owned())
}

impl Store for Network {
    fn get(
        &self,
        bucket: Bucket,
        key: &str,
        read: Read,
    ) -> BoxFuture<'_, Result<Option<Record>, StoreError>> {
        let key = key.to_owned();
        self.line.requested(move |line| async move {
            let stale = read == Read::Any && line.weather.is_stale();
            line.truth.get(&line.party, bucket, &key, stale).await
        })
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
        self.line.requested(move |line| async move {
            let Line { truth, party, .. } = &line;
            truth.put(party, bucket, &key, value, expect, ttl).await
        })
    }

    fn delete(&self, bucket: Bucket, key: &str) -> BoxFuture<'_, Result<(), StoreError>> {
        let key = key.to_owned();
        self.line
            .requested(move |line| async move { line.truth.store.delete(bucket, &key).await })
    }

    fn pages(
        &self,
        key: &Key,
        pages: RangeInclusive<u32>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        let key = key.clone();
        self.line
            .requested(move |line| async move { line.truth.store.pages(&key, pages).await })
    }

    fn scan(
        &self,
        bucket: Bucket,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Record, StoreError>>, StoreError>> {
        self.line
            .requested(move |line| async move { line.truth.store.scan(bucket).await })
    }

    fn watch(
        &self,
        bucket: Bucket,
        key: Option<&str>,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, StoreError>>, StoreError>> {
        let key = key.map(str::to_owned);
        self.line.requested(move |line| async move {
            let changes = line.truth.store.watch(bucket, key.as_deref()).await?;
            let breaking = stream::unfold(Some((changes, line)), async |state| {
                let (mut changes, line) = state?;
                let change = changes.next().await?;
                match line.weather.breaks_off(line.world.now()) {
                    true => Some((Err(no_answer()), None)),
                    false => Some((change, Some((changes, line)))),
                }
            });
            Ok(breaking.boxed())
        })
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.line
            .requested(move |line| async move { line.truth.publish(&line.party, message).await })
    }

    fn unschedule(&self, to: &Address, timer: TimerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let to = to.clone();
        self.line.requested(move |line| async move {
            line.truth.unschedule(&line.party, &to, timer).await
        })
    }

    fn is_scheduled(
        &self,
        to: &Address,
        timer: TimerId,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let to = to.clone();
        self.line
            .requested(move |line| async move { line.truth.store.is_scheduled(&to, timer).await })
    }

    fn any_in_commands(&self, seqs: &[u64]) -> BoxFuture<'_, Result<bool, StoreError>> {
        let seqs = seqs.to_vec();
        self.line
            .requested(move |line| async move { line.truth.store.any_in_commands(&seqs).await })
    }

    fn first_command(
        &self,
        queue: &str,
        key: &Key,
        from_seq: u64,
    ) -> BoxFuture<'_, Result<Option<(u64, Bytes)>, StoreError>> {
        let (queue, key) = (queue.to_owned(), key.clone());
        self.line.requested(move |line| async move {
            line.truth.store.first_command(&queue, &key, from_seq).await
        })
    }

    fn backlog(&self, queue: &str, partition: Partition) -> BoxFuture<'_, Result<u64, StoreError>> {
        let queue = queue.to_owned();
        self.line
            .requested(move |line| async move { line.truth.store.backlog(&queue, partition).await })
    }

    fn queue_depths(&self) -> BoxFuture<'_, Result<Vec<Depth>, StoreError>> {
        self.line
            .requested(move |line| async move { line.truth.store.queue_depths().await })
    }

    fn consume(&self, source: &Source) -> BoxFuture<'_, Result<Box<dyn Consumer>, StoreError>> {
        let source = source.clone();
        self.line.requested(move |line| async move {
            let inner = line.truth.store.consume(&source).await?;
            let consumer = FlakyConsumer::new(line, source, inner);
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }

    fn answer(&self, token: &str, verdict: Verdict) -> BoxFuture<'_, ()> {
        let (token, line) = (token.to_owned(), &self.line);
        Box::pin(async move {
            let passage = line.weather.ack(line.world.now());
            line.send(passage, |line| async move {
                line.truth.answer(&line.party, &token, verdict).await;
            });
        })
    }

    fn hint(&self, subject: &str, body: Bytes) -> BoxFuture<'_, ()> {
        let (subject, line) = (subject.to_owned(), &self.line);
        Box::pin(async move {
            line.truth.hinted(&subject);
            let passage = line.weather.hint(line.world.now());
            line.send(passage, |line| async move {
                line.truth.hint(&line.party, &subject, body).await;
            });
        })
    }

    fn listen(
        &self,
        subject: &str,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, StoreError>> {
        let subject = subject.to_owned();
        self.line
            .requested(move |line| async move { line.truth.store.listen(&subject).await })
    }

    fn new_inbox(&self) -> String {
        self.line.truth.store.new_inbox()
    }

    fn ended_subject(&self, key: &Key) -> String {
        self.line.truth.store.ended_subject(key)
    }

    fn hint_subject(&self, hint: Hint<'_>) -> String {
        self.line.truth.store.hint_subject(hint)
    }

    fn parse_command_subject(&self, subject: &str) -> Result<Address, String> {
        self.line.truth.store.parse_command_subject(subject)
    }

    fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadRecord>, StoreError>> {
        self.line.requested(move |line| async move {
            line.truth.store.dead_letters(from_seq, limit).await
        })
    }

    fn redrive(&self, seq: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.line
            .requested(move |line| async move { line.truth.store.redrive(seq).await })
    }
}
