//! Deleted, an id that is free again, another start in its place, a start that brings a signal.

use headwater_wire::{
    command::{Retention, Ticket},
    lifecycle::Delete,
};

use super::*;

fn delete(force: bool) -> Command {
    Command::Delete(Delete {
        id: "d".into(),
        force,
    })
}

fn doubled() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, n: u32| async move {
        let m: u32 = ctx.activity("double", n).await?;
        Ok::<_, Error>(m)
    })
}

/// Takes steps enough for pages, then waits for a signal.
fn paging() -> std::sync::Arc<dyn Workflow> {
    async_workflow(|ctx: Context, (): ()| async move {
        for n in 0..100 {
            ctx.run(format!("step-{n}"), || async {
                Ok::<_, Error>("x".repeat(90))
            })
            .await?;
        }
        ctx.signal::<u32>("end").await
    })
}

fn start_of(asker: &str) -> Start {
    Start {
        asker: Asker::Request(asker.into()),
        ..start("5")
    }
}

fn ended(result_ttl_ms: Option<u64>) -> Driver {
    let own = Start {
        result_ttl_ms,
        ..start_of("r1")
    };
    let mut driver = Driver {
        workflow: doubled(),
        invocation: Invocation::create(own, birth()),
        pages: Vec::new(),
        now: birth().at,
        seq: START,
        revision: 0,
        turns: Vec::new(),
    };
    driver.attach();
    driver.store();
    driver.outcome(1, 1, Ok("10"));
    assert_eq!(driver.status(), Status::Completed);
    driver
}

impl Driver {
    fn attach(&mut self) {
        let program = self.workflow.instantiate(self.invocation.program_info());
        let none = &[] as &[&[u8]];
        self.invocation.attach(program, none, self.now).unwrap();
    }

    /// Another start takes the place of the ended one.
    fn supersede(self, start: Start) -> Self {
        let seq = self.seq + 10;
        let placed = self
            .invocation
            .place(&Command::Start(start.clone()), seq, self.now);
        assert_eq!(placed, Placement::Supersede);
        let birth = Birth {
            seq,
            at: self.now,
            ..birth()
        };
        let mut next = Self {
            invocation: self.invocation.supersede(Invocation::create(start, birth)),
            seq,
            ..self
        };
        next.attach();
        next.store();
        next
    }

    fn place_start(&self, start: &Start, seconds: u64) -> Placement {
        let at = self.now.after(Duration::from_secs(seconds));
        let start = Command::Start(start.clone());
        self.invocation.place(&start, self.seq + 1, at)
    }
}

#[test]
fn what_is_deleted_holds_nothing_and_its_key_stays() {
    let mut driver = ended(None);
    driver.give(delete(false));
    let value = &driver.invocation.value;
    assert_eq!(
        (value.input.clone(), &value.output),
        (Payload::null(), &None)
    );
    assert_eq!(
        (value.why.as_str(), value.deleted_at),
        ("deleted", Some(driver.now))
    );
    assert_eq!(value.status, Status::Completed);
    assert!(!driver.invocation.ended_by_last_turn());
    let text = String::from_utf8(driver.turns.last().unwrap().clone()).unwrap();
    assert!(
        !text.contains("double") && !text.contains("\"input\":5"),
        "{text}"
    );
    assert_eq!(
        driver.load().value,
        driver.invocation.value,
        "and can be loaded"
    );
    assert_eq!(driver.entries(), []);
    let again = driver
        .invocation
        .place(&delete(true), driver.seq + 1, driver.now);
    assert!(matches!(again, Placement::Drop(_)));
    // Its own start comes again: nothing is begun.
    let own = Command::Start(start_of("r1"));
    assert_eq!(
        driver.invocation.place(&own, START, driver.now),
        Placement::Taken
    );
    // The id is free for another.
    assert_eq!(driver.place_start(&start_of("r2"), 0), Placement::Supersede);
}

#[test]
fn what_goes_on_is_deleted_by_force_only() {
    let mut driver = Driver::begin(doubled(), "5");
    let refused = driver.invocation.place(&delete(false), 11, driver.now);
    assert_eq!(refused, Placement::Drop("the invocation has not ended"));
    driver.give(delete(true));
    assert_eq!(driver.status(), Status::Terminated);
    assert!(driver.invocation.ended_by_last_turn());
    assert!(driver.invocation.value.deleted_at.is_some());
    assert_eq!(driver.error().code, Code::INTERRUPTED, "who waits is told");
}

#[test]
fn what_was_kept_for_good_is_not_when_it_is_deleted() {
    let own = Start {
        retention: Some(Retention::Forever),
        ..start("null")
    };
    let mut driver = Driver {
        workflow: paging(),
        invocation: Invocation::create(own, birth()),
        pages: Vec::new(),
        now: birth().at,
        seq: START,
        revision: 0,
        turns: Vec::new(),
    };
    driver.attach();
    driver.store();
    driver.run_locals();
    driver.signal("s", "end", "1");
    assert_eq!(driver.status(), Status::Completed);
    assert_eq!(driver.invocation.retention().ttl(), None);
    let pages = u32::try_from(driver.pages.len()).unwrap();
    assert!(pages > 1);
    driver.give(delete(false));
    assert!(driver.invocation.retention().ttl().is_some());
    let expired = EffectTag::ExpirePages(1, pages);
    assert_eq!(driver.invocation.value.turn.effects, [expired]);
}

#[test]
fn an_id_is_free_once_its_result_has_lived_its_time() {
    let driver = ended(Some(2_000));
    let rival = start_of("r2");
    assert!(matches!(driver.place_start(&rival, 1), Placement::Tell(_)));
    assert_eq!(driver.place_start(&rival, 2), Placement::Supersede);
    // By the start that has it already, nothing runs again.
    assert_eq!(driver.place_start(&start_of("r1"), 9), Placement::Taken);
    // One that was stored before the start of what has ended.
    let older = Command::Start(rival);
    let late = driver.now.after(Duration::from_secs(9));
    let placed = driver.invocation.place(&older, START - 1, late);
    assert!(matches!(placed, Placement::Tell(_)));

    let kept = ended(None);
    let refused = kept.place_start(&start_of("r2"), 1_000_000);
    assert!(
        matches!(refused, Placement::Tell(_)),
        "for as long as it is kept"
    );
}

#[test]
fn a_start_that_replaces_needs_the_end_of_the_other() {
    let replacing = Start {
        replace: true,
        ..start_of("r2")
    };
    let driver = Driver::begin(doubled(), "5");
    let refused = driver.place_start(&replacing, 0);
    assert!(matches!(refused, Placement::Tell(_)), "it goes on");
    assert_eq!(ended(None).place_start(&replacing, 0), Placement::Supersede);
}

#[test]
fn the_one_that_takes_the_place_runs_from_its_own_start() {
    let old = ended(Some(1));
    let (revision, old_run) = (old.revision, old.invocation.value.run);
    let mut driver = old;
    driver.now = driver.now.after(Duration::from_secs(1));
    let mut driver = driver.supersede(start_of("r2"));
    assert_eq!(
        driver.revision,
        revision + 1,
        "the swap was on the old value"
    );
    let value = &driver.invocation.value;
    assert_eq!(
        value.run,
        Run {
            start: 21,
            continued: 0
        }
    );
    assert_eq!((value.replaced, value.turn.number), (Some(old_run), 1));
    assert_eq!((value.created_at, value.ended_at), (driver.now, None));
    assert_eq!(driver.invocation.effects().len(), 1, "its own task");

    // What comes late for the one before: by its run, or by its place in the stream.
    let outcome = Command::Outcome(Outcome {
        run: old_run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    });
    let cancel = Command::Cancel(Cancel {
        id: "c".into(),
        reason: "late".into(),
    });
    for (command, seq) in [(outcome.clone(), 12), (outcome, 30), (cancel.clone(), 15)] {
        let placed = driver.invocation.place(&command, seq, driver.now);
        assert!(
            matches!(placed, Placement::Drop(_)),
            "{command:?} {placed:?}"
        );
    }
    let old_start = Command::Start(start_of("r1"));
    let placed = driver.invocation.place(&old_start, START, driver.now);
    assert_eq!(placed, Placement::Taken, "it has begun the one before");
    assert_eq!(
        driver.invocation.place(&cancel, 30, driver.now),
        Placement::Take
    );
    driver.outcome(1, 1, Ok("7"));
    assert_eq!(driver.output(), "7");
}

#[test]
fn page_numbers_and_ids_of_signals_go_on_in_its_place() {
    let mut driver = Driver::begin(paging(), "null");
    driver.run_locals();
    driver.signal("s1", "end", "1");
    let pages = driver.pages.len();
    assert!(pages > 1);
    driver.give(delete(false));
    let first = driver.invocation.journal.first_page;
    assert!(first as usize > pages);
    let replacing = Start {
        asker: Asker::Request("r2".into()),
        ..start("null")
    };
    driver.pages.resize(first as usize - 1, Vec::new());
    let mut driver = driver.supersede(replacing);
    driver.run_locals();
    let journal = &driver.invocation.journal;
    assert_eq!(journal.first_page, first);
    assert!(journal.pages > first);
    let data = Payload::from_json_text("2").unwrap();
    let late = Command::Signal(Signal::new("s1", "end", data));
    let placed = driver.invocation.place(&late, 99, driver.now);
    assert_eq!(placed, Placement::Taken, "it was for the one before");
    driver.signal("s2", "end", "2");
    assert_eq!(driver.output(), "2");
}

#[test]
fn a_start_brings_its_signal_to_what_it_begins_and_to_what_goes_on() {
    let workflow = || {
        async_workflow(|ctx: Context, (): ()| async move {
            let a: u32 = ctx.signal("add").await?;
            let b: u32 = ctx.signal("add").await?;
            Ok::<_, Error>(a + b)
        })
    };
    let with_signal = |asker: &str, id: &str, json: &str| {
        let data = Payload::from_json_text(json).unwrap();
        Start {
            asker: Asker::Request(asker.into()),
            signal: Some(Box::new(Signal::new(id, "add", data))),
            ..start("null")
        }
    };
    let mut driver = Driver {
        workflow: workflow(),
        invocation: Invocation::create(with_signal("r1", "s1", "1"), birth()),
        pages: Vec::new(),
        now: birth().at,
        seq: START,
        revision: 0,
        turns: Vec::new(),
    };
    driver.attach();
    driver.store();
    let kinds: Vec<_> = driver.entries().iter().map(Entry::kind).collect();
    assert_eq!(kinds, ["signal", "received", "signal"]);

    let second = Command::Start(with_signal("r2", "s2", "2"));
    driver.give(second.clone());
    assert_eq!(driver.output(), "3");
    let place = |command: &Command, seq| driver.invocation.place(command, seq, driver.now);
    assert!(
        matches!(place(&second, driver.seq), Placement::Tell(_)),
        "its asker is told"
    );
    let third = Command::Start(with_signal("r3", "s3", "3"));
    assert!(
        matches!(place(&third, 30), Placement::Tell(_)),
        "it has ended"
    );

    // Of one that is paused, or queued, it waits in the buffer.
    let paused = Start {
        paused: true,
        ..start("null")
    };
    let ticket = Ticket {
        key: "k".into(),
        number: 9,
    };
    let queued = Start {
        ticket: Some(ticket),
        ..start("null")
    };
    for start in [paused, queued] {
        let mut invocation = Invocation::create(start, birth());
        invocation.prepare(birth().at, "e-1".into()).unwrap();
        invocation.committed(1);
        assert!(!invocation.needs_program_for(&second));
        assert_eq!(invocation.place(&second, 11, birth().at), Placement::Take);
        invocation.take(second.clone(), 11, birth().at);
        assert_eq!(invocation.value.signals.waiting.len(), 1);
    }
}
