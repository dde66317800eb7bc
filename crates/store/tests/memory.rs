//! The store in memory: the suite on real and on virtual time, and what is particular to it.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod virtual_env;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use headwater_store::{
    Bucket, Change, Consumer, Delivery, Env, Expect, Message, Read, Source, Store, StoreError,
    TokioEnv, Ttl, Verdict,
    conformance::{self, Bench},
    memory::MemoryStore,
};
use headwater_wire::{
    InvocationId, Namespace, Partition, Run,
    dead::{DeadKind, DeadLetter},
    names::{Address, TimerId},
};

use virtual_env::VirtualEnv;

const ACK_WAIT: Duration = Duration::from_secs(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A store on virtual time.
struct Fixture {
    env: Arc<VirtualEnv>,
    store: Arc<MemoryStore>,
}

impl Fixture {
    fn new() -> Self {
        let env = VirtualEnv::new();
        let store = MemoryStore::with_ack_wait(env.clone(), Namespace::default(), ACK_WAIT);
        Self { env, store }
    }

    async fn command(&self, text: &'static str) -> u64 {
        let (to, body) = (to(), Bytes::from_static(text.as_bytes()));
        self.store
            .publish(Message::Command { to, body })
            .await
            .unwrap()
    }

    async fn schedule(&self, step: u32, after: Duration) -> u64 {
        let message = Message::Schedule {
            to: to(),
            timer: timer(step),
            due: self.env.now().after(after),
            body: Bytes::from(format!("timer {step}")),
        };
        self.store.publish(message).await.unwrap()
    }

    async fn consume(&self, deliveries: usize) -> Box<dyn Consumer> {
        let source = Source::Partition {
            queue: "default".to_owned(),
            partition: Partition(1),
        };
        let consumer = self.store.consume(&source).await.unwrap();
        consumer.request(deliveries);
        consumer
    }

    async fn put_for(&self, key: &str, seconds: u64) -> u64 {
        let (value, ttl) = (
            Bytes::new(),
            Ttl::After(SECOND * u32::try_from(seconds).unwrap()),
        );
        let put = self
            .store
            .put(Bucket::Members, key, value, Expect::Any, ttl);
        put.await.unwrap()
    }
}

fn to() -> Address {
    Address {
        queue: "default".to_owned(),
        partition: Partition(1),
        key: InvocationId::new("order 7").unwrap().key(),
    }
}

fn timer(step: u32) -> TimerId {
    let run = Run {
        start: 1,
        continued: 0,
    };
    TimerId {
        run,
        step,
        attempt: 0,
    }
}

async fn bench(env: Arc<dyn Env>) -> Bench {
    Bench {
        store: MemoryStore::with_ack_wait(env.clone(), Namespace::default(), ACK_WAIT),
        env,
        ack_wait: ACK_WAIT,
    }
}

#[tokio::test]
async fn the_suite_passes_on_real_time() {
    conformance::all(|_| bench(TokioEnv::shared())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_on_several_threads() {
    conformance::all(|_| bench(TokioEnv::shared())).await;
}

#[tokio::test(start_paused = true)]
async fn the_suite_passes_on_virtual_time() {
    conformance::all(|_| bench(VirtualEnv::new())).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_due_happens_on_time() {
    let fixture = Fixture::new();
    let mut consumer = fixture.consume(3).await;
    fixture.schedule(1, SECOND * 10).await;
    let fired = consumer.next().await;
    assert_eq!(fixture.env.elapsed(), SECOND * 10, "a schedule");
    let again = consumer.next().await;
    assert_eq!(fixture.env.elapsed(), SECOND * 11, "a redelivery");
    assert_eq!((again.seq, again.deliveries), (fired.seq, 2));
    fixture.store.answer(&again.token, Verdict::Nak(HOUR)).await;
    consumer.next().await;
    assert_eq!(fixture.env.elapsed(), SECOND * 11 + HOUR, "a delay");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waited_for_has_happened_when_it_was_due() {
    let fixture = Fixture::new();
    let start = fixture.env.now();
    fixture.put_for("engine.1", 7).await;
    fixture.schedule(1, SECOND * 20).await;
    fixture.schedule(2, SECOND * 10).await;
    fixture.env.sleep(HOUR).await;
    let late = fixture.command("late").await;

    let gone = fixture
        .store
        .get(Bucket::Members, "engine.1", Read::Any)
        .await;
    assert_eq!(gone, Ok(None));
    let mut consumer = fixture.consume(3).await;
    let mut taken = Vec::new();
    for _ in 0..3 {
        let delivery = consumer.next().await;
        taken.push((delivery.seq, delivery.stored_at.since(start)));
    }
    let expected = [(3, SECOND * 10), (4, SECOND * 20), (5, HOUR)];
    assert_eq!(taken, expected, "in the order of their times");
    assert_eq!(late, 5);
}

#[tokio::test(start_paused = true)]
async fn waiting_costs_nothing() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let mut consumer = fixture.consume(10).await;
    let mut watch = store.watch(Bucket::Members, None).await.unwrap();
    let mut hints = store.listen("ended.a").await.unwrap();
    assert_eq!(watch.next().await, Some(Ok(Change::Current)));
    tokio::select! {
        biased;
        _ = consumer.next() => panic!("nothing was published"),
        _ = watch.next() => panic!("nothing was written"),
        _ = hints.next() => panic!("nothing was hinted"),
        () = fixture.env.sleep(HOUR * 24) => {}
    }
    let sleeps = fixture.env.sleeps.load(Ordering::Relaxed);
    assert_eq!(sleeps, 1, "the day of this test, and no other");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_hears_of_an_earlier_event() {
    let fixture = Fixture::new();
    let mut consumer = fixture.consume(10).await;
    fixture.schedule(1, HOUR).await;
    let change = async {
        fixture.env.sleep(SECOND).await;
        fixture.schedule(1, SECOND).await; // replaces it by an earlier one
        fixture.env.sleep(HOUR).await;
    };
    let wait = async {
        let fired = consumer.next().await;
        fixture.store.answer(&fired.token, Verdict::Ack).await;
        fixture.env.elapsed()
    };
    let ((), fired_at) = futures::join!(change, wait);
    assert_eq!(fired_at, SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_of_an_expiry() {
    let fixture = Fixture::new();
    let revision = fixture.put_for("engine.1", 5).await;
    let mut watch = fixture.store.watch(Bucket::Members, None).await.unwrap();
    let Some(Ok(Change::Put(record))) = watch.next().await else {
        panic!("the member is there");
    };
    assert_eq!(
        (record.key.as_str(), record.revision),
        ("engine.1", revision)
    );
    assert_eq!(watch.next().await, Some(Ok(Change::Current)));
    let key = "engine.1".to_owned();
    assert_eq!(watch.next().await, Some(Ok(Change::Gone { key })));
    assert_eq!(fixture.env.elapsed(), SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_is_given_nothing_more() {
    let fixture = Fixture::new();
    let dropped = fixture.consume(10).await;
    let mut consumer = fixture.consume(10).await;
    drop(dropped);
    let stored = [fixture.command("one").await, fixture.command("two").await];
    let taken = [consumer.next().await, consumer.next().await];
    assert_eq!(taken.map(|delivery| delivery.seq), stored);
    assert_eq!(fixture.env.elapsed(), Duration::ZERO, "at once");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_does_not_look_is_given_messages_all_the_same() {
    let fixture = Fixture::new();
    let mut slow = fixture.consume(1).await;
    let mut fast = fixture.consume(1).await;
    let seq = fixture.command("pushed, not pulled").await;
    let again = fast.next().await;
    assert_eq!((again.seq, again.deliveries), (seq, 2));
    assert_eq!(fixture.env.elapsed(), ACK_WAIT, "after the ack wait");
    let first = slow.next().await;
    assert_eq!((first.seq, first.deliveries), (seq, 1));
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_goes_before_what_is_new() {
    let fixture = Fixture::new();
    let mut consumer = fixture.consume(1).await;
    let first = fixture.command("first").await;
    let given = consumer.next().await;
    let second = fixture.command("second").await;
    fixture
        .store
        .answer(&given.token, Verdict::Nak(Duration::ZERO))
        .await;
    consumer.request(2);
    let taken = [consumer.next().await, consumer.next().await];
    assert_eq!(taken.map(|delivery| delivery.seq), [first, second]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_changes_nothing() {
    let fixture = Fixture::new();
    let undelivered = fixture.command("undelivered").await;
    let pending = fixture.schedule(1, HOUR).await;
    let tokens = [
        String::new(),
        "commands".to_owned(),
        "commands/x".to_owned(),
        "commands/99".to_owned(),
        "letters/1".to_owned(),
        format!("tasks/{undelivered}"),
        format!("commands/{undelivered}"),
        format!("commands/{pending}"),
    ];
    for token in tokens {
        for verdict in [
            Verdict::Progress,
            Verdict::Nak(Duration::ZERO),
            Verdict::Ack,
        ] {
            fixture.store.answer(&token, verdict).await;
        }
    }
    let mut consumer = fixture.consume(2).await;
    assert_eq!(consumer.next().await.deliveries, 1);
    let still_there = fixture.store.any_in_commands(&[pending]).await;
    assert_eq!(still_there, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn what_no_stream_takes_is_not_redriven() {
    let fixture = Fixture::new();
    let letter = DeadLetter {
        kind: DeadKind::Command,
        subject: "somewhere.else".to_owned(),
        seq: 1,
        deliveries: 1,
        reason: "test".to_owned(),
        by: "test".to_owned(),
        payload: Bytes::new(),
    };
    let seq = fixture.store.publish(Message::Dead(letter)).await.unwrap();
    let redriven = fixture.store.redrive(seq).await;
    assert!(
        matches!(redriven, Err(StoreError::Refused(_))),
        "{redriven:?}"
    );
    assert_eq!(
        fixture.store.dead_letters(0, 9).await.unwrap().len(),
        1,
        "kept"
    );
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_no_key_is_refused() {
    let fixture = Fixture::new();
    for key in ["", ".", "a..b", "a.", "a b", "a*", "é"] {
        let (value, expect) = (Bytes::new(), Expect::Any);
        let put = fixture
            .store
            .put(Bucket::State, key, value, expect, Ttl::Never);
        let refused = put.await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{key:?}");
        let watch = fixture.store.watch(Bucket::State, Some(key)).await;
        assert!(watch.is_err(), "{key:?}");
    }
}

/// Two workers that answer in turn by ack, by a delay, or not at all: who got what, and when.
async fn story() -> Vec<String> {
    async fn work(fixture: &Fixture, name: &str, log: &std::sync::Mutex<Vec<String>>) {
        let mut consumer = fixture.consume(2).await;
        loop {
            let Delivery {
                seq,
                deliveries,
                token,
                ..
            } = consumer.next().await;
            consumer.request(1);
            let line = format!("{:?} {name} {seq} {deliveries}", fixture.env.elapsed());
            log.lock().unwrap().push(line);
            match (seq + deliveries) % 3 {
                0 => fixture.store.answer(&token, Verdict::Ack).await,
                1 => fixture.store.answer(&token, Verdict::Nak(SECOND / 3)).await,
                _ => {}
            }
        }
    }
    let fixture = Fixture::new();
    let log = std::sync::Mutex::default();
    let feed = async {
        for step in 0..30 {
            fixture.schedule(step % 7, SECOND / 2 * (step % 5)).await;
            fixture.command("x").await;
            fixture.env.sleep(SECOND / 10).await;
        }
        fixture.env.sleep(SECOND * 10).await;
    };
    tokio::select! {
        biased;
        () = work(&fixture, "left", &log) => {}
        () = work(&fixture, "right", &log) => {}
        () = feed => {}
    }
    log.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_give_the_same_story() {
    let first = story().await;
    assert!(first.len() > 60, "something happens: {}", first.len());
    assert_eq!(first, story().await);
}
