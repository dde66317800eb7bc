//! Taking from the work queues.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{command, next, partition, publish_until_taken, quiet, raw, ready};
use headwater_store::{Store, Verdict};
use headwater_wire::Partition;

#[tokio::test]
async fn credits_are_never_exceeded() {
    let (_server, store) = ready().await;
    for number in 0..100 {
        store
            .publish(command("a", &number.to_string()))
            .await
            .unwrap();
    }
    let mut consumer = store.consume(&partition(1)).await.unwrap();
    quiet(&mut consumer, 200).await;
    let mut taken = 0;
    for credits in [1, 1, 3, 10, 1, 20] {
        consumer.request(credits);
        for _ in 0..credits {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.body, taken.to_string());
            store.answer(&delivery.token, Verdict::Ack).await;
            taken += 1;
        }
        quiet(&mut consumer, 100).await;
    }
}

#[tokio::test]
async fn single_credits_keep_a_window_open() {
    let (_server, store) = ready().await;
    let mut consumer = store.consume(&partition(1)).await.unwrap();
    for _ in 0..16 {
        consumer.request(1);
    }
    for number in 0..500 {
        store
            .publish(command("a", &number.to_string()))
            .await
            .unwrap();
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (delivery.body, delivery.deliveries),
            (number.to_string().into(), 1)
        );
        store.answer(&delivery.token, Verdict::Ack).await;
        consumer.request(1);
    }
}

#[tokio::test]
async fn what_a_dropped_holder_had_not_looked_at_comes_at_once() {
    let (_server, store) = ready().await;
    for number in 0..10 {
        store
            .publish(command("a", &number.to_string()))
            .await
            .unwrap();
    }
    let mut first = store.consume(&partition(1)).await.unwrap();
    first.request(10);
    let taken = next(&mut first).await;
    store.answer(&taken.token, Verdict::Ack).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(first);
    let started = Instant::now();
    let mut second = store.consume(&partition(1)).await.unwrap();
    second.request(10);
    for _ in 0..9 {
        let delivery = next(&mut second).await;
        store.answer(&delivery.token, Verdict::Ack).await;
    }
    assert!(
        started.elapsed() < Duration::from_millis(800),
        "before ack_wait"
    );
}

#[tokio::test]
async fn a_deleted_consumer_is_made_again() {
    let (server, store) = ready().await;
    let mut consumer = store.consume(&partition(1)).await.unwrap();
    consumer.request(5);
    quiet(&mut consumer, 100).await;
    let js = raw(&server).await;
    js.delete_consumer_from_stream("processor-1", "COMMANDS")
        .await
        .unwrap();
    store.publish(command("a", "x")).await.unwrap();
    assert_eq!(next(&mut consumer).await.body, "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_survived_without_help() {
    let (server, store) = ready().await;
    let mut consumer = store.consume(&partition(1)).await.unwrap();
    consumer.request(10);
    for round in 0..2 {
        let before = publish_until_taken(&*store, command("a", "before")).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.seq, before, "round {round}");
        store.answer(&delivery.token, Verdict::Ack).await;
        server.kill9();
        quiet(&mut consumer, 300).await;
        server.restart().await;
        let restarted = Instant::now();
        let after = publish_until_taken(&*store, command("a", "after")).await;
        loop {
            // The acknowledgement before the kill may have been lost with the server.
            let delivery = next(&mut consumer).await;
            store.answer(&delivery.token, Verdict::Ack).await;
            if delivery.seq == after {
                break;
            }
            consumer.request(1);
        }
        assert!(
            restarted.elapsed() < Duration::from_secs(10),
            "{:?}",
            restarted.elapsed()
        );
        consumer.request(2);
    }
    // What was acknowledged just before a kill comes again, and nothing is left in the end.
    consumer.request(100);
    while store.backlog("default", Partition(1)).await != Ok(0) {
        let pause = Duration::from_millis(100);
        if let Ok(delivery) = tokio::time::timeout(pause, consumer.next()).await {
            store.answer(&delivery.token, Verdict::Ack).await;
        }
    }
}

#[tokio::test]
async fn waiting_causes_no_traffic() {
    let (server, store) = ready().await;
    let mut consumer = store.consume(&partition(1)).await.unwrap();
    consumer.request(8);
    quiet(&mut consumer, 500).await;
    let before = messages(&server).await;
    quiet(&mut consumer, 3_000).await;
    assert_eq!(messages(&server).await, before, "(in, out) of the server");
}

/// Messages that the server has taken in and given out.
async fn messages(server: &headwater_testkit::NatsServer) -> Vec<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let url = server.monitor_url();
    let mut page = tokio::net::TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    page.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    page.read_to_string(&mut text).await.unwrap();
    let counts = text.lines().filter(|line| {
        let line = line.trim();
        line.starts_with("\"in_msgs\"") || line.starts_with("\"out_msgs\"")
    });
    let counts: Vec<String> = counts.map(|line| line.trim().to_owned()).collect();
    assert_eq!(counts.len(), 2, "{text}");
    counts
}
