//! Each feature fresh, replayed and still waiting: after every turn the invocation is loaded
//! from its bytes and replayed, and has to stand where it stood.

mod activities;
mod channels;
mod check;
mod children;
mod continue_as_new;
mod determinism;
mod hooks;
mod lifecycle;
mod map;
mod model;
mod named;
mod next_version;
mod partial;
mod retry;
mod runs;
mod scopes;
mod sends;
mod sleep;
mod state;
mod supersede;
mod updates;

use std::{task::Waker, time::Duration};

use headwater_wire::{
    Code, Command, Entry, Failure, InvocationId, Partition, Payload, Status, Timestamp,
    command::{Asker, Cancel, Outcome, Signal, Start},
    names::TimerId,
    turn::{EffectTag, Root},
};

use super::*;
use crate::{
    Context, Effect, Error, Machine, Placement, Retry, Workflow, workflow::async_workflow,
};

const START: u64 = 10;
const ANY: TimerRights<'static> = TimerRights {
    scheduled: true,
    in_hand: &|_| true,
};

struct Driver {
    workflow: std::sync::Arc<dyn Workflow>,
    invocation: Invocation,
    pages: Vec<Vec<u8>>,
    now: Timestamp,
    seq: u64,
    revision: u64,
    turns: Vec<Vec<u8>>,
}

fn start(input: &str) -> Start {
    let input = Payload::from_json_text(input).unwrap();
    Start::new("test", input, Asker::Request("r1".into()))
}

fn birth() -> Birth {
    Birth {
        id: InvocationId::new("inv").unwrap(),
        queue: "default".into(),
        partition: Partition(1),
        seq: START,
        at: Timestamp::from_micros(1_000_000_000_000_000),
        version: "1.0.0".into(),
        default_retention: Duration::from_secs(3600),
    }
}

impl Driver {
    fn begin(workflow: std::sync::Arc<dyn Workflow>, input: &str) -> Self {
        Self::begin_with(workflow, start(input))
    }

    fn begin_with(workflow: std::sync::Arc<dyn Workflow>, start: Start) -> Self {
        let birth = birth();
        let now = birth.at;
        let mut invocation = Invocation::create(start, birth);
        let program = workflow.instantiate(invocation.program_info());
        invocation.attach(program, &[] as &[&[u8]], now).unwrap();
        let mut driver = Self {
            workflow,
            invocation,
            pages: Vec::new(),
            now,
            seq: START,
            revision: 0,
            turns: Vec::new(),
        };
        driver.store();
        driver
    }

    /// Store turns until there is nothing to store, replaying after each.
    fn store(&mut self) {
        loop {
            self.invocation.go_on(self.now);
            if !self.invocation.has_turn() {
                return;
            }
            let turn = self
                .invocation
                .prepare(self.now, format!("e-{}", self.turns.len()))
                .unwrap();
            assert_eq!(turn.expected, self.revision);
            if let Some((number, page)) = turn.page {
                assert_eq!(number as usize, self.pages.len() + 1);
                self.pages.push(page.into_bytes());
            }
            self.revision += 1;
            self.invocation.committed(self.revision);
            self.turns.push(turn.value);
            // Whoever has the version of the next run begins it.
            if self.invocation.can_go_on() {
                self.invocation = self.reload();
            }
            // Every turn at first, then now and then: replaying a long journal takes its time.
            if self.turns.len() < 20 || self.turns.len().is_multiple_of(97) {
                self.check_replay();
            }
        }
    }

    fn reload(&self) -> Invocation {
        let mut loaded = self.load();
        if loaded.needs_program() {
            let program = self.workflow.instantiate(loaded.program_info());
            loaded.attach(program, self.run_pages(), self.now).unwrap();
        }
        loaded
    }

    fn load(&self) -> Invocation {
        let (bytes, retention) = (self.turns.last().unwrap(), Duration::from_secs(3600));
        Invocation::load(bytes, self.revision, self.run_pages(), retention).unwrap()
    }

    /// The pages of the run that is stored.
    fn run_pages(&self) -> &[Vec<u8>] {
        let (_, journal) = Value::decode(self.turns.last().unwrap()).unwrap();
        &self.pages[journal.first_page as usize - 1..]
    }

    fn check_replay(&self) {
        let loaded = self.reload();
        let own: Vec<_> = self
            .invocation
            .pending
            .iter()
            .map(|(s, p)| {
                (
                    *s,
                    Pending {
                        running: false,
                        ..p.clone()
                    },
                )
            })
            .collect();
        let theirs: Vec<_> = loaded.pending.into_iter().collect();
        assert_eq!(own, theirs, "a replay stands where the original stands");
        assert_eq!(loaded.value, self.invocation.value);
        assert_eq!(loaded.draft.undecided, self.invocation.draft.undecided);
    }

    fn give(&mut self, command: Command) {
        self.seq += 1;
        assert_eq!(
            self.invocation.place(&command, self.seq, self.now),
            Placement::Take,
            "{command:?}"
        );
        self.invocation.take(command, self.seq, self.now);
        self.store();
    }

    fn outcome(&mut self, step: u32, attempt: u32, result: Result<&str, Failure>) {
        let run = self.invocation.value.run;
        let result = result.map(|json| Payload::from_json_text(json).unwrap());
        self.give(Command::Outcome(Outcome {
            run,
            step,
            attempt,
            result,
            worker: "w".into(),
        }));
    }

    fn signal(&mut self, id: &str, name: &str, json: &str) {
        let data = Payload::from_json_text(json).unwrap();
        self.give(Command::Signal(Signal::new(id, name, data)));
    }

    fn run_locals(&mut self) {
        loop {
            self.invocation.release_locals(&|_| true);
            let mut cx = std::task::Context::from_waker(Waker::noop());
            let Poll::Ready(outcome) = self.invocation.poll_local(&mut cx) else {
                return;
            };
            self.invocation.take_local(outcome, self.now);
            self.store();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.invocation.fire_due(self.now, &ANY);
        self.store();
    }

    fn status(&self) -> Status {
        self.invocation.value.status
    }

    fn output(&self) -> String {
        let output = self.invocation.value.output.as_ref().expect("an output");
        String::from_utf8(output.bytes().to_vec()).unwrap()
    }

    fn error(&self) -> Failure {
        self.invocation.value.error.clone().expect("an error")
    }

    fn entries(&self) -> Vec<Entry> {
        self.invocation.entries(self.run_pages()).unwrap()
    }
}

fn failure(message: &str) -> Failure {
    Failure::new(Code::FAILED, message)
}

#[test]
fn a_chain_of_local_steps_hangs_on_its_start() {
    let workflow = async_workflow(|ctx: Context, name: String| async move {
        let mut said = Vec::new();
        for n in 0..3 {
            let hello = ctx
                .run(format!("step-{n}"), || async {
                    Ok::<_, Error>(format!("{name}{n}"))
                })
                .await?;
            said.push(hello);
        }
        Ok::<_, Error>(said)
    });
    let mut driver = Driver::begin(workflow, "\"a\"");
    assert!(driver.invocation.is_anchor(&Root::Command(START)));
    assert_eq!(driver.status(), Status::Running);
    assert_eq!(driver.invocation.value.why, "runs step 1 \"step-0\"");
    driver.run_locals();
    assert_eq!(driver.output(), r#"["a0","a1","a2"]"#);
    assert_eq!(driver.turns.len(), 4, "the first value and one a step");
    assert!(!driver.invocation.is_anchor(&Root::Command(START)));
    assert_eq!(driver.invocation.value.turn.roots, [Root::Command(START)]);
}

#[test]
fn a_first_local_step_may_run_before_the_first_value() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("only", || async { Ok::<_, Error>(7) }).await
    });
    let mut invocation = Invocation::create(start("null"), birth());
    let program = workflow.instantiate(invocation.program_info());
    invocation
        .attach(program, &[] as &[&[u8]], birth().at)
        .unwrap();
    assert!(invocation.may_run_before_first_value());
    invocation.release_locals(&|_| true);
    let mut cx = std::task::Context::from_waker(Waker::noop());
    let Poll::Ready(outcome) = invocation.poll_local(&mut cx) else {
        panic!("not ready")
    };
    invocation.take_local(outcome, birth().at);
    assert!(!invocation.may_run_before_first_value());
    let turn = invocation.prepare(birth().at, "e-1".into()).unwrap();
    assert_eq!(
        (turn.expected, invocation.value.status),
        (0, Status::Completed)
    );
    assert!(turn.ttl.is_some());
}

#[test]
fn activities_are_tasks_and_their_outcomes_are_recorded_once() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let a: u32 = ctx.activity("double", 1).await?;
        let b: u32 = ctx.activity("double", a).topic("other").await?;
        Ok::<_, Error>(b)
    });
    let mut driver = Driver::begin(workflow, "null");
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Task(1, 1)]
    );
    driver.outcome(1, 1, Ok("2"));
    let again = Command::Outcome(Outcome {
        run: driver.invocation.value.run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    });
    assert_eq!(
        driver.invocation.place(&again, 99, driver.now),
        Placement::Taken
    );
    let Effect::Task { topic, task } = &driver.invocation.effects()[0] else {
        panic!()
    };
    assert_eq!(
        (topic.as_str(), task.step, task.idempotency_key().as_str()),
        ("other", 2, "inv/10.0/2")
    );
    driver.outcome(2, 1, Ok("4"));
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "4")
    );
}

#[test]
fn a_failed_attempt_is_retried_after_its_wait_and_gives_up_by_its_policy() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let retry = Retry::exponential()
            .initial(Duration::from_secs(1))
            .factor(10.0)
            .max_attempts(3);
        ctx.activity::<()>("flaky", ()).retry(retry).await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(1, 1, Err(failure("one")));
    assert_eq!(driver.status(), Status::Waiting);
    assert!(
        driver.invocation.is_anchor(&Root::Command(11)),
        "a short wait hangs on the outcome"
    );
    driver.pass(Duration::from_millis(900));
    assert!(
        driver.invocation.value.turn.effects.is_empty(),
        "never early"
    );
    driver.pass(Duration::from_millis(200));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Task(1, 2)]
    );
    assert_eq!(driver.invocation.value.turn.roots, [Root::Command(11)]);
    driver.outcome(1, 2, Err(failure("two")));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Schedule(1, 3)]
    );
    let timer = TimerId {
        run: driver.invocation.value.run,
        step: 1,
        attempt: 3,
    };
    driver.now = driver.now.after(Duration::from_secs(10));
    driver.give(Command::TimerFired(timer));
    assert_eq!(driver.invocation.value.turn.roots, [Root::Timer(timer)]);
    driver.outcome(1, 3, Err(failure("three")));
    assert_eq!(driver.status(), Status::Failed);
    assert_eq!(driver.error().code, Code::RETRIES_EXHAUSTED);
    assert_eq!(driver.error().message, "gave up after 3 attempts: three");
}

#[test]
fn a_final_error_is_not_retried() {
    let workflow =
        async_workflow(|ctx: Context, (): ()| async move { ctx.activity::<()>("x", ()).await });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(1, 1, Err(Failure::fatal(Code::FAILED, "no")));
    assert_eq!(
        (driver.status(), driver.error().message.as_str()),
        (Status::Failed, "no")
    );
}

#[test]
fn signals_wait_for_the_workflow_and_the_workflow_for_signals() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let first: u32 = ctx.signal("n").await?;
        ctx.activity::<()>("between", ()).await?;
        let second: u32 = ctx.signal("n").await?;
        let third: u32 = ctx.signal("n").await?;
        Ok::<_, Error>((first, second, third))
    });
    let mut driver = Driver::begin(workflow, "null");
    assert_eq!(driver.status(), Status::Waiting);
    driver.signal("s1", "n", "1");
    driver.signal("s2", "n", "2");
    assert_eq!(driver.invocation.value.signals.waiting.len(), 1);
    let again = Command::Signal(Signal::new("s2", "n", Payload::null()));
    assert_eq!(
        driver.invocation.place(&again, 99, driver.now),
        Placement::Taken,
        "a repeat is known by its id"
    );
    driver.outcome(2, 1, Ok("null"));
    driver.signal("s3", "n", "3");
    assert_eq!(driver.output(), "[1,2,3]");
}

#[test]
fn only_who_waits_for_nothing_but_scheduled_timers_sleeps() {
    let sleeps = |seconds: &[u64], signal: bool| {
        let seconds = seconds.to_vec();
        let workflow = async_workflow(move |ctx: Context, (): ()| {
            let sleeps: Vec<_> = seconds
                .iter()
                .map(|seconds| ctx.sleep(Duration::from_secs(*seconds)))
                .collect();
            async move {
                let sleeps = ctx.all(sleeps);
                match signal {
                    true => drop(futures::join!(
                        sleeps,
                        ctx.signal::<u32>("go").into_future()
                    )),
                    false => drop(sleeps.await),
                }
                Ok::<_, Error>(())
            }
        });
        let driver = Driver::begin(workflow, "null");
        let due = driver.invocation.sleeps_until();
        assert_eq!(due, driver.reload().sleeps_until());
        due.map(|due| due.since(driver.now).as_secs())
    };
    assert_eq!(sleeps(&[7_200, 3_600], false), Some(3_600));
    assert_eq!(
        sleeps(&[3_600], true),
        None,
        "a signal may come at any time"
    );
    assert_eq!(
        sleeps(&[3_600, 0], false),
        None,
        "a short one hangs on its anchor"
    );
}

#[test]
fn a_signal_that_does_not_come_times_out_and_its_timer_is_removed_when_it_does() {
    let make = || {
        async_workflow(|ctx: Context, (): ()| async move {
            match ctx
                .signal::<u32>("go")
                .timeout(Duration::from_secs(60))
                .await
            {
                Ok(n) => Ok(format!("got {n}")),
                Err(error) if error.is_timeout() => Ok("timeout".to_owned()),
                Err(error) => Err(error),
            }
        })
    };
    let mut late = Driver::begin(make(), "null");
    assert_eq!(
        late.invocation.value.turn.effects,
        [EffectTag::Schedule(2, 0)]
    );
    late.pass(Duration::from_secs(61));
    assert_eq!(late.output(), "\"timeout\"");
    let timer = TimerId {
        run: late.invocation.value.run,
        step: 2,
        attempt: 0,
    };
    assert_eq!(
        late.invocation.value.turn.effects,
        [],
        "own firing never cancels the schedule"
    );
    assert_eq!(
        late.invocation
            .place(&Command::TimerFired(timer), 99, late.now),
        Placement::Taken
    );
    let mut soon = Driver::begin(make(), "null");
    soon.signal("s", "go", "5");
    assert_eq!(soon.output(), "\"got 5\"");
    assert_eq!(
        soon.invocation.value.turn.effects,
        [EffectTag::Unschedule(2, 0)],
        "a timer that lost is removed"
    );
}

#[test]
fn a_race_drops_its_losers_and_join_keeps_the_order_of_calls() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let calls = (0..40).map(|n| ctx.activity::<u32>("n", n));
        let all: Vec<u32> = ctx.all(calls).await.into_iter().collect::<Result<_, _>>()?;
        let racers = [
            ctx.activity::<u32>("fast", 1),
            ctx.activity::<u32>("slow", 2),
        ];
        let (index, value) = ctx.race(racers).await;
        Ok::<_, Error>((all.iter().sum::<u32>(), index, value?))
    });
    let mut driver = Driver::begin(workflow, "null");
    assert_eq!(driver.invocation.value.pending, 40);
    assert_eq!(
        driver.invocation.value.waits.len(),
        limits::WAITS_LISTED_MAX
    );
    for step in (1..=40).rev() {
        driver.outcome(step, 1, Ok(&step.to_string()));
    }
    driver.outcome(42, 1, Ok("9"));
    assert_eq!(driver.output(), "[820,1,9]");
}

#[test]
fn cancel_fails_what_is_waited_for_and_lets_the_workflow_clean_up() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let slept = ctx.sleep(Duration::from_secs(3600)).await;
        let error = slept.expect_err("cancelled");
        assert!(error.is_cancelled());
        let clean_up = ctx.run("clean-up", || async { Ok::<_, Error>(()) });
        ctx.shield(clean_up).await?;
        Err::<(), _>(error)
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "no longer needed".into(),
    }));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Unschedule(1, 0)]
    );
    driver.run_locals();
    assert_eq!(driver.status(), Status::Cancelled);
    assert_eq!(driver.error().message, "no longer needed");
}

/// The futures that a cancelled workflow drops are decided after everything was ended.
#[test]
fn a_cancelled_wait_with_a_timeout_can_be_loaded_again() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let approval = ctx.signal::<u64>("approval");
        approval.timeout(Duration::from_secs(60)).await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.give(Command::Cancel(Cancel {
        id: "c".into(),
        reason: "no longer needed".into(),
    }));
    assert_eq!(driver.status(), Status::Cancelled);
    assert!(matches!(
        driver.reload().entries(&driver.pages).unwrap().last(),
        Some(Entry::Drop {
            step: 2,
            through: None
        })
    ));
}

/// Its start has to come again if the engine dies before the program has begun.
#[test]
fn what_a_turn_could_not_hold_hangs_on_its_roots() {
    let mut invocation = Invocation::create(start("null"), birth());
    assert_eq!(invocation.suspect_crash(), 1);
    let turn = invocation.prepare(birth().at, "e-0".into()).unwrap();
    invocation.committed(1);
    assert!(invocation.is_anchor(&Root::Command(START)));
    let loaded = Invocation::load(&turn.value, 1, &[] as &[&[u8]], Duration::ZERO).unwrap();
    assert!(loaded.is_anchor(&Root::Command(START)));
}

#[test]
fn panics_of_workflow_and_step_are_failures() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let step = ctx.run("bad", || async {
            if true {
                panic!("boom {}", 1)
            }
            Ok::<(), Error>(())
        });
        let error = step.retry(Retry::none()).await.expect_err("panicked");
        assert_eq!(error.code(), &Code::PANICKED);
        if true {
            panic!("whole workflow")
        }
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.run_locals();
    assert_eq!(driver.status(), Status::Failed);
    assert_eq!(driver.error().message, "panicked: whole workflow");
}

#[test]
fn an_input_that_does_not_fit_fails_with_what_was_expected() {
    let workflow = async_workflow(|_: Context, n: u32| async move { Ok::<_, Error>(n) });
    let driver = Driver::begin(workflow, "\"text\"");
    assert_eq!(
        (driver.status(), driver.error().code),
        (Status::Failed, Code::DECODE)
    );
    assert!(
        driver
            .error()
            .message
            .contains("input of workflow \"test\""),
        "{}",
        driver.error()
    );
}

#[test]
fn time_and_random_are_the_same_on_replay() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push((ctx.now().to_string(), ctx.random(), ctx.uuid().to_string()));
            ctx.activity::<()>("x", seen.last()).await?;
        }
        Ok::<_, Error>(seen)
    });
    let mut driver = Driver::begin(workflow, "null");
    for step in 1..=3 {
        driver.now = driver.now.after(Duration::from_micros(1_234_567));
        driver.outcome(step, 1, Ok("null"));
    }
    assert_eq!(driver.status(), Status::Completed);
    assert!(
        driver.output().contains("2001-09-09T01:46:41.235Z"),
        "{}",
        driver.output()
    );
}

#[test]
fn a_program_that_decides_otherwise_is_parked_with_the_difference_and_resumes_when_mended() {
    let make = |name: &'static str| {
        async_workflow(move |ctx: Context, (): ()| async move {
            ctx.activity::<u32>(name, 1).await?;
            ctx.run("after", || async { Ok::<_, Error>(5) }).await
        })
    };
    let mut driver = Driver::begin(make("first"), "null");
    let bytes = driver.turns.last().unwrap().clone();
    let mut other = Invocation::load(&bytes, 1, &[] as &[&[u8]], Duration::from_secs(9)).unwrap();
    let program = make("second").instantiate(other.program_info());
    let mismatch = other
        .attach(program, &[] as &[&[u8]], driver.now)
        .unwrap_err();
    assert_eq!(mismatch.difference[0].field, "name");
    assert!(
        mismatch
            .reason
            .message
            .contains("\"first\" in the journal, \"second\" in the program"),
        "{}",
        mismatch.reason
    );
    other.park(mismatch, driver.now);
    let outcome = Command::Outcome(Outcome {
        run: other.value.run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::from_json_text("3").unwrap()),
        worker: String::new(),
    });
    assert_eq!(other.place(&outcome, 11, driver.now), Placement::Take);
    other.take(outcome.clone(), 11, driver.now);
    assert_eq!(other.place(&outcome, 11, driver.now), Placement::Taken);
    let turn = other.prepare(driver.now, "e-9".into()).unwrap();
    other.committed(2);
    assert_eq!(
        (other.value.status, other.value.deferred.len()),
        (Status::Parked, 1)
    );
    driver.turns.push(turn.value);
    driver.revision = 2;
    driver.invocation = driver.reload();
    driver.seq = 20;
    driver.give(Command::Resume { id: "r".into() });
    assert!(driver.invocation.is_anchor(&Root::Command(driver.seq)));
    driver.run_locals();
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "5")
    );
}

#[test]
fn a_foreign_future_is_told_from_the_context_s() {
    let workflow = async_workflow(|_: Context, (): ()| async move {
        std::future::pending::<()>().await;
        Ok::<_, Error>(())
    });
    let driver = Driver::begin_unchecked(workflow);
    assert_eq!(driver.value.status, Status::Parked);
    assert!(
        driver.value.why.contains("do the work in ctx.run"),
        "{}",
        driver.value.why
    );
}

impl Driver {
    fn begin_unchecked(workflow: std::sync::Arc<dyn Workflow>) -> Invocation {
        let mut invocation = Invocation::create(start("null"), birth());
        let program = workflow.instantiate(invocation.program_info());
        let mismatch = invocation
            .attach(program, &[] as &[&[u8]], birth().at)
            .unwrap_err();
        invocation.park(mismatch, birth().at);
        invocation.prepare(birth().at, "e-1".into()).unwrap();
        invocation
    }
}

#[test]
fn a_fan_out_that_passes_the_limits_is_split_into_turns_on_the_same_root() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let done = ctx
            .all((0..1000).map(|n| ctx.activity::<u32>("n", n)))
            .await;
        Ok::<_, Error>(done.len())
    });
    let mut driver = Driver::begin(workflow, "null");
    assert!(driver.turns.len() >= 4, "{} turns", driver.turns.len());
    assert_eq!(driver.invocation.value.pending, 1000);
    assert_eq!(driver.invocation.value.turn.roots, [Root::Command(START)]);
    assert!(!driver.pages.is_empty());
    for step in 1..=1000 {
        driver.outcome(step, 1, Ok("0"));
    }
    assert_eq!(driver.output(), "1000");
}

#[test]
fn a_long_journal_pages_and_a_write_costs_the_tail() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        for n in 0..500 {
            ctx.activity::<u32>("n", n).await?;
        }
        Ok::<_, Error>(())
    });
    let mut driver = Driver::begin(workflow, "null");
    for step in 1..=500 {
        driver.outcome(step, 1, Ok("0"));
    }
    assert_eq!(driver.status(), Status::Completed);
    assert_eq!(driver.entries().len(), 1000);
    let largest = driver.turns.iter().map(Vec::len).max().unwrap();
    assert!(largest < 2 * limits::PAGE_BYTES, "{largest} bytes");
    let pages = driver.pages.len() as u32;
    assert!(
        driver
            .invocation
            .value
            .turn
            .effects
            .contains(&EffectTag::ExpirePages(1, pages))
    );
}

#[test]
fn a_start_by_another_asker_is_refused_and_by_the_same_is_known() {
    let workflow =
        async_workflow(|ctx: Context, (): ()| async move { ctx.signal::<()>("x").await });
    let driver = Driver::begin(workflow, "null");
    assert_eq!(
        driver
            .invocation
            .place(&Command::Start(start("null")), 77, driver.now),
        Placement::Taken
    );
    let mut other = start("null");
    other.asker = Asker::Request("r2".into());
    other.reply_to = Some("inbox".into());
    let Placement::Tell(tell) = driver
        .invocation
        .place(&Command::Start(other), 78, driver.now)
    else {
        panic!()
    };
    assert!(matches!(&tell[..], [Effect::Reply { reply, .. }] if reply.exists));
}

#[test]
fn outcomes_of_other_runs_steps_and_attempts_are_not_placed() {
    let workflow =
        async_workflow(|ctx: Context, (): ()| async move { ctx.activity::<()>("x", ()).await });
    let driver = Driver::begin(workflow, "null");
    let place = |start: u64, step: u32, attempt: u32| {
        let run = Run {
            start,
            continued: 0,
        };
        let outcome = Outcome {
            run,
            step,
            attempt,
            result: Ok(Payload::null()),
            worker: String::new(),
        };
        driver
            .invocation
            .place(&Command::Outcome(outcome), 50, driver.now)
    };
    assert!(matches!(place(11, 1, 1), Placement::Drop(_)), "another run");
    assert!(
        matches!(place(10, 2, 1), Placement::Drop(_)),
        "a step not decided in this value"
    );
    assert!(
        matches!(place(10, 1, 2), Placement::Drop(_)),
        "an attempt never made"
    );
    assert_eq!(place(10, 1, 1), Placement::Take);
}

/// Regression: the program's stop after the end of the journal was taken for a difference, for ever.
#[test]
fn a_mended_build_goes_on_where_a_fault_stopped_the_other() {
    let make = |broken: bool| {
        async_workflow(move |ctx: Context, (): ()| async move {
            let n: u32 = ctx.activity("first", ()).await?;
            if broken {
                std::future::pending::<()>().await;
            }
            ctx.run("second", || async { Ok::<_, Error>(n + 1) }).await
        })
    };
    let mut driver = Driver::begin(make(true), "null");
    let run = driver.invocation.value.run;
    let result = Ok(Payload::from_json_text("1").unwrap());
    let outcome = Outcome {
        run,
        step: 1,
        attempt: 1,
        result,
        worker: String::new(),
    };
    driver
        .invocation
        .take(Command::Outcome(outcome), 11, driver.now);
    let turn = driver.invocation.prepare(driver.now, "e-1".into()).unwrap();
    assert_eq!(driver.status(), Status::Parked);
    driver.turns.push(turn.value);
    driver.revision += 1;
    driver.workflow = make(false);
    driver.invocation = driver.reload();
    driver.seq = 20;
    driver.give(Command::Resume { id: "r".into() });
    driver.run_locals();
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "2")
    );
}

/// Regression: what one timer made the program decide was journaled after the next timer.
#[test]
fn very_many_timers_due_at_once_leave_a_journal_that_replays() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let naps = (0..600).map(|n| {
            let ctx = ctx.clone();
            Box::pin(async move {
                ctx.sleep(Duration::from_secs(1)).await?;
                ctx.activity::<u32>("after", n).await
            })
        });
        Ok::<_, Error>(ctx.all(naps).await.len())
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.now = driver.now.after(Duration::from_secs(2));
    while driver.invocation.fire_due(driver.now, &ANY) {
        driver.store();
        driver.check_replay();
    }
    for step in 601..=1200 {
        driver.outcome(step, 1, Ok("0"));
    }
    assert_eq!(driver.output(), "600");
}

/// Regression: a resume that came again was dropped although local work hung on it.
#[test]
fn what_something_hangs_on_is_known_when_it_comes_again() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.signal::<()>("go").await?;
        ctx.run("work", std::future::pending::<Result<(), Error>>)
            .await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.signal("s", "go", "null");
    let go = driver.seq;
    driver.signal("other", "n", "null");
    let again = Command::Signal(Signal::new("s", "go", Payload::null()));
    assert!(driver.invocation.is_anchor(&Root::Command(go)));
    assert_eq!(
        driver.invocation.place(&again, go, driver.now),
        Placement::Taken
    );
    assert_eq!(
        driver
            .invocation
            .place(&Command::Resume { id: "r".into() }, go, driver.now),
        Placement::Taken
    );
}

/// Regression: with local work under way a workflow was polled less often than on replay.
#[test]
fn branches_that_wake_each_other_decide_the_same_beside_local_work() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let (send, receive) = futures::channel::oneshot::channel::<()>();
        let first = async {
            receive.await.ok();
            ctx.activity::<u32>("b", ()).await
        };
        let second = async {
            let n = ctx.activity::<u32>("a", ()).await;
            send.send(()).ok();
            n
        };
        let third = ctx.run("long", std::future::pending::<Result<u32, Error>>);
        let (b, a, _) = futures::join!(first, second, third.into_future());
        Ok::<_, Error>(a? + b?)
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.invocation.release_locals(&|_| true);
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(driver.invocation.poll_local(&mut cx).is_pending());
    driver.outcome(1, 1, Ok("1"));
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Task(3, 1)]
    );
    assert!(driver.invocation.poll_local(&mut cx).is_pending());
    driver.check_replay();
}

/// Regression: the outcome of attempt n was taken for known by a value that had not begun it.
#[test]
fn an_outcome_of_an_attempt_that_a_stale_value_has_not_begun_needs_a_fresh_one() {
    let workflow =
        async_workflow(|ctx: Context, (): ()| async move { ctx.activity::<()>("x", ()).await });
    let mut driver = Driver::begin(workflow, "null");
    driver.outcome(1, 1, Err(failure("one")));
    let run = driver.invocation.value.run;
    let outcome = |attempt| {
        Command::Outcome(Outcome {
            run,
            step: 1,
            attempt,
            result: Ok(Payload::null()),
            worker: String::new(),
        })
    };
    assert!(matches!(
        driver.invocation.place(&outcome(2), 50, driver.now),
        Placement::Drop(_)
    ));
    assert_eq!(
        driver.invocation.place(&outcome(1), 51, driver.now),
        Placement::Taken
    );
}

fn queued() -> (Invocation, Command) {
    let ticket = headwater_wire::command::Ticket {
        key: "k".into(),
        number: 9,
    };
    let start = Start {
        ticket: Some(ticket.clone()),
        ..start("null")
    };
    let mut invocation = Invocation::create(start, birth());
    invocation.prepare(birth().at, "e-1".into()).unwrap();
    assert_eq!(invocation.value.status, Status::Queued);
    invocation.committed(1);
    (invocation, Command::Grant(ticket))
}

#[test]
fn a_queued_invocation_that_parks_at_its_grant_is_queued_no_more() {
    let workflow = async_workflow(|_: Context, (): ()| async move {
        std::future::pending::<()>().await;
        Ok::<_, Error>(())
    });
    let (mut invocation, grant) = queued();
    let program = workflow.instantiate(invocation.program_info());
    invocation
        .attach(program, &[] as &[&[u8]], birth().at)
        .unwrap();
    invocation.take(grant, 12, birth().at);
    invocation.prepare(birth().at, "e-2".into()).unwrap();
    assert_eq!(invocation.value.status, Status::Parked);
    assert!(
        invocation.value.turn.partial,
        "its program is still to be run to the end"
    );
}

/// Regression: the clock of a workflow that had been queued began at its submission, so that its
/// first sleep was over before it began.
#[test]
fn the_clock_of_a_queued_invocation_starts_at_its_grant() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.sleep(Duration::from_secs(60)).await?;
        Ok::<_, Error>(ctx.now().to_string())
    });
    let (invocation, grant) = queued();
    let mut driver = Driver {
        workflow,
        invocation,
        pages: Vec::new(),
        now: birth().at.after(Duration::from_secs(3600)),
        seq: START,
        revision: 1,
        turns: Vec::new(),
    };
    let program = driver
        .workflow
        .instantiate(driver.invocation.program_info());
    driver
        .invocation
        .attach(program, &[] as &[&[u8]], driver.now)
        .unwrap();
    driver.give(grant);
    assert_eq!(
        driver.invocation.value.turn.effects,
        [EffectTag::Schedule(1, 0)]
    );
    driver.pass(Duration::from_secs(59));
    assert_eq!(driver.status(), Status::Waiting);
    driver.pass(Duration::from_secs(2));
    assert_eq!(driver.status(), Status::Completed);
}
