//! The run that follows may be of another version of the workflow.

use super::*;
use crate::{NextVersion, invocation::Attached};

/// Continues once, and answers the versions of both runs.
fn upgrading(policy: NextVersion) -> std::sync::Arc<dyn Workflow> {
    async_workflow(move |ctx: Context, first: Option<String>| {
        let policy = policy.clone();
        async move {
            ctx.info(format!("runs in {}", ctx.version()));
            let own: String = ctx.activity("own", ctx.version()).await?;
            if let Some(first) = first {
                return Ok::<_, Error>((first, own));
            }
            let next = ctx.continue_as_new(Some(own));
            match policy {
                NextVersion::Latest => next.await,
                NextVersion::Same => next.same_version().await,
                NextVersion::Exact(version) => next.version(version).await,
            }
        }
    })
}

fn versions(policy: NextVersion, latest: Option<&str>) -> (String, usize) {
    let mut driver = Driver::begin(upgrading(policy), "null");
    driver.invocation.offer_version(latest.map(str::to_owned));
    driver.outcome(1, 1, Ok("\"1.0.0\""));
    assert_eq!(driver.invocation.value.run.continued, 1);
    let turns = driver.turns.len();
    let own = format!("{:?}", driver.invocation.value.version);
    driver.outcome(1, 1, Ok(&own));
    assert_eq!(driver.status(), Status::Completed);
    (driver.output(), turns)
}

#[test]
fn the_next_run_is_of_the_latest_version_unless_the_program_says_otherwise() {
    let exact = || NextVersion::Exact("1.5.0".to_owned());
    let same = r#"["1.0.0","1.0.0"]"#;
    for (policy, latest, expected, turns) in [
        (NextVersion::Latest, None, same, 2),
        (NextVersion::Latest, Some("1.0.0"), same, 2),
        (
            NextVersion::Latest,
            Some("2.0.0"),
            r#"["1.0.0","2.0.0"]"#,
            3,
        ),
        (NextVersion::Same, Some("2.0.0"), same, 2),
        (exact(), Some("2.0.0"), r#"["1.0.0","1.5.0"]"#, 3),
        (exact(), None, r#"["1.0.0","1.5.0"]"#, 3),
        (
            NextVersion::Exact("1.0.0".to_owned()),
            Some("2.0.0"),
            same,
            2,
        ),
    ] {
        let found = versions(policy.clone(), latest);
        assert_eq!(found, (expected.to_owned(), turns), "{policy:?} {latest:?}");
    }
}

#[test]
fn the_end_of_a_run_is_stored_and_the_next_begins_with_an_engine_that_has_its_version() {
    let mut driver = Driver::begin(upgrading(NextVersion::Latest), "null");
    driver.invocation.take_logs();
    driver.invocation.offer_version(Some("2.0.0".into()));
    let root = driver.seq + 1;
    driver.outcome(1, 1, Ok("\"1.0.0\""));
    driver.turns.truncate(2);
    driver.revision = 2;
    let mut stored = driver.load();
    assert!(stored.can_go_on() && stored.is_anchor(&Root::Command(root)));
    assert_eq!(
        stored.value.why,
        "its next run waits for an engine that has version 2.0.0"
    );
    assert_eq!(
        (stored.value.version.as_str(), stored.journal.entries),
        ("2.0.0", 0)
    );
    // It begins for the first time, at the time at which the run before ended.
    let program = driver.workflow.instantiate(stored.program_info());
    stored.attach(program, &[] as &[&[u8]], driver.now).unwrap();
    let program = stored.program.as_mut().map(Attached::get).unwrap();
    let logs = program.take_logs();
    assert_eq!(logs.len(), 1, "not silent");
    assert_eq!(logs[0].message, "runs in 2.0.0");
}

#[test]
fn a_run_of_another_version_that_continues_at_once_is_parked_as_one_that_spins() {
    let hops = async_workflow(|ctx: Context, n: u32| async move {
        if n == 0 {
            ctx.activity::<()>("work", ()).await?;
        }
        let other = match ctx.version() {
            "1.0.0" => "2.0.0",
            _ => "1.0.0",
        };
        ctx.continue_as_new::<Result<(), Error>>(n + 1)
            .version(other)
            .await
    });
    let mut driver = Driver::begin(hops.clone(), "0");
    driver.seq += 1;
    let run = driver.invocation.value.run;
    let done = Outcome {
        run,
        step: 1,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    };
    driver
        .invocation
        .take(Command::Outcome(done), driver.seq, driver.now);
    let turn = driver.invocation.prepare(driver.now, "e-1".into()).unwrap();
    let none: &[&[u8]] = &[];
    let mut next = Invocation::load(&turn.value, 2, none, Duration::ZERO).unwrap();
    let program = hops.instantiate(next.program_info());
    let mismatch = next.attach(program, none, driver.now).unwrap_err();
    assert!(
        mismatch.reason.message.contains("go on for ever"),
        "{mismatch:?}"
    );
}

/// Regression: the next run waited for ever for a version that nobody can have.
#[test]
fn a_run_does_not_continue_in_what_is_no_version() {
    let mut driver = Driver::begin(upgrading(NextVersion::Exact("2".into())), "null");
    driver.outcome(1, 1, Ok("\"1.0.0\""));
    assert_eq!(driver.status(), Status::Failed);
    let failure = driver.error();
    assert!(
        failure.message.contains("use for example \"1.2.0\""),
        "{failure}"
    );
    assert_eq!(failure.code, Code::FATAL);
    assert_eq!(driver.invocation.value.run.continued, 0);
}
