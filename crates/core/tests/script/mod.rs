//! Programs as data: random workflows that use all that a context has, and tell what they decide.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use headwater_core::{Context, Error, Result, Retry, Workflow, workflow::async_workflow};
use headwater_wire::Entry;
use proptest::{collection::vec, prelude::*};

/// One thing that a workflow does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A local step that fails this often before it succeeds.
    Run {
        name: u8,
        fails: u32,
        policy: Policy,
    },
    /// An activity; large: its input fills a journal page soon.
    Activity {
        name: u8,
        large: bool,
        policy: Policy,
    },
    Sleep(Length),
    Signal {
        name: u8,
        timeout: Option<Length>,
    },
    /// Activities at once.
    FanOut(u16),
    Join(Vec<Vec<Op>>),
    Race(Vec<Vec<Op>>),
    /// Goes one way or the other by what it was given so far.
    Choose(Vec<Op>, Vec<Op>),
    /// Takes in a random number, the time and what was logged.
    Look,
    /// Ends with an error if something has failed so far.
    GiveUp,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Policy {
    Default,
    Once,
    AtOnce,
    Slowly,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Zero,
    Short,
    Long,
    ForEver,
}

impl Length {
    fn duration(self) -> Duration {
        match self {
            Self::Zero => Duration::ZERO,
            Self::Short => Duration::from_millis(700),
            Self::Long => Duration::from_secs(60),
            Self::ForEver => Duration::MAX,
        }
    }
}

impl Policy {
    fn retry(self) -> Retry {
        match self {
            Self::Default => Retry::default(),
            Self::Once => Retry::none(),
            Self::AtOnce => Retry::fixed(Duration::ZERO).max_attempts(3),
            Self::Slowly => Retry::fixed(Duration::from_secs(10))
                .max_attempts(2)
                .jitter(0.4),
        }
    }
}

pub(crate) fn length() -> impl Strategy<Value = Length> {
    prop_oneof![
        2 => Just(Length::Zero),
        4 => Just(Length::Short),
        4 => Just(Length::Long),
        1 => Just(Length::ForEver),
    ]
}

/// A workflow of any shape.
pub(crate) fn script() -> impl Strategy<Value = Vec<Op>> {
    let policy = || {
        prop_oneof![
            Just(Policy::Default),
            Just(Policy::Once),
            Just(Policy::AtOnce),
            Just(Policy::Slowly)
        ]
    };
    let name = 0u8..3;
    let leaf = prop_oneof![
        6 => (name.clone(), 0u32..3, policy()).prop_map(|(name, fails, policy)| Op::Run { name, fails, policy }),
        6 => (name.clone(), any::<bool>(), policy()).prop_map(|(name, large, policy)| Op::Activity { name, large, policy }),
        3 => length().prop_map(Op::Sleep),
        4 => (name, prop::option::of(length())).prop_map(|(name, timeout)| Op::Signal { name, timeout }),
        1 => (2u16..6).prop_map(Op::FanOut),
        2 => Just(Op::Look),
        1 => Just(Op::GiveUp),
    ];
    let op = leaf.prop_recursive(3, 14, 3, |inner| {
        let branches = || vec(vec(inner.clone(), 0..3), 1..4);
        let way = || vec(inner.clone(), 0..3);
        prop_oneof![
            branches().prop_map(Op::Join),
            branches().prop_map(Op::Race),
            (way(), way()).prop_map(|(one, other)| Op::Choose(one, other)),
        ]
    });
    vec(op, 1..6)
}

/// What programs decided, in order: kind and name. Kept beside the journal, to check it against.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    fn decides(&self, kind: &str, name: &str) {
        self.0.lock().unwrap().push(format!("{kind} {name}"));
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What a journal says was decided, as a [`Trace`] has it: what is dropped is not told there.
pub(crate) fn decided(entries: &[Entry]) -> Vec<String> {
    let told = |entry: &Entry| match entry {
        Entry::Run { name, .. } => Some(format!("run {name}")),
        Entry::Activity { name, .. } => Some(format!("activity {name}")),
        Entry::Timer { .. } => Some("timer ".to_owned()),
        Entry::Signal { name, .. } => Some(format!("signal {name}")),
        _ => None,
    };
    entries.iter().filter_map(told).collect()
}

/// The workflow of a script, and where it tells what it decides.
pub(crate) fn workflow(script: &[Op]) -> (Arc<dyn Workflow>, Trace) {
    let (script, trace) = (Arc::new(script.to_vec()), Trace::default());
    let told = trace.clone();
    let workflow = async_workflow(move |ctx: Context, seed: u64| {
        let (script, trace) = (Arc::clone(&script), told.clone());
        async move { execute(&ctx, &trace, &script, seed).await }
    });
    (workflow, trace)
}

/// Do all in turn. What comes of each goes into `sum`, and so into what follows.
fn execute<'a>(
    ctx: &'a Context,
    trace: &'a Trace,
    ops: &'a [Op],
    mut sum: u64,
) -> BoxFuture<'a, Result<u64>> {
    Box::pin(async move {
        for op in ops {
            let outcome = one(ctx, trace, op, sum).await;
            sum = sum.wrapping_mul(31).wrapping_add(match outcome {
                Ok(value) => value,
                Err(error) if matches!(op, Op::GiveUp) => return Err(error),
                Err(error) => error.code().as_str().len() as u64 * 2 + 1,
            });
        }
        Ok(sum)
    })
}

async fn one(ctx: &Context, trace: &Trace, op: &Op, sum: u64) -> Result<u64> {
    match op {
        Op::Run {
            name,
            fails,
            policy,
        } => {
            let (name, fails) = (format!("run-{name}"), *fails);
            trace.decides("run", &name);
            let work = move |info: headwater_core::StepInfo| async move {
                Yield(false).await;
                match info.attempt > fails {
                    true => Ok(sum ^ 7),
                    false => Err(Error::msg("not yet")),
                }
            };
            ctx.run_with(name, work).retry(policy.retry()).await
        }
        Op::Activity {
            name,
            large,
            policy,
        } => {
            activity(ctx, trace, *name, *large, sum)
                .retry(policy.retry())
                .await
        }
        Op::Sleep(length) => {
            trace.decides("timer", "");
            ctx.sleep(length.duration()).await.map(|()| 3)
        }
        Op::Signal { name, timeout } => {
            let name = format!("signal-{name}");
            trace.decides("signal", &name);
            let wait = ctx.signal(name);
            match timeout {
                None => wait.await,
                Some(timeout) => {
                    trace.decides("timer", "");
                    wait.timeout(timeout.duration()).await
                }
            }
        }
        Op::FanOut(count) => {
            let mut calls: Vec<BoxFuture<'_, Result<u64>>> = Vec::new();
            for n in 0..*count {
                let call = async move { activity(ctx, trace, 0, false, u64::from(n)).await };
                calls.push(Box::pin(call));
            }
            Ok(mix(ctx.all(calls).await))
        }
        Op::Join(all) => {
            let all = branches(ctx, trace, all, sum);
            Ok(mix(ctx.all(all).await))
        }
        Op::Race(all) => {
            let all = branches(ctx, trace, all, sum);
            let (index, result) = ctx.race(all).await;
            Ok(mix([result]).wrapping_add(index as u64))
        }
        Op::Choose(odd, even) => {
            let way = if sum % 2 == 1 { odd } else { even };
            execute(ctx, trace, way, sum).await
        }
        Op::Look => {
            ctx.info(format!("sum {sum}"));
            Ok(ctx.random() ^ ctx.now().as_micros().unsigned_abs())
        }
        Op::GiveUp if sum.is_multiple_of(2) => Err(Error::msg("gave up")),
        Op::GiveUp => Ok(1),
    }
}

fn branches<'a>(
    ctx: &'a Context,
    trace: &'a Trace,
    all: &'a [Vec<Op>],
    sum: u64,
) -> Vec<BoxFuture<'a, Result<u64>>> {
    let mut futures = Vec::new();
    for ops in all {
        futures.push(execute(ctx, trace, ops, sum));
    }
    futures
}

fn activity(
    ctx: &Context,
    trace: &Trace,
    name: u8,
    large: bool,
    sum: u64,
) -> headwater_core::workflow::ActivityCall<u64> {
    let name = format!("activity-{name}");
    trace.decides("activity", &name);
    let padding = "x".repeat(if large { 1800 } else { 0 });
    ctx.activity(name, (sum, padding)).topic("topic")
}

fn mix(results: impl IntoIterator<Item = Result<u64>>) -> u64 {
    results.into_iter().fold(5, |sum, result| {
        sum.wrapping_mul(33).wrapping_add(result.unwrap_or(11))
    })
}

/// Pending once, as work does that waits for something outside.
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
