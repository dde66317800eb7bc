//! Terminated, paused and resumed, wherever it stands; every turn is replayed.

use headwater_wire::{
    command::Ticket,
    lifecycle::{Pause, Terminate},
    value::Deferred,
};

use super::*;

fn terminate(reason: &str) -> Command {
    Command::Terminate(Terminate {
        id: "t".into(),
        reason: reason.into(),
        code: None,
    })
}

fn pause(id: &str) -> Command {
    Command::Pause(Pause {
        id: id.into(),
        reason: "we look into it".into(),
    })
}

fn resume(id: &str) -> Command {
    Command::Resume { id: id.into() }
}

/// An activity, a sleep, a signal and a local step, one after the other.
fn all() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        let a: u32 = ctx.activity("work", ()).await?;
        ctx.sleep(Duration::from_secs(60)).await?;
        let b: u32 = ctx.signal("more").await?;
        let c: u32 = ctx.run("last", || async { Ok::<_, Error>(1) }).await?;
        Ok::<_, Error>(a + b + c)
    })
}

impl Driver {
    /// What an engine gives it, which first gets the program if one is needed.
    fn handle(&mut self, command: Command) {
        if self.invocation.needs_program_for(&command) {
            let program = self.workflow.instantiate(self.invocation.program_info());
            let pages = self.run_pages().to_vec();
            self.invocation.attach(program, &pages, self.now).unwrap();
        }
        self.give(command);
    }

    fn place(&self, command: &Command) -> Placement {
        self.invocation.place(command, self.seq + 1, self.now)
    }

    /// A driver of one that nothing is in the memory of but its value.
    fn cold(mut self) -> Self {
        self.invocation = self.load();
        self
    }

    fn of_start(workflow: std::sync::Arc<dyn Workflow>, start: Start) -> Self {
        let mut driver = Self {
            workflow,
            invocation: Invocation::create(start, birth()),
            pages: Vec::new(),
            now: birth().at,
            seq: START,
            revision: 0,
            turns: Vec::new(),
        };
        driver.store();
        driver
    }

    fn why(&self) -> &str {
        &self.invocation.value.why
    }
}

fn ticket() -> Ticket {
    Ticket {
        key: "k".into(),
        number: 9,
    }
}

fn of_key(paused: bool) -> Driver {
    let start = Start {
        ticket: Some(ticket()),
        paused,
        ..start("null")
    };
    Driver::of_start(all(), start)
}

/// Each place that it can stand at, with what that is called.
fn everywhere() -> Vec<(&'static str, Status, Driver)> {
    let running = || Driver::begin(all(), "null");
    let sleeping = || {
        let mut driver = running();
        driver.outcome(1, 1, Ok("1"));
        driver
    };
    let waiting = || {
        let mut driver = sleeping();
        driver.pass(Duration::from_secs(61));
        driver
    };
    let local = || {
        let mut driver = waiting();
        driver.signal("s", "more", "2");
        driver
    };
    let paused = || {
        let mut driver = sleeping();
        driver.handle(pause("p"));
        driver
    };
    let mut parked = waiting();
    let reason = Failure::fatal(Code::NONDETERMINISM, "for the test");
    let difference = Vec::new();
    parked
        .invocation
        .park(Mismatch { reason, difference }, parked.now);
    parked.store();
    let held = Start {
        paused: true,
        ..start("null")
    };
    vec![
        ("queued", Status::Queued, of_key(false)),
        ("at an activity", Status::Running, running()),
        ("asleep", Status::Waiting, sleeping()),
        ("at a signal", Status::Waiting, waiting()),
        ("at a local step", Status::Running, local()),
        ("paused", Status::Paused, paused()),
        ("parked", Status::Parked, parked),
        (
            "started paused",
            Status::Paused,
            Driver::of_start(all(), held),
        ),
        ("queued and paused", Status::Queued, of_key(true)),
        ("cold at a signal", Status::Waiting, waiting().cold()),
        ("cold and paused", Status::Paused, paused().cold()),
    ]
}

#[test]
fn terminate_ends_it_wherever_it_stands_and_asks_no_program() {
    for (place, status, mut driver) in everywhere() {
        assert_eq!(driver.status(), status, "{place}");
        let scheduled = driver.invocation.pending.values();
        let scheduled = scheduled.filter(|p| p.wake.is_some_and(|wake| wake.scheduled));
        let scheduled = scheduled.count();
        let entries = driver.entries();
        let command = terminate("enough");
        assert!(!driver.invocation.needs_program_for(&command), "{place}");
        driver.give(command.clone());
        assert_eq!(driver.status(), Status::Terminated, "{place}");
        let error = driver.error();
        assert_eq!(error.code, Code::INTERRUPTED);
        assert_eq!(error.message, "job [inv] interrupted: enough");
        assert_eq!(error.code.number(), 410);
        assert_eq!(driver.entries(), entries, "{place}: nothing is decided");
        let value = &driver.invocation.value;
        assert!(value.anchors.is_empty() && value.deferred.is_empty());
        assert!(value.parked.is_none() && value.pending == 0, "{place}");
        let unscheduled = |tag: &&EffectTag| matches!(tag, EffectTag::Unschedule(..));
        let effects = &value.turn.effects;
        assert_eq!(effects.iter().filter(unscheduled).count(), scheduled);
        let released = effects.contains(&EffectTag::Release);
        assert_eq!(released, value.ticket.is_some(), "{place}");
        // It comes again, and another comes.
        let seq = driver.seq;
        let place_at = |seq| driver.invocation.place(&command, seq, driver.now);
        assert_eq!(place_at(seq), Placement::Taken, "{place}");
        assert!(matches!(place_at(seq + 1), Placement::Drop(_)), "{place}");
    }
}

#[test]
fn terminate_may_say_its_own_code_and_no_reason() {
    let mut driver = Driver::begin(all(), "null");
    driver.give(Command::Terminate(Terminate {
        id: "t".into(),
        reason: String::new(),
        code: Some(Code::new("budget")),
    }));
    assert_eq!(driver.error().message, "job [inv] interrupted");
    assert_eq!(driver.error().code, Code::new("budget"));
    assert_eq!(driver.why(), "terminated: job [inv] interrupted");
}

#[test]
fn paused_it_takes_everything_and_acts_on_it_once_it_is_resumed() {
    let mut driver = Driver::begin(all(), "null");
    driver.handle(pause("p"));
    assert_eq!(driver.status(), Status::Paused);
    assert!(
        driver.why().ends_with("we look into it"),
        "{}",
        driver.why()
    );
    driver.outcome(1, 1, Ok("1"));
    driver.signal("s", "more", "2");
    let value = &driver.invocation.value;
    assert_eq!((value.deferred.len(), value.signals.waiting.len()), (1, 1));
    assert_eq!(driver.status(), Status::Paused);
    assert!(!driver.invocation.is_live());

    driver.handle(resume("r"));
    let kinds: Vec<_> = driver.entries().iter().map(Entry::kind).collect();
    assert_eq!(kinds, ["activity", "done", "timer"]);
    driver.handle(pause("p2"));
    driver.pass(Duration::from_secs(61));
    let timer = TimerId {
        run: driver.invocation.value.run,
        step: 2,
        attempt: 0,
    };
    driver.handle(Command::TimerFired(timer));
    assert_eq!(driver.status(), Status::Paused);
    assert!(driver.invocation.next_due(&ANY).is_none());
    driver = driver.cold();
    driver.handle(resume("r2"));
    driver.run_locals();
    assert_eq!(
        (driver.status(), driver.output().as_str()),
        (Status::Completed, "4")
    );
}

#[test]
fn a_local_step_that_a_pause_cuts_off_runs_again_once_it_is_resumed() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("work", || async { Ok::<_, Error>(7) }).await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.invocation.release_locals(&|_| true);
    assert!(driver.invocation.has_running_steps());
    driver.handle(pause("p"));
    assert!(!driver.invocation.has_running_steps());
    assert!(driver.invocation.value.anchors.is_empty(), "nothing runs");
    driver.handle(resume("r"));
    let anchor = Root::Command(driver.seq);
    assert_eq!(driver.invocation.value.anchors[&1], anchor);
    driver.run_locals();
    assert_eq!(driver.output(), "7");
}

#[test]
fn a_cancel_waits_for_the_resume_of_what_has_begun() {
    let mut driver = Driver::begin(all(), "null");
    driver.handle(pause("p"));
    let cancel = Command::Cancel(Cancel {
        id: "c".into(),
        reason: "enough".into(),
    });
    driver.handle(cancel.clone());
    assert_eq!(driver.status(), Status::Paused);
    driver.handle(resume("r"));
    assert_eq!(driver.status(), Status::Cancelled);

    let held = Start {
        paused: true,
        ..start("null")
    };
    let mut driver = Driver::of_start(all(), held);
    driver.handle(cancel.clone());
    assert_eq!(
        driver.status(),
        Status::Cancelled,
        "it has nothing to clean up"
    );
    let mut driver = of_key(true);
    driver.handle(cancel);
    assert_eq!(driver.status(), Status::Cancelled);
    assert_eq!(driver.invocation.value.turn.effects, [EffectTag::Release]);
}

#[test]
fn what_is_started_paused_begins_when_it_is_resumed_and_so_does_its_clock() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let begun = ctx.now();
        let said: String = ctx.signal("word").await?;
        Ok::<_, Error>(format!("{said} {}", begun.since(birth().at).as_secs()))
    });
    let held = Start {
        paused: true,
        ..start("null")
    };
    let mut driver = Driver::of_start(workflow, held);
    assert!(
        driver.why().ends_with("it was started paused"),
        "{}",
        driver.why()
    );
    driver.signal("s", "word", "\"go\"");
    assert_eq!(driver.entries(), []);
    driver.now = driver.now.after(Duration::from_secs(100));
    driver = driver.cold();
    driver.handle(resume("r"));
    assert_eq!(driver.output(), "\"go 100\"");
}

#[test]
fn a_paused_one_in_a_queue_needs_both_its_turn_and_its_resume() {
    let grant = Command::Grant(ticket());
    let mut driver = of_key(true);
    assert!(
        driver.why().contains("its turn has not come"),
        "{}",
        driver.why()
    );
    driver.handle(grant.clone());
    assert_eq!(driver.status(), Status::Paused);
    assert_eq!(driver.place(&grant), Placement::Taken);
    driver.handle(resume("r"));
    assert_eq!(driver.status(), Status::Running);

    let mut driver = of_key(false);
    driver.handle(pause("p"));
    driver.handle(resume("r"));
    assert_eq!(driver.status(), Status::Queued);
    assert!(
        driver.why().starts_with("waits for its turn"),
        "{}",
        driver.why()
    );
    driver.handle(grant);
    assert_eq!(driver.status(), Status::Running);
}

#[test]
fn pauses_and_resumes_that_come_again_change_nothing() {
    let mut driver = Driver::begin(all(), "null");
    driver.handle(pause("p"));
    assert!(matches!(driver.place(&pause("other")), Placement::Drop(_)));
    driver.handle(resume("r"));
    assert_eq!(driver.place(&pause("p")), Placement::Taken);
    assert!(matches!(driver.place(&resume("other")), Placement::Drop(_)));
    driver.handle(pause("p2"));
    assert_eq!(driver.place(&resume("r")), Placement::Taken);
    assert_eq!(driver.status(), Status::Paused);
}

/// Regression: a parked invocation that could defer no more could not be resumed either.
#[test]
fn what_can_defer_no_more_can_be_resumed() {
    let mut driver = Driver::begin(all(), "null");
    driver.handle(pause("p"));
    let timer = Deferred::Timer {
        step: 99,
        attempt: 0,
    };
    driver.invocation.value.deferred = vec![timer; limits::DEFERRED_MAX];
    let cancel = Command::Cancel(Cancel {
        id: "c".into(),
        reason: "enough".into(),
    });
    assert_eq!(driver.place(&cancel), Placement::Wait);
    driver.handle(resume("r"));
    assert_eq!(driver.status(), Status::Running);
}
