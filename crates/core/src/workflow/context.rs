//! What a workflow acts through.

use std::{fmt::Display, future::Future, marker::PhantomData, sync::Arc};

use futures::{
    FutureExt as _,
    future::{JoinAll, Map, SelectAll, join_all, select_all},
};
use headwater_wire::{
    InvocationId, Payload, Timestamp, command::Channel, failure::cut, limits::NAME_BYTES_MAX,
};
use rand_core::Rng as _;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    calls::{ContinueAsNew, RunCall, SignalWait},
    channels::wait,
    shared::Shared,
};
use crate::{
    Error, Retry,
    error::payload_error,
    program::{LogLevel, LogLine, NextVersion},
};

/// What a workflow acts through: only what goes through its context is durable, and only its
/// context's futures may be awaited outside [`Context::run`].
#[derive(Clone)]
pub struct Context {
    pub(super) shared: Arc<Shared>,
}

/// The future of [`Context::race`].
pub type Race<F> =
    Map<SelectAll<F>, fn((<F as Future>::Output, usize, Vec<F>)) -> (usize, <F as Future>::Output)>;

/// What a local step is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// The same for every attempt at this step: `<invocation>/<run>/<step>`. Hand it to whoever
    /// has to recognise a repeat.
    pub idempotency_key: String,
    /// Attempt, from 1. An attempt that a crash cut short may come again with its number.
    pub attempt: u32,
}

impl Context {
    /// Id of the invocation.
    #[must_use]
    pub fn id(&self) -> &InvocationId {
        &self.shared.info.id
    }

    /// Name of the workflow.
    #[must_use]
    pub fn workflow(&self) -> &str {
        &self.shared.info.workflow
    }

    /// Version of the workflow.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.shared.info.version
    }

    /// Partition key, if one was given.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.shared.info.partition_key.as_deref()
    }

    /// Run a local step: in the engine's process, at least once, its outcome recorded once.
    /// A name over `NAME_BYTES_MAX` is cut.
    ///
    /// The closure is called once an attempt; its future may borrow from the workflow. Errors
    /// are tried again unless they are [`Error::fatal`].
    pub fn run<F, Fut, T, E>(
        &self,
        name: impl Into<String>,
        mut work: F,
    ) -> RunCall<impl FnMut(StepInfo) -> Fut>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
        T: Serialize + DeserializeOwned,
        E: Into<Error>,
    {
        self.run_with(name, move |_| work())
    }

    /// [`Context::run`] whose closure is told the idempotency key and the attempt.
    pub fn run_with<F, Fut, T, E>(&self, name: impl Into<String>, work: F) -> RunCall<F>
    where
        F: FnMut(StepInfo) -> Fut,
        Fut: Future<Output = std::result::Result<T, E>>,
        T: Serialize + DeserializeOwned,
        E: Into<Error>,
    {
        RunCall {
            shared: Arc::clone(&self.shared),
            name: cut(&name.into(), NAME_BYTES_MAX).to_owned(),
            retry: Retry::default(),
            work,
        }
    }

    /// Wait for a signal of this name. One that came earlier is kept and taken now; each is
    /// taken once.
    pub fn signal<T: DeserializeOwned>(&self, name: impl Into<String>) -> SignalWait<T> {
        wait(&self.shared, Channel::Signal, &name.into())
    }

    /// End this run and begin another of the same invocation, with this input and an empty
    /// journal: `return ctx.continue_as_new(&next).await`. For workflows that go on for long.
    ///
    /// It takes effect when it is first awaited and never comes back, so nothing after it runs.
    /// What is still pending is no longer wanted, as if it had lost a race. Signals that were
    /// not received yet stay for the next run, and whoever waits for the invocation goes on
    /// waiting. Once somebody has asked to cancel it, it ends as cancelled instead.
    ///
    /// The next run is of the latest version that the engine has, unless
    /// [`ContinueAsNew::version`] or [`ContinueAsNew::same_version`] says otherwise. Without an
    /// engine that has its version it waits, and says so.
    pub fn continue_as_new<R>(&self, input: impl Serialize) -> ContinueAsNew<R> {
        let input = Payload::encode(&input)
            .map_err(|error| payload_error("input of the run to continue as", error));
        ContinueAsNew {
            shared: Arc::clone(&self.shared),
            input: Some(input),
            version: NextVersion::default(),
            output: PhantomData,
        }
    }

    /// Await all; results in the order of the calls.
    pub fn all<I>(&self, calls: I) -> JoinAll<<I::Item as IntoFuture>::IntoFuture>
    where
        I: IntoIterator,
        I::Item: IntoFuture,
    {
        join_all(calls.into_iter().map(IntoFuture::into_future))
    }

    /// Await the first; the others are dropped. Answers its index and its result.
    ///
    /// # Panics
    /// If there is nothing to race.
    pub fn race<I>(&self, calls: I) -> Race<<I::Item as IntoFuture>::IntoFuture>
    where
        I: IntoIterator,
        I::Item: IntoFuture,
        <I::Item as IntoFuture>::IntoFuture: Unpin,
    {
        let first = select_all(calls.into_iter().map(IntoFuture::into_future));
        first.map(|(result, index, _losers)| (index, result))
    }

    /// The time: that of the last outcome given to this workflow, the same on replay.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.state().now
    }

    /// A random number, the same on replay.
    #[must_use]
    pub fn random(&self) -> u64 {
        self.shared.state().random("ctx.random()").next_u64()
    }

    /// A random (version 4) UUID, the same on replay.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        let mut state = self.shared.state();
        state.random("ctx.uuid()").fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Whether the past is being gone through again.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.shared.state().replaying
    }

    /// Log for developers: once, never on replay.
    pub fn debug(&self, message: impl Display) {
        self.log(LogLevel::Debug, &message);
    }

    /// Log for operators: once, never on replay.
    pub fn info(&self, message: impl Display) {
        self.log(LogLevel::Info, &message);
    }

    /// Log something to look at: once, never on replay.
    pub fn warn(&self, message: impl Display) {
        self.log(LogLevel::Warn, &message);
    }

    /// Log that something is wrong: once, never on replay.
    pub fn error(&self, message: impl Display) {
        self.log(LogLevel::Error, &message);
    }

    fn log(&self, level: LogLevel, message: &dyn Display) {
        let message = message.to_string();
        let mut state = self.shared.state();
        if !state.replaying {
            state.logs.push(LogLine { level, message });
        }
    }
}
