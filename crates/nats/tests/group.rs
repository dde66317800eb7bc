//! Group commit, on a server that syncs before each acknowledgement.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{PATIENCE, address, connect, options, raw};
use futures::{StreamExt as _, future::join_all};
use headwater_nats::{NatsStore, Options, SyncInterval};
use headwater_store::{Bucket, Expect, Message, Read, Source, Store, StoreError, Ttl};
use headwater_testkit::{NatsServer, ServerOptions};
use headwater_wire::{Partition, Run, names::TimerId};
use tokio::time::timeout;

/// Enough for batches.
const MANY: usize = 200;

async fn server() -> NatsServer {
    let options = ServerOptions {
        sync_always: true,
        ..ServerOptions::default()
    };
    NatsServer::start_with(options).await
}

fn declared(server: &NatsServer) -> Options {
    Options {
        sync_interval: Some(SyncInterval::Always),
        // A disk may be busy.
        request_timeout: PATIENCE,
        ..options(server)
    }
}

async fn ready() -> (NatsServer, Arc<NatsStore>) {
    let server = server().await;
    let store = connect(declared(&server)).await;
    store.setup().await.unwrap();
    (server, store)
}

fn key(number: usize) -> String {
    format!("key-{number}")
}

fn value(number: usize) -> Bytes {
    Bytes::from(format!("value {number}"))
}

async fn create(store: &NatsStore, number: usize) -> Result<u64, StoreError> {
    let expect = Expect::Revision(0);
    let key = key(number);
    store
        .put(Bucket::State, &key, value(number), expect, Ttl::Never)
        .await
}

fn timer(number: usize) -> TimerId {
    TimerId {
        run: Run {
            start: 1,
            continued: 0,
        },
        step: u32::try_from(number).unwrap(),
        attempt: 0,
    }
}

/// Messages of the stream of states that were stored as a part of a batch.
async fn batched(server: &NatsServer) -> usize {
    let stream = raw(server).await.get_stream("KV_EXECUTION_STATE").await;
    let mut stream = stream.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut count = 0;
    for seq in 1..=last {
        let headers = stream.get_raw_message(seq).await.unwrap().headers;
        count += usize::from(headers.get("Nats-Batch-Id").is_some());
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_the_same_time_is_one_batch_and_each_learns_its_revision() {
    let (server, store) = ready().await;
    let revisions = join_all((0..MANY).map(|number| create(&store, number))).await;
    for (number, revision) in revisions.into_iter().enumerate() {
        let record = store.get(Bucket::State, &key(number), Read::Leader).await;
        let record = record.unwrap().unwrap();
        assert_eq!(record.revision, revision.unwrap());
        assert_eq!(record.value, value(number));
    }
    assert!(batched(&server).await >= MANY / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_refused_fails_alone() {
    let (_server, store) = ready().await;
    create(&store, 7).await.unwrap();
    let revisions = join_all((0..MANY).map(|number| create(&store, number))).await;
    for (number, revision) in revisions.into_iter().enumerate() {
        match number {
            7 => assert_eq!(revision, Err(StoreError::Conflict)),
            _ => assert!(revision.is_ok(), "{number}: {revision:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_writers_of_one_key_one_wins() {
    let (_server, store) = ready().await;
    // Others make the batch that two writers of one key can't both be in.
    let writes = (0..MANY).map(|number| create(&store, number % (MANY / 2)));
    let results = join_all(writes).await;
    for number in 0..MANY / 2 {
        let (one, other) = (&results[number], &results[number + MANY / 2]);
        let won = usize::from(one.is_ok()) + usize::from(other.is_ok());
        assert_eq!(won, 1, "{one:?} and {other:?}");
        let lost = one.as_ref().err().or(other.as_ref().err());
        assert_eq!(lost, Some(&StoreError::Conflict));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_schedules_and_tasks_come_through() {
    let (_server, store) = ready().await;
    let to = address(3, "order");
    let messages = (0..MANY).flat_map(|number| {
        let body = value(number);
        let schedule = Message::Schedule {
            to: to.clone(),
            timer: timer(number),
            due: "2001-01-01T00:00:00Z".parse().unwrap(),
            body: body.clone(),
        };
        let command = Message::Command {
            to: to.clone(),
            body: body.clone(),
        };
        let topic = "default.step".to_owned();
        [command, Message::Task { topic, body }, schedule]
    });
    let stored = join_all(messages.map(|message| store.publish(message))).await;
    assert!(stored.iter().all(Result::is_ok), "{stored:?}");

    let partition = Source::Partition {
        queue: "default".to_owned(),
        partition: Partition(3),
    };
    for (source, count) in [
        (partition, stored.len() - MANY),
        (Source::Topic("default.step".to_owned()), MANY),
    ] {
        let mut consumer = store.consume(&source).await.unwrap();
        consumer.request(2 * MANY);
        let mut bodies = Vec::new();
        for _ in 0..count {
            let delivery = timeout(PATIENCE, consumer.next()).await.expect("comes");
            bodies.push(delivery.body);
        }
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), MANY);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_outlives_the_server() {
    let server = server().await;
    let store = connect(Options {
        request_timeout: Duration::from_millis(500),
        ..declared(&server)
    })
    .await;
    store.setup().await.unwrap();
    let writer = |first: usize| {
        let store = Arc::clone(&store);
        async move {
            let mut stored = Vec::new();
            for number in (first..).step_by(MANY) {
                match create(&store, number).await {
                    Ok(revision) => stored.push((number, revision)),
                    Err(error) => return (stored, number, error),
                }
            }
            unreachable!("a writer ends with an error")
        }
    };
    let mut writers = futures::stream::FuturesUnordered::new();
    for first in 0..MANY {
        writers.push(tokio::spawn(writer(first)));
    }
    let mut changes = store.watch(Bucket::State, None).await.unwrap();
    for _ in 0..5 * MANY {
        timeout(PATIENCE, changes.next()).await.expect("changes");
    }
    server.kill9();
    let mut acknowledged = Vec::new();
    while let Some(ended) = writers.next().await {
        let (stored, number, error) = ended.unwrap();
        assert!(
            matches!(error, StoreError::Unknown(_) | StoreError::Unavailable(_)),
            "{number}: {error:?}"
        );
        acknowledged.extend(stored);
    }
    server.restart().await;
    let store = connect(declared(&server)).await;
    assert!(acknowledged.len() > 4 * MANY);
    for (number, revision) in acknowledged {
        let record = store.get(Bucket::State, &key(number), Read::Leader).await;
        assert_eq!(record.unwrap().unwrap().revision, revision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_is_asked_decides() {
    for (sync_always, grouped) in [(true, true), (false, false)] {
        let server = NatsServer::start_with(ServerOptions {
            sync_always,
            ..ServerOptions::default()
        })
        .await;
        let store = connect(Options {
            monitor_url: Some(server.monitor_url().parse().unwrap()),
            request_timeout: PATIENCE,
            ..options(&server)
        })
        .await;
        store.ask_monitor(store.setup().await.unwrap()).await;
        let stored = join_all((0..MANY).map(|number| create(&store, number))).await;
        assert!(stored.iter().all(Result::is_ok));
        assert_eq!(batched(&server).await > 0, grouped);
    }
}
