//! The store: hands each question to the module that knows it.

use std::{ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture, stream::BoxStream};
use headwater_store::{
    Bucket, Change, Consumer, DeadRecord, Depth, Env, Expect, Message, Read, Record, Revision,
    Source, Store, StoreError, Ttl, Verdict,
};
use headwater_wire::{
    Key, Partition,
    names::{Address, Hint, TimerId},
};

use crate::{
    connect,
    consume::PullConsumer,
    durability::{DiskSync, Durability, SyncInterval},
    errors::{ConnectError, SetupError},
    inbox,
    link::Link,
    monitor::{self, Connected},
    options::Options,
    setup, streams, watch,
};

/// The storage of Headwater on NATS JetStream.
pub struct NatsStore {
    link: Arc<Link>,
    options: Options,
}

impl NatsStore {
    /// Connect, and check that the server is young enough and stores. Makes nothing there:
    /// see [`NatsStore::setup`].
    pub async fn connect(options: Options, env: Arc<dyn Env>) -> Result<Arc<Self>, ConnectError> {
        let link = Arc::new(connect::connect(&options, env).await?);
        if options.sync_interval == Some(SyncInterval::Always) {
            link.group_commits();
        }
        Ok(Arc::new(Self { link, options }))
    }

    /// Make every stream and bucket, or check those that are there. Any number of processes
    /// may do so at the same time, and again.
    pub async fn setup(&self) -> Result<Durability, SetupError> {
        setup::setup(&self.link, &self.options).await
    }

    /// Ask the server how often it syncs to the disk, where its monitoring address is known.
    /// What it says replaces what was declared; if it can't be asked, that is logged and what
    /// was declared stands. Of a cluster this one server is asked.
    pub async fn ask_monitor(&self, durability: Durability) -> Durability {
        let Some(url) = &self.options.monitor_url else {
            return durability;
        };
        let server = self.link.client.server_info();
        let connected = Connected {
            server_id: &server.server_id,
            cluster: server.cluster.as_deref(),
        };
        let declared = durability.sync.interval();
        let at = url.to_string();
        let sync = match monitor::sync_interval(url, &connected, &*self.link.env).await {
            Ok(interval) => {
                if declared.is_some_and(|declared| declared != interval) {
                    tracing::warn!(
                        "nats.sync_interval is declared otherwise than the server at {at} tells: sync {interval}; correct or remove it"
                    );
                }
                DiskSync::Found { interval, at }
            }
            Err(error) => {
                tracing::warn!(
                    "the sync interval cannot be found at {at} (nats.monitor_url): {error}"
                );
                match declared {
                    Some(declared) => DiskSync::Declared(declared),
                    None => DiskSync::Untold {
                        at,
                        reason: error.to_string(),
                    },
                }
            }
        };
        if sync.interval() == Some(SyncInterval::Always) {
            self.link.group_commits();
        }
        Durability { sync, ..durability }
    }
}

impl Store for NatsStore {
    fn get(
        &self,
        bucket: Bucket,
        key: &str,
        read: Read,
    ) -> BoxFuture<'_, Result<Option<Record>, StoreError>> {
        let key = key.to_owned();
        async move { self.link.get(bucket, &key, read).await }.boxed()
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
        async move { self.link.put(bucket, &key, value, expect, ttl).await }.boxed()
    }

    fn delete(&self, bucket: Bucket, key: &str) -> BoxFuture<'_, Result<(), StoreError>> {
        let key = key.to_owned();
        async move { self.link.delete(bucket, &key).await }.boxed()
    }

    fn pages(
        &self,
        key: &Key,
        pages: RangeInclusive<u32>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        let key = key.clone();
        async move { self.link.pages(&key, pages).await }.boxed()
    }

    fn scan(
        &self,
        bucket: Bucket,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Record, StoreError>>, StoreError>> {
        watch::scan(Arc::clone(&self.link), bucket).boxed()
    }

    fn watch(
        &self,
        bucket: Bucket,
        key: Option<&str>,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, StoreError>>, StoreError>> {
        let key = key.map(str::to_owned);
        let link = Arc::clone(&self.link);
        async move { watch::watch(link, bucket, key.as_deref()).await }.boxed()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.link.publish_message(message).boxed()
    }

    fn unschedule(&self, to: &Address, timer: TimerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let subject = self.link.namespace.timer_subject(to, timer);
        let stream = self.link.namespace.commands_stream();
        async move { self.link.purge(&stream, &subject).await }.boxed()
    }

    fn is_scheduled(
        &self,
        to: &Address,
        timer: TimerId,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let subject = self.link.namespace.timer_subject(to, timer);
        async move { self.link.is_scheduled(&subject).await }.boxed()
    }

    fn any_in_commands(&self, seqs: &[u64]) -> BoxFuture<'_, Result<bool, StoreError>> {
        let seqs = seqs.to_vec();
        async move { self.link.any_in_commands(&seqs).await }.boxed()
    }

    fn first_command(
        &self,
        queue: &str,
        key: &Key,
        from_seq: u64,
    ) -> BoxFuture<'_, Result<Option<(u64, Bytes)>, StoreError>> {
        let filter = self.link.namespace.key_filter(queue, key);
        async move { self.link.first_command(&filter, from_seq).await }.boxed()
    }

    fn backlog(&self, queue: &str, partition: Partition) -> BoxFuture<'_, Result<u64, StoreError>> {
        let queue = queue.to_owned();
        async move { self.link.backlog(&queue, partition).await }.boxed()
    }

    fn queue_depths(&self) -> BoxFuture<'_, Result<Vec<Depth>, StoreError>> {
        self.link.queue_depths().boxed()
    }

    fn consume(&self, source: &Source) -> BoxFuture<'_, Result<Box<dyn Consumer>, StoreError>> {
        let (stream, config) = streams::consumer(&self.options, source);
        async move {
            inbox::make(&self.link, &stream, &config).await?;
            let consumer = PullConsumer::new(Arc::clone(&self.link), stream, config);
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        }
        .boxed()
    }

    fn answer(&self, token: &str, verdict: Verdict) -> BoxFuture<'_, ()> {
        let token = token.to_owned();
        async move { self.link.answer(&token, verdict).await }.boxed()
    }

    fn hint(&self, subject: &str, body: Bytes) -> BoxFuture<'_, ()> {
        let subject = subject.to_owned();
        async move { self.link.hint(&subject, body).await }.boxed()
    }

    fn listen(
        &self,
        subject: &str,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, StoreError>> {
        let subject = subject.to_owned();
        async move { self.link.listen(&subject).await }.boxed()
    }

    fn new_inbox(&self) -> String {
        self.link.client.new_inbox()
    }

    fn ended_subject(&self, key: &Key) -> String {
        self.link.namespace.ended_subject(key)
    }

    fn hint_subject(&self, hint: Hint<'_>) -> String {
        self.link.namespace.hint_subject(hint)
    }

    fn parse_command_subject(&self, subject: &str) -> Result<Address, String> {
        let parsed = self.link.namespace.parse_command_subject(subject);
        parsed.map_err(|error| error.to_string())
    }

    fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadRecord>, StoreError>> {
        self.link.dead_letters(from_seq, limit).boxed()
    }

    fn redrive(&self, seq: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.link.redrive(seq).boxed()
    }
}
