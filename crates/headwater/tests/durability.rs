//! `durability = "required"` on real servers: who is let in, and what the others are told.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use headwater::{Config, DiskSync, Processor, ProcessorError, SyncInterval};
use headwater_testkit::{NatsCluster, NatsServer, ServerOptions};

async fn connect(url: &str, more: &[(&str, &str)]) -> Result<Processor, ProcessorError> {
    let mut keys = vec![("nats.url", url.to_owned())];
    keys.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    Processor::connect(Config::load_with(None, &keys).unwrap()).await
}

const REQUIRED: (&str, &str) = ("durability", "required");

#[tokio::test(flavor = "multi_thread")]
async fn one_server_with_the_default_sync_interval_is_reported_or_refused() {
    let nats = NatsServer::start().await;
    let (url, monitor) = (nats.url(), nats.monitor_url());
    let monitored = ("nats.monitor_url", monitor.as_str());
    let processor = connect(&url, &[monitored]).await.unwrap();
    let said = processor.durability().unwrap().to_string();
    assert!(said.contains("not a power cut"), "{said}");
    let nobody = "http://127.0.0.1:1";
    for (more, found) in [
        (vec![], "sync interval unknown;".to_owned()),
        (
            vec![monitored],
            format!("sync every 2m (found at {monitor});"),
        ),
        (
            // A claim does not stand against what the server says.
            vec![monitored, ("nats.sync_interval", "always")],
            format!("sync every 2m (found at {monitor});"),
        ),
        (
            vec![("nats.sync_interval", "10s")],
            "sync every 10s (declared);".to_owned(),
        ),
        (
            vec![("nats.monitor_url", nobody)],
            format!("sync interval unknown (asked {nobody} in vain: no connection: "),
        ),
    ] {
        let settings: Vec<_> = more.into_iter().chain([REQUIRED]).collect();
        let Err(error) = connect(&url, &settings).await else {
            panic!("{settings:?} was let in");
        };
        assert!(matches!(error, ProcessorError::NotDurable(_)));
        assert!(!Config::is_unreachable(&error));
        let text = error.to_string();
        let found = format!("but this was found: 1 replica, file storage, {found}");
        for part in [
            "durability = \"required\"",
            found.as_str(),
            "three replicas",
            "sync_interval: always",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_always_syncs_is_enough_found_or_declared() {
    let always = ServerOptions {
        sync_always: true,
        ..ServerOptions::default()
    };
    let nats = NatsServer::start_with(always).await;
    let (url, at) = (nats.url(), nats.monitor_url());
    let interval = SyncInterval::Always;
    for (setting, sync) in [
        (
            ("nats.monitor_url", at.clone()),
            DiskSync::Found { interval, at },
        ),
        (
            ("nats.sync_interval", "always".to_owned()),
            DiskSync::Declared(interval),
        ),
    ] {
        let more = [REQUIRED, (setting.0, setting.1.as_str())];
        let processor = connect(&url, &more).await.unwrap();
        assert_eq!(processor.durability().unwrap().sync, sync);
    }
    assert!(connect(&url, &[REQUIRED]).await.is_err(), "nobody says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_are_enough_and_fewer_in_a_cluster_are_not() {
    let cluster = NatsCluster::start(3).await;
    let url = cluster.urls().join(",");
    let one = [REQUIRED, ("namespace", "one"), ("nats.replicas", "1")];
    let Err(error) = connect(&url, &one).await else {
        panic!("one copy was let in");
    };
    assert!(error.to_string().contains("1 replica, "), "{error}");
    let processor = connect(&url, &[REQUIRED]).await.unwrap();
    let durability = processor.durability().unwrap();
    assert_eq!(
        (durability.replicas, &durability.sync),
        (3, &DiskSync::Unknown)
    );
}
