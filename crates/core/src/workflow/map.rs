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
    Code, Failure, Payload,
    limits::{MAP_BATCH_BYTES_MAX, MAP_BATCH_MAX},
    names::check_name,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{calls::decode, context::Context, shared::Shared};
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
        let name = activity.into();
        let encode = |item| {
            Payload::encode(&item)
                .map_err(|error| payload_error(&format!("input of activity {name:?}"), error))
        };
        MapCall {
            inputs: items.into_iter().map(encode).collect(),
            shared: Arc::clone(&self.shared),
            name,
            topic: None,
            retry: Retry::default(),
            concurrency: CONCURRENCY_DEFAULT,
            output: PhantomData,
        }
    }
}

/// Calls of an activity for many items; await it. Made by [`Context::map`].
#[must_use = "a call does nothing until it is awaited"]
pub struct MapCall<T> {
    shared: Arc<Shared>,
    name: String,
    topic: Option<String>,
    inputs: std::result::Result<VecDeque<Payload>, Failure>,
    retry: Retry,
    concurrency: usize,
    output: PhantomData<fn() -> T>,
}

impl<T> MapCall<T> {
    /// Items under way at a time: 100 by default, at least 1.
    pub fn concurrency(mut self, items: usize) -> Self {
        self.concurrency = items.max(1);
        self
    }

    /// When an item fails. Default: without limit, see [`Retry`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Topic of the workers to ask; by default it is named like the activity.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }
}

impl<T: DeserializeOwned> IntoFuture for MapCall<T> {
    type Output = Vec<Result<T>>;
    type IntoFuture = MapFuture<T>;

    fn into_future(self) -> MapFuture<T> {
        let topic = self.topic.unwrap_or_else(|| self.name.clone());
        let named = check_name("activity", &self.name)
            .and_then(|()| check_name("topic", &topic))
            .map_err(|error| Failure::fatal(Code::DECODE, error.to_string()));
        // An item that cannot be encoded fails all: what is left of a list is not what was meant.
        let (items, refused) = match (self.inputs, named) {
            (Ok(items), Ok(())) => (items, None),
            (Ok(items), Err(failure)) => (items, Some(failure)),
            (Err(failure), _) => (VecDeque::from([Payload::null()]), Some(failure)),
        };
        MapFuture {
            shared: self.shared,
            name: self.name,
            topic,
            retry: self.retry,
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
            options: None,
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
