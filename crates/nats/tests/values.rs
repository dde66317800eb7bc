//! Values, their journals, and their changes.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{PATIENCE, command, connect, options, raw, ready};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream::BoxStream};
use headwater_nats::{MaxBytes, Options};
use headwater_store::{Bucket, Change, Expect, Read, Store, StoreError, Ttl};
use headwater_testkit::{NatsServer, ServerOptions};
use headwater_wire::{InvocationId, names::page_key};

async fn put(store: &dyn Store, bucket: Bucket, key: &str, text: &str, ttl: Ttl) -> u64 {
    let value = Bytes::from(text.to_owned());
    store
        .put(bucket, key, value, Expect::Any, ttl)
        .await
        .unwrap()
}

/// The next change in a line.
async fn change(changes: &mut BoxStream<'static, Result<Change, StoreError>>) -> String {
    let change = tokio::time::timeout(PATIENCE, changes.next()).await;
    match change.expect("a change comes").unwrap().unwrap() {
        Change::Put(record) => format!(
            "{} = {}",
            record.key,
            String::from_utf8_lossy(&record.value)
        ),
        Change::Gone { key } => format!("{key} gone"),
        Change::Current => "current".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_pages_and_values_than_one_request_allows_are_read() {
    let (_server, store) = ready().await;
    let key = InvocationId::new("long").unwrap().key();
    let writes = (1..=1_500).map(|page| {
        let (name, text) = (page_key(&key, page), format!("page {page}"));
        let store = &store;
        async move {
            let value = Bytes::from(text);
            store
                .put(
                    Bucket::Journal,
                    &name,
                    value,
                    Expect::Revision(0),
                    Ttl::Never,
                )
                .await
        }
    });
    try_join_all(writes).await.unwrap();
    let pages = store.pages(&key, 1..=1_500).await.unwrap();
    assert_eq!(pages.len(), 1_500);
    assert!(
        (1..)
            .zip(&pages)
            .all(|(page, text)| text == format!("page {page}").as_bytes())
    );
    let error = store.pages(&key, 1..=1_501).await.unwrap_err();
    assert!(error.to_string().contains("page 1501 of 1501"), "{error}");

    let scan = store.scan(Bucket::Journal).await.unwrap();
    let records: Vec<_> = scan.try_collect().await.unwrap();
    let by_key: BTreeMap<_, _> = records.iter().map(|r| (&r.key, r.revision)).collect();
    assert_eq!((records.len(), by_key.len()), (1_500, 1_500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_come_through_every_read() {
    let (_server, store) = ready().await;
    let key = InvocationId::new("wide").unwrap().key();
    let text = "x".repeat(600_000);
    // Together more than the server sends in one answer by default (64 MiB).
    for page in 1..=120 {
        put(
            &*store,
            Bucket::Journal,
            &page_key(&key, page),
            &text,
            Ttl::Never,
        )
        .await;
    }
    let pages = store.pages(&key, 1..=120).await.unwrap();
    assert!(pages.len() == 120 && pages.iter().all(|page| page.len() == text.len()));
    let scan = store.scan(Bucket::Journal).await.unwrap();
    let records: Vec<_> = scan.try_collect().await.unwrap();
    assert_eq!(records.len(), 120);
    let page = store
        .get(Bucket::Journal, &page_key(&key, 7), Read::Leader)
        .await;
    assert_eq!(page.unwrap().unwrap().value.len(), text.len());
}

#[tokio::test]
async fn a_marker_of_another_kv_client_is_no_value() {
    let (server, store) = ready().await;
    put(&*store, Bucket::Config, "a", "1", Ttl::Never).await;
    let mut changes = store.watch(Bucket::Config, None).await.unwrap();
    assert_eq!(change(&mut changes).await, "a = 1");
    assert_eq!(change(&mut changes).await, "current");
    let kv = raw(&server).await.get_key_value("CONFIG").await.unwrap();
    kv.delete("a").await.unwrap();
    assert_eq!(change(&mut changes).await, "a gone");
    for read in [Read::Any, Read::Leader] {
        assert_eq!(store.get(Bucket::Config, "a", read).await, Ok(None));
    }
    let scan = store.scan(Bucket::Config).await.unwrap();
    assert_eq!(scan.count().await, 0);
    store.delete(Bucket::Config, "a").await.unwrap();
    let value = Bytes::from_static(b"2");
    let create = store.put(Bucket::Config, "a", value, Expect::Revision(0), Ttl::Never);
    assert!(create.await.is_ok());
}

#[tokio::test]
async fn a_watcher_is_told_what_expires() {
    let (_server, store) = ready().await;
    let life = Ttl::After(Duration::from_secs(1));
    let mut changes = store.watch(Bucket::Members, None).await.unwrap();
    assert_eq!(change(&mut changes).await, "current");
    put(&*store, Bucket::Members, "engine.1", "up", life).await;
    put(&*store, Bucket::Members, "engine.2", "up", life).await;
    assert_eq!(change(&mut changes).await, "engine.1 = up");
    assert_eq!(change(&mut changes).await, "engine.2 = up");
    put(&*store, Bucket::Members, "engine.2", "for good", Ttl::Never).await;
    assert_eq!(change(&mut changes).await, "engine.2 = for good");
    assert_eq!(change(&mut changes).await, "engine.1 gone");
    let two = store.get(Bucket::Members, "engine.2", Read::Leader).await;
    assert!(two.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_learns_what_happened_while_the_server_was_away() {
    let (server, store) = ready().await;
    put(&*store, Bucket::Config, "kept", "1", Ttl::Never).await;
    put(
        &*store,
        Bucket::Config,
        "lost",
        "1",
        Ttl::After(Duration::from_secs(1)),
    )
    .await;
    let mut changes = store.watch(Bucket::Config, None).await.unwrap();
    assert_eq!(change(&mut changes).await, "kept = 1");
    assert_eq!(change(&mut changes).await, "lost = 1");
    assert_eq!(change(&mut changes).await, "current");
    server.kill9();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.restart().await;
    assert_eq!(change(&mut changes).await, "lost gone");
    let value = Bytes::from_static(b"2");
    while store
        .put(
            Bucket::Config,
            "kept",
            value.clone(),
            Expect::Any,
            Ttl::Never,
        )
        .await
        .is_err()
    {}
    assert_eq!(change(&mut changes).await, "kept = 2");
}

#[tokio::test]
async fn a_full_bucket_refuses_and_says_why() {
    let server = NatsServer::start().await;
    let store = connect(Options {
        max_bytes: MaxBytes {
            state: Some(10_000),
            ..MaxBytes::default()
        },
        ..options(&server)
    })
    .await;
    store.setup().await.unwrap();
    let value = Bytes::from(vec![b'x'; 3_000]);
    for key in ["a", "b", "c"] {
        let put = store.put(
            Bucket::State,
            key,
            value.clone(),
            Expect::Revision(0),
            Ttl::Never,
        );
        put.await.unwrap();
    }
    let put = store.put(
        Bucket::State,
        "d",
        value.clone(),
        Expect::Revision(0),
        Ttl::Never,
    );
    let error = put.await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("maximum bytes"), "{error}");
    assert!(
        store
            .get(Bucket::State, "a", Read::Leader)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_full_server_refuses_and_says_why() {
    let server = NatsServer::start_with(ServerOptions {
        max_file_bytes: Some(4_000_000),
        ..ServerOptions::default()
    })
    .await;
    let store = connect(options(&server)).await;
    store.setup().await.unwrap();
    let body = "x".repeat(100_000);
    let mut published = 0;
    let error = loop {
        match store.publish(command("a", &body)).await {
            Ok(_) => published += 1,
            Err(error) => break error,
        }
    };
    assert!((10..=40).contains(&published), "{published}");
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    let left = store.backlog("default", headwater_wire::Partition(1)).await;
    assert_eq!(left, Ok(published), "nothing is dropped for the new");
}

#[tokio::test]
async fn without_a_server_every_operation_says_so() {
    let (server, store) = ready().await;
    server.kill9();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let put = store
        .put(Bucket::State, "a", Bytes::new(), Expect::Any, Ttl::Never)
        .await;
    assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
    let publish = store.publish(command("a", "x")).await;
    assert!(
        matches!(publish, Err(StoreError::Unavailable(_))),
        "{publish:?}"
    );
    assert!(store.listen("a.b").await.is_err());
    server.restart().await;
    common::publish_until_taken(&*store, command("a", "x")).await;
}

#[tokio::test]
async fn a_value_over_the_servers_payload_is_refused() {
    let (_server, store) = ready().await;
    let value = Bytes::from(vec![b'x'; 2_000_000]);
    let put = store
        .put(Bucket::State, "a", value, Expect::Any, Ttl::Never)
        .await;
    assert!(matches!(put, Err(StoreError::Refused(_))), "{put:?}");
}

/// Regression: while values were rewritten the server counted none to come too early, and those
/// that were still to come were left out, or told as gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_are_rewritten_meanwhile_are_all_told() {
    const KEYS: usize = 20;
    let (_server, store) = ready().await;
    let store: Arc<dyn Store> = store;
    let name = |key: usize| format!("key-{key}");
    for key in 0..KEYS {
        put(&*store, Bucket::Members, &name(key), "0", Ttl::Never).await;
    }
    let writers: Vec<_> = (0..KEYS)
        .map(|key| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                loop {
                    put(&*store, Bucket::Members, &name(key), "n", Ttl::Never).await;
                }
            })
        })
        .collect();
    for round in 0..300 {
        let scan = store.scan(Bucket::Members).await.unwrap();
        let mut keys: Vec<String> = scan
            .map_ok(|record| record.key)
            .try_collect()
            .await
            .unwrap();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), KEYS, "round {round}: {keys:?}");
    }
    for writer in writers {
        writer.abort();
    }
}
