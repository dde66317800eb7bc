//! Three servers.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{command, connect, next, partition, publish_until_taken};
use headwater_nats::Options;
use headwater_store::{Bucket, Expect, Read, Store, StoreError, Ttl, Verdict};
use headwater_testkit::NatsCluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_three_copies_and_survives_the_loss_of_one() {
    let cluster = NatsCluster::start(3).await;
    let store = connect(Options {
        urls: cluster.urls(),
        ack_wait: Duration::from_secs(1),
        monitor_url: Some(cluster.monitor_url(0).parse().unwrap()),
        ..Options::default()
    })
    .await;
    let summary = store.ask_monitor(store.setup().await.unwrap()).await;
    let at = cluster.monitor_url(0);
    assert_eq!(
        summary.to_string(),
        format!(
            "3 replicas, file storage, sync every 2m (found at {at}, one server of the cluster test): survives the loss of a minority of servers, not a power cut of all at once"
        ),
        "whichever of the three we are connected to"
    );
    assert!(summary.survives_power_cut());
    assert_eq!(
        (summary.replicas, summary.cluster.as_deref()),
        (3, Some("test"))
    );
    assert_eq!(store.setup().await.unwrap().replicas, 3);

    let mut consumer = store.consume(&partition(1)).await.unwrap();
    consumer.request(100);
    let mut revision = 0;
    for index in 0..3 {
        cluster.kill9(index);
        let seq = publish_until_taken(&*store, command("a", "x")).await;
        let started = Instant::now();
        loop {
            let delivery = next(&mut consumer).await;
            store.answer(&delivery.token, Verdict::Ack).await;
            if delivery.seq >= seq {
                break;
            }
        }
        println!(
            "server {index} lost: delivered {:?} after it was stored",
            started.elapsed()
        );
        revision = put(&*store, revision, index).await;
        cluster.restart(index).await;
    }
    let value = store
        .get(Bucket::State, "a", Read::Leader)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((value.revision, &value.value[..]), (revision, &b"2"[..]));
}

/// Swap until it is known what became of it.
async fn put(store: &dyn Store, mut revision: u64, number: usize) -> u64 {
    let value = Bytes::from(number.to_string());
    loop {
        let expect = Expect::Revision(revision);
        match store
            .put(Bucket::State, "a", value.clone(), expect, Ttl::Never)
            .await
        {
            Ok(revision) => return revision,
            Err(StoreError::Conflict) => {
                let found = store.get(Bucket::State, "a", Read::Leader).await;
                match found {
                    Ok(Some(record)) if record.value == value => return record.revision,
                    Ok(record) => revision = record.map_or(0, |record| record.revision),
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_can_be_asked_for() {
    let cluster = NatsCluster::start(3).await;
    let one = Options {
        urls: cluster.urls(),
        replicas: Some(1),
        ..Options::default()
    };
    let summary = connect(one.clone()).await.setup().await.unwrap();
    assert_eq!(summary.replicas, 1);
    assert!(!summary.survives_power_cut());
    let automatic = Options {
        replicas: None,
        ..one
    };
    let summary = connect(automatic).await.setup().await.unwrap();
    assert_eq!(summary.replicas, 3, "those of before are raised");
}
