//! On a real server: deploys while invocations run, parking and resuming, namespaces, full
//! storage, metrics, idle silence.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::time::Duration;

use futures::StreamExt as _;
use headwater::{
    Config, Processor, RunningProcessor,
    client::State,
    prelude::*,
    wire::{Code, InvocationId, Status},
};
use headwater_testkit::{NatsServer, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(20);

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

fn config(nats: &NatsServer, more: &[(&str, &str)]) -> Config {
    let mut keys = vec![("nats.url", nats.url())];
    keys.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    Config::load_with(None, &keys).unwrap()
}

async fn processor(nats: &NatsServer) -> Processor {
    Processor::connect(config(nats, &[])).await.unwrap()
}

/// Wait until the state of an invocation is as it should be.
async fn until(client: &Client, id: &InvocationId, fits: impl Fn(&State) -> bool) -> State {
    let deadline = std::time::Instant::now() + SOON;
    loop {
        if let Ok(state) = client.state(id).await
            && fits(&state)
        {
            return state;
        }
        let seen = client.why(id).await;
        assert!(std::time::Instant::now() < deadline, "{id}: {seen:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn first(ctx: Context, n: u32) -> Result<u32> {
    let m: u32 = ctx.signal("go").await?;
    ctx.run("add", || async { Ok::<_, Error>(n + m) }).await
}

async fn second(ctx: Context, n: u32) -> Result<u32> {
    let m: u32 = ctx.signal("go").await?;
    let sum = ctx.run("add", || async { Ok::<_, Error>(n + m) }).await?;
    ctx.run("double", || async { Ok::<_, Error>(sum * 2) })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_loses_nothing_and_running_ones_stay_on_their_version() {
    let nats = NatsServer::start().await;
    let old = processor(&nats)
        .await
        .workflow_version("w", "1.0.0", first)
        .unwrap();
    let old = old.start().await.unwrap();
    let client = old.client();
    let mut handles = Vec::new();
    for n in 0..20_u32 {
        handles.push((
            n,
            client
                .start("w")
                .id(format!("old{n}"))
                .input(&n)
                .send()
                .await
                .unwrap(),
        ));
    }
    until(&client, &id("old19"), |s| s.value.status == Status::Waiting).await;
    let new = processor(&nats).await;
    let new = new.workflow_version("w", "1.0.0", first).unwrap();
    let new = new
        .workflow_version("w", "1.1.0", second)
        .unwrap()
        .start()
        .await
        .unwrap();
    old.stop().await;
    let client = new.client();
    let mut latest = client.start("w").id("new").input(&1).send().await.unwrap();
    for (n, handle) in &mut handles {
        client.signal(handle.id(), "go", &100).await.unwrap();
        assert_eq!(handle.result::<u32>(SOON).await.unwrap(), *n + 100);
        let state = client.state(handle.id()).await.unwrap();
        assert_eq!(state.value.version, "1.0.0");
    }
    client.signal(&id("new"), "go", &1).await.unwrap();
    assert_eq!(latest.result::<u32>(SOON).await.unwrap(), 4);
    assert_eq!(
        client.state(&id("new")).await.unwrap().value.version,
        "1.1.0"
    );
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_the_version_lets_it_wait_and_says_why() {
    let nats = NatsServer::start().await;
    let old = processor(&nats)
        .await
        .workflow_version("w", "1.0.0", first)
        .unwrap();
    let old = old.start().await.unwrap();
    let client = old.client();
    let mut handle = client.start("w").id("x").input(&1).send().await.unwrap();
    until(&client, &id("x"), |s| s.value.status == Status::Waiting).await;
    old.stop().await;
    let new = processor(&nats)
        .await
        .workflow_version("w", "2.0.0", second)
        .unwrap();
    let new = new.start().await.unwrap();
    let client = new.client();
    client.signal(&id("x"), "go", &1).await.unwrap();
    let deadline = std::time::Instant::now() + SOON;
    loop {
        let why = client.why(&id("x")).await.unwrap().join("\n");
        if why.contains("no connected engine has version 1.0.0") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{why}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let back = processor(&nats)
        .await
        .workflow_version("w", "1.0.0", first)
        .unwrap();
    let back = back.start().await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 2);
    back.stop().await;
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_decides_otherwise_parks_it_and_a_fixed_one_resumes_it() {
    let nats = NatsServer::start().await;
    let one = |step: &'static str| {
        move |ctx: Context, (): ()| async move {
            ctx.run(step, || async { Ok::<_, Error>(1) }).await?;
            ctx.signal::<u32>("go").await
        }
    };
    let good = processor(&nats)
        .await
        .workflow("p", one("reserve"))
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = good.client();
    let mut handle = client.start("p").id("p").send().await.unwrap();
    until(&client, &id("p"), |s| s.value.status == Status::Waiting).await;
    good.stop().await;
    let bad = processor(&nats)
        .await
        .workflow("p", one("renamed"))
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = bad.client();
    client.signal(&id("p"), "go", &5).await.unwrap();
    let state = until(&client, &id("p"), |s| s.value.status == Status::Parked).await;
    let parked = state.value.parked.unwrap();
    assert_eq!(parked.reason.code, Code::NONDETERMINISM);
    assert_eq!(
        (
            parked.difference[0].journal.as_str(),
            parked.difference[0].program.as_str()
        ),
        ("\"reserve\"", "\"renamed\"")
    );
    assert_eq!(
        state.value.signals.waiting.len(),
        1,
        "the signal was taken, to be acted on later"
    );
    bad.stop().await;
    let fixed = processor(&nats)
        .await
        .workflow("p", one("reserve"))
        .unwrap()
        .start()
        .await
        .unwrap();
    fixed.client().resume(&id("p")).await.unwrap();
    assert_eq!(handle.result::<u32>(SOON).await.unwrap(), 5);
    fixed.stop().await;
}

async fn named(nats: &NatsServer, namespace: &str, says: &'static str) -> RunningProcessor {
    let processor = Processor::connect(config(nats, &[("namespace", namespace)]))
        .await
        .unwrap();
    processor
        .workflow("who", move |ctx: Context, (): ()| async move {
            ctx.run("say", || async { Ok::<_, Error>(says.to_owned()) })
                .await
        })
        .unwrap()
        .start()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_see_nothing_of_each_other() {
    let nats = NatsServer::start().await;
    let (a, b) = (
        named(&nats, "a", "I am a").await,
        named(&nats, "b", "I am b").await,
    );
    for (processor, says) in [(&a, "I am a"), (&b, "I am b")] {
        let mut handle = processor
            .client()
            .start("who")
            .id("same")
            .send()
            .await
            .unwrap();
        assert!(!handle.existing());
        assert_eq!(handle.result::<String>(SOON).await.unwrap(), says);
        assert_eq!(processor.client().members().await.unwrap().len(), 1);
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_partitions_are_taken_up_by_running_engines() {
    let nats = NatsServer::start().await;
    let first = named(&nats, "", "x").await;
    let more = Processor::connect(config(&nats, &[("engine.partitions", "16")]))
        .await
        .unwrap();
    let more = more.start().await.unwrap();
    more.stop().await;
    let client = config(&nats, &[]).client().await.unwrap();
    for n in 0..40 {
        let mut handle = client
            .start("who")
            .id(format!("i{n}"))
            .send()
            .await
            .unwrap();
        assert_eq!(handle.result::<String>(SOON).await.unwrap(), "x");
    }
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_storage_is_waited_out_and_nothing_is_lost() {
    let nats = NatsServer::start().await;
    // One value fits, a second does not until there is room again.
    let small = config(&nats, &[("nats.max_bytes.state", "70000")]);
    let processor = Processor::connect(small).await.unwrap();
    let running = processor
        .workflow("big", |ctx: Context, n: usize| async move {
            ctx.run("fill", || async { Ok::<_, Error>("x".repeat(n)) })
                .await?;
            Ok::<_, Error>(n)
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let client = running.client();
    let mut fits = client
        .start("big")
        .id("fits")
        .input(&40_000)
        .send()
        .await
        .unwrap();
    assert_eq!(fits.result::<usize>(SOON).await.unwrap(), 40_000);
    let mut waits = client
        .start("big")
        .id("waits")
        .input(&40_001)
        .send()
        .await
        .unwrap();
    assert!(
        waits.wait(Duration::from_millis(1500)).await.is_err(),
        "there is no room for it"
    );
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let mut stream = context.get_stream("KV_EXECUTION_STATE").await.unwrap();
    let mut wider = stream.info().await.unwrap().config.clone();
    wider.max_bytes = 10_000_000;
    context.update_stream(wider).await.unwrap();
    assert_eq!(waits.result::<usize>(SOON).await.unwrap(), 40_001);
    running.stop().await;
}

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_tell_what_happened() {
    let nats = NatsServer::start().await;
    let processor = Processor::connect(config(&nats, &[("metrics_addr", "127.0.0.1:0")]))
        .await
        .unwrap();
    let running = processor
        .workflow("m", |ctx: Context, (): ()| async move {
            ctx.run("a", || async { Ok::<_, Error>(()) }).await?;
            ctx.activity::<u32>("b", ()).await
        })
        .unwrap()
        .activity("b", |_: ActivityContext, (): ()| async move {
            Ok::<_, Error>(1)
        })
        .unwrap()
        .start()
        .await
        .unwrap();
    let address = running.metrics_addr().unwrap();
    let mut handle = running.client().start("m").send().await.unwrap();
    handle.wait(SOON).await.unwrap();
    let metrics = get(address, "/metrics").await;
    for line in [
        "headwater_engine_commands_total 2",
        "headwater_engine_turns_total 2",
        "headwater_engine_local_steps_total 1",
        "headwater_engine_tasks_total 1",
        "headwater_engine_ended_total 1",
        "headwater_engine_swaps_lost_total 0",
        "headwater_worker_succeeded_total 1",
    ] {
        assert!(metrics.contains(line), "no {line:?} in\n{metrics}");
    }
    assert!(get(address, "/healthz").await.ends_with("ok\n"));
    assert!(get(address, "/nothing").await.starts_with("HTTP/1.1 404"));
    nats.kill9();
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 503"));
    nats.restart().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_serve_is_refused_by_name() {
    let nats = NatsServer::start_with(ServerOptions {
        jetstream: false,
        ..ServerOptions::default()
    })
    .await;
    let error = Processor::connect(config(&nats, &[]))
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(error.contains("JetStream is not available"), "{error}");
    let nowhere =
        Config::load_with(None, &[("nats.url", "nats://127.0.0.1:1".to_owned())]).unwrap();
    let error = Processor::connect(nowhere).await.err().expect("refused");
    assert!(Config::is_unreachable(&error), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

/// Regression: the delete marker that a KV client leaves made the next start lose every swap.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_deleted_by_hand_can_be_started_anew() {
    let nats = NatsServer::start().await;
    let running = named(&nats, "", "again").await;
    let client = running.client();
    for _ in 0..2 {
        let mut handle = client.start("who").id("x").send().await.unwrap();
        assert!(!handle.existing());
        assert_eq!(handle.result::<String>(SOON).await.unwrap(), "again");
        let connection = async_nats::connect(nats.url()).await.unwrap();
        let context = async_nats::jetstream::new(connection);
        let bucket = context.get_key_value("EXECUTION_STATE").await.unwrap();
        bucket.delete("x").await.unwrap();
    }
    running.stop().await;
}

async fn runs(ctx: Context, (round, sum): (u32, u32)) -> Result<u32> {
    let mut sum = sum;
    for n in 0..150 {
        let step = ctx.run(format!("step-{n}"), || async { Ok::<_, Error>(n) });
        sum += step.await?;
        if (round, n) == (1, 140) {
            ctx.signal::<()>("go").await?;
        }
    }
    match round {
        2 => Ok(sum),
        _ => ctx.continue_as_new((round + 1, sum)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_go_on_in_an_engine_of_their_version_and_the_pages_of_the_first_expire() {
    let nats = NatsServer::start().await;
    let with = async |version: &str| {
        let processor = processor(&nats).await;
        let processor = processor.workflow_version("runs", version, runs).unwrap();
        processor.start().await.unwrap()
    };
    let first = with("1.0.0").await;
    let client = first.client();
    let call = client.start("runs").id("r").input(&(0, 0));
    call.send().await.unwrap();
    let waits = |state: &State| state.value.status == Status::Waiting;
    let state = until(&client, &id("r"), waits).await;
    assert_eq!(state.value.run.continued, 1);
    let begins = state.journal.first_page;
    assert!(begins > 1 && state.journal.pages > begins);
    first.stop().await;

    let other = with("1.1.0").await;
    let client = other.client();
    client.signal(&id("r"), "go", &()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let state = client.state(&id("r")).await.unwrap();
    assert!(waits(&state), "no engine has its version");
    let again = with("1.0.0").await;
    let ended = client.wait(&id("r"), SOON).await.unwrap();
    assert_eq!(ended.output::<u32>().unwrap(), 3 * (149 * 150 / 2));
    let state = client.state(&id("r")).await.unwrap();
    assert_eq!(client.history(&state).await.unwrap().len(), 300);

    let server = async_nats::connect(nats.url()).await.unwrap();
    let streams = async_nats::jetstream::new(server);
    let journal = streams.get_stream("KV_JOURNAL").await.unwrap();
    for page in 1..=state.journal.pages {
        let subject = format!("$KV.JOURNAL.r.{page}");
        let stored = journal.get_last_raw_message_by_subject(&subject).await;
        let stored = stored.unwrap();
        assert!(stored.headers.get("Nats-TTL").is_some(), "page {page}");
    }
    other.stop().await;
    again.stop().await;
}

/// Counts slowly, says so, and dies with its worker or ends when it is told.
async fn count(ctx: ActivityContext, (): ()) -> Result<u32> {
    if let Some(counted) = ctx.heartbeat_details::<u32>()? {
        ctx.progress(counted).await?;
    }
    for n in 1.. {
        ctx.heartbeat(n)?;
        if ctx.is_cancelled() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ctx.progress("stopped").await?;
    Ok(0)
}

/// A processor of its own runtime, which is thrown away as a killed process is.
fn worker(url: &str) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keys = [
        ("nats.url", url.to_owned()),
        ("engine.enabled", "false".to_owned()),
    ];
    let config = Config::load_with(None, &keys).unwrap();
    runtime.spawn(async {
        let processor = Processor::connect(config).await.unwrap();
        let processor = processor.activity("count", count).unwrap();
        let _running = processor.start().await.unwrap();
        std::future::pending::<()>().await
    });
    runtime
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_told_to_stop_and_reads_the_heartbeat_of_one_that_was_killed() {
    let nats = NatsServer::start().await;
    let engine = processor(&nats).await.worker(None);
    let engine = engine
        .workflow("counts", |ctx: Context, (): ()| async move {
            ctx.activity::<u32>("count", ()).await
        })
        .unwrap();
    let engine = engine.start().await.unwrap();
    let client = engine.client();
    let mut told = client.progress(&id("c")).await.unwrap();
    let killed = worker(&nats.url());
    client.start("counts").id("c").send().await.unwrap();
    until(&client, &id("c"), |state| !state.value.beats.is_empty()).await;
    killed.shutdown_background();
    let other = worker(&nats.url());
    let mut next = async || {
        tokio::time::timeout(SOON, told.next())
            .await
            .unwrap()
            .unwrap()
    };
    assert!(next().await.data.decode::<u32>().unwrap() >= 1);
    client.cancel(&id("c"), "enough").await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(next().await.data.decode::<String>().unwrap(), "stopped");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "told, not found out"
    );
    other.shutdown_background();
    engine.stop().await;
}
