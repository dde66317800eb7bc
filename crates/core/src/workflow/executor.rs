//! The deterministic executor: polls one async function, and nothing else wakes it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
};

use headwater_wire::{Code, Failure, Payload, Timestamp};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use serde::{Serialize, de::DeserializeOwned};

use super::{calls::guard, context::Context, hooks::Hooks, shared::Shared};
use crate::{
    Error,
    error::payload_error,
    program::{End, LocalOutcome, LogLine, Program, ProgramInfo, Progress, Workflow},
};

/// Polls of a program in one go before it is taken for one that spins.
const POLLS_MAX: u32 = 100_000;

/// A workflow from an async function of a context and an input.
pub fn async_workflow<F, Fut, In, Out, E>(function: F) -> Arc<dyn Workflow>
where
    F: Fn(Context, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, E>> + Send + 'static,
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + 'static,
    E: Into<Error> + 'static,
{
    let function = Arc::new(function);
    let make = move |context: Context| -> Running {
        let function = Arc::clone(&function);
        Box::pin(async move {
            let info = Arc::clone(&context.shared.info);
            let input = info.input.decode().map_err(|error| {
                payload_error(&format!("input of workflow {:?}", info.workflow), error)
            })?;
            let output = function(context, input).await;
            let output = output.map_err(|error| error.into().into_failure())?;
            Payload::encode(&output).map_err(|error| {
                payload_error(&format!("output of workflow {:?}", info.workflow), error)
            })
        })
    };
    Arc::new(AsyncWorkflow {
        make: Arc::new(make),
    })
}

type Running = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;
type Make = Arc<dyn Fn(Context) -> Running + Send + Sync>;

struct AsyncWorkflow {
    make: Make,
}

impl Workflow for AsyncWorkflow {
    fn instantiate(&self, info: Arc<ProgramInfo>) -> Box<dyn Program> {
        Box::new(AsyncProgram::new(info, Arc::clone(&self.make)))
    }
}

struct AsyncProgram {
    make: Make,
    shared: Arc<Shared>,
    future: Option<Running>,
    hooks: Hooks,
    wakes: Arc<Wakes>,
    waker: Waker,
}

/// Wakes of the program, passed on to whoever drives its local steps.
#[derive(Default)]
struct Wakes {
    woken: AtomicBool,
    driver: Mutex<Option<Waker>>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let driver = self
            .driver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl AsyncProgram {
    fn new(info: Arc<ProgramInfo>, make: Make) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_128(info.seed.as_bytes()).to_le_bytes();
        let mut key = [0; 32];
        key[..16].copy_from_slice(&hash);
        let shared = Shared::new(info, ChaCha8Rng::from_seed(key));
        let context = Context {
            shared: Arc::clone(&shared),
        };
        let wakes = Arc::new(Wakes::default());
        Self {
            future: Some(make(context)),
            hooks: Hooks::default(),
            make,
            shared,
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
        }
    }

    /// Poll until nothing happens any more.
    fn advance(&mut self, now: Timestamp) -> Progress {
        self.shared.state().now = now;
        let mut end = None;
        for _ in 0..POLLS_MAX {
            self.wakes.woken.store(false, Ordering::Release);
            end = self.poll_once();
            if end.is_some() || !self.wakes.woken.load(Ordering::Acquire) {
                break;
            }
        }
        let mut state = self.shared.state();
        state.wake_local_work();
        let decisions = std::mem::take(&mut state.decisions);
        let fault = (end.is_none() && !state.waits()).then(foreign_await);
        Progress {
            decisions,
            end,
            fault,
        }
    }

    fn poll_once(&mut self) -> Option<End> {
        let future = self.future.as_mut()?;
        let mut cx = TaskContext::from_waker(&self.waker);
        let polled = guard(|| future.as_mut().poll(&mut cx));
        let goes_on = matches!(polled, Ok(Poll::Pending));
        if goes_on && self.shared.state().next_run.is_none() {
            self.hooks.poll(&self.shared, &self.waker);
        }
        let (next_run, overruled) = {
            let mut state = self.shared.state();
            (state.next_run.take(), state.overruled.take())
        };
        let end = match (next_run, polled) {
            (Some(Ok(next)), _) => End::ContinueAsNew(next),
            (Some(Err(failure)), _) => End::Done(Err(failure)),
            (None, Ok(Poll::Pending)) => End::Done(Err(overruled?)),
            (None, Ok(Poll::Ready(end))) => End::Done(end),
            (None, Err(mut failure)) => {
                failure.is_final = true;
                End::Done(Err(failure))
            }
        };
        self.close();
        Some(end)
    }

    /// Drop the future without taking that for decisions.
    fn close(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        // They may hold the context, which holds them.
        let hooks = std::mem::take(&mut state.hooks);
        drop(state);
        let _ = guard(move || drop(hooks));
        self.hooks.close();
        let future = self.future.take();
        // A panic in a destructor of user code must not take the engine with it.
        let _ = guard(move || drop(future));
    }
}

impl Drop for AsyncProgram {
    fn drop(&mut self) {
        self.close();
        self.shared.forget_queries();
    }
}

fn foreign_await() -> Failure {
    Failure::fatal(
        Code::NONDETERMINISM,
        "the workflow awaits a future that is not from its context, so nothing that the journal \
         records can wake it; do the work in ctx.run(name, || async { … }), or use ctx.sleep, \
         ctx.activity or ctx.signal",
    )
}

impl Program for AsyncProgram {
    fn again(&self, info: Arc<ProgramInfo>) -> Box<dyn Program> {
        Box::new(Self::new(info, Arc::clone(&self.make)))
    }

    fn start(&mut self, now: Timestamp) -> Progress {
        self.advance(now)
    }

    fn deliver(
        &mut self,
        step: u32,
        outcome: Result<Payload, Failure>,
        now: Timestamp,
    ) -> Progress {
        self.shared.state().resolve(step, outcome);
        self.advance(now)
    }

    fn cancel(&mut self, failure: Failure, now: Timestamp) -> Progress {
        let mut state = self.shared.state();
        state.cancelled = Some(failure.clone());
        let shielded = state.shielded();
        let mut waiting = state.waiting();
        drop(state);
        waiting.retain(|step| !shielded.contains(step));
        // One after another, so that what follows from each is decided in the same order always.
        let mut all = Progress::default();
        for step in waiting {
            let is_open = self.shared.state().slots.contains_key(&step);
            if !is_open || all.end.is_some() {
                continue;
            }
            self.shared.state().resolve(step, Err(failure.clone()));
            let progress = self.advance(now);
            all.decisions.extend(progress.decisions);
            all.end = progress.end;
            all.fault = progress.fault;
        }
        all
    }

    fn shielded(&self) -> Vec<u32> {
        self.shared.state().shielded()
    }

    fn hook(&mut self, id: &str, name: &str, input: Payload, now: Timestamp) -> Progress {
        self.shared.state().now = now;
        self.hooks.begin(&self.shared, id, name, input);
        self.advance(now)
    }

    fn query(&self, name: &str, data: &Payload) -> Option<Result<Payload, Failure>> {
        self.shared.query(name, data)
    }

    fn set_replaying(&mut self, replaying: bool) {
        self.shared.state().replaying = replaying;
    }

    fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.shared.state().logs)
    }

    fn release_local(&mut self, step: u32, attempt: u32) {
        let mut state = self.shared.state();
        if let Some(slot) = state.slots.get_mut(&step) {
            slot.released = Some(attempt);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    fn poll_local(&mut self, cx: &mut TaskContext<'_>) -> Poll<LocalOutcome> {
        loop {
            {
                let mut state = self.shared.state();
                if !state.local_outcomes.is_empty() {
                    return Poll::Ready(state.local_outcomes.remove(0));
                }
                if !state.has_local_work() {
                    return Poll::Pending;
                }
            }
            *self
                .wakes
                .driver
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            if !self.wakes.woken.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            let before = self.shared.state().steps;
            self.shared.state().driving = true;
            let end = self.poll_once();
            self.shared.state().driving = false;
            let misused = self.shared.state().misused.take();
            if let Some(what) = misused {
                return Poll::Ready(out_of_turn(drawn_in_a_step(what)));
            }
            if end.is_some() || self.shared.state().steps != before {
                return Poll::Ready(out_of_turn(began_in_a_step()));
            }
            if !self.shared.state().decisions.is_empty() {
                return Poll::Ready(out_of_turn(changed_in_a_step()));
            }
            let woken_again = self.wakes.woken.load(Ordering::Acquire);
            if woken_again && self.shared.state().local_outcomes.is_empty() {
                // The work yields: let the runtime breathe before the next poll.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

fn began_in_a_step() -> Failure {
    Failure::fatal(
        Code::NONDETERMINISM,
        "the workflow went on while the work of a step in ctx.run was done: that work has begun a \
         step of its own, or the workflow awaits something else than a future of its context; \
         steps begin one after the other or side by side, not within each other, and whatever \
         else is awaited belongs into ctx.run(name, || async { … })",
    )
}

fn changed_in_a_step() -> Failure {
    Failure::fatal(
        Code::NONDETERMINISM,
        "the work of a step in ctx.run changes what the workflow shows of itself (ctx.kv, \
         ctx.search, ctx.set_status), which a replay would not do; do it before or after the step",
    )
}

fn drawn_in_a_step(what: &str) -> Failure {
    let message = format!(
        "the work of a step in ctx.run draws from {what}, which a replay would not do: draw before \
         the step, and move the number into it"
    );
    Failure::fatal(Code::NONDETERMINISM, message)
}

/// The program went on although nothing was delivered: it is not driven by its context alone.
/// Told as the outcome of step 0, which no program has.
fn out_of_turn(failure: Failure) -> LocalOutcome {
    LocalOutcome {
        step: 0,
        attempt: 0,
        result: Err(failure),
    }
}
