//! Connecting, and making the streams ready.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use async_nats::jetstream::{
    consumer::PullConsumer,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use bytes::Bytes;
use common::{command, connect, options, partition, raw, ready};
use futures::{StreamExt as _, TryStreamExt as _, future::join_all};
use headwater_nats::{Api, ConnectError, Initial, NatsStore, Options, SetupError};
use headwater_store::{Bucket, Expect, Store, StoreError, TokioEnv, Ttl};
use headwater_testkit::{NatsServer, ServerOptions};
use headwater_wire::Namespace;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

async fn connect_error(options: Options) -> ConnectError {
    match NatsStore::connect(options, TokioEnv::shared()).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_streams_are_those_of_the_design() {
    let (server, store) = ready().await;
    let summary = store.setup().await.unwrap();
    assert_eq!((summary.replicas, summary.storage), (1, "file"));
    assert_eq!(summary.cluster, None);

    let js = raw(&server).await;
    let mut infos: Vec<_> = js.streams().try_collect().await.unwrap();
    infos.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    let lines: Vec<String> = infos
        .iter()
        .map(|info| {
            let c = &info.config;
            assert!(c.allow_direct && c.allow_rollup && c.allow_message_ttl);
            assert!(c.allow_atomic_publish && c.storage == StorageType::File);
            assert_eq!(c.duplicate_window, Duration::from_secs(10));
            assert_eq!(
                c.subject_delete_marker_ttl.unwrap_or_default(),
                Duration::ZERO
            );
            assert_eq!(c.allow_message_schedules, c.name == "COMMANDS");
            assert_eq!(c.discard == DiscardPolicy::Old, c.name == "COMMANDS");
            assert_eq!(c.max_messages_per_subject == 1, c.name.starts_with("KV_"));
            let subjects = c.subjects.join(" ");
            format!("{} {} {:?}", c.name, subjects, c.retention)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "COMMANDS commands.> timers.> WorkQueue",
            "DEAD_LETTERS dead.> Limits",
            "KV_CONFIG $KV.CONFIG.> Limits",
            "KV_EXECUTION_STATE $KV.EXECUTION_STATE.> Limits",
            "KV_JOURNAL $KV.JOURNAL.> Limits",
            "KV_MEMBERS $KV.MEMBERS.> Limits",
            "TASKS tasks.> WorkQueue",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_processes_set_up_at_once_and_again() {
    let server = NatsServer::start().await;
    let stores = join_all((0..8).map(|_| connect(options(&server)))).await;
    for _ in 0..2 {
        let ends = join_all(stores.iter().map(|store| store.setup())).await;
        for end in ends {
            assert_eq!(end.unwrap().replicas, 1);
        }
    }
    let consumers = join_all(stores.iter().map(|store| store.consume(&partition(1)))).await;
    assert!(consumers.into_iter().all(|consumer| consumer.is_ok()));
}

#[tokio::test]
async fn namespaces_see_nothing_of_each_other() {
    let (server, store) = ready().await;
    let other = connect(Options {
        namespace: Namespace::new("team-a").unwrap(),
        ..options(&server)
    })
    .await;
    other.setup().await.unwrap();
    store.publish(command("a", "x")).await.unwrap();
    assert_eq!(
        store.backlog("default", headwater_wire::Partition(1)).await,
        Ok(1)
    );
    assert_eq!(
        other.backlog("default", headwater_wire::Partition(1)).await,
        Ok(0)
    );
}

#[tokio::test]
async fn a_foreign_stream_is_refused_with_the_difference_and_the_mend() {
    let server = NatsServer::start().await;
    let js = raw(&server).await;
    js.create_stream(Config {
        name: "COMMANDS".to_owned(),
        subjects: vec!["commands.>".to_owned()],
        retention: RetentionPolicy::Limits,
        ..Config::default()
    })
    .await
    .unwrap();
    let error = connect(options(&server)).await.setup().await.unwrap_err();
    let text = error.to_string();
    for part in [
        "stream COMMANDS",
        "retention is limits, wanted workqueue",
        "subjects is commands.>, wanted commands.>,timers.>",
        "another namespace",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[tokio::test]
async fn subjects_that_another_stream_stores_are_refused() {
    let server = NatsServer::start().await;
    raw(&server)
        .await
        .create_stream(Config {
            name: "EVERYTHING".to_owned(),
            subjects: vec!["tasks.>".to_owned()],
            ..Config::default()
        })
        .await
        .unwrap();
    let error = connect(options(&server)).await.setup().await.unwrap_err();
    assert!(matches!(error, SetupError::Overlap { .. }), "{error}");
    assert!(error.to_string().contains("TASKS"), "{error}");
}

#[tokio::test]
async fn settings_that_are_ours_are_updated_in_place() {
    let (server, store) = ready().await;
    let js = raw(&server).await;
    let stream = js.get_stream("TASKS").await.unwrap();
    let mut changed = stream.cached_info().config.clone();
    changed.allow_atomic_publish = false;
    changed.duplicate_window = Duration::from_secs(60);
    js.update_stream(changed).await.unwrap();
    store.consume(&partition(1)).await.unwrap();

    let again = connect(Options {
        ack_wait: Duration::from_secs(7),
        ..options(&server)
    })
    .await;
    again.setup().await.unwrap();
    again.consume(&partition(1)).await.unwrap();
    let stream = js.get_stream("TASKS").await.unwrap();
    let config = &stream.cached_info().config;
    assert!(config.allow_atomic_publish);
    assert_eq!(config.duplicate_window, Duration::from_secs(10));
    let commands = js.get_stream("COMMANDS").await.unwrap();
    let consumer: PullConsumer = commands.get_consumer("processor-1").await.unwrap();
    let config = &consumer.cached_info().config;
    assert_eq!(config.ack_wait, Duration::from_secs(7));
    assert_eq!((config.max_deliver, config.max_ack_pending), (-1, -1));
    assert_eq!(config.filter_subject, "commands.default.1.*");
}

#[tokio::test]
async fn values_are_read_by_any_kv_client() {
    let (server, store) = ready().await;
    let value = Bytes::from_static(b"{\"status\":\"running\"}");
    let revision = store
        .put(
            Bucket::State,
            "order=207",
            value.clone(),
            Expect::Revision(0),
            Ttl::Never,
        )
        .await
        .unwrap();
    let kv = raw(&server)
        .await
        .get_key_value("EXECUTION_STATE")
        .await
        .unwrap();
    let entry = kv.entry("order=207").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (value, revision));
    let keys: Vec<String> = kv.keys().await.unwrap().try_collect().await.unwrap();
    assert_eq!(keys, ["order=207"]);
    let mut watch = kv.watch_all().await.unwrap();
    let update = kv.update("order=207", Bytes::from_static(b"b"), revision);
    update.await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().value, "b");
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let error = connect_error(Options::new("nats://127.0.0.1:9")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("nats://127.0.0.1:9"), "{error}");
    let error = connect_error(Options::new("not a url")).await;
    assert!(matches!(error, ConnectError::Url { .. }), "{error}");
}

#[tokio::test]
async fn a_processor_waits_for_its_server() {
    let server = NatsServer::start().await;
    server.kill9();
    let waiting = tokio::spawn(connect(Options {
        initial: Initial::Wait,
        ..options(&server)
    }));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    server.restart().await;
    waiting.await.unwrap().setup().await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_is_refused() {
    let server = NatsServer::start_with(ServerOptions {
        jetstream: false,
        ..ServerOptions::default()
    })
    .await;
    let error = connect_error(options(&server)).await;
    assert!(matches!(error, ConnectError::NoJetStream { .. }), "{error}");
    let (server, _) = ready().await;
    let error = connect_error(Options {
        api: Api::Domain("elsewhere".to_owned()),
        ..options(&server)
    })
    .await;
    assert!(matches!(error, ConnectError::NoJetStream { .. }), "{error}");
}

#[tokio::test]
async fn a_domain_is_used() {
    let server = NatsServer::start_with(ServerOptions {
        domain: Some("hub".to_owned()),
        ..ServerOptions::default()
    })
    .await;
    let store = connect(Options {
        api: Api::Domain("hub".to_owned()),
        ..options(&server)
    })
    .await;
    store.setup().await.unwrap();
    store.publish(command("a", "x")).await.unwrap();
    let mut consumer = store.consume(&partition(1)).await.unwrap();
    consumer.request(1);
    assert_eq!(common::next(&mut consumer).await.body, "x");
}

#[tokio::test]
async fn who_may_not_enter_is_told_so() {
    let server = NatsServer::start_with(ServerOptions {
        extra: "authorization { user: u, password: p }".to_owned(),
        ..ServerOptions::default()
    })
    .await;
    let error = connect_error(options(&server)).await;
    assert!(
        matches!(error, ConnectError::Unauthorized { .. }),
        "{error}"
    );
    let store = connect(Options {
        auth: headwater_nats::Auth::User {
            user: "u".to_owned(),
            password: "p".to_owned(),
        },
        ..options(&server)
    })
    .await;
    store.setup().await.unwrap();
}

#[tokio::test]
async fn an_old_server_is_refused_by_its_version() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let (read, mut write) = connection.into_split();
        let info = "INFO {\"server_name\":\"old\",\"version\":\"2.10.22\",\"max_payload\":1048576,\"headers\":true}\r\n";
        write.write_all(info.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("PING") {
                write.write_all(b"PONG\r\n").await.unwrap();
            }
        }
    });
    let error = connect_error(Options::new(url)).await;
    assert_eq!(
        error.to_string(),
        "the NATS server old is version 2.10.22, and 2.14.0 is the oldest that can be used: upgrade it"
    );
}

#[tokio::test]
async fn without_setup_nothing_is_there_and_nothing_panics() {
    let server = NatsServer::start().await;
    let store = connect(options(&server)).await;
    let publish = store.publish(command("a", "x")).await;
    assert!(
        matches!(publish, Err(StoreError::Unavailable(_))),
        "{publish:?}"
    );
    let get = store
        .get(Bucket::State, "a", headwater_store::Read::Any)
        .await;
    assert!(matches!(get, Err(StoreError::Unavailable(_))), "{get:?}");
    assert!(store.consume(&partition(1)).await.is_err());
    assert!(store.scan(Bucket::State).await.is_err());
    assert!(store.dead_letters(0, 10).await.is_err());
}
