//! Activities on real workers: stopped when nobody wants them, limited in time, with heartbeats,
//! progress and a client of their own. In memory, on virtual time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::StreamExt as _;
use headwater::{
    TagFilter, WorkerConfig,
    client::Ended,
    prelude::*,
    testing::{self, Running, TestResult, World},
    wire::{Code, InvocationId, Status},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// What activities say, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Says when it goes.
struct Gone(Notes, &'static str);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// A processor with an activity that ends when it is told to, `polite`, and one that never does,
/// `stubborn`.
fn with_long_ones(world: &World, notes: &Notes) -> Result<Processor, headwater::ProcessorError> {
    let (polite, stubborn) = (notes.clone(), notes.clone());
    world
        .processor()
        .activity("polite", move |ctx: ActivityContext, (): ()| {
            let notes = polite.clone();
            async move {
                assert!(!ctx.is_cancelled());
                let reason = ctx.cancelled().await;
                assert!(ctx.is_cancelled());
                notes.add(format!("polite: {reason}"));
                Ok::<_, Error>(())
            }
        })?
        .activity("stubborn", move |_: ActivityContext, (): ()| {
            let gone = Gone(stubborn.clone(), "stubborn: gone");
            async move {
                let _gone = gone;
                std::future::pending::<Result<()>>().await
            }
        })
}

async fn both(ctx: Context, (): ()) -> Result<()> {
    let calls = ["polite", "stubborn"].map(|name| ctx.activity::<()>(name, ()));
    ctx.all(calls).await.into_iter().collect()
}

async fn start(world: &World, workflow: &str) -> Result<(), headwater::ClientError> {
    world.client().start(workflow).id("i").send().await?;
    world.advance(SECOND).await;
    Ok(())
}

async fn wait(world: &World) -> Result<Ended, headwater::ClientError> {
    world.client().wait(&id("i"), 10 * MINUTE).await
}

#[test]
fn a_cancel_reaches_running_activities_and_cuts_off_those_that_go_on_after_the_grace() -> TestResult
{
    testing::run(|world| async move {
        let notes = Notes::default();
        let processor = with_long_ones(&world, &notes)?.workflow("both", both)?;
        world.start(processor).await?;
        start(&world, "both").await?;
        world.client().cancel(&id("i"), "enough").await?;
        let ended = wait(&world).await?;
        assert_eq!(ended.status, Status::Cancelled);
        world.advance(SECOND).await;
        assert_eq!(notes.all(), ["polite: the workflow was cancelled"]);
        world.advance(10 * SECOND).await;
        assert_eq!(notes.all()[1..], ["stubborn: gone"]);
        let depths = world.client().queue_depths().await?;
        assert!(depths.is_empty(), "nothing comes again: {depths:?}");
        Ok(())
    })
}

#[test]
fn the_loser_of_a_race_sees_that_it_is_cancelled() -> TestResult {
    testing::run(|world| async move {
        let notes = Notes::default();
        let processor = with_long_ones(&world, &notes)?
            .workflow("race", |ctx: Context, (): ()| async move {
                let racers = ["polite", "quick"].map(|name| ctx.activity::<()>(name, ()));
                let (winner, _) = ctx.race(racers).await;
                ctx.sleep(10 * SECOND).await?;
                Ok::<_, Error>(winner)
            })?
            .activity("quick", |_: ActivityContext, (): ()| async move {
                tokio::time::sleep(SECOND).await;
                Ok::<_, Error>(())
            })?;
        world.start(processor).await?;
        start(&world, "race").await?;
        world.advance(SECOND).await;
        assert_eq!(notes.all(), ["polite: the workflow no longer waits for it"]);
        assert_eq!(wait(&world).await?.output.unwrap().decode::<usize>()?, 1);
        Ok(())
    })
}

/// The engine dies when the cancellation is stored and nobody is told. Another tells it once the
/// command comes again, which takes 5 s.
#[test]
fn a_stop_that_nobody_hears_is_made_up_for_by_looking_at_the_value() -> TestResult {
    testing::run(|world| async move {
        let notes = Notes::default();
        let often = WorkerConfig {
            cancel_check: SECOND,
            ..WorkerConfig::default()
        };
        let processor = with_long_ones(&world, &notes)?.workflow("both", both)?;
        let running = world.start(processor.worker(Some(often))).await?;
        start(&world, "both").await?;
        running.crash_engine_after(1);
        world.client().cancel(&id("i"), "enough").await?;
        world.advance(3 * SECOND).await;
        assert_eq!(notes.all(), ["polite: its outcome is no longer wanted"]);
        Ok(())
    })
}

#[test]
fn a_task_that_nobody_wants_any_more_is_not_begun_again() -> TestResult {
    testing::run(|world| async move {
        let notes = Notes::default();
        let processor = with_long_ones(&world, &notes)?.workflow("both", both)?;
        let running = world.start(processor).await?;
        start(&world, "both").await?;
        running.kill_worker();
        world.client().terminate(&id("i"), "enough").await?;
        running.start_worker();
        world.advance(MINUTE).await;
        assert_eq!(notes.all(), ["stubborn: gone"], "with its worker");
        assert_eq!(world.attempts("polite") + world.attempts("stubborn"), 2);
        Ok(())
    })
}

/// Counts up to 5, a second each, and beats; dies or fails when it is told to.
async fn count(ctx: ActivityContext, fails_at: Option<u32>) -> Result<Vec<u32>> {
    let begin = ctx.heartbeat_details::<u32>()?.unwrap_or(0);
    for n in begin + 1..=5 {
        tokio::time::sleep(SECOND).await;
        ctx.heartbeat(n)?;
        if fails_at == Some(n) && begin < n {
            return Err(Error::msg("out of breath"));
        }
    }
    Ok(vec![begin, ctx.attempt])
}

fn counting(world: &World, fails_at: Option<u32>) -> Result<Processor, headwater::ProcessorError> {
    world.processor().activity("count", count)?.workflow(
        "count",
        move |ctx: Context, (): ()| async move {
            let call = ctx.activity::<Vec<u32>>("count", fails_at);
            call.heartbeat_timeout("3s").await
        },
    )
}

#[test]
fn a_retry_reads_the_heartbeat_of_the_attempt_before() -> TestResult {
    testing::run(|world| async move {
        world.start(counting(&world, Some(3))?).await?;
        start(&world, "count").await?;
        let ended = wait(&world).await?;
        assert_eq!(ended.output.unwrap().decode::<Vec<u32>>()?, [3, 2]);
        let value = world.client().state(&id("i")).await?.value;
        assert!(value.beats.is_empty(), "no longer needed");
        Ok(())
    })
}

#[test]
fn an_attempt_that_lost_its_worker_reads_its_own_last_heartbeat() -> TestResult {
    testing::run(|world| async move {
        let running = world.start(counting(&world, None)?).await?;
        start(&world, "count").await?;
        world.advance(Duration::from_millis(2500)).await;
        running.crash_worker();
        let ended = wait(&world).await?;
        assert_eq!(ended.output.unwrap().decode::<Vec<u32>>()?, [3, 1]);
        Ok(())
    })
}

#[test]
fn an_attempt_that_is_silent_for_too_long_has_timed_out() -> TestResult {
    testing::run(|world| async move {
        let notes = Notes::default();
        let processor = with_long_ones(&world, &notes)?.workflow(
            "silent",
            |ctx: Context, (): ()| async move {
                let call = ctx.activity::<()>("stubborn", ());
                call.heartbeat_timeout("3s").await
            },
        )?;
        world.start(processor).await?;
        let began = world.elapsed();
        start(&world, "silent").await?;
        let error = wait(&world).await?.error.unwrap();
        assert_eq!(error.code, Code::TIMEOUT);
        assert_eq!(error.message, "timeout: activity sent no heartbeat");
        let took = world.elapsed() - began;
        assert!((3 * SECOND..4 * SECOND).contains(&took), "{took:?}");
        assert_eq!(notes.all(), ["stubborn: gone"]);
        Ok(())
    })
}

/// Calls of `flaky`, which fails twice, and of `slow`, which takes an hour.
fn call(ctx: &Context, way: &str) -> headwater::ActivityCall<()> {
    let slow = || ctx.activity("slow", ()).attempt_timeout("1s");
    match way {
        "thrice" => ctx.activity("flaky", ()),
        "once" => slow(),
        "again" => slow().retry(Retry::fixed(SECOND).max_attempts(3).retry_timeouts()),
        _ => {
            let retry = Retry::fixed(SECOND / 10).max_attempts(10).retry_timeouts();
            let call = ctx.activity("slow", ()).attempt_timeout("300ms");
            call.retry(retry).timeout("1s")
        }
    }
}

#[test]
fn an_attempt_and_all_of_them_together_have_their_timeouts() -> TestResult {
    testing::run(|world| async move {
        let tries = Arc::new(AtomicU32::new(0));
        let processor = world
            .processor()
            .workflow("calls", |ctx: Context, way: String| async move {
                call(&ctx, &way).await
            })?
            .activity("slow", |_: ActivityContext, (): ()| async move {
                tokio::time::sleep(60 * MINUTE).await;
                Ok::<_, Error>(())
            })?
            .activity("flaky", move |_: ActivityContext, (): ()| {
                let is_late = tries.fetch_add(1, SeqCst) < 2;
                async move {
                    match is_late {
                        true => Err(Error::msg("not yet")),
                        false => Ok(()),
                    }
                }
            })?;
        world.start(processor).await?;
        let attempts = || world.attempts("slow") + world.attempts("flaky");
        for (way, code, count, tenths) in [
            ("thrice", None, 3, 3),
            ("once", Some(596), 1, 10),
            ("again", Some(597), 3, 50),
            ("in all", Some(596), 3, 10),
        ] {
            let (began, before) = (world.elapsed(), attempts());
            let mut handle = world.client().start("calls").input(way).send().await?;
            let error = handle.wait(MINUTE).await?.error;
            assert_eq!(error.map(|error| error.code.number()), code, "{way}");
            assert_eq!(attempts() - before, count, "{way}");
            let took = (world.elapsed() - began).as_millis() / 100;
            assert_eq!(took, tenths, "{way}");
        }
        Ok(())
    })
}

#[test]
fn progress_is_heard_while_the_activity_runs() -> TestResult {
    testing::run(|world| async move {
        let processor = world
            .processor()
            .workflow("talks", |ctx: Context, (): ()| async move {
                ctx.activity::<()>("talk", ()).await
            })?
            .activity("talk", |ctx: ActivityContext, (): ()| async move {
                for word in ["once", "upon"] {
                    ctx.progress(word).await?;
                    tokio::time::sleep(SECOND).await;
                }
                Ok::<_, Error>(())
            })?;
        world.start(processor).await?;
        let mut heard = world.client().progress(&id("i")).await?;
        start(&world, "talks").await?;
        for word in ["once", "upon"] {
            let told = heard.next().await.unwrap();
            assert_eq!(told.data.decode::<String>()?, word);
            assert_eq!((told.activity.as_str(), told.attempt), ("talk", 1));
        }
        assert_eq!(wait(&world).await?.status, Status::Completed);
        Ok(())
    })
}

#[test]
fn an_activity_knows_where_it_is_and_what_it_starts_is_started_once() -> TestResult {
    testing::run(|world| async move {
        let notes = Notes::default();
        let told = notes.clone();
        let processor = world
            .processor()
            .workflow("asks", |ctx: Context, (): ()| async move {
                ctx.activity::<String>("start another", ()).await
            })?
            .workflow("clean up", |ctx: Context, what: String| async move {
                ctx.run("clean up", || async { Ok::<_, Error>(what.clone()) })
                    .await
            })?
            .activity("start another", move |ctx: ActivityContext, (): ()| {
                let notes = told.clone();
                async move {
                    let mut started = ctx.start("clean up").input("tmp").send().await?;
                    notes.add(started.id().as_str());
                    notes.add(format!(
                        "{} {} {} {} {}",
                        ctx.workflow, ctx.step, ctx.attempt, ctx.run, ctx.idempotency_key
                    ));
                    notes.add(ctx.worker.clone());
                    if ctx.attempt == 1 {
                        return Err(Error::msg("once more"));
                    }
                    Ok(started.result::<String>(MINUTE).await?)
                }
            })?;
        world.start(processor).await?;
        start(&world, "asks").await?;
        let ended = wait(&world).await?;
        assert_eq!(ended.output.unwrap().decode::<String>()?, "tmp");
        let client = world.client();
        let run = client.state(&id("i")).await?.value.run;
        let notes = notes.all();
        let child = format!("i/{run}/1/1");
        assert_eq!([&notes[0], &notes[3]], [&child, &child]);
        assert_eq!(notes[1], format!("asks 1 1 {run} i/{run}/1"));
        assert_eq!(notes[4], format!("asks 1 2 {run} i/{run}/1"));
        let members = client.members().await?;
        assert!(members.iter().any(|member| member.id == notes[2]));
        let filter = headwater::client::Filter::new().workflow("clean up");
        assert_eq!(client.list(&filter).await?.states.len(), 1);
        Ok(())
    })
}

#[test]
fn what_an_activity_throws_and_a_panic_fail_its_step() -> TestResult {
    testing::run(|world| async move {
        let processor = world
            .processor()
            .workflow("mails", |ctx: Context, to: String| async move {
                let call = ctx.activity::<()>("mail", &to);
                call.retry(Retry::none()).await
            })?
            .activity("mail", |_: ActivityContext, to: String| async move {
                match to.as_str() {
                    "" => Err::<(), _>(Error::fatal("email is required")),
                    "nobody" => panic!("nobody is nobody"),
                    _ => Err(Error::msg("smtp is down")),
                }
            })?;
        world.start(processor).await?;
        for (to, code, number, message) in [
            ("", Code::FATAL, 598, "email is required"),
            ("nobody", Code::PANICKED, 599, "panicked: nobody is nobody"),
            ("ada", Code::FAILED, 599, "smtp is down"),
        ] {
            let mut handle = world.client().start("mails").input(to).send().await?;
            let ended = handle.wait(MINUTE).await?;
            let error = ended.error.unwrap();
            assert_eq!(ended.status, Status::Failed);
            assert_eq!((&error.code, error.code.number()), (&code, number));
            assert_eq!(error.message, message);
        }
        Ok(())
    })
}

/// Runs `deadly`, whose worker dies of it again and again.
async fn dies_of_it(world: &World, running: &Running) -> Result<Ended, headwater::ClientError> {
    let mut handle = world.client().start("deadly").id("i").send().await?;
    for attempt in 1..=10 {
        while world.attempts("deadly") < attempt {
            world.advance(SECOND).await;
        }
        running.crash_worker();
    }
    handle.wait(10 * MINUTE).await
}

#[test]
fn an_activity_that_kills_its_worker_ten_times_fails_as_poison() -> TestResult {
    testing::run(|world| async move {
        let processor = world
            .processor()
            .workflow("deadly", |ctx: Context, (): ()| async move {
                ctx.activity::<()>("deadly", ()).await
            })?
            .activity("deadly", |_: ActivityContext, (): ()| async move {
                std::future::pending::<Result<()>>().await
            })?;
        let running = world.start(processor).await?;
        let ended = dies_of_it(&world, &running).await?;
        let error = ended.error.unwrap();
        assert_eq!((ended.status, &error.code), (Status::Failed, &Code::POISON));
        let counts: BTreeMap<String, u32> = error.details.unwrap().decode()?;
        let expected = BTreeMap::from([("attempts".to_owned(), 10), ("max".to_owned(), 10)]);
        assert_eq!(counts, expected);
        assert_eq!(world.attempts("deadly"), 10);
        Ok(())
    })
}

/// Runs on whoever takes the tag, and says who that is.
async fn render(ctx: Context, tag: Option<String>) -> Result<String> {
    let call = ctx.activity::<String>("render", ());
    match tag {
        Some(tag) => call.tag(tag).await,
        None => call.await,
    }
}

/// A worker of the activity `render` with this filter, which answers its name and the tag.
fn renderer(
    world: &World,
    name: &'static str,
    tags: TagFilter,
) -> Result<Processor, headwater::ProcessorError> {
    let config = WorkerConfig {
        tags,
        ..WorkerConfig::default()
    };
    let processor = world.processor().engine(None).worker(Some(config));
    processor.activity("render", move |ctx: ActivityContext, (): ()| async move {
        Ok::<_, Error>(format!("{name}: {:?}", ctx.tag))
    })
}

/// Which of these tags are served by a worker with this filter.
fn served(filter: TagFilter) -> Vec<&'static str> {
    let served = testing::run(|world| async move {
        let engine = world.processor().workflow("render", render)?;
        world.start(engine).await?;
        world.start(renderer(&world, "w", filter)?).await?;
        let mut served = Vec::new();
        for tag in ["", "gpu", "eu"] {
            let input = Some(tag).filter(|tag| !tag.is_empty());
            let call = world.client().start("render").input(&input);
            let mut handle = call.id(format!("i{tag}")).send().await?;
            match handle.result::<String>(MINUTE).await {
                Ok(by) => {
                    assert_eq!(by, format!("w: {input:?}"));
                    served.push(tag);
                }
                Err(headwater::ClientError::Timeout { .. }) => {
                    let why = world.client().why(handle.id()).await?.join("; ");
                    assert!(why.contains("no worker of topic"), "{why}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(served)
    });
    served.unwrap()
}

#[test]
fn a_worker_takes_the_tags_that_its_filter_says() {
    let gpu = || vec!["gpu".to_owned()];
    assert_eq!(served(TagFilter::Default), [""]);
    assert_eq!(served(TagFilter::Only(gpu())), ["gpu"]);
    assert_eq!(served(TagFilter::DefaultAnd(gpu())), ["", "gpu"]);
    assert_eq!(served(TagFilter::Any), ["", "gpu", "eu"]);
    assert_eq!(served(TagFilter::None), [""; 0]);
}

#[test]
fn a_tagged_activity_goes_to_the_worker_with_the_tag_and_waits_for_one() -> TestResult {
    testing::run(|world| async move {
        let engine = world.processor().workflow("render", render)?;
        world.start(engine).await?;
        world
            .start(renderer(&world, "plain", TagFilter::Default)?)
            .await?;
        let mut gpu = world.client().start("render").input("gpu").send().await?;
        world.advance(10 * MINUTE).await;
        let only = TagFilter::Only(vec!["gpu".to_owned()]);
        world.start(renderer(&world, "gpu", only)?).await?;
        let by: String = gpu.result(MINUTE).await?;
        assert_eq!(by, "gpu: Some(\"gpu\")");
        let mut plain = world.client().start("render").send().await?;
        assert_eq!(plain.result::<String>(MINUTE).await?, "plain: None");
        let mut bad = world.client().start("render").input("a#b").send().await?;
        let error = bad.wait(MINUTE).await?.error.unwrap();
        assert_eq!(error.code, Code::DECODE);
        Ok(())
    })
}

/// Loads once, then uses it in each of three runs, and answers who did what.
async fn with_session(ctx: Context, mut by: Vec<String>) -> Result<Vec<String>> {
    let session = ctx.id().as_str().to_owned();
    if by.is_empty() {
        by.push(ctx.activity("load", ()).session(&session).await?);
    }
    for _ in 0..3 {
        by.push(ctx.activity("use", ()).session(&session).await?);
        ctx.sleep(SECOND).await?;
    }
    match by.len() {
        10 => Ok(by),
        _ => ctx.continue_as_new(&by).await,
    }
}

/// A worker that says who it is.
async fn session_worker(world: &World) -> Result<Running, headwater::ProcessorError> {
    let who = |ctx: ActivityContext, (): ()| async move {
        assert_eq!(ctx.session.as_deref(), Some(ctx.invocation.as_str()));
        Ok::<_, Error>(ctx.worker)
    };
    let processor = world.processor().engine(None);
    let processor = processor.activity("load", who)?.activity("use", who)?;
    world.start(processor).await
}

#[test]
fn a_session_stays_on_one_worker_over_activities_and_runs() -> TestResult {
    testing::run(|world| async move {
        let engine = world.processor().workflow("session", with_session)?;
        world.start(engine).await?;
        for _ in 0..3 {
            session_worker(&world).await?;
        }
        let mut handles = Vec::new();
        for n in 0..20 {
            let call = world.client().start("session").id(format!("s{n}"));
            handles.push(call.input(&[""; 0]).send().await?);
        }
        let mut workers = BTreeMap::new();
        for handle in &mut handles {
            let mut by: Vec<String> = handle.result(10 * MINUTE).await?;
            by.dedup();
            assert_eq!(by.len(), 1, "{by:?}");
            *workers.entry(by.remove(0)).or_insert(0) += 1;
        }
        assert_eq!(workers.len(), 3, "all of them have some: {workers:?}");
        Ok(())
    })
}

#[test]
fn a_session_moves_when_its_worker_dies_and_loses_no_task() -> TestResult {
    testing::run(|world| async move {
        let engine = world.processor().workflow("session", with_session)?;
        world.start(engine).await?;
        let mut workers = Vec::new();
        for _ in 0..3 {
            workers.push(session_worker(&world).await?);
        }
        let mut handles = Vec::new();
        for n in 0..20 {
            let call = world.client().start("session").id(format!("s{n}"));
            handles.push(call.input(&[""; 0]).send().await?);
        }
        world.advance(2 * SECOND).await;
        workers[0].kill_worker();
        let mut moved = 0;
        for handle in &mut handles {
            let mut by: Vec<String> = handle.result(10 * MINUTE).await?;
            assert_eq!(by.len(), 10);
            by.dedup();
            moved += by.len() - 1;
            assert!(by.len() <= 2, "{by:?}");
        }
        assert!(
            (1..20).contains(&moved),
            "those of the dead, and no others: {moved}"
        );
        Ok(())
    })
}

/// Where a log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a workflow and its activity log with this filter, as JSON.
fn logged(filter: &str) -> Vec<serde_json::Value> {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || written.clone())
        .json()
        .finish();
    let ran: TestResult = tracing::subscriber::with_default(subscriber, || {
        testing::run(|world| async move {
            let processor = world
                .processor()
                .workflow_version("logs", "1.2.0", |ctx: Context, (): ()| async move {
                    ctx.info("begins");
                    ctx.activity::<()>("logs too", ()).await
                })?
                .activity("logs too", |ctx: ActivityContext, (): ()| async move {
                    ctx.debug("not at this level");
                    ctx.info("works");
                    Ok::<_, Error>(())
                })?;
            world.start(processor).await?;
            start(&world, "logs").await?;
            assert_eq!(wait(&world).await?.status, Status::Completed);
            Ok(())
        })
    });
    ran.unwrap();
    let bytes = log.0.lock().unwrap().clone();
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn log_lines_are_chosen_by_their_target_and_say_where_they_come_from() {
    let [of_activity] = &logged("headwater::activity=info")[..] else {
        panic!("only that of the activity");
    };
    assert_eq!(of_activity["target"], "headwater::activity");
    let fields = &of_activity["fields"];
    assert_eq!(fields["message"], "works");
    assert_eq!(fields["invocation_id"], "i");
    assert_eq!(fields["workflow"], "logs");
    assert_eq!(fields["activity"], "logs too");
    assert_eq!(
        (&fields["step"], &fields["attempt"]),
        (&1.into(), &1.into())
    );
    assert!(fields["run"].as_str().unwrap().ends_with(".0"));
    assert!(!fields["worker"].as_str().unwrap().is_empty());
    let [of_workflow] = &logged("headwater::workflow=info")[..] else {
        panic!("only that of the workflow");
    };
    let fields = &of_workflow["fields"];
    assert_eq!(fields["message"], "begins");
    assert_eq!(
        (&fields["workflow"], &fields["version"]),
        (&"logs".into(), &"1.2.0".into())
    );
    assert_eq!(
        fields["run"],
        logged("headwater::activity=info")[0]["fields"]["run"]
    );
}
