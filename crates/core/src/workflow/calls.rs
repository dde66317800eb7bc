//! The futures of a context. Each decides when it is first polled and is ready once the
//! journal has its outcome; dropped before, it decides that the outcome is no longer wanted.

use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use headwater_wire::{
    Code, Failure, IntoDuration, Payload, command::Channel, duration::DurationError,
    task::idempotency_key,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    context::StepInfo,
    shared::{Shared, State},
    sleep::Sleep,
    version::is_version,
};
use crate::{
    Error, Result, Retry,
    error::{panic_message, payload_error},
    program::{Decision, LocalOutcome, NextRun, NextVersion},
};

/// One step: decided at the first poll, ready with its outcome.
pub(super) struct Step {
    shared: Arc<Shared>,
    phase: Phase,
}

/// Makes the decision of a step, given its number.
type Plan = Box<dyn FnOnce(u32, &State) -> Decision + Send>;

enum Phase {
    Planned(Option<Plan>),
    Pending(u32),
    Over,
}

impl Step {
    pub(super) fn new(
        shared: &Arc<Shared>,
        plan: impl FnOnce(u32, &State) -> Decision + Send + 'static,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            phase: Phase::Planned(Some(Box::new(plan))),
        }
    }

    /// Its number, once it is decided and while its outcome is not known.
    pub(super) fn number(&self) -> Option<u32> {
        match self.phase {
            Phase::Pending(step) => Some(step),
            Phase::Planned(_) | Phase::Over => None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Payload, Failure>> {
        let mut state = self.shared.state();
        let step = match &mut self.phase {
            Phase::Planned(plan) => {
                if let Some(refused) = state.refuse() {
                    return refused.map(Err);
                }
                let Some(plan) = plan.take() else {
                    return Poll::Pending;
                };
                let step = state.decide(plan);
                self.phase = Phase::Pending(step);
                step
            }
            Phase::Pending(step) => *step,
            Phase::Over => return Poll::Pending,
        };
        let Some(slot) = state.slots.get_mut(&step) else {
            return Poll::Pending;
        };
        match slot.outcome.take() {
            Some(outcome) => {
                state.slots.remove(&step);
                self.phase = Phase::Over;
                Poll::Ready(outcome)
            }
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Phase::Pending(step) = self.phase {
            self.shared.state().forget(step);
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(
    what: impl FnOnce() -> String,
    outcome: Result<Payload, Failure>,
) -> Result<T> {
    let payload = outcome.map_err(Error::from_failure)?;
    payload
        .decode()
        .map_err(|error| Error::from_failure(payload_error(&what(), error)))
}

/// Waiting for a signal, an event, or an item of a queue; await it. Made by
/// [`Context::signal`](super::Context::signal), [`Context::wait_for`](super::Context::wait_for),
/// [`Context::event`](super::Context::event) and [`Queue::pop`](super::Queue::pop).
#[must_use = "a wait does nothing until it is awaited"]
pub struct SignalWait<T> {
    pub(super) shared: Arc<Shared>,
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) timeout: Option<std::result::Result<Duration, DurationError>>,
    pub(super) output: PhantomData<fn() -> T>,
}

/// Where a signal comes from.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// It is sent to this invocation.
    Channel(Channel),
    /// The box of its name gives it.
    Box,
}

impl Source {
    fn decision(self, step: u32, name: String) -> Decision {
        match self {
            Self::Box => Decision::Named { step, name },
            Self::Channel(channel) => Decision::Signal {
                step,
                name,
                channel,
            },
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Channel(channel) => channel.as_str(),
            Self::Box => Channel::Signal.as_str(),
        }
    }

    /// That nothing has come.
    fn nothing(self) -> &'static str {
        match self {
            Self::Channel(Channel::Queue) => "nothing in the queue",
            Self::Channel(Channel::Event) => "no event",
            Self::Channel(Channel::Signal | Channel::Update) | Self::Box => "no signal",
        }
    }
}

impl<T> SignalWait<T> {
    /// Give up after this time, with an error of code `timeout`. Takes what
    /// [`Context::sleep`](super::Context::sleep) takes.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.timeout = Some(timeout.into_duration());
        self
    }
}

impl<T: DeserializeOwned> IntoFuture for SignalWait<T> {
    type Output = Result<T>;
    type IntoFuture = SignalFuture<T>;

    fn into_future(self) -> SignalFuture<T> {
        let Self {
            shared,
            source,
            name,
            timeout,
            ..
        } = self;
        let limit = timeout.clone().and_then(Result::ok).unwrap_or_default();
        let sleep = timeout.map(|timeout| Sleep::after(&shared, timeout));
        let signal = name.clone();
        SignalFuture {
            step: Some(Step::new(&shared, move |step, _| {
                source.decision(step, signal)
            })),
            sleep,
            source,
            name,
            limit,
            output: PhantomData,
        }
    }
}

/// The future of a signal, with its timeout.
#[must_use = "futures do nothing until they are awaited"]
pub struct SignalFuture<T> {
    step: Option<Step>,
    sleep: Option<Sleep>,
    source: Source,
    name: String,
    limit: Duration,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for SignalFuture<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        let Some(step) = &mut this.step else {
            return Poll::Pending;
        };
        if let Poll::Ready(outcome) = step.poll(cx) {
            this.sleep = None;
            let what = || format!("{} {:?}", this.source.as_str(), this.name);
            return Poll::Ready(decode(what, outcome));
        }
        let Some(sleep) = &mut this.sleep else {
            return Poll::Pending;
        };
        match Pin::new(sleep).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                this.step = None;
                let what = this.source.nothing();
                let message = format!("{what} {:?} within {:?}", this.name, this.limit);
                let failure = Failure::new(Code::TIMEOUT, message);
                Poll::Ready(Err(Error::from_failure(failure)))
            }
        }
    }
}

/// The end of this run; await it. Made by
/// [`Context::continue_as_new`](super::Context::continue_as_new).
#[must_use = "a workflow goes on unless this is awaited"]
pub struct ContinueAsNew<R> {
    pub(super) shared: Arc<Shared>,
    pub(super) input: Option<std::result::Result<Payload, Failure>>,
    pub(super) version: NextVersion,
    pub(super) output: PhantomData<fn() -> R>,
}

impl<R> ContinueAsNew<R> {
    /// In exactly this version of the workflow, for example `"1.2.0"`. Default: in the latest that
    /// the engine has. What is no semantic version fails the run: no engine can have it.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        let version = version.into();
        if !is_version(&version) {
            let message = format!(
                "a run cannot continue in {version:?}, which is no version: use for example \"1.2.0\""
            );
            self.input = Some(Err(Failure::fatal(Code::FATAL, message)));
        }
        self.version = NextVersion::Exact(version);
        self
    }

    /// In the version of this run.
    pub fn same_version(mut self) -> Self {
        self.version = NextVersion::Same;
        self
    }
}

impl<R> Future for ContinueAsNew<R> {
    type Output = R;
    fn poll(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<R> {
        if let Some(input) = self.input.take() {
            let version = std::mem::take(&mut self.version);
            let next = input.map(|input| NextRun { input, version });
            self.shared.state().next_run.get_or_insert(next);
        }
        // Never ready: the executor sees it, and polls the workflow no more.
        Poll::Pending
    }
}

/// A local step; await it. Made by [`Context::run`](super::Context::run).
#[must_use = "a step does nothing until it is awaited"]
pub struct RunCall<F> {
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    pub(super) retry: Retry,
    pub(super) work: F,
}

impl<F> RunCall<F> {
    /// When it fails. Default: without limit, see [`Retry`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl<F, Fut, T, E> IntoFuture for RunCall<F>
where
    F: FnMut(StepInfo) -> Fut,
    Fut: Future<Output = std::result::Result<T, E>>,
    T: Serialize + DeserializeOwned,
    E: Into<Error>,
{
    type Output = Result<T>;
    type IntoFuture = RunFuture<F, Fut, T>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            shared,
            name,
            retry,
            work,
        } = self;
        let decided = name.clone();
        RunFuture {
            step: Step::new(&shared, move |step, _| Decision::Run {
                step,
                name: decided,
                retry,
            }),
            name,
            work,
            running: None,
            output: PhantomData,
        }
    }
}

/// The future of a local step: the user's future lives in it and is polled with it, so that it
/// may borrow from the workflow.
#[must_use = "futures do nothing until they are awaited"]
pub struct RunFuture<F, Fut, T> {
    step: Step,
    name: String,
    work: F,
    running: Option<(u32, Pin<Box<Fut>>)>,
    output: PhantomData<fn() -> T>,
}

// The user's future is boxed; nothing else is ever pinned.
impl<F, Fut, T> Unpin for RunFuture<F, Fut, T> {}

impl<F, Fut, T, E> Future for RunFuture<F, Fut, T>
where
    F: FnMut(StepInfo) -> Fut,
    Fut: Future<Output = std::result::Result<T, E>>,
    T: Serialize + DeserializeOwned,
    E: Into<Error>,
{
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        if let Poll::Ready(outcome) = this.step.poll(cx) {
            this.running = None;
            return Poll::Ready(decode(|| result_of_step(&this.name), outcome));
        }
        if this.step.shared.state().driving {
            this.poll_work(cx);
        }
        Poll::Pending
    }
}

impl<F, Fut, T, E> RunFuture<F, Fut, T>
where
    F: FnMut(StepInfo) -> Fut,
    Fut: Future<Output = std::result::Result<T, E>>,
    T: Serialize + DeserializeOwned,
    E: Into<Error>,
{
    /// Begin the attempt that was released, poll the one that runs, and hand in its result.
    fn poll_work(&mut self, cx: &mut TaskContext<'_>) {
        let Phase::Pending(step) = self.step.phase else {
            return;
        };
        if let Some(info) = self.take_release(step) {
            self.running = None;
            let attempt = info.attempt;
            match guard(|| Box::pin((self.work)(info))) {
                Ok(work) => self.running = Some((attempt, work)),
                Err(failure) => return self.hand_in(step, attempt, Err(failure)),
            }
        }
        let Some((attempt, work)) = &mut self.running else {
            return;
        };
        let attempt = *attempt;
        let result = match guard(|| work.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(value))) => Payload::encode(&value)
                .map_err(|error| payload_error(&result_of_step(&self.name), error)),
            Ok(Poll::Ready(Err(error))) => Err(error.into().into_failure()),
            Err(failure) => Err(failure),
        };
        self.running = None;
        self.hand_in(step, attempt, result);
    }

    fn take_release(&self, step: u32) -> Option<StepInfo> {
        let mut state = self.step.shared.state();
        let slot = state.slots.get_mut(&step)?;
        let attempt = slot.released.take()?;
        slot.running = Some(attempt);
        let info = &self.step.shared.info;
        Some(StepInfo {
            idempotency_key: idempotency_key(&info.id, info.run, step),
            attempt,
        })
    }

    fn hand_in(&self, step: u32, attempt: u32, result: std::result::Result<Payload, Failure>) {
        let mut state = self.step.shared.state();
        if let Some(slot) = state.slots.get_mut(&step) {
            slot.running = None;
        }
        state.local_outcomes.push(LocalOutcome {
            step,
            attempt,
            result,
        });
    }
}

fn result_of_step(name: &str) -> String {
    format!("result of step {name:?}")
}

/// Run user code; a panic becomes a failure.
pub(super) fn guard<T>(work: impl FnOnce() -> T) -> std::result::Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic_message(panic.as_ref());
        Failure::new(Code::PANICKED, format!("panicked: {message}"))
    })
}
