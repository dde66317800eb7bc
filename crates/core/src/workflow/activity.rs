//! Activities, from the workflow's side.

use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use headwater_wire::{
    Code, Failure, IntoDuration, Payload,
    duration::DurationError,
    journal::ActivityOptions,
    names::check_name,
    payload::PayloadError,
    topic::{check_tag, of_session, tagged},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    calls::{Step, decode},
    context::Context,
    shared::Shared,
    sleep::Sleep,
};
use crate::{Error, Result, Retry, error::payload_error, program::Decision};

impl Context {
    /// Have a worker run an activity: at least once, its outcome recorded once.
    pub fn activity<T: DeserializeOwned>(
        &self,
        name: impl Into<String>,
        input: impl Serialize,
    ) -> ActivityCall<T> {
        ActivityCall {
            shared: Arc::clone(&self.shared),
            name: name.into(),
            topic: None,
            tag: None,
            session: None,
            input: Payload::encode(&input),
            retry: Retry::default(),
            timeout: None,
            attempt_timeout: None,
            heartbeat_timeout: None,
            output: PhantomData,
        }
    }
}

/// A length of time, as the workflow gave it.
type Given = std::result::Result<Duration, DurationError>;

/// A call of an activity; await it. Made by [`Context::activity`].
#[must_use = "a call does nothing until it is awaited"]
pub struct ActivityCall<T> {
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    topic: Option<String>,
    tag: Option<String>,
    session: Option<String>,
    input: std::result::Result<Payload, PayloadError>,
    pub(super) retry: Retry,
    timeout: Option<Given>,
    attempt_timeout: Option<Given>,
    heartbeat_timeout: Option<Given>,
    output: PhantomData<fn() -> T>,
}

impl<T> ActivityCall<T> {
    /// When it fails. Default: without limit, see [`Retry`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Topic of the workers to ask; by default it is named like the activity.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Ask only workers that take tasks of this tag: those with a GPU, those of a region. It waits
    /// for as long as there is none.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Have the same worker run all that is of this session, whichever workflow asks for it: it has
    /// loaded a model, opened a file, logged in. If that worker dies or leaves, another one takes
    /// the session over; so may one that comes. Tasks of a session have no order.
    pub fn session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    /// Give up after this time in all, whatever it is at: waiting for a worker, an attempt, or
    /// before the next one. The error has the code `timeout`. Takes what [`Context::sleep`] takes.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.timeout = Some(timeout.into_duration());
        self
    }

    /// The longest time for one attempt, from when its worker begins. One that takes longer fails
    /// with the code `timeout`, which is the last attempt unless the policy says otherwise
    /// ([`Retry::retry_timeouts`]).
    pub fn attempt_timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.attempt_timeout = Some(timeout.into_duration());
        self
    }

    /// The longest time between two heartbeats of an attempt. One that is silent for longer fails
    /// as [`ActivityCall::attempt_timeout`] says.
    pub fn heartbeat_timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.heartbeat_timeout = Some(timeout.into_duration());
        self
    }

    /// The topic of the workers to ask, tag and session included.
    pub(super) fn checked_topic(&self) -> std::result::Result<String, Failure> {
        let topic = self.topic.as_ref().unwrap_or(&self.name);
        check_name("activity", &self.name).map_err(undecodable)?;
        check_name("topic", topic).map_err(undecodable)?;
        let mut topic = topic.clone();
        if let Some(tag) = &self.tag {
            check_tag(tag).map_err(undecodable)?;
            topic = tagged(&topic, tag);
        }
        if let Some(session) = &self.session {
            check_name("session", session).map_err(undecodable)?;
            topic = of_session(&topic, session);
        }
        Ok(topic)
    }

    /// What its worker has to keep to.
    pub(super) fn options(&self) -> std::result::Result<Option<ActivityOptions>, Failure> {
        let options = ActivityOptions {
            timeout_ms: millis(&self.attempt_timeout)?,
            heartbeat_ms: millis(&self.heartbeat_timeout)?,
            session: self.session.clone(),
        };
        Ok((options != ActivityOptions::default()).then_some(options))
    }

    /// The step, or why there is none.
    fn step(self, timeout: &mut Option<(Sleep, Duration)>) -> std::result::Result<Step, Failure> {
        let options = self.options()?;
        let topic = self.checked_topic()?;
        if let Some(given) = self.timeout {
            let limit = given.clone().map_err(undecodable)?;
            *timeout = Some((Sleep::after(&self.shared, given), limit));
        }
        let (name, retry) = (self.name, self.retry);
        let input = self
            .input
            .map_err(|error| payload_error(&format!("input of activity {name:?}"), error))?;
        Ok(Step::new(&self.shared, move |step, _| Decision::Activity {
            step,
            name,
            topic,
            input,
            options,
            retry,
        }))
    }
}

impl<T: DeserializeOwned> IntoFuture for ActivityCall<T> {
    type Output = Result<T>;
    type IntoFuture = ActivityFuture<T>;

    fn into_future(self) -> ActivityFuture<T> {
        let (name, mut timeout) = (self.name.clone(), None);
        let step = self.step(&mut timeout).map_err(Some);
        ActivityFuture {
            step,
            timeout,
            name,
            output: PhantomData,
        }
    }
}

/// The future of an activity.
#[must_use = "futures do nothing until they are awaited"]
pub struct ActivityFuture<T> {
    step: std::result::Result<Step, Option<Failure>>,
    timeout: Option<(Sleep, Duration)>,
    name: String,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for ActivityFuture<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        let outcome = match &mut this.step {
            Ok(step) => step.poll(cx),
            Err(failure) => match failure.take() {
                Some(failure) => Poll::Ready(Err(failure)),
                None => Poll::Pending,
            },
        };
        if let Poll::Ready(outcome) = outcome {
            this.timeout = None;
            let what = || format!("result of activity {:?}", this.name);
            return Poll::Ready(decode(what, outcome));
        }
        let Some((sleep, limit)) = &mut this.timeout else {
            return Poll::Pending;
        };
        let limit = *limit;
        match Pin::new(sleep).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                // Dropped, as the loser of a race is.
                this.step = Err(None);
                this.timeout = None;
                let message = format!("activity {:?} took longer than {limit:?}", this.name);
                let failure = Failure::new(Code::TIMEOUT, message);
                Poll::Ready(Err(Error::from_failure(failure)))
            }
        }
    }
}

/// In milliseconds, at least one.
fn millis(given: &Option<Given>) -> std::result::Result<Option<u64>, Failure> {
    let Some(given) = given else {
        return Ok(None);
    };
    let duration = given.clone().map_err(undecodable)?;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(millis.max(1)))
}

fn undecodable(error: impl std::error::Error) -> Failure {
    Failure::fatal(Code::DECODE, error.to_string())
}
