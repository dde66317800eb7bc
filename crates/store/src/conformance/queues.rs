//! Work queues: order, sharing, credits, redelivery, answers.

use std::{collections::BTreeSet, time::Duration};

use headwater_wire::names::{Address, Queued};

use super::{Bench, PATIENCE, QUEUE, QUIET, SKEW, address, bytes, must, partition, seqs, timer};
use crate::{Delivery, Source, Verdict};

pub(super) async fn messages_come_in_the_order_they_were_stored(bench: Bench) {
    let before = bench.env.now();
    let (mut stored, mut consumer) = (Vec::new(), None);
    for number in 0..20 {
        let to = address(1, &format!("order-{}", number % 3));
        stored.push(bench.command(&to, &format!("command {number}")).await);
        bench.command(&address(2, "elsewhere"), "not mine").await;
        if number == 9 {
            consumer = Some(bench.consume(&partition(1), 100).await);
        }
    }
    let Some(mut consumer) = consumer else {
        unreachable!("opened at the tenth command");
    };
    let taken = bench.take(&mut consumer, 20).await;
    assert_eq!(
        seqs(&taken),
        stored,
        "half stored before there was a consumer"
    );
    for (number, delivery) in taken.iter().enumerate() {
        let to = address(1, &format!("order-{}", number % 3));
        let parsed = bench.store.parse_command_subject(&delivery.subject);
        assert_eq!(parsed, Ok(to), "the subject");
        assert_eq!(delivery.body, format!("command {number}"), "the bytes");
        assert_eq!(delivery.deliveries, 1, "the first time");
        assert!(delivery.stored_at.after(SKEW) >= before, "stored_at");
        bench.answer(delivery, Verdict::Ack).await;
    }
    bench
        .nothing_for(QUIET, "all were taken", &mut consumer)
        .await;
}

pub(super) async fn tasks_go_to_their_topic(bench: Bench) {
    let mut mail = bench
        .consume(&Source::Topic("send.mail".to_owned()), 10)
        .await;
    let mut sms = bench
        .consume(&Source::Topic("send.sms".to_owned()), 10)
        .await;
    let first = bench.task("send.mail", "mail 1").await;
    bench.task("send.sms", "sms").await;
    let last = bench.task("send.mail", "mail 2").await;
    assert!(last > first, "sequences count up: {first}, {last}");

    let mails = bench.take(&mut mail, 2).await;
    assert_eq!(seqs(&mails), [first, last]);
    assert_eq!(mails[1].body, "mail 2");
    let other = bench.next(&mut sms).await;
    assert_eq!(other.body, "sms");
    for delivery in [&mails[0], &mails[1], &other] {
        bench.answer(delivery, Verdict::Ack).await;
    }
    let over = bench.ack_wait * 3 / 2;
    bench
        .nothing_for(over, "acknowledged tasks are gone", &mut mail)
        .await;
}

pub(super) async fn two_holders_share_without_duplicates(bench: Bench) {
    let mut left = bench.consume(&partition(1), 5).await;
    let mut right = bench.consume(&partition(1), 15).await;
    let mut stored = BTreeSet::new();
    for number in 0..20 {
        stored.insert(bench.command(&address(1, "a"), &number.to_string()).await);
    }
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    while lefts.len() + rights.len() < 20 {
        let (delivery, to) = tokio::select! {
            biased;
            delivery = left.next() => (delivery, &mut lefts),
            delivery = right.next() => (delivery, &mut rights),
            () = bench.env.sleep(PATIENCE) => panic!("only {lefts:?} and {rights:?}"),
        };
        bench.answer(&delivery, Verdict::Ack).await;
        to.push(delivery.seq);
    }
    assert_eq!(lefts.len(), 5, "as many as the first asked for");
    assert!(lefts.is_sorted(), "in order: {lefts:?}");
    assert!(rights.is_sorted(), "in order: {rights:?}");
    let taken: BTreeSet<_> = lefts.into_iter().chain(rights).collect();
    assert_eq!(taken, stored, "each went to one of them");
}

pub(super) async fn nothing_comes_beyond_what_was_asked_for(bench: Bench) {
    let mut consumer = bench.consume(&partition(1), 0).await;
    let mut stored = Vec::new();
    for number in 0..5 {
        stored.push(bench.command(&address(1, "a"), &number.to_string()).await);
    }
    bench
        .nothing_for(QUIET, "nothing asked for", &mut consumer)
        .await;
    let mut asked = 0;
    for more in [2, 1, 2] {
        consumer.request(more);
        let taken = bench.take(&mut consumer, more).await;
        for delivery in &taken {
            bench.answer(delivery, Verdict::Ack).await;
        }
        assert_eq!(seqs(&taken), stored[asked..asked + more]);
        asked += more;
        bench
            .nothing_for(QUIET, "no more asked for", &mut consumer)
            .await;
    }
}

pub(super) async fn what_is_not_answered_comes_again_and_the_old_answer_counts(bench: Bench) {
    let seq = bench.command(&address(1, "a"), "again").await;
    let mut first = bench.consume(&partition(1), 1).await;
    let old = bench.next(&mut first).await;
    let mut second = bench.consume(&partition(1), 10).await;
    bench
        .nothing_for(bench.ack_wait / 2, "it is held", &mut second)
        .await;

    let new = bench.next(&mut second).await;
    assert_eq!(
        (new.seq, new.deliveries),
        (seq, 2),
        "the same message again"
    );
    assert_eq!((&new.body, &new.subject), (&old.body, &old.subject));
    assert_eq!(new.stored_at, old.stored_at, "it was stored once");

    bench.answer(&old, Verdict::Ack).await;
    let is_gone = || async { !bench.in_commands(seq).await };
    bench
        .eventually("the old delivery's acknowledgement", is_gone)
        .await;
    let over = bench.ack_wait * 3 / 2;
    bench
        .nothing_for(over, "it was acknowledged", &mut second)
        .await;
    bench.answer(&new, Verdict::Ack).await; // as the second holder would: no harm
}

pub(super) async fn a_dropped_holder_loses_nothing(bench: Bench) {
    let dropped = bench.consume(&partition(1), 10).await;
    let seq = bench
        .command(&address(1, "a"), "given to the dropped one")
        .await;
    bench.env.sleep(QUIET).await;
    drop(dropped);
    let mut consumer = bench.consume(&partition(1), 10).await;
    let first = bench.next(&mut consumer).await;
    assert_eq!(first.seq, seq, "what nobody took comes to another");
    bench.answer(&first, Verdict::Ack).await;

    let after = bench
        .command(&address(1, "a"), "after it was dropped")
        .await;
    let second = bench.next(&mut consumer).await;
    assert_eq!(second.seq, after, "what was published later comes, too");
}

pub(super) async fn a_dropped_wait_loses_nothing(bench: Bench) {
    let mut consumer = bench.consume(&partition(1), 10).await;
    bench
        .nothing_for(QUIET, "nothing published", &mut consumer)
        .await;
    let stored = [
        bench.command(&address(1, "a"), "one").await,
        bench.command(&address(1, "a"), "two").await,
    ];
    drop(consumer.next());
    let taken = bench.take(&mut consumer, 2).await;
    assert_eq!(seqs(&taken), stored);
    assert!(taken.iter().all(|d| d.deliveries == 1), "each came once");
}

impl Bench {
    /// Give back the first delivery; answers the second, and how long it took to come.
    async fn give_back(&self, delay: Duration) -> (Delivery, Duration) {
        let mut consumer = self.consume(&partition(1), 2).await;
        self.command(&address(1, "a"), "back").await;
        let first = self.next(&mut consumer).await;
        let start = self.env.elapsed();
        self.answer(&first, Verdict::Nak(delay)).await;
        let second = self.next(&mut consumer).await;
        assert_eq!((second.seq, second.deliveries), (first.seq, 2));
        (second, self.env.elapsed().saturating_sub(start))
    }
}

pub(super) async fn what_is_given_back_comes_after_the_delay(bench: Bench) {
    // longer than the ack wait, which does not count while it is put off
    let (_, took) = bench.give_back(bench.ack_wait * 2).await;
    let least = bench.ack_wait * 3 / 2;
    assert!(took >= least, "it came after {took:?} already");
}

pub(super) async fn what_is_given_back_at_once_comes_at_once(bench: Bench) {
    let (_, took) = bench.give_back(Duration::ZERO).await;
    assert!(took < bench.ack_wait, "it took {took:?}");
}

pub(super) async fn progress_keeps_a_message(bench: Bench) {
    let seq = bench.command(&address(1, "a"), "long").await;
    let mut first = bench.consume(&partition(1), 1).await;
    let held = bench.next(&mut first).await;
    let mut second = bench.consume(&partition(1), 1).await;
    for _ in 0..10 {
        let quarter = bench.ack_wait / 4;
        bench
            .nothing_for(quarter, "it is in progress", &mut second)
            .await;
        bench.answer(&held, Verdict::Progress).await;
        assert!(bench.in_commands(seq).await, "progress is no end");
    }
    let again = bench.next(&mut second).await;
    assert_eq!((again.seq, again.deliveries), (seq, 2), "no more progress");
}

pub(super) async fn a_command_is_there_until_it_is_acknowledged(bench: Bench) {
    let asked = bench.store.any_in_commands(&[]).await;
    assert!(!must("any_in_commands of none", asked), "none of none");
    assert!(!bench.in_commands(1).await, "nothing published");

    let seq = bench.command(&address(1, "a"), "held").await;
    assert!(bench.in_commands(seq).await, "waiting");
    assert!(!bench.in_commands(seq + 1).await, "still to come");
    let mut consumer = bench.consume(&partition(1), 1).await;
    let held = bench.next(&mut consumer).await;
    assert!(bench.in_commands(seq).await, "in flight");
    let other = bench.command(&address(2, "b"), "other").await;

    bench.answer(&held, Verdict::Ack).await;
    let is_gone = || async { !bench.in_commands(seq).await };
    bench.eventually("the acknowledgement", is_gone).await;
    let either = bench.store.any_in_commands(&[seq, other]).await;
    assert!(must("any_in_commands", either), "one of two is there");
}

pub(super) async fn the_first_command_of_an_address_is_found(bench: Bench) {
    let to = address(1, "a");
    let first = bench.command(&to, "one").await;
    bench.command(&address(1, "ab"), "another's").await;
    bench
        .schedule(&to, timer(1), PATIENCE * 100, "not yet a command")
        .await;
    let elsewhere = address(2, "a");
    let second = bench.command(&to, "two").await;
    let found = async |from| {
        must(
            "first_command",
            bench.store.first_command(&to.queue, &to.key, from).await,
        )
    };

    for from in [0, 1, first] {
        assert_eq!(
            found(from).await,
            Some((first, bytes("one"))),
            "from {from}"
        );
    }
    assert_eq!(found(first + 1).await, Some((second, bytes("two"))));
    assert_eq!(found(second + 1).await, None, "there are no more");
    let third = bench.command(&elsewhere, "three").await;
    assert_eq!(
        found(second + 1).await,
        Some((third, bytes("three"))),
        "in another partition"
    );

    let mut consumer = bench.consume(&partition(1), 1).await;
    let held = bench.next(&mut consumer).await;
    assert_eq!(found(1).await, Some((first, bytes("one"))), "in flight");
    bench.answer(&held, Verdict::Ack).await;
    let is_next = || async { found(1).await == Some((second, bytes("two"))) };
    bench.eventually("the acknowledgement", is_next).await;
}

pub(super) async fn the_backlog_counts_commands_and_schedules(bench: Bench) {
    let becomes = async |number, expected, when: &str| {
        let source = headwater_wire::Partition(number);
        let is_so =
            || async { must("backlog", bench.store.backlog(QUEUE, source).await) == expected };
        bench
            .eventually(&format!("a backlog of {expected} {when}"), is_so)
            .await;
    };
    let to = address(1, "a");
    becomes(1, 0, "to begin with").await;
    bench.command(&to, "one").await;
    bench.command(&address(1, "b"), "two").await;
    bench.command(&address(11, "c"), "elsewhere").await;
    bench.schedule(&to, timer(1), PATIENCE * 100, "later").await;
    becomes(1, 3, "with two commands and a schedule").await;
    becomes(11, 1, "in another partition").await;

    let mut consumer = bench.consume(&partition(1), 1).await;
    let held = bench.next(&mut consumer).await;
    becomes(1, 3, "with one in flight").await;
    bench.answer(&held, Verdict::Ack).await;
    becomes(1, 2, "after an acknowledgement").await;
    must("unschedule", bench.store.unschedule(&to, timer(1)).await);
    becomes(1, 1, "without the schedule").await;
}

pub(super) async fn the_depths_count_what_is_stored_for_each_queue_and_topic(bench: Bench) {
    let becomes = async |expected: &[(Queued, &str, u64)], when: &str| {
        let is_so = || async {
            let depths = must("queue_depths", bench.store.queue_depths().await);
            let depths = depths.iter().map(|d| (d.kind, d.name.as_str(), d.messages));
            depths.collect::<Vec<_>>() == expected
        };
        bench.eventually(&format!("the depths {when}"), is_so).await;
    };
    becomes(&[], "to begin with").await;
    let to = address(1, "a");
    bench.command(&to, "one").await;
    bench.command(&address(7, "b"), "two").await;
    let gpu = Address {
        queue: "gpu jobs".to_owned(),
        ..to.clone()
    };
    bench.command(&gpu, "three").await;
    bench.schedule(&to, timer(1), PATIENCE * 100, "later").await;
    bench.task("send.mail", "mail").await;
    bench.task("send.mail", "mail").await;
    let stored = [
        (Queued::Commands, QUEUE, 2),
        (Queued::Commands, "gpu jobs", 1),
        (Queued::Timers, QUEUE, 1),
        (Queued::Tasks, "send.mail", 2),
    ];
    becomes(&stored, "of all that is stored").await;

    let topic = Source::Topic("send.mail".to_owned());
    let mut workers = bench.consume(&topic, 1).await;
    let held = bench.next(&mut workers).await;
    becomes(&stored, "with one in flight").await;
    bench.answer(&held, Verdict::Ack).await;
    must("unschedule", bench.store.unschedule(&to, timer(1)).await);
    let left = [stored[0], stored[1], (Queued::Tasks, "send.mail", 1)];
    becomes(&left, "after an acknowledgement").await;
}
