//! What a cancellation reaches: everything that a workflow awaits, unless it is shielded; and
//! scopes, which a workflow cancels itself.

use std::{
    future::{Future, IntoFuture},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use futures::future::{Either, select};
use headwater_wire::{Code, Failure};

use super::{context::Context, shared::Shared};
use crate::{Error, Result};

impl Context {
    /// Await a call for no longer than this, by the clock of the workflow. What takes longer is
    /// dropped, as if it had lost a race, and the error has the code `timeout`.
    ///
    /// It bounds all that the call does: its retries, and how long it waits for a worker.
    pub async fn timeout<C, T>(&self, duration: Duration, call: C) -> Result<T>
    where
        C: IntoFuture<Output = Result<T>>,
    {
        let call = pin!(call.into_future());
        match select(call, self.sleep(duration)).await {
            Either::Left((result, _)) => result,
            Either::Right((Err(error), _)) => Err(error),
            Either::Right((Ok(()), _)) => {
                let message = format!("it took longer than {duration:?}");
                Err(Error::from_failure(Failure::new(Code::TIMEOUT, message)))
            }
        }
    }

    /// Await something that a cancellation does not reach, neither of the invocation nor of a
    /// [`Scope`]: to clean up after one. Everything else that is awaited after a cancellation
    /// fails at once.
    pub fn shield<F: IntoFuture>(&self, future: F) -> Shield<F::IntoFuture> {
        Shield {
            shared: Arc::clone(&self.shared),
            future: Box::pin(future.into_future()),
        }
    }

    /// A scope: what runs in it can be cancelled without cancelling the invocation.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let id = self.shared.state().new_scope();
        Scope {
            shared: Arc::clone(&self.shared),
            id,
        }
    }
}

/// The future of [`Context::shield`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Shield<F> {
    shared: Arc<Shared>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let Self { shared, future } = &mut *self;
        let _within = Within::enter(shared, Reach::Shielded);
        future.as_mut().poll(cx)
    }
}

/// Part of a workflow that can be cancelled by itself. Made by [`Context::scope`].
///
/// Scopes nest: one that is made by what runs in another is within that one.
#[derive(Clone)]
pub struct Scope {
    shared: Arc<Shared>,
    id: u32,
}

impl Scope {
    /// Await something within the scope.
    pub fn run<F: IntoFuture>(&self, future: F) -> Scoped<F::IntoFuture> {
        Scoped {
            scope: self.clone(),
            future: Box::pin(future.into_future()),
        }
    }

    /// Cancel what is awaited in the scope, and what will be: it fails with the code
    /// `cancelled`. What is pending is no longer wanted, as if it had lost a race.
    pub fn cancel(&self, reason: impl Into<String>) {
        let failure = Failure::fatal(Code::CANCELLED, reason);
        self.shared.state().cancel_scope(self.id, failure);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let reach = Reach::Scope(self.id);
        self.shared.state().cancellation_of(reach).is_some()
    }
}

/// The future of [`Scope::run`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Scoped<F> {
    scope: Scope,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let Self { scope, future } = &mut *self;
        let _within = Within::enter(&scope.shared, Reach::Scope(scope.id));
        future.as_mut().poll(cx)
    }
}

/// What reaches the steps that are decided now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// The cancellation of the invocation, and of no scope.
    #[default]
    Invocation,
    /// That of this scope, of those around it, and of the invocation.
    Scope(u32),
    /// None.
    Shielded,
}

/// While a future is polled, what it decides is reached by this; also if it panics.
struct Within<'a> {
    shared: &'a Shared,
    before: Reach,
}

impl<'a> Within<'a> {
    fn enter(shared: &'a Shared, reach: Reach) -> Self {
        let before = std::mem::replace(&mut shared.state().reach, reach);
        Self { shared, before }
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        self.shared.state().reach = self.before;
    }
}
