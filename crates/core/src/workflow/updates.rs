//! Updates: requests to a running workflow that answers whoever asked.

use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use headwater_wire::{
    Code, Entry, Failure, IntoDuration, Payload,
    command::Channel,
    duration::DurationError,
    failure::cut,
    journal::AnswerTo,
    limits::{ANSWERS_BYTES_MAX, NAME_BYTES_MAX},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{calls::Step, context::Context, shared::Shared, sleep::Sleep};
use crate::{Error, Result, error::payload_error, program::Decision};

impl Context {
    /// Wait for an update of this name: a request whose sender (`Client::update`) waits for the
    /// answer. One that came earlier is kept and taken now; each is taken once, in their order.
    ///
    /// A request that does not fit the type is refused, and the wait goes on.
    pub fn update<T: DeserializeOwned>(&self, name: impl Into<String>) -> UpdateWait<T> {
        UpdateWait {
            shared: Arc::clone(&self.shared),
            name: cut(&name.into(), NAME_BYTES_MAX).to_owned(),
            timeout: None,
            request: PhantomData,
        }
    }
}

/// A request that was received. It is answered once; dropped unanswered, its sender is told that
/// there is no answer.
#[must_use = "whoever sent it waits for the answer"]
pub struct Update<T> {
    /// What is asked for.
    pub request: T,
    open: Open,
}

impl<T> Update<T> {
    /// Answer whoever asked.
    ///
    /// # Errors
    /// An answer that cannot be encoded, or of more than `ANSWERS_BYTES_MAX`. It is refused then,
    /// with that reason.
    pub fn answer(mut self, answer: impl Serialize) -> Result<()> {
        let encoded = Payload::encode(&answer).map_err(|e| payload_error("answer to an update", e));
        let answer = encoded.and_then(within_limit);
        self.open.answer(answer.clone());
        answer.map(drop).map_err(Error::from_failure)
    }

    /// Refuse it with this error.
    pub fn refuse(mut self, error: impl Into<Error>) {
        let failure = error.into().into_failure().within_limits();
        self.open.answer(Err(failure));
    }
}

/// Answers are kept in the value for who did not hear them.
fn within_limit(answer: Payload) -> Result<Payload, Failure> {
    let bytes = answer.bytes().len();
    if bytes <= ANSWERS_BYTES_MAX {
        return Ok(answer);
    }
    let message = format!(
        "the answer to an update has {bytes} bytes, over the limit ANSWERS_BYTES_MAX of {ANSWERS_BYTES_MAX} bytes; store the data elsewhere and answer with a reference"
    );
    Err(Failure::fatal(Code::TOO_LARGE, message))
}

/// An update that has no answer yet.
struct Open {
    shared: Arc<Shared>,
    /// The step that received it; none once it is answered.
    step: Option<u32>,
}

impl Open {
    fn answer(&mut self, result: Result<Payload, Failure>) {
        if let Some(step) = self.step.take() {
            let to = AnswerTo::Update(step);
            self.shared.state().note(Entry::Answer { to, result });
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.answer(Err(unanswered("the workflow took it and gave no answer")));
    }
}

/// There is no answer, and there will be none.
pub(crate) fn unanswered(why: &str) -> Failure {
    Failure::fatal(Code::UNANSWERED, why)
}

/// Waiting for an update; await it. Made by [`Context::update`].
#[must_use = "a wait does nothing until it is awaited"]
pub struct UpdateWait<T> {
    shared: Arc<Shared>,
    name: String,
    timeout: Option<std::result::Result<Duration, DurationError>>,
    request: PhantomData<fn() -> T>,
}

impl<T> UpdateWait<T> {
    /// Give up after this time, with an error of code `timeout`. Takes what
    /// [`Context::sleep`] takes.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.timeout = Some(timeout.into_duration());
        self
    }
}

impl<T: DeserializeOwned> IntoFuture for UpdateWait<T> {
    type Output = Result<Update<T>>;
    type IntoFuture = UpdateFuture<T>;

    fn into_future(self) -> UpdateFuture<T> {
        let Self {
            shared,
            name,
            timeout,
            ..
        } = self;
        let limit = timeout.clone().and_then(Result::ok).unwrap_or_default();
        UpdateFuture {
            step: Some(wait(&shared, &name)),
            sleep: timeout.map(|timeout| Sleep::after(&shared, timeout)),
            shared,
            name,
            limit,
            request: PhantomData,
        }
    }
}

fn wait(shared: &Arc<Shared>, name: &str) -> Step {
    let name = name.to_owned();
    Step::new(shared, move |step, _| Decision::Signal {
        step,
        name,
        channel: Channel::Update,
    })
}

/// The future of an update, with its timeout.
#[must_use = "futures do nothing until they are awaited"]
pub struct UpdateFuture<T> {
    shared: Arc<Shared>,
    name: String,
    /// None: it is over.
    step: Option<Step>,
    sleep: Option<Sleep>,
    limit: Duration,
    request: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> UpdateFuture<T> {
    fn poll_request(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Update<T>>> {
        loop {
            let Some(step) = &mut self.step else {
                return Poll::Pending;
            };
            let number = step.number();
            let Poll::Ready(outcome) = step.poll(cx) else {
                return Poll::Pending;
            };
            self.step = None;
            let data = match outcome {
                Ok(data) => data,
                Err(failure) => return Poll::Ready(Err(Error::from_failure(failure))),
            };
            let shared = Arc::clone(&self.shared);
            let mut open = Open {
                shared,
                step: number,
            };
            match data.decode() {
                Ok(request) => return Poll::Ready(Ok(Update { request, open })),
                Err(error) => {
                    let what = format!("request of update {:?}", self.name);
                    open.answer(Err(payload_error(&what, error)));
                    self.step = Some(wait(&self.shared, &self.name));
                }
            }
        }
    }
}

impl<T: DeserializeOwned> Future for UpdateFuture<T> {
    type Output = Result<Update<T>>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(update) = this.poll_request(cx) {
            this.sleep = None;
            return Poll::Ready(update);
        }
        let Some(sleep) = &mut this.sleep else {
            return Poll::Pending;
        };
        match Pin::new(sleep).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                this.step = None;
                let message = format!("no update {:?} within {:?}", this.name, this.limit);
                let failure = Failure::new(Code::TIMEOUT, message);
                Poll::Ready(Err(Error::from_failure(failure)))
            }
        }
    }
}
