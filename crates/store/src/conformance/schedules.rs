//! Schedules: commands that are to come later.

use std::time::Duration;

use super::{Bench, PATIENCE, SKEW, address, must, partition, timer};
use crate::{Message, Verdict};

const SECOND: Duration = Duration::from_secs(1);

pub(super) async fn a_schedule_fires_when_it_is_due(bench: Bench) {
    let to = address(1, "a");
    let mut consumer = bench.consume(&partition(1), 10).await;
    let due = bench.env.now().after(SECOND);
    let message = Message::Schedule {
        to: to.clone(),
        timer: timer(1),
        due,
        body: super::bytes("now"),
    };
    let scheduled = bench.publish(message).await;
    assert!(
        bench.in_commands(scheduled).await,
        "a pending schedule counts"
    );

    let fired = bench.next(&mut consumer).await;
    let now = bench.env.now();
    assert!(now.after(SKEW) >= due, "due at {due}, fired by {now}");
    assert!(
        fired.seq > scheduled,
        "a new message: {scheduled}, {}",
        fired.seq
    );
    assert_eq!(fired.deliveries, 1);
    assert_eq!(fired.body, "now");
    assert!(fired.stored_at.after(SKEW) >= due, "stored when it fired");
    let parsed = bench.store.parse_command_subject(&fired.subject);
    assert_eq!(parsed, Ok(to), "a command as any other");

    let is_gone = || async { !bench.in_commands(scheduled).await };
    bench.eventually("the end of the schedule", is_gone).await;
    assert!(bench.in_commands(fired.seq).await, "the command is held");
    bench.answer(&fired, Verdict::Ack).await;
    bench
        .nothing_for(SECOND, "it fires once", &mut consumer)
        .await;
}

pub(super) async fn a_schedule_is_replaced_by_the_same_timer(bench: Bench) {
    let to = address(1, "a");
    let mut consumer = bench.consume(&partition(1), 10).await;
    let old = bench.schedule(&to, timer(1), SECOND, "old").await;
    bench
        .schedule(&to, timer(2), SECOND * 3, "other timer")
        .await;
    bench
        .schedule(&address(1, "b"), timer(1), SECOND * 4, "other key")
        .await;
    let new = bench.schedule(&to, timer(1), SECOND * 2, "new").await;
    assert!(new > old, "sequences count up: {old}, {new}");
    assert!(!bench.in_commands(old).await, "replaced");
    assert!(bench.in_commands(new).await, "pending");

    for expected in ["new", "other timer", "other key"] {
        let fired = bench.next(&mut consumer).await;
        assert_eq!(fired.body, expected);
        bench.answer(&fired, Verdict::Ack).await;
    }
    bench
        .nothing_for(SECOND, "there were three", &mut consumer)
        .await;
}

pub(super) async fn a_schedule_due_in_the_past_fires_at_once(bench: Bench) {
    let mut consumer = bench.consume(&partition(1), 10).await;
    let message = Message::Schedule {
        to: address(1, "a"),
        timer: timer(1),
        due: headwater_wire::Timestamp::from_micros(bench.env.now().as_micros() - 60_000_000),
        body: super::bytes("overdue"),
    };
    let scheduled = bench.publish(message).await;
    let fired = bench.next(&mut consumer).await;
    assert_eq!(fired.body, "overdue");
    assert!(
        fired.seq > scheduled,
        "a new message: {scheduled}, {}",
        fired.seq
    );
}

pub(super) async fn an_unscheduled_timer_does_not_fire(bench: Bench) {
    let (to, other) = (address(1, "a"), address(1, "b"));
    let mut consumer = bench.consume(&partition(1), 10).await;
    let removed = bench.schedule(&to, timer(1), SECOND, "removed").await;
    bench.schedule(&other, timer(1), SECOND, "kept").await;
    for time in ["first", "second"] {
        let unschedule = bench.store.unschedule(&to, timer(1)).await;
        must(&format!("unschedule, the {time} time"), unschedule);
    }
    assert!(!bench.in_commands(removed).await, "removed");
    let fired = bench.next(&mut consumer).await;
    assert_eq!(fired.body, "kept");
    bench.answer(&fired, Verdict::Ack).await;
    bench
        .nothing_for(SECOND, "the other was removed", &mut consumer)
        .await;
}

pub(super) async fn a_schedule_is_there_until_it_fires_or_is_removed(bench: Bench) {
    let to = address(1, "a");
    let scheduled = async |number| {
        let asked = bench.store.is_scheduled(&to, timer(number)).await;
        must("is_scheduled", asked)
    };
    assert!(!scheduled(1).await, "nothing scheduled");

    bench.schedule(&to, timer(1), SECOND, "fires").await;
    bench
        .schedule(&to, timer(2), PATIENCE * 100, "removed")
        .await;
    assert!(scheduled(1).await && scheduled(2).await, "both wait");
    must("unschedule", bench.store.unschedule(&to, timer(2)).await);
    assert!(!scheduled(2).await, "removed");

    // Without a consumer: that its command is there is what counts, not that it came.
    while scheduled(1).await {
        bench.env.sleep(SECOND / 20).await;
    }
    let fired = bench.store.first_command(&to.queue, &to.key, 0).await;
    let body = must("first_command", fired).map(|(_, body)| body);
    assert_eq!(body, Some(super::bytes("fires")));
}
