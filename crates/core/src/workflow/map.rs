//! An activity for each of many items: a step each, decided in batches, so that thousands of items
//! cost the journal a line a batch.

use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use headwater_wire::{
    Failure, IntoDuration, Payload,
    journal::ActivityOptions,
    limits::{MAP_BATCH_BYTES_MAX, MAP_BATCH_MAX},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{activity::ActivityCall, calls::decode, context::Context, shared::Shared};
use crate::{Result, Retry, error::payload_error, program::Decision};

/// Items under way at a time, unless the workflow says otherwise.
const CONCURRENCY_DEFAULT: usize = 100;

impl Context {
    /// Have workers run an activity for each of `items`: results in the order of the items, errors
    /// in their place.
    ///
    /// ```
    /// # use headwater_core::{Context, Result};
    /// async fn resize(ctx: Context, files: Vec<String>) -> Result<usize> {
    ///     let sizes: Vec<Result<u64>> = ctx.map("resize", files).concurrency(50).await;
    ///     Ok(sizes.iter().filter(|size| size.is_ok()).count())
    /// }
    /// ```
    ///
    /// Items are decided in batches of up to 128, for as much of them as there is room for. What
    /// makes a batch is recorded: the concurrency of a workflow that runs must not change.
    /// For work of more than one step an item, use the adapters of `futures` over futures of the
    /// context: `stream::iter(items).map(|item| one(ctx.clone(), item)).buffered(50)`.
    pub fn map<T: DeserializeOwned>(
        &self,
        activity: impl Into<String>,
        items: impl IntoIterator<Item: Serialize>,
    ) -> MapCall<T> {
        let call = self.activity(activity, ());
        let encode = |item| {
            Payload::encode(&item).map_err(|error| {
                payload_error(&format!("input of activity {:?}", call.name), error)
            })
        };
        MapCall {
            inputs: items.into_iter().map(encode).collect(),
            call,
            concurrency: CONCURRENCY_DEFAULT,
        }
    }
}

/// Calls of an activity for many items; await it. Made by [`Context::map`].
#[must_use = "a call does nothing until it is awaited"]
pub struct MapCall<T> {
    /// What all of them have in common.
    call: ActivityCall<T>,
    inputs: std::result::Result<VecDeque<Payload>, Failure>,
    concurrency: usize,
}

impl<T> MapCall<T> {
    /// Items under way at a time: 100 by default, at least 1.
    pub fn concurrency(mut self, items: usize) -> Self {
        self.concurrency = items.max(1);
        self
    }

    /// When an item fails: [`ActivityCall::retry`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.call = self.call.retry(retry);
        self
    }

    /// Topic of the workers to ask: [`ActivityCall::topic`].
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.call = self.call.topic(topic);
        self
    }

    /// Ask only workers that have a tag: [`ActivityCall::tag`].
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.call = self.call.tag(tag);
        self
    }

    /// The longest time for one attempt at an item: [`ActivityCall::attempt_timeout`].
    pub fn attempt_timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.call = self.call.attempt_timeout(timeout);
        self
    }

    /// The longest time between two heartbeats of an attempt: [`ActivityCall::heartbeat_timeout`].
    pub fn heartbeat_timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.call = self.call.heartbeat_timeout(timeout);
        self
    }
}

impl<T: DeserializeOwned> IntoFuture for MapCall<T> {
    type Output = Vec<Result<T>>;
    type IntoFuture = MapFuture<T>;

    fn into_future(self) -> MapFuture<T> {
        let call = self.call;
        let asked = call
            .checked_topic()
            .and_then(|topic| Ok((topic, call.options()?)));
        // An item that cannot be encoded fails all: what is left of a list is not what was meant.
        let (items, asked) = match self.inputs {
            Ok(items) => (items, asked),
            Err(failure) => (VecDeque::from([Payload::null()]), Err(failure)),
        };
        let (refused, (topic, options)) = match asked {
            Ok(asked) => (None, asked),
            Err(failure) => (Some(failure), Default::default()),
        };
        MapFuture {
            shared: call.shared,
            name: call.name,
            topic,
            options,
            retry: call.retry,
            concurrency: self.concurrency,
            results: items.iter().map(|_| None).collect(),
            items,
            refused,
            group: None,
            running: BTreeMap::new(),
            output: PhantomData,
        }
    }
}

/// The future of [`Context::map`].
#[must_use = "futures do nothing until they are awaited"]
pub struct MapFuture<T> {
    shared: Arc<Shared>,
    name: String,
    topic: String,
    options: Option<ActivityOptions>,
    retry: Retry,
    concurrency: usize,
    /// Those that are not decided yet.
    items: VecDeque<Payload>,
    results: Vec<Option<std::result::Result<Payload, Failure>>>,
    /// Why no more of them are decided.
    refused: Option<Failure>,
    /// What its steps have in common.
    group: Option<u32>,
    /// Step to index of its item.
    running: BTreeMap<u32, usize>,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for MapFuture<T> {
    type Output = Vec<Result<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.collect(cx);
        while self.has_room() {
            if self.decide_batch(cx.waker()).is_pending() {
                return Poll::Pending;
            }
        }
        if !self.running.is_empty() || !self.items.is_empty() {
            return Poll::Pending;
        }
        self.leave();
        let results = std::mem::take(&mut self.results);
        let results = results.into_iter().flatten();
        let what = || format!("result of activity {:?}", self.name);
        Poll::Ready(results.map(|result| decode(what, result)).collect())
    }
}

impl<T> MapFuture<T> {
    /// Take the outcomes that have come.
    fn collect(&mut self, cx: &mut TaskContext<'_>) {
        let Some(group) = self.group else { return };
        for (step, outcome) in self.shared.state().take_group(group, cx.waker()) {
            if let Some(index) = self.running.remove(&step) {
                self.results[index] = Some(outcome);
            }
        }
    }

    /// Whether a batch is worth its line in the journal: a quarter of what may be under way, or
    /// all that is left.
    fn has_room(&self) -> bool {
        let room = self.concurrency.saturating_sub(self.running.len());
        let least = (self.concurrency / 4).max(1).min(self.items.len());
        !self.items.is_empty() && room >= least
    }

    /// Decide what there is room for, up to the limits of a batch.
    fn decide_batch(&mut self, waker: &Waker) -> Poll<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if self.refused.is_none() {
            match state.refuse() {
                Some(Poll::Ready(failure)) => self.refused = Some(failure),
                Some(Poll::Pending) => return Poll::Pending,
                None => {}
            }
        }
        let first = self.results.len() - self.items.len();
        if let Some(failure) = &self.refused {
            for result in &mut self.results[first..] {
                *result = Some(Err(failure.clone()));
            }
            self.items.clear();
            return Poll::Ready(());
        }
        let inputs = self.take_batch();
        let count = inputs.len() as u32;
        let steps = state.decide_many(count, |step| Decision::Map {
            step,
            name: self.name.clone(),
            topic: self.topic.clone(),
            inputs,
            options: self.options.clone(),
            retry: self.retry.clone(),
        });
        let group = *self.group.get_or_insert(*steps.start());
        state.join_group(group, steps.clone(), waker);
        self.running.extend(steps.zip(first..));
        Poll::Ready(())
    }

    fn take_batch(&mut self) -> Vec<Payload> {
        let room = self.concurrency - self.running.len();
        let mut bytes = 0;
        let within = |input: &&Payload| {
            bytes += input.bytes().len();
            bytes <= MAP_BATCH_BYTES_MAX
        };
        let most = self.items.iter().take(room.min(MAP_BATCH_MAX));
        let count = most.take_while(within).count().max(1);
        self.items.drain(..count).collect()
    }

    /// It is done: nothing of it is left with the program.
    fn leave(&mut self) {
        if let Some(group) = self.group.take() {
            let running = std::mem::take(&mut self.running).into_keys();
            self.shared.state().forget_group(group, running);
        }
    }
}

impl<T> Drop for MapFuture<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> Unpin for MapFuture<T> {}
