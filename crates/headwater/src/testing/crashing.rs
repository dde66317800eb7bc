//! Storage as an engine sees it that may crash before or after a turn is stored.

use std::{
    future::pending,
    ops::RangeInclusive,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use headwater_store::{
    Bucket, Change, Consumer, DeadRecord, Depth, Expect, Message, Read, Record, Revision, Source,
    Store, StoreError, Ttl, Verdict,
};
use headwater_wire::{
    Key, Partition,
    names::{Address, Hint, TimerId},
};

use super::running::Inner;

/// The store of a world, and whose engine looks at it.
pub(super) struct Crashing {
    store: Arc<dyn Store>,
    engine: Weak<Inner>,
}

impl Crashing {
    pub(super) fn new(store: &Arc<dyn Store>, engine: &Arc<Inner>) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            engine: Arc::downgrade(engine),
        })
    }

    /// Whether this is where the engine dies: then it hears of nothing any more.
    async fn dies_if(&self, is_turn: bool, dies: fn(&Arc<Inner>) -> bool) {
        let engine = self.engine.upgrade();
        if is_turn && engine.is_some_and(|engine| dies(&engine)) {
            pending::<()>().await;
        }
    }
}

impl Store for Crashing {
    fn put(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Ttl,
    ) -> BoxFuture<'_, Result<Revision, StoreError>> {
        let put = self.store.put(bucket, key, value, expect, ttl);
        Box::pin(async move {
            let is_turn = bucket == Bucket::State;
            self.dies_if(is_turn, Inner::turn_begins).await;
            let stored = put.await;
            self.dies_if(is_turn && stored.is_ok(), Inner::turn_stored)
                .await;
            stored
        })
    }

    fn get(
        &self,
        bucket: Bucket,
        key: &str,
        read: Read,
    ) -> BoxFuture<'_, Result<Option<Record>, StoreError>> {
        self.store.get(bucket, key, read)
    }

    fn delete(&self, bucket: Bucket, key: &str) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.delete(bucket, key)
    }

    fn pages(
        &self,
        key: &Key,
        pages: RangeInclusive<u32>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        self.store.pages(key, pages)
    }

    fn scan(
        &self,
        bucket: Bucket,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Record, StoreError>>, StoreError>> {
        self.store.scan(bucket)
    }

    fn watch(
        &self,
        bucket: Bucket,
        key: Option<&str>,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, StoreError>>, StoreError>> {
        self.store.watch(bucket, key)
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.publish(message)
    }

    fn unschedule(&self, to: &Address, timer: TimerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.unschedule(to, timer)
    }

    fn is_scheduled(
        &self,
        to: &Address,
        timer: TimerId,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.is_scheduled(to, timer)
    }

    fn any_in_commands(&self, seqs: &[u64]) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.any_in_commands(seqs)
    }

    fn first_command(
        &self,
        queue: &str,
        key: &Key,
        from_seq: u64,
    ) -> BoxFuture<'_, Result<Option<(u64, Bytes)>, StoreError>> {
        self.store.first_command(queue, key, from_seq)
    }

    fn backlog(&self, queue: &str, partition: Partition) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.store.backlog(queue, partition)
    }

    fn queue_depths(&self) -> BoxFuture<'_, Result<Vec<Depth>, StoreError>> {
        self.store.queue_depths()
    }

    fn consume(&self, source: &Source) -> BoxFuture<'_, Result<Box<dyn Consumer>, StoreError>> {
        self.store.consume(source)
    }

    fn answer(&self, token: &str, verdict: Verdict) -> BoxFuture<'_, ()> {
        self.store.answer(token, verdict)
    }

    fn hint(&self, subject: &str, body: Bytes) -> BoxFuture<'_, ()> {
        self.store.hint(subject, body)
    }

    fn listen(
        &self,
        subject: &str,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, StoreError>> {
        self.store.listen(subject)
    }

    fn new_inbox(&self) -> String {
        self.store.new_inbox()
    }

    fn ended_subject(&self, key: &Key) -> String {
        self.store.ended_subject(key)
    }

    fn hint_subject(&self, hint: Hint<'_>) -> String {
        self.store.hint_subject(hint)
    }

    fn parse_command_subject(&self, subject: &str) -> Result<Address, String> {
        self.store.parse_command_subject(subject)
    }

    fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadRecord>, StoreError>> {
        self.store.dead_letters(from_seq, limit)
    }

    fn redrive(&self, seq: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.store.redrive(seq)
    }
}
