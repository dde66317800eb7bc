//! Sagas: what was done is undone in reverse when a later part fails.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use headwater_wire::{Code, Failure};

use super::context::Context;
use crate::{Error, Result};

type Undo = Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send>;

/// The parts of a saga that are done so far, each with what undoes it. Made by
/// [`Context::saga`].
#[derive(Clone, Default)]
pub struct Saga {
    undos: Arc<Mutex<Vec<Undo>>>,
}

impl Saga {
    /// How to undo what has just been done, or is about to be: it has to do no harm if it was
    /// not done.
    pub fn undo<F, Fut>(&self, undo: F)
    where
        F: FnOnce(Context) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let undo: Undo = Box::new(move |ctx| Box::pin(undo(ctx)));
        self.undos().push(undo);
    }

    fn undos(&self) -> std::sync::MutexGuard<'_, Vec<Undo>> {
        self.undos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// Do something in parts, each of which can be undone: `ctx.saga(async |saga| { … }).await`. If it fails, or is cancelled, what was
    /// registered with [`Saga::undo`] runs in reverse, one after another, and no cancellation
    /// reaches it; then the error is answered.
    ///
    /// An undo that fails for good does not stop the others. Then the error has the code
    /// `saga_failed` and tells both: somebody has to look.
    pub async fn saga<T>(&self, work: impl AsyncFnOnce(Saga) -> Result<T>) -> Result<T> {
        let saga = Saga::default();
        let error = match work(saga.clone()).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let mut failed = Vec::new();
        loop {
            let Some(undo) = saga.undos().pop() else {
                break;
            };
            if let Err(error) = self.shield(undo(self.clone())).await {
                failed.push(error.message().to_owned());
            }
        }
        if failed.is_empty() {
            return Err(error);
        }
        let message = format!(
            "{}; and what was done could not be undone: {}",
            error.message(),
            failed.join("; ")
        );
        Err(Error::from_failure(Failure::fatal(
            Code::new("saga_failed"),
            message,
        )))
    }
}
