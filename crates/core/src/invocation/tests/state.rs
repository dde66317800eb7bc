//! State that others can see: folded by the program, written into the value, the same on replay.

use std::{collections::BTreeMap, sync::Arc};

use headwater_wire::{command::Ticket, limits};

use super::*;

impl Driver {
    /// Go on in another process.
    fn move_on(&mut self) {
        self.invocation = self.reload();
    }

    /// Go on with another build.
    fn deploy(&mut self, workflow: Arc<dyn Workflow>) {
        self.workflow = workflow;
        self.move_on();
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.entries().iter().map(Entry::kind).collect()
    }
}

fn shown(pairs: &BTreeMap<String, Payload>) -> String {
    serde_json::to_string(pairs).unwrap()
}

fn json(text: &str) -> Payload {
    Payload::from_json_text(text).unwrap()
}

#[test]
fn a_counter_in_kv_survives_replays_runs_and_the_end() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        for _ in 0..3 {
            ctx.activity::<()>("work", ()).await?;
            let count: u32 = ctx.kv().get("count")?.unwrap_or_default();
            ctx.kv().set("count", count + 1)?;
        }
        match ctx.kv().get::<u32>("count")? {
            Some(9) => Ok::<_, Error>(ctx.kv().keys()),
            _ => ctx.continue_as_new(()).await,
        }
    });
    let mut driver = Driver::begin(workflow, "null");
    for n in 0..9 {
        driver.move_on();
        driver.outcome(n % 3 + 1, 1, Ok("null"));
        let count = format!(r#"{{"count":{}}}"#, n + 1);
        assert_eq!(shown(&driver.invocation.value.kv), count);
    }
    assert_eq!(driver.invocation.value.run.continued, 2);
    assert_eq!(driver.kinds()[0], "carried", "first of all");
    assert_eq!(driver.output(), r#"["count"]"#);
    assert_eq!(shown(&driver.load().value.kv), r#"{"count":9}"#);
}

#[test]
fn search_attributes_are_counted_exactly_and_answer_the_same_on_replay() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let mut answers = vec![
            ctx.search().set_all([("a", "1"), ("b", "x")])? as f64,
            ctx.search().set("a", "10")? as f64,
        ];
        for _ in 0..2 {
            ctx.activity::<()>("work", ()).await?;
            answers.push(ctx.search().incr("a", 2.5)?);
            answers.push(ctx.search().mult("m", 3.0)?);
        }
        assert!(ctx.search().incr("b", 1.0).is_err(), "not a number");
        let got = ctx.search().mget(&["b", "nothing"]);
        answers.push(ctx.search().del(&["b", "nothing"]) as f64);
        ctx.activity::<()>("work", ()).await?;
        Ok::<_, Error>((answers, got))
    });
    let mut driver = Driver::begin(workflow, "null");
    for step in 1..=3 {
        driver.move_on();
        driver.outcome(step, 1, Ok("null"));
    }
    assert_eq!(
        driver.output(),
        r#"[[2.0,0.0,12.5,3.0,15.0,9.0,1.0],["x",null]]"#
    );
    assert_eq!(
        shown(&driver.invocation.value.search),
        r#"{"a":15,"m":9}"#,
        "whole numbers are written as such"
    );
}

#[test]
fn what_passes_a_limit_fails_and_changes_nothing() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        let kv = ctx.kv();
        let refused = |result: Result<(), Error>| result.unwrap_err().code().clone();
        for n in 0..limits::KV_KEYS_MAX {
            kv.set(&format!("k{n:03}"), n)?;
        }
        let mut codes = vec![refused(kv.set("another", 1))];
        kv.set("k000", "there is room for a key that is there")?;
        let large = "x".repeat(limits::KV_VALUE_BYTES_MAX);
        codes.push(refused(kv.set("k001", &large)));
        kv.clear();
        for n in 0..limits::SEARCH_KEYS_MAX {
            ctx.enrich(&format!("s{n}"), n)?;
        }
        codes.push(refused(ctx.enrich("another", 1).map(drop)));
        codes.push(refused(ctx.enrich("s1", &large).map(drop)));
        let larger = "x".repeat(limits::CUSTOM_STATUS_BYTES_MAX);
        codes.push(refused(ctx.set_status(&larger)));
        codes.push(refused(kv.set("", 1)));
        Ok::<_, Error>((codes, kv.len()))
    });
    let driver = Driver::begin(workflow, "null");
    let too_large = r#""too_large","too_large","too_large","too_large","too_large""#;
    assert_eq!(driver.output(), format!(r#"[[{too_large},"decode"],0]"#));
    assert_eq!(driver.invocation.value.search["s1"], json("1"));
}

#[test]
fn state_at_its_limits_still_fits_the_value_of_the_next_run() {
    let workflow = async_workflow(|ctx: Context, run: u32| async move {
        if run > 0 {
            return Ok::<_, Error>(ctx.status::<String>()?.map_or(0, |status| status.len()));
        }
        ctx.set_status("x".repeat(limits::CUSTOM_STATUS_BYTES_MAX - 2))?;
        let mut key = 0;
        while ctx.kv().set(&format!("{key}"), "x".repeat(10_000)).is_ok() {
            key += 1;
        }
        let mut key = 0;
        while ctx.enrich(&format!("{key}"), "x".repeat(1_000)).is_ok() {
            key += 1;
        }
        ctx.activity::<()>("work", ()).await?;
        ctx.continue_as_new(1).await
    });
    let mut driver = Driver::begin(workflow, "0");
    driver.outcome(1, 1, Ok("null"));
    let largest = driver.turns.iter().map(Vec::len).max().unwrap();
    assert!(largest > 500_000, "{largest}");
    let left = limits::VALUE_BYTES_MAX - limits::PAYLOAD_BYTES_MAX;
    assert!(largest < left, "{largest}: the input needs room as well");
    assert_eq!(
        driver.output(),
        format!("{}", limits::CUSTOM_STATUS_BYTES_MAX - 2)
    );
}

#[test]
fn each_change_of_the_status_has_a_version_also_over_runs() {
    let workflow = async_workflow(|ctx: Context, round: u32| async move {
        let before: Option<String> = ctx.status()?;
        ctx.set_status("working")?;
        ctx.set_status("working")?;
        ctx.activity::<()>("work", ()).await?;
        ctx.reset_status();
        assert_eq!(ctx.status::<String>()?, None);
        ctx.activity::<()>("work", ()).await?;
        ctx.set_status(format!("round {round} is over"))?;
        match round {
            1 => Ok::<_, Error>(before),
            _ => ctx.continue_as_new(round + 1).await,
        }
    });
    let mut driver = Driver::begin(workflow, "0");
    let mut seen = Vec::new();
    for step in [1, 2, 1, 2] {
        let status = driver.invocation.value.custom_status.clone().unwrap();
        let value = String::from_utf8(status.value.bytes().to_vec()).unwrap();
        seen.push((status.version, value));
        assert!(driver.invocation.shows_more() && !driver.invocation.shows_more());
        driver.move_on();
        driver.outcome(step, 1, Ok("null"));
    }
    let seen: Vec<_> = seen.iter().map(|(n, s)| (*n, s.as_str())).collect();
    assert_eq!(
        seen,
        [
            (1, "\"working\""),
            (2, "null"),
            (4, "\"working\""),
            (5, "null")
        ]
    );
    assert_eq!(driver.output(), "\"round 0 is over\"");
    let last = driver.invocation.value.custom_status.clone().unwrap();
    assert_eq!((last.version, last.value), (6, json("\"round 1 is over\"")));
}

#[test]
fn a_start_brings_search_attributes_that_the_workflow_finds_and_changes() {
    let workflow = || {
        async_workflow(|ctx: Context, (): ()| async move {
            let customer: Option<String> = ctx.search().get("customer")?;
            ctx.search().incr("total", 1.0)?;
            ctx.activity::<()>("work", ()).await?;
            Ok::<_, Error>((customer, ctx.search().get::<u32>("total")?))
        })
    };
    let ticket = Ticket {
        key: "k".into(),
        number: 7,
    };
    for ticket in [None, Some(ticket)] {
        let is_queued = ticket.is_some();
        let given = [("customer", "\"ada\""), ("total", "6")];
        let started = Start {
            search: given.map(|(k, v)| (k.to_owned(), json(v))).into(),
            ticket: ticket.clone(),
            ..start("null")
        };
        let mut driver = Driver::begin_with(workflow(), started);
        assert_eq!(driver.kinds()[0], "carried");
        driver.move_on();
        if let Some(ticket) = ticket {
            assert_eq!(driver.status(), Status::Queued);
            driver.give(Command::Grant(ticket));
        }
        assert_eq!(is_queued, driver.kinds()[1] == "granted");
        driver.move_on();
        driver.outcome(1, 1, Ok("null"));
        assert_eq!(driver.output(), r#"["ada",7]"#);
    }
}

#[test]
fn a_build_that_sets_another_value_is_parked_with_both() {
    let make = |by: f64| {
        async_workflow(move |ctx: Context, (): ()| async move {
            ctx.search().incr("n", by)?;
            ctx.activity::<()>("work", ()).await
        })
    };
    let driver = Driver::begin(make(1.0), "null");
    let mut other = driver.load();
    let program = make(2.0).instantiate(other.program_info());
    let mismatch = other
        .attach(program, driver.run_pages(), driver.now)
        .unwrap_err();
    let [difference] = &mismatch.difference[..] else {
        panic!("{mismatch:?}")
    };
    let told = (
        difference.field.as_str(),
        difference.journal.as_str(),
        difference.program.as_str(),
    );
    assert_eq!(told, ("value", "1", "2"));
}

/// Before a change, with it beside the old way, and after the old way was removed.
#[derive(Clone, Copy)]
enum Build {
    Old,
    Both,
    New,
}

fn in_rounds(build: Build) -> Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, (): ()| async move {
        for _ in 0..3 {
            let is_new = match build {
                Build::Old => false,
                Build::Both => ctx.patched("new way"),
                Build::New => true,
            };
            let name = if is_new { "new" } else { "old" };
            ctx.activity::<()>(name, ()).await?;
        }
        Ok::<_, Error>(())
    })
}

fn activities(driver: &Driver) -> Vec<String> {
    let name = |entry: Entry| match entry {
        Entry::Activity { name, .. } => Some(name),
        _ => None,
    };
    driver.entries().into_iter().filter_map(name).collect()
}

#[test]
fn a_run_that_an_older_build_began_goes_on_in_the_old_way() {
    let mut driver = Driver::begin(in_rounds(Build::Old), "null");
    driver.deploy(in_rounds(Build::Both));
    for step in 1..=3 {
        driver.outcome(step, 1, Ok("null"));
        driver.move_on();
    }
    assert_eq!(driver.status(), Status::Completed);
    assert_eq!(activities(&driver), ["old", "old", "old"]);
    assert!(!driver.kinds().contains(&"patch"));
}

#[test]
fn a_new_run_does_as_the_patch_says_and_needs_no_ceremony_to_lose_it() {
    let mut driver = Driver::begin(in_rounds(Build::Both), "null");
    driver.outcome(1, 1, Ok("null"));
    driver.move_on();
    driver.outcome(2, 1, Ok("null"));
    assert_eq!(activities(&driver), ["new", "new", "new"]);
    let patches = driver.kinds().iter().filter(|k| **k == "patch").count();
    assert_eq!(patches, 1, "asked for thrice, noted once");
    driver.deploy(in_rounds(Build::New));
    driver.outcome(3, 1, Ok("null"));
    assert_eq!(driver.status(), Status::Completed);
}

#[test]
fn a_patch_behind_what_is_recorded_is_taken_at_once() {
    let make = |patched: bool| {
        async_workflow(move |ctx: Context, (): ()| async move {
            ctx.activity::<()>("first", ()).await?;
            let is_new = patched && ctx.patched("later");
            ctx.activity::<()>("second", ()).await?;
            Ok::<_, Error>(is_new)
        })
    };
    let mut driver = Driver::begin(make(false), "null");
    driver.deploy(make(true));
    driver.outcome(1, 1, Ok("null"));
    driver.move_on();
    driver.outcome(2, 1, Ok("null"));
    assert_eq!(driver.output(), "true");
}

#[test]
fn a_build_that_mends_a_fault_by_a_patch_takes_it() {
    let make = |is_mended: bool| {
        async_workflow(move |ctx: Context, (): ()| async move {
            let n: u32 = ctx.activity("first", ()).await?;
            if !(is_mended && ctx.patched("mend")) {
                std::future::pending::<()>().await;
            }
            ctx.activity::<()>("second", n).await?;
            Ok::<_, Error>(n)
        })
    };
    let mut driver = Driver::begin(make(false), "null");
    let run = driver.invocation.value.run;
    let outcome = Outcome {
        run,
        step: 1,
        attempt: 1,
        result: Ok(json("1")),
        worker: String::new(),
    };
    let outcome = Command::Outcome(outcome);
    driver.invocation.take(outcome, 11, driver.now);
    let turn = driver.invocation.prepare(driver.now, "e".into()).unwrap();
    assert_eq!(driver.status(), Status::Parked);
    driver.turns.push(turn.value);
    driver.revision += 1;
    driver.deploy(make(true));
    driver.seq = 20;
    driver.give(Command::Resume { id: "r".into() });
    driver.move_on();
    driver.outcome(2, 1, Ok("null"));
    assert_eq!(driver.output(), "1");
}

#[test]
fn the_work_of_a_step_cannot_change_state() {
    let workflow = async_workflow(|ctx: Context, (): ()| async move {
        ctx.run("count", || async {
            ctx.kv().set("count", 1)?;
            Ok::<_, Error>(())
        })
        .await
    });
    let mut driver = Driver::begin(workflow, "null");
    driver.invocation.release_locals(&|_| true);
    let mut cx = std::task::Context::from_waker(Waker::noop());
    let Poll::Ready(outcome) = driver.invocation.poll_local(&mut cx) else {
        panic!("not ready")
    };
    driver.invocation.take_local(outcome, driver.now);
    driver.invocation.prepare(driver.now, "e".into()).unwrap();
    let why = &driver.invocation.value.why;
    assert_eq!(driver.status(), Status::Parked);
    assert!(why.contains("before or after the step"), "{why}");
    assert!(driver.invocation.value.kv.is_empty());
}
