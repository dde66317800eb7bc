//! Workflows as data: what a random one does, how it does it over a real context, and what must
//! come out whatever happens on the way.

mod child;
mod hook;
mod map;
mod named;
mod queue;
mod state;
mod update;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, join_all};
use headwater_core::{Context, Error, Retry, StepInfo};
use headwater_store::Env;
use headwater_wire::{InvocationId, Run, Value, task::idempotency_key};
use headwater_worker::ActivityContext;
use serde::{Deserialize, Serialize};

use self::{child::Child, map::Map, named::Named, state::Shown};
use crate::{
    check::{Known, Ran},
    dice::Dice,
    truth::Truth,
};

pub use named::{check_named, named_signals};
pub use queue::{channel_of, data_of};
pub use update::answer_to;

/// Name of the one workflow; what it does is its input.
pub const WORKFLOW: &str = "script";
/// Names of the activities, each on a topic of its own.
pub const ACTIVITIES: [&str; 2] = ["work-a", "work-b"];

/// An activity that takes so many milliseconds, or more, has this many heartbeats.
const LONG_MS: u64 = 300;
const BEATS: u32 = 3;

/// A workflow: one operation after another, in one run or several; its output has one text for
/// each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script {
    /// What each run does.
    pub ops: Vec<Op>,
    /// Runs that follow this one.
    pub more_runs: u32,
    /// Output of the runs before.
    pub so_far: Vec<String>,
}

/// What one operation may have put out.
#[derive(Clone, Debug)]
pub enum Possible {
    /// One of these.
    OneOf(Vec<String>),
    /// So many signals of a name, or fewer if there is a timeout.
    Signals(String, u32, bool),
    /// Signals that came by their name alone.
    Named(Named),
}

/// One operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    /// One step.
    Work(Work),
    /// Local steps, one after another.
    Chain(u32),
    /// Steps side by side, all awaited.
    Fan(Vec<Work>),
    /// An activity for each of many items.
    Map(Map),
    /// A step, done by a hook of its own.
    Hook(Work),
    /// A step against a timer of so many milliseconds.
    Race(Work, u64),
    /// Sleep so many milliseconds.
    Sleep(u64),
    /// Wait for so many signals of a name, one after another.
    Signals(String, u32),
    /// Wait for a signal, so many milliseconds at the most.
    SignalOrTimeout(String, u64),
    /// Take so many items of a queue, side by side.
    Queue(String, u32),
    /// Answer so many updates, one after another.
    Update(String, u32),
    /// Wait for signals by their name alone.
    Named(Named),
    /// Change what others can see, by so much.
    State(u64),
    /// Another script as a child.
    Child(Child),
}

/// A step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    /// Index in [`ACTIVITIES`]; none: a local step.
    pub activity: Option<usize>,
    /// How long an attempt takes, in milliseconds.
    pub ms: u64,
    /// So many attempts fail.
    pub fails: u32,
    /// By a panic, not by an error.
    pub panics: bool,
    /// Wait between attempts, in milliseconds.
    pub retry_ms: u64,
    /// Attempts made at the most; none: without limit.
    pub attempts: Option<u32>,
}

/// What the code of a process may touch, beside its context.
#[derive(Clone)]
pub struct Lab {
    /// Where executions are noted.
    pub truth: Arc<Truth>,
    /// The clock of the process.
    pub env: Arc<dyn Env>,
    /// The process, for people.
    pub name: String,
}

impl Lab {
    /// One attempt at a step: noted, then it takes its time, then it fails or answers. A long one on
    /// a worker says how far it is.
    async fn attempt(
        self,
        key: String,
        info: StepInfo,
        work: Work,
        worker: Option<ActivityContext>,
    ) -> Result<u64, Error> {
        let StepInfo {
            idempotency_key,
            attempt,
        } = info;
        self.truth.ran(
            &self.name,
            Ran {
                key,
                idempotency_key: idempotency_key.clone(),
                attempt,
            },
        );
        match worker.filter(|_| work.ms >= LONG_MS) {
            Some(context) => {
                for part in 1..=BEATS {
                    let pause = Duration::from_millis(work.ms) / BEATS;
                    self.env.sleep(pause).await;
                    context.heartbeat(part)?;
                }
            }
            None if work.ms > 0 => self.env.sleep(Duration::from_millis(work.ms)).await,
            None => {}
        }
        if attempt <= work.fails {
            assert!(!work.panics, "a step that panics on purpose");
            return Err(Error::msg("a step that fails on purpose"));
        }
        Ok(Known::answer(&idempotency_key))
    }

    /// The activity of every name.
    pub async fn activity(self, context: ActivityContext, work: Work) -> Result<u64, Error> {
        let info = StepInfo {
            idempotency_key: context.idempotency_key.clone(),
            attempt: context.attempt,
        };
        let key = context.invocation.key().to_string();
        self.attempt(key, info, work, Some(context)).await
    }
}

impl Work {
    fn retry(&self) -> Retry {
        let retry = Retry::fixed(Duration::from_millis(self.retry_ms));
        match self.attempts {
            Some(attempts) => retry.max_attempts(attempts),
            None => retry,
        }
    }

    /// Do it over a context.
    fn call(self, ctx: &Context, lab: &Lab) -> BoxFuture<'static, Result<u64, Error>> {
        let retry = self.retry();
        match self.activity {
            Some(index) => {
                let call = ctx.activity::<u64>(ACTIVITIES[index], &self).retry(retry);
                Box::pin(call.into_future())
            }
            None => {
                let (lab, key) = (lab.clone(), ctx.id().key().to_string());
                let work = move |info| lab.clone().attempt(key.clone(), info, self.clone(), None);
                Box::pin(ctx.run_with("work", work).retry(retry).into_future())
            }
        }
    }

    /// What comes out of it as a step with this idempotency key.
    fn outcome(&self, idempotency_key: &str) -> String {
        match self.attempts {
            Some(attempts) if self.fails >= attempts => FAILED.to_owned(),
            _ => Known::answer(idempotency_key).to_string(),
        }
    }
}

/// The query that answers how many operations are done.
pub const DONE: &str = "done";

const FAILED: &str = "failed";
const TIMED_OUT: &str = "timed out";
const BEGUN: &str = "begun";

/// A failed step is a result; a cancelled one ends the workflow.
fn text(result: Result<u64, Error>) -> Result<String, Error> {
    match result {
        Ok(number) => Ok(number.to_string()),
        Err(error) if error.is_cancelled() => Err(error),
        Err(_) => Ok(FAILED.to_owned()),
    }
}

/// Run a script.
pub async fn run(ctx: Context, script: Script, lab: Lab) -> Result<Vec<String>, Error> {
    let mut output = script.so_far;
    let done = Arc::new(AtomicUsize::new(output.len()));
    let seen = Arc::clone(&done);
    hook::have(&ctx, &lab);
    ctx.on_query(DONE, move |(): ()| Ok(seen.load(Ordering::Relaxed)));
    for op in script.ops.clone() {
        output.push(run_op(&ctx, op, &lab).await?);
        done.store(output.len(), Ordering::Relaxed);
    }
    if script.more_runs == 0 {
        return Ok(output);
    }
    let next = Script {
        more_runs: script.more_runs - 1,
        so_far: output,
        ..script
    };
    ctx.continue_as_new(&next).await
}

async fn run_op(ctx: &Context, op: Op, lab: &Lab) -> Result<String, Error> {
    match op {
        Op::Work(work) => text(work.call(ctx, lab).await),
        Op::Chain(steps) => {
            let mut last = String::new();
            for _ in 0..steps {
                last = text(Work::quick().call(ctx, lab).await)?;
            }
            Ok(last)
        }
        Op::Fan(works) => {
            let calls = works.into_iter().map(|work| work.call(ctx, lab));
            let results = join_all(calls).await.into_iter().map(text);
            Ok(results.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        Op::Race(work, ms) => {
            let sleep = ctx.sleep(Duration::from_millis(ms));
            let work = work.call(ctx, lab);
            match futures::future::select(work, sleep).await {
                futures::future::Either::Left((result, _)) => text(result),
                futures::future::Either::Right((slept, _)) => {
                    slept?;
                    Ok(TIMED_OUT.to_owned())
                }
            }
        }
        Op::Sleep(ms) => {
            ctx.sleep(Duration::from_millis(ms)).await?;
            Ok("slept".to_owned())
        }
        Op::Signals(name, count) => {
            let mut all = Vec::new();
            for _ in 0..count {
                all.push(ctx.signal::<u64>(name.as_str()).await?);
            }
            Ok(signals(&all))
        }
        Op::Map(map) => map.run(ctx).await,
        Op::Hook(work) => hook::run(ctx, &work).await,
        Op::Child(child) => child.run(ctx).await,
        Op::Queue(name, count) => queue::run(ctx, &name, count).await,
        Op::Update(name, count) => update::run(ctx, &name, count).await,
        Op::State(by) => state::run(ctx, by),
        Op::Named(named) => named.run(ctx).await,
        Op::SignalOrTimeout(name, ms) => {
            let wait = ctx.signal::<u64>(name).timeout(Duration::from_millis(ms));
            match wait.await {
                Ok(data) => Ok(signals(&[data])),
                Err(error) if error.is_timeout() => Ok(TIMED_OUT.to_owned()),
                Err(error) => Err(error),
            }
        }
    }
}

fn signals(data: &[u64]) -> String {
    let data: Vec<String> = data.iter().map(u64::to_string).collect();
    format!("signals {}", data.join(","))
}

impl Work {
    fn quick() -> Self {
        Self {
            activity: None,
            ms: 0,
            fails: 0,
            panics: false,
            retry_ms: 100,
            attempts: None,
        }
    }

    fn random(dice: &mut Dice) -> Self {
        let fails = if dice.chance(0.3) {
            dice.between(1, 3) as u32
        } else {
            0
        };
        Self {
            activity: dice
                .chance(0.55)
                .then(|| dice.below(ACTIVITIES.len() as u64) as usize),
            ms: match dice.below(10) {
                0..5 => 0,
                5..8 => dice.between(1, 300),
                8 => dice.between(300, 3_000),
                _ => dice.between(3_000, 8_000),
            },
            fails,
            panics: dice.chance(0.3),
            retry_ms: *dice.pick(&[0, 50, 500, 1_900, 2_500, 4_000]),
            attempts: dice.chance(0.3).then(|| dice.between(1, 4) as u32),
        }
    }
}

impl Script {
    /// A random script. Signals wait only where somebody who knows the id can send them.
    #[must_use]
    pub fn random(dice: &mut Dice, with_signals: bool) -> Self {
        let count = dice.between(1, 5);
        let ops = (0..count).map(|index| Op::random(dice, index, with_signals));
        let ops: Vec<Op> = ops.collect();
        // A run that awaits nothing would spin, and is parked for it.
        let awaits = ops.iter().any(|op| !matches!(op, Op::State(_)));
        Self {
            ops,
            more_runs: if dice.chance(0.2) && awaits {
                dice.between(1, 4) as u32
            } else {
                0
            },
            so_far: Vec::new(),
        }
    }

    /// Whether a completed one may have put this out.
    pub fn check(&self, id: &InvocationId, run: Run, output: &[String]) -> Result<(), String> {
        let possible = self.possible(id, run);
        let unfit = || {
            Err(format!(
                "its output is {output:?}, possible is {possible:?}"
            ))
        };
        if output.len() != possible.len() {
            return unfit();
        }
        let mut given: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (text, possible) in output.iter().zip(&possible) {
            match possible {
                Possible::OneOf(texts) if texts.contains(text) => {}
                Possible::Signals(_, _, true) if text == TIMED_OUT => {}
                Possible::Named(named) if named.fits(text) => {}
                Possible::Signals(name, count, _) => {
                    let Some(data) = parse_signals(text).filter(|d| d.len() == *count as usize)
                    else {
                        return unfit();
                    };
                    given.entry(name).or_default().extend(data);
                }
                Possible::OneOf(_) | Possible::Named(_) => return unfit(),
            }
        }
        // Each signal was given once, whichever run it was given to.
        for (name, count) in self.wanted_signals() {
            let mut data = given.remove(name.as_str()).unwrap_or_default();
            let mut sent: Vec<u64> = (0..count).map(|n| signal_data(&name, n)).collect();
            let many = data.len();
            data.sort_unstable();
            data.dedup();
            sent.sort_unstable();
            let may_miss = possible
                .iter()
                .any(|p| matches!(p, Possible::Signals(of, _, true) if *of == name));
            let fits = match may_miss {
                true => data.iter().all(|one| sent.contains(one)),
                false => data == sent,
            };
            if !fits || data.len() != many {
                return unfit();
            }
        }
        Ok(())
    }

    /// Whether the value of a completed one shows what it should.
    pub fn check_shown(&self, value: &Value) -> Result<(), String> {
        let mut shown = Shown::default();
        let ops = (0..=self.more_runs).flat_map(|_| &self.ops);
        ops.for_each(|op| {
            if let Op::State(by) = op {
                shown.change(*by);
            }
        });
        shown.check(value)
    }

    /// Operations in all its runs.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.ops.len() * (self.more_runs as usize + 1)
    }

    fn possible(&self, id: &InvocationId, run: Run) -> Vec<Possible> {
        let mut shown = Shown::default();
        let runs = (0..=self.more_runs).map(|continued| Run { continued, ..run });
        runs.flat_map(|run| self.possible_in_run(id, run, &mut shown))
            .collect()
    }

    fn possible_in_run(&self, id: &InvocationId, run: Run, shown: &mut Shown) -> Vec<Possible> {
        let mut steps = 0;
        let mut next = || {
            steps += 1;
            idempotency_key(id, run, steps)
        };
        let one = |text: String| Possible::OneOf(vec![text]);
        let possible = |op: &Op| match op {
            Op::Work(work) => one(work.outcome(&next())),
            Op::Chain(count) => {
                let last = (0..*count).map(|_| next()).last();
                one(last.map_or_else(String::new, |key| Known::answer(&key).to_string()))
            }
            Op::Fan(works) => {
                let all: Vec<String> = works.iter().map(|work| work.outcome(&next())).collect();
                one(all.join(","))
            }
            Op::Map(map) => one(map.outcome(&mut next)),
            Op::Hook(work) => {
                next();
                one(work.outcome(&next()))
            }
            Op::Race(work, _) => {
                let won = work.outcome(&next());
                next();
                Possible::OneOf(vec![won, TIMED_OUT.to_owned()])
            }
            Op::Sleep(_) => {
                next();
                one("slept".to_owned())
            }
            Op::State(by) => one(shown.change(*by)),
            Op::Named(named) => {
                (0..named.steps()).for_each(|_| drop(next()));
                Possible::Named(named.clone())
            }
            Op::Signals(name, count) | Op::Queue(name, count) => {
                (0..*count).for_each(|_| drop(next()));
                Possible::Signals(name.clone(), *count, false)
            }
            Op::Update(name, count) => {
                (0..count * update::STEPS).for_each(|_| drop(next()));
                Possible::Signals(name.clone(), *count, false)
            }
            Op::SignalOrTimeout(name, _) => {
                next();
                next();
                Possible::Signals(name.clone(), 1, true)
            }
            Op::Child(child) => {
                next();
                if child.patience_ms.is_some() {
                    next();
                }
                Possible::OneOf(child.possible())
            }
        };
        self.ops.iter().map(possible).collect()
    }

    /// Names of the signals that it waits for, and how many of each are to be sent.
    #[must_use]
    pub fn wanted_signals(&self) -> Vec<(String, u32)> {
        let runs = self.more_runs + 1;
        let wanted = |op: &Op| match op {
            Op::Signals(name, count) | Op::Queue(name, count) | Op::Update(name, count) => {
                Some((name.clone(), count * runs))
            }
            Op::SignalOrTimeout(name, _) => Some((name.clone(), runs)),
            _ => None,
        };
        self.ops.iter().filter_map(wanted).collect()
    }
}

fn parse_signals(text: &str) -> Option<Vec<u64>> {
    let data = text.strip_prefix("signals ")?;
    data.split(',').map(|one| one.parse().ok()).collect()
}

/// The data of the signal with this number.
#[must_use]
pub fn signal_data(name: &str, number: u32) -> u64 {
    Known::answer(&format!("signal {name} {number}"))
}

impl Op {
    fn random(dice: &mut Dice, index: u64, with_signals: bool) -> Self {
        // A child has no children, so that worlds stay small.
        match dice.below(if with_signals { 20 } else { 14 }) {
            0..3 => Self::Work(Work::random(dice)),
            3 => Self::Chain(match dice.chance(0.25) {
                true => dice.between(40, 110) as u32,
                false => dice.between(2, 8) as u32,
            }),
            4..6 => Self::Fan(
                (0..dice.between(2, 5))
                    .map(|_| Work::random(dice))
                    .collect(),
            ),
            6..8 => Self::Race(
                Work::random(dice),
                *dice.pick(&[1, 200, 1_500, 2_500, 6_000]),
            ),
            8 => Self::Sleep(*dice.pick(&[1, 100, 1_000, 1_999, 2_001, 3_500, 7_000])),
            9 => Self::Work(Work::quick()),
            10 => Self::State(dice.between(1, 9)),
            11 => Self::Named(Named::random(dice)),
            12 => Self::Map(Map::random(dice)),
            13 => Self::Hook(Work::random(dice)),
            14 | 15 => Self::Signals(format!("signal-{index}"), dice.between(1, 3) as u32),
            16 => Self::Queue(queue::name(index), dice.between(1, 5) as u32),
            18 => Self::Update(update::name(index), dice.between(1, 3) as u32),
            17 => Self::Child(Child::random(dice)),
            _ => Self::SignalOrTimeout(
                format!("signal-{index}"),
                *dice.pick(&[10, 1_000, 3_000, 8_000]),
            ),
        }
    }
}
