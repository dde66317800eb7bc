//! What users test their workflows with: virtual time, mocks, faults, replay of a file.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use headwater::{
    check::{Conclusion, Verdict},
    client::Filter,
    prelude::*,
    testing::{self, TestResult, World},
    wire::{InvocationId, Status},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

async fn remind(ctx: Context, to: String) -> Result<String> {
    ctx.sleep(WEEK).await?;
    ctx.activity("mail", &to).await
}

#[test]
fn a_week_of_sleep_is_tested_in_milliseconds() -> TestResult {
    let began = Instant::now();
    testing::run(|world| async move {
        world.mock("mail", |to: String| Ok(format!("sent to {to}")));
        let processor = world.processor().workflow("remind", remind)?;
        world.start(processor).await?;
        let started = world.client().start("remind").input("ada").send().await;
        let result: String = started?.result(2 * WEEK).await?;
        assert_eq!(result, "sent to ada");
        assert!(world.elapsed() >= WEEK, "{:?}", world.elapsed());
        assert!(
            world.elapsed() < WEEK + Duration::from_secs(1),
            "{:?}",
            world.elapsed()
        );
        assert!(world.wake_ups() < 10, "{} wake-ups", world.wake_ups());
        TestResult::Ok(())
    })?;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    Ok(())
}

#[test]
fn a_mock_stands_in_for_the_registered_activity_and_fails_when_told() -> TestResult {
    async fn mail(_: ActivityContext, _: String) -> Result<String> {
        Err(Error::fatal("a test must not send mail"))
    }
    testing::run(|world| async move {
        world.mock("mail", |to: String| Ok(format!("sent to {to}")));
        world.fail("mail", 2, Error::msg("smtp is down"));
        let processor = world.processor().workflow("remind", remind)?;
        world.start(processor.activity("mail", mail)?).await?;
        let client = world.client();
        let mut handle = client.start("remind").input("ada").id("a").send().await?;
        assert_eq!(handle.result::<String>(2 * WEEK).await?, "sent to ada");
        assert_eq!(world.attempts("mail"), 3);
        world.fail("mail", 1, Error::fatal("no such address"));
        let mut handle = client.start("remind").input("eve").send().await?;
        let error = handle.result::<String>(2 * WEEK).await.unwrap_err();
        assert!(error.to_string().contains("no such address"), "{error}");
        Ok(())
    })
}

/// Three local steps, an activity and a sleep; each local step counts its runs.
fn chain(runs: &Arc<AtomicU32>, world: &World) -> Result<Processor, headwater::ProcessorError> {
    let runs = Arc::clone(runs);
    world
        .processor()
        .workflow("chain", move |ctx: Context, (): ()| {
            let runs = Arc::clone(&runs);
            async move {
                for step in ["a", "b", "c"] {
                    let run = || async { Ok::<_, Error>(runs.fetch_add(1, SeqCst)) };
                    ctx.run(step, run).await?;
                }
                ctx.sleep(DAY).await?;
                ctx.activity::<String>("mail", "ada").await
            }
        })
}

#[test]
fn an_engine_that_crashes_after_any_turn_loses_nothing() -> TestResult {
    let mut crashed = 0;
    for turns in 1..=6 {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        crashed += testing::run(|world| async move {
            world.mock("mail", |to: String| Ok(format!("sent to {to}")));
            let running = world.start(chain(&counted, &world)?).await?;
            running.crash_engine_after(turns);
            let mut handle = world.client().start("chain").id("x").send().await?;
            assert_eq!(handle.result::<String>(2 * DAY).await?, "sent to ada");
            assert!(world.elapsed() >= DAY);
            assert_eq!(world.attempts("mail"), 1);
            let members = world.client().members().await?;
            assert_eq!(members.len(), 2, "the dead are gone: {members:?}");
            let later = world.elapsed() > DAY + Duration::from_secs(4);
            Ok::<_, Box<dyn std::error::Error>>(u32::from(later))
        })?;
        let runs = runs.load(SeqCst);
        assert!(
            (3..=4).contains(&runs),
            "{runs} runs, crashed after {turns}"
        );
    }
    assert!(
        crashed > 0,
        "no crash was noticed: nothing had to come again"
    );
    Ok(())
}

#[test]
fn an_engine_killed_in_the_middle_of_a_step_runs_it_again() -> TestResult {
    let begun = Arc::new(AtomicU32::new(0));
    testing::run(|world| async move {
        let processor = world
            .processor()
            .workflow("slow", move |ctx: Context, (): ()| {
                let begun = Arc::clone(&begun);
                async move {
                    let step = || async {
                        let run = begun.fetch_add(1, SeqCst) + 1;
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        Ok::<_, Error>(run)
                    };
                    ctx.run("slow", step).await
                }
            })?;
        let running = world.start(processor).await?;
        let mut handle = world.client().start("slow").send().await?;
        world.advance(Duration::from_secs(30)).await;
        running.crash_engine();
        let runs: u32 = handle.result(Duration::from_secs(120)).await?;
        assert_eq!(runs, 2);
        Ok(())
    })
}

#[test]
fn a_timer_that_is_due_while_no_engine_runs_fires_when_one_does() -> TestResult {
    testing::run(|world| async move {
        world.mock("mail", |to: String| Ok(to));
        let running = world
            .start(world.processor().workflow("remind", remind)?)
            .await?;
        let mut handle = world.client().start("remind").input("ada").send().await?;
        world.advance(DAY).await;
        running.kill_engine();
        world.advance(2 * WEEK).await;
        assert_eq!(world.attempts("mail"), 0);
        running.start_engine();
        handle.result::<String>(Duration::from_secs(10)).await?;
        assert_eq!(world.attempts("mail"), 1);
        Ok(())
    })
}

#[test]
fn a_killed_worker_is_replaced_and_its_attempt_comes_again() -> TestResult {
    let attempts = Arc::new(AtomicU32::new(0));
    testing::run(|world| async move {
        let processor = world.processor().workflow("remind", remind)?.activity(
            "mail",
            move |_: ActivityContext, to: String| {
                let attempt = attempts.fetch_add(1, SeqCst) + 1;
                async move {
                    if attempt == 1 {
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, Error>(to)
                }
            },
        )?;
        let running = world.start(processor).await?;
        let mut handle = world.client().start("remind").input("ada").send().await?;
        world.advance(WEEK + Duration::from_secs(60)).await;
        assert_eq!(world.attempts("mail"), 1, "it hangs");
        running.kill_worker();
        world.advance(Duration::from_secs(60)).await;
        assert_eq!(world.attempts("mail"), 1, "nobody is there");
        let why = world.client().why(handle.id()).await?.join("\n");
        assert!(why.contains("no worker"), "{why}");
        running.start_worker();
        handle.result::<String>(Duration::from_secs(10)).await?;
        assert_eq!(world.attempts("mail"), 2);
        Ok(())
    })
}

#[test]
fn two_builds_run_side_by_side_in_one_world() -> TestResult {
    async fn old(ctx: Context, (): ()) -> Result<String> {
        ctx.sleep(WEEK).await?;
        Ok("old".to_owned())
    }
    async fn new(_: Context, (): ()) -> Result<String> {
        Ok("new".to_owned())
    }
    testing::run(|world| async move {
        let build = world.processor().workflow_version("w", "1.0.0", old)?;
        world.start(build).await?;
        let client = world.client();
        let mut before = client.start("w").send().await?;
        world.advance(DAY).await;
        let build = world.processor().workflow_version("w", "2.0.0", new)?;
        world.start(build).await?;
        let mut after = client.start("w").version("2.0.0").send().await?;
        assert_eq!(after.result::<String>(DAY).await?, "new");
        assert_eq!(before.result::<String>(WEEK).await?, "old");
        Ok(())
    })
}

#[test]
fn the_same_test_takes_the_same_course_every_time() {
    let course = || {
        testing::run(|world| async move {
            world.mock("mail", |to: String| Ok(to));
            world.fail("mail", 3, Error::msg("no"));
            world
                .start(world.processor().workflow("remind", remind).unwrap())
                .await
                .unwrap();
            let mut handle = world
                .client()
                .start("remind")
                .input("a")
                .send()
                .await
                .unwrap();
            handle.wait(2 * WEEK).await.unwrap();
            let state = world.client().state(handle.id()).await.unwrap();
            (state.json, world.elapsed(), world.wake_ups())
        })
    };
    assert_eq!(course(), course());
}

#[test]
#[should_panic(expected = "nothing in its world will ever do")]
fn a_test_that_waits_for_nothing_ends() {
    testing::run(|_| std::future::pending::<()>());
}

/// Export what ran in a world into a folder, one file each.
async fn export_all(world: &World) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let client = world.client();
    for state in client.list(&Filter::new()).await.unwrap().states {
        let file = folder.path().join(format!("{}.json", state.value.id));
        std::fs::write(file, client.export_state(&state).await.unwrap()).unwrap();
    }
    folder
}

async fn order(ctx: Context, (item, rounds): (String, u32)) -> Result<String> {
    for round in 0..rounds {
        ctx.run(format!("weigh-{round}"), || async {
            Ok::<_, Error>("x".repeat(100))
        })
        .await?;
    }
    ctx.activity::<String>("pay", &item).await?;
    ctx.signal("receipt").await
}

/// The same up to the end of the weighing.
async fn order_changed(ctx: Context, (item, rounds): (String, u32)) -> Result<String> {
    for round in 0..rounds {
        ctx.run(format!("weigh-{round}"), || async {
            Ok::<_, Error>(String::new())
        })
        .await?;
    }
    ctx.activity::<String>("charge", &item).await?;
    ctx.signal("receipt").await
}

#[test]
fn an_exported_invocation_is_replayed_from_its_file() -> TestResult {
    testing::run(|world| async move {
        world.mock("pay", |item: String| Ok(item));
        let build = world.processor().workflow("order", order)?;
        world.start(build).await?;
        let client = world.client();
        // Long enough for pages of its journal.
        client
            .start("order")
            .input(&("tea", 100))
            .id("long")
            .send()
            .await?;
        client
            .start("order")
            .input(&("tea", 1))
            .id("short")
            .send()
            .await?;
        client.signal(&id("short"), "receipt", "no. 5").await?;
        client.wait(&id("short"), DAY).await?;
        world.advance(Duration::from_secs(60)).await;
        let long = client.state(&id("long")).await?;
        assert!(long.journal.pages > 0 && long.value.status == Status::Waiting);
        let folder = export_all(&world).await;
        let file = folder.path().join("long.json");

        let replayed = testing::replay(&file, order)?;
        assert_eq!((replayed.entries, replayed.ended), (203, false));
        assert!(testing::replay(folder.path().join("short.json"), order)?.ended);
        let error = testing::replay(&file, order_changed).unwrap_err();
        assert!(
            format!("{error:?}").contains("\"pay\" in the journal"),
            "{error:?}"
        );
        assert_eq!(
            (error.difference[0].step, error.difference[0].field.as_str()),
            (101, "name")
        );
        let error = testing::replay(folder.path().join("none.json"), order).unwrap_err();
        assert!(error.to_string().contains("none.json"), "{error}");
        Ok(())
    })
}

#[test]
fn a_build_is_checked_against_a_folder_of_journals() -> TestResult {
    testing::run(|world| async move {
        world.mock("pay", |item: String| Ok(item));
        world
            .start(world.processor().workflow("order", order)?)
            .await?;
        let client = world.client();
        client
            .start("order")
            .input(&("tea", 1))
            .id("a")
            .send()
            .await?;
        client
            .start("order")
            .input(&("tea", 2))
            .id("b")
            .send()
            .await?;
        world.advance(DAY).await;
        let folder = export_all(&world).await;
        let paths = [folder.path()];
        let conclude = |build: &Processor, allow| build.check(&paths).conclusion(allow);

        let same = world.processor().workflow("order", order)?;
        assert_eq!(conclude(&same, false), Conclusion::Agrees);
        let changed = world.processor().workflow("order", order_changed)?;
        let report = changed.check(&paths);
        assert_eq!(report.conclusion(true), Conclusion::Differs);
        let told = report.to_string();
        let line = "    step 2, name: \"pay\" in the journal, \"charge\" in this build";
        assert!(
            told.contains("DIFFERS  a  order 1.0.0") && told.contains(line),
            "{told}"
        );
        assert!(told.ends_with("0 agree, 2 differ"), "{told}");
        let moved_on = world
            .processor()
            .workflow_version("order", "2.0.0", order)?;
        assert_eq!(conclude(&moved_on, false), Conclusion::Differs);
        assert_eq!(conclude(&moved_on, true), Conclusion::Nothing);
        std::fs::write(folder.path().join("c.json"), "{}")?;
        let report = same.check(&paths);
        let last = &report.journals.last().unwrap().verdict;
        assert!(matches!(last, Verdict::Unreadable { .. }), "{report}");
        assert_eq!(report.conclusion(true), Conclusion::Differs);
        Ok(())
    })
}
