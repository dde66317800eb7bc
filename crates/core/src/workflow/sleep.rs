//! Sleeping: for a length of time, until a point in time, until a cron pattern's next.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use headwater_wire::{Code, Cron, Failure, IntoDuration, Timestamp, duration::DurationError};

use super::{calls::Step, context::Context, shared::Shared};
use crate::{Error, Result, program::Decision};

impl Context {
    /// Sleep: never wakes early, survives restarts, costs nothing meanwhile.
    ///
    /// Takes a [`Duration`], or a text such as `"250ms"`, `"1.5h"`, `"2 days"`
    /// ([`headwater_wire::duration`]). A text that is none is an error of code `decode` when the
    /// sleep is awaited, and nothing is recorded.
    pub fn sleep(&self, duration: impl IntoDuration) -> Sleep {
        Sleep::after(&self.shared, duration.into_duration())
    }

    /// [`Context::sleep`] that answers how long that was, in seconds.
    pub fn sleep_for(&self, duration: impl IntoDuration) -> Sleep<f64> {
        let duration = duration.into_duration();
        let seconds = duration.as_ref().map_or(0.0, Duration::as_secs_f64);
        Sleep::after(&self.shared, duration).answering(seconds)
    }

    /// Sleep until a point in time; the past means not at all.
    pub fn sleep_until(&self, due: Timestamp) -> Sleep {
        Sleep::new(&self.shared, Ok(Due::At(due)))
    }

    /// Sleep until the next time of a cron pattern in UTC ([`headwater_wire::cron`]), strictly
    /// after now: `ctx.sleep_until_next("*/5 * * * *")`. What is no pattern, and what never comes,
    /// is an error of code `decode`.
    pub fn sleep_until_next(&self, pattern: &str) -> Sleep {
        let cron = pattern.parse::<Cron>();
        let due = cron.map(|cron| Due::Next(Box::new(cron)));
        Sleep::new(&self.shared, due.map_err(undecodable))
    }
}

/// A durable sleep; await it. Made by [`Context::sleep`].
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep<T = ()> {
    shared: Arc<Shared>,
    phase: Phase,
    /// What it is ready with.
    output: T,
}

enum Phase {
    Planned(std::result::Result<Due, Failure>),
    Going(Step),
    Over,
}

/// When it is over, told when it is first polled.
enum Due {
    After(Duration),
    At(Timestamp),
    Next(Box<Cron>),
}

impl Due {
    fn from(self, now: Timestamp) -> std::result::Result<Timestamp, Failure> {
        match self {
            Self::After(duration) => Ok(now.after(duration)),
            Self::At(due) => Ok(due),
            Self::Next(cron) => cron.next_after(now).map_err(undecodable),
        }
    }
}

impl Sleep {
    fn new(shared: &Arc<Shared>, due: std::result::Result<Due, Failure>) -> Self {
        Self {
            shared: Arc::clone(shared),
            phase: Phase::Planned(due),
            output: (),
        }
    }

    pub(super) fn after(
        shared: &Arc<Shared>,
        duration: std::result::Result<Duration, DurationError>,
    ) -> Self {
        Self::new(shared, duration.map(Due::After).map_err(undecodable))
    }

    fn answering<T>(self, output: T) -> Sleep<T> {
        let Self { shared, phase, .. } = self;
        Sleep {
            shared,
            phase,
            output,
        }
    }
}

impl<T: Copy + Unpin> Future for Sleep<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        if matches!(this.phase, Phase::Planned(_))
            && let Phase::Planned(due) = mem::replace(&mut this.phase, Phase::Over)
        {
            let now = this.shared.state().now;
            match due.and_then(|due| due.from(now)) {
                Ok(due) => {
                    let plan = move |step, _: &_| Decision::Timer { step, due };
                    this.phase = Phase::Going(Step::new(&this.shared, plan));
                }
                Err(failure) => return Poll::Ready(Err(Error::from_failure(failure))),
            }
        }
        let Phase::Going(step) = &mut this.phase else {
            return Poll::Pending;
        };
        let output = this.output;
        step.poll(cx)
            .map(|outcome| outcome.map(|_| output).map_err(Error::from_failure))
    }
}

fn undecodable(error: impl std::error::Error) -> Failure {
    Failure::fatal(Code::DECODE, error.to_string())
}
