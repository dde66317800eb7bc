//! Hooks: further functions of a workflow, run beside its main one when somebody asks for it. They
//! share its context, and with it its state.

use std::{
    collections::BTreeMap,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use headwater_wire::{
    Code, Entry, Failure, InvocationId, Payload, journal::AnswerTo, names::check_name,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    calls::{Step, decode, guard},
    context::Context,
    send::{Other, encoded, refused},
    shared::Shared,
};
use crate::{
    Error, Result,
    error::payload_error,
    program::{Decision, LogLevel, LogLine},
};

type Outcome = std::result::Result<Payload, Failure>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A hook that a workflow has, made to run.
pub(super) type MakeHook = Arc<dyn Fn(Context, Payload) -> Running + Send + Sync>;

impl Context {
    /// Have a further function ready, to run beside the workflow whenever somebody asks for it:
    /// `Client::hook`, or [`Other::hook`] from another workflow. It may do all that a workflow
    /// may, and what it changes with [`Context::kv`] and [`Context::search`] is the workflow's own.
    ///
    /// Have it ready before the first await: one that is asked for and not there is answered with
    /// the code `unregistered`. Those that run when the workflow ends, or continues as new, end
    /// with it. Of the same name the last one is meant.
    ///
    /// ```
    /// # use headwater_core::{Context, Error, Result};
    /// async fn account(ctx: Context, owner: String) -> Result<i64> {
    ///     ctx.on_hook("deposit", |ctx: Context, amount: i64| async move {
    ///         ctx.activity::<()>("book", amount).await?;
    ///         Ok::<_, Error>(ctx.search().incr("balance", amount as f64)?)
    ///     });
    ///     ctx.search().set("owner", &owner)?;
    ///     ctx.signal("close").await
    /// }
    /// ```
    pub fn on_hook<F, Fut, In, Out, E>(&self, name: impl Into<String>, hook: F)
    where
        F: Fn(Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        let name = name.into();
        let hook = Arc::new(hook);
        let what = name.clone();
        let make = move |context: Context, input: Payload| -> Running {
            let (hook, what) = (Arc::clone(&hook), what.clone());
            Box::pin(async move {
                let input = input.decode();
                let input = input
                    .map_err(|error| payload_error(&format!("input of hook {what:?}"), error))?;
                let output = hook(context, input).await;
                let output = output.map_err(|error| error.into().into_failure())?;
                Payload::encode(&output)
                    .map_err(|error| payload_error(&format!("result of hook {what:?}"), error))
            })
        };
        let replaced = self.shared.state().hooks.insert(name, Arc::new(make));
        // Not under the lock: what it has captured may be anything.
        drop(replaced);
    }
}

impl Other {
    /// Have it run one of its hooks: see [`Context::on_hook`].
    pub fn hook(&self, name: impl Into<String>, input: impl Serialize) -> Result<()> {
        let name = name.into();
        self.check_hook(&name)?;
        let input = encoded(&format!("input of hook {name:?}"), &input)?;
        self.send(headwater_wire::journal::Sending::Hook {
            name,
            input,
            awaited: false,
        })
    }

    /// Have it run one of its hooks, and wait for the result. It fails with the code of the hook's
    /// error, `unregistered` if there is no such hook, `unanswered` if the other one ends first,
    /// `not_found` if there is no such invocation.
    pub fn call_hook<T>(&self, name: impl Into<String>, input: impl Serialize) -> HookCall<T> {
        let name = name.into();
        let decided = self.check_hook(&name).and_then(|to| {
            let input = encoded(&format!("input of hook {name:?}"), &input)?;
            Ok((to, input))
        });
        HookCall {
            shared: Arc::clone(&self.shared),
            decided,
            queue: self.queue.clone(),
            name,
            output: PhantomData,
        }
    }

    fn check_hook(&self, name: &str) -> Result<InvocationId> {
        check_name("hook", name).map_err(|error| refused(error.to_string()))?;
        if let Some(queue) = &self.queue {
            check_name("task queue", queue).map_err(|error| refused(error.to_string()))?;
        }
        InvocationId::new(self.id.as_str()).map_err(|error| refused(error.to_string()))
    }
}

/// A hook of another invocation; await it. Made by [`Other::call_hook`].
#[must_use = "a call does nothing until it is awaited"]
pub struct HookCall<T> {
    shared: Arc<Shared>,
    decided: Result<(InvocationId, Payload)>,
    queue: Option<String>,
    name: String,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> IntoFuture for HookCall<T> {
    type Output = Result<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self {
            shared,
            decided,
            queue,
            name,
            ..
        } = self;
        Box::pin(async move {
            let (to, input) = decided?;
            let hook = name.clone();
            let mut step = Step::new(&shared, move |step, _| Decision::Hook {
                step,
                to,
                queue,
                name: hook,
                input,
            });
            let outcome = std::future::poll_fn(|cx| step.poll(cx)).await;
            decode(|| format!("result of hook {name:?}"), outcome)
        })
    }
}

/// The hooks of a program that run, in the order in which they were asked for.
#[derive(Default)]
pub(super) struct Hooks {
    running: Vec<(String, Running)>,
}

impl Hooks {
    /// Begin one. It is polled with the next poll of the program.
    pub(super) fn begin(&mut self, shared: &Arc<Shared>, id: &str, name: &str, input: Payload) {
        let make = shared.state().hooks.get(name).cloned();
        let shared = Arc::clone(shared);
        match make {
            Some(make) => {
                let running = make(Context { shared }, input);
                self.running.push((id.to_owned(), running));
            }
            None => {
                let message = format!(
                    "workflow {:?} has no hook {name:?}: it has one with ctx.on_hook, called before its first await",
                    shared.info.workflow
                );
                let mut state = shared.state();
                if !state.replaying {
                    state.logs.push(LogLine {
                        level: LogLevel::Warn,
                        message: message.clone(),
                    });
                }
                let failure = Failure::fatal(Code::UNREGISTERED, message);
                state.note(answer(id.to_owned(), Err(failure)));
            }
        }
    }

    /// Poll those that run; what has ended is answered.
    pub(super) fn poll(&mut self, shared: &Shared, waker: &Waker) {
        let mut cx = TaskContext::from_waker(waker);
        self.running.retain_mut(|(id, running)| {
            let result = match guard(|| running.as_mut().poll(&mut cx)) {
                Ok(Poll::Pending) => return true,
                Ok(Poll::Ready(result)) => result,
                Err(panicked) => Err(panicked),
            };
            shared.state().note(answer(std::mem::take(id), result));
            let over = std::mem::replace(running, Box::pin(std::future::pending()));
            let _ = guard(move || drop(over));
            false
        });
    }

    /// Let them go. A panic in a destructor of user code is kept here.
    pub(super) fn close(&mut self) {
        for (_, running) in self.running.drain(..) {
            let _ = guard(move || drop(running));
        }
    }
}

/// No attempt of whoever asked mends a failure.
fn answer(id: String, result: Outcome) -> Entry {
    let to = AnswerTo::Hook(id);
    let result = result.map_err(|failure| Failure {
        is_final: true,
        ..failure.within_limits()
    });
    Entry::Answer { to, result }
}

/// The hooks that a workflow has, by name.
pub(super) type HooksByName = BTreeMap<String, MakeHook>;
