//! The one suite that every store has to pass: it says in code what [`Store`] promises.
//!
//! A case gets a store of its own (an empty namespace), waits only through [`Env`] and asserts
//! no exact times, so the same cases run against memory and against real servers, whose time to
//! live has a resolution of a second, whose schedules fire up to 250 ms late, and which answer
//! an acknowledgement by nothing.

mod buckets;
mod hints;
mod letters;
mod queues;
mod schedules;
mod watches;

use std::{fmt::Display, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::BoxStream,
};
use headwater_wire::{Key, Partition, Run, names::Address, names::TimerId};

use crate::{Bucket, Consumer, Delivery, Env, Expect, Message, Revision, Source, Store, Ttl};

/// What a case gets.
#[derive(Clone)]
pub struct Bench {
    /// The store under test, with nothing in it.
    pub store: Arc<dyn Store>,
    /// Clock that the case waits by.
    pub env: Arc<dyn Env>,
    /// Time after which the store gives an unanswered delivery again. A second is good: less
    /// leaves a busy machine no time to answer, more makes the suite slow.
    pub ack_wait: Duration,
}

/// A case.
pub type Case = fn(Bench) -> BoxFuture<'static, ()>;

macro_rules! cases {
    ($($file:ident: $($case:ident),+;)+) => {
        &[$($((stringify!($case), |bench| Box::pin($file::$case(bench)))),+),+]
    };
}

/// Every case, by name.
pub const CASES: &[(&str, Case)] = cases! {
    buckets:
        a_value_is_created_updated_and_guarded_by_its_revision,
        a_write_that_expects_nothing_replaces_whatever_is_there,
        keys_and_buckets_do_not_mix,
        a_deleted_key_has_revision_0_again,
        a_value_expires_and_its_key_has_revision_0_again,
        a_write_without_a_time_to_live_removes_the_limit,
        a_time_to_live_under_a_second_is_refused,
        pages_come_in_order_and_a_missing_one_is_refused,
        a_scan_gives_every_value_once;
    watches:
        a_watch_tells_what_is_there_then_what_changes,
        a_watch_of_one_key_tells_of_no_other;
    queues:
        messages_come_in_the_order_they_were_stored,
        tasks_go_to_their_topic,
        two_holders_share_without_duplicates,
        nothing_comes_beyond_what_was_asked_for,
        what_is_not_answered_comes_again_and_the_old_answer_counts,
        a_dropped_holder_loses_nothing,
        a_dropped_wait_loses_nothing,
        what_is_given_back_comes_after_the_delay,
        what_is_given_back_at_once_comes_at_once,
        progress_keeps_a_message,
        a_command_is_there_until_it_is_acknowledged,
        the_first_command_of_an_address_is_found,
        the_backlog_counts_commands_and_schedules,
        the_depths_count_what_is_stored_for_each_queue_and_topic;
    schedules:
        a_schedule_fires_when_it_is_due,
        a_schedule_is_replaced_by_the_same_timer,
        a_schedule_due_in_the_past_fires_at_once,
        an_unscheduled_timer_does_not_fire,
        a_schedule_is_there_until_it_fires_or_is_removed;
    letters:
        a_dead_letter_is_kept_whole,
        a_redriven_command_comes_again,
        a_redriven_task_comes_again;
    hints:
        a_hint_reaches_who_listens,
        a_hint_that_nobody_hears_is_lost;
};

/// Run every case, side by side, each on the bench that `make` gives for its name; panics with
/// the names of those that failed.
pub async fn all<F: Future<Output = Bench>>(make: impl Fn(&'static str) -> F) {
    let runs = CASES.iter().map(|(name, case)| {
        let bench = make(name);
        let run = async move { case(bench.await).await };
        let caught = AssertUnwindSafe(run).catch_unwind();
        caught.map(move |end| end.err().map(|_| *name))
    });
    let ends = future::join_all(runs).await;
    let failed: Vec<_> = ends.into_iter().flatten().collect();
    assert!(
        failed.is_empty(),
        "failed, for the reasons above: {failed:?}"
    );
}

/// What must happen, happens within this time.
const PATIENCE: Duration = Duration::from_secs(15);

/// What must not happen is awaited this long.
const QUIET: Duration = Duration::from_millis(400);

/// How far the clocks of store and case may be apart.
const SKEW: Duration = Duration::from_millis(100);

/// The task queue of the cases.
const QUEUE: &str = "default";

fn must<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn key(id: &str) -> Key {
    must("a key", Key::parse(id))
}

fn address(partition: u16, id: &str) -> Address {
    Address {
        queue: QUEUE.to_owned(),
        partition: Partition(partition),
        key: key(id),
    }
}

fn partition(number: u16) -> Source {
    Source::Partition {
        queue: QUEUE.to_owned(),
        partition: Partition(number),
    }
}

fn timer(step: u32) -> TimerId {
    let run = Run {
        start: 7,
        continued: 0,
    };
    TimerId {
        run,
        step,
        attempt: 0,
    }
}

fn seqs(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.seq).collect()
}

impl Bench {
    async fn within<T>(&self, what: &str, wait: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = wait => done,
            () = self.env.sleep(PATIENCE) => panic!("{what}: not within {PATIENCE:?}"),
        }
    }

    /// Ask again until it is so.
    async fn eventually<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let ask = async {
            while !is_so().await {
                self.env.sleep(Duration::from_millis(50)).await;
            }
        };
        self.within(what, ask).await;
    }

    async fn put(&self, bucket: Bucket, key: &str, text: &str, revision: Revision) -> Revision {
        let expect = Expect::Revision(revision);
        let put = self.store.put(bucket, key, bytes(text), expect, Ttl::Never);
        must("put", put.await)
    }

    async fn publish(&self, message: Message) -> u64 {
        must("publish", self.store.publish(message).await)
    }

    async fn command(&self, to: &Address, text: &str) -> u64 {
        let (to, body) = (to.clone(), bytes(text));
        self.publish(Message::Command { to, body }).await
    }

    async fn task(&self, topic: &str, text: &str) -> u64 {
        let (topic, body) = (topic.to_owned(), bytes(text));
        self.publish(Message::Task { topic, body }).await
    }

    /// Schedule a command for `after` from now.
    async fn schedule(&self, to: &Address, timer: TimerId, after: Duration, text: &str) -> u64 {
        let message = Message::Schedule {
            to: to.clone(),
            timer,
            due: self.env.now().after(after),
            body: bytes(text),
        };
        self.publish(message).await
    }

    async fn in_commands(&self, seq: u64) -> bool {
        let asked = self.store.any_in_commands(&[seq]).await;
        must("any_in_commands", asked)
    }

    async fn consume(&self, source: &Source, deliveries: usize) -> Box<dyn Consumer> {
        let consumer = must("consume", self.store.consume(source).await);
        consumer.request(deliveries);
        consumer
    }

    async fn next(&self, consumer: &mut Box<dyn Consumer>) -> Delivery {
        self.within("a delivery", consumer.next()).await
    }

    async fn take(&self, consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(self.next(consumer).await);
        }
        taken
    }

    async fn nothing_for(&self, quiet: Duration, what: &str, consumer: &mut Box<dyn Consumer>) {
        tokio::select! {
            biased;
            delivery = consumer.next() => panic!("{what}: got {delivery:?}"),
            () = self.env.sleep(quiet) => {}
        }
    }

    async fn answer(&self, delivery: &Delivery, verdict: crate::Verdict) {
        self.store.answer(&delivery.token, verdict).await;
    }

    async fn told<T>(&self, what: &str, stream: &mut BoxStream<'static, T>) -> T {
        match self.within(what, stream.next()).await {
            Some(item) => item,
            None => panic!("{what}: the stream has ended"),
        }
    }
}
