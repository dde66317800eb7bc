//! A signal box, turn by turn: after each it is loaded from its bytes and goes on from there.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use headwater_core::{Effect, Machine, Placement, SignalBox};
use headwater_wire::{
    Command, InvocationId, Partition, Payload, Run, Timestamp,
    command::{Channel, Outcome, Signal},
    limits,
    send::{Sent, SentCommand},
    signal_box::{Await, Unawait},
};

const HOUR: Duration = Duration::from_secs(3600);

struct Driver {
    signals: SignalBox,
    now: Timestamp,
    seq: u64,
    ttl: Option<Duration>,
}

fn signal(id: &str) -> Signal {
    let data = Payload::encode(id).unwrap();
    Signal::new(id, "paid", data)
}

fn run(start: u64) -> Run {
    Run {
        start,
        continued: 0,
    }
}

/// The wait of step 1 of the run with this number.
fn wait(start: u64) -> Command {
    Command::Await(Await {
        invocation: InvocationId::new(format!("order-{start}")).unwrap(),
        queue: "default".into(),
        partition: Partition(2),
        run: run(start),
        step: 1,
    })
}

fn unwait(start: u64) -> Command {
    Command::Unawait(Unawait {
        invocation: InvocationId::new(format!("order-{start}")).unwrap(),
        run: run(start),
        step: 1,
    })
}

impl Driver {
    fn new() -> Self {
        Self {
            signals: SignalBox::create("paid", "default", Partition(1), HOUR),
            now: Timestamp::from_micros(1_000_000_000_000_000),
            seq: 10,
            ttl: None,
        }
    }

    fn place(&self, command: &Command) -> Placement {
        self.signals.place(command, self.seq + 1, self.now)
    }

    /// Take a command into the turn that is being made.
    fn take(&mut self, command: Command) {
        assert_eq!(self.place(&command), Placement::Take, "{command:?}");
        self.seq += 1;
        self.signals.take(command, self.seq, self.now);
    }

    /// Take a command, store it, go on in another process. Answers whom it gave what.
    fn give(&mut self, command: Command) -> Vec<(u64, String)> {
        self.take(command.clone());
        let id = format!("t{}", self.seq);
        let turn = self.signals.prepare(self.now, id).unwrap();
        assert_eq!(turn.expected, self.signals.revision());
        let revision = turn.expected + 1;
        self.signals.committed(revision);
        self.ttl = turn.ttl;
        let stored = SignalBox::load(&turn.value, revision, HOUR).unwrap();
        assert_eq!(stored.effects(), self.signals.effects());
        self.signals = stored;
        let again = self.signals.place(&command, self.seq, self.now);
        assert_eq!(again, Placement::Taken, "what the last turn rests on");
        self.given()
    }

    fn given(&self) -> Vec<(u64, String)> {
        let given = |effect| {
            let Effect::Send(sent) = effect else {
                panic!("{effect:?}");
            };
            let Sent::Command { to, command } = *sent else {
                panic!("it sends nothing else");
            };
            let SentCommand::Outcome(Outcome { run, result, .. }) = command else {
                panic!("{command:?}");
            };
            assert_eq!(to.key.as_str(), format!("order-{}", run.start));
            assert_eq!(to.partition, Some(Partition(2)));
            (run.start, result.unwrap().decode().unwrap())
        };
        self.signals.effects().into_iter().map(given).collect()
    }

    fn signal(&mut self, id: &str) -> Vec<(u64, String)> {
        self.give(Command::Signal(signal(id)))
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }
}

fn to(start: u64, id: &str) -> Vec<(u64, String)> {
    vec![(start, id.to_owned())]
}

#[test]
fn signals_and_waits_meet_in_their_order_whichever_come_first() {
    let mut driver = Driver::new();
    for id in ["a", "b"] {
        assert_eq!(driver.signal(id), []);
    }
    assert_eq!(driver.give(wait(1)), to(1, "a"));
    assert_eq!(driver.give(wait(2)), to(2, "b"));
    for start in [3, 4] {
        assert_eq!(driver.give(wait(start)), []);
    }
    assert_eq!(driver.ttl, None, "somebody waits");
    assert_eq!(driver.signal("c"), to(3, "c"));
    assert_eq!(driver.signal("d"), to(4, "d"));
    assert_eq!(driver.ttl, Some(2 * HOUR));
}

#[test]
fn what_comes_again_is_known() {
    let mut driver = Driver::new();
    driver.signal("a");
    driver.give(wait(1));
    driver.give(wait(2));
    for known in [Command::Signal(signal("a")), wait(1), wait(2)] {
        assert_eq!(driver.place(&known), Placement::Taken);
    }
    driver.give(unwait(2));
    assert_eq!(driver.place(&unwait(2)), Placement::Taken);
    assert_eq!(
        driver.place(&wait(2)),
        Placement::Taken,
        "also if it was late"
    );
    driver.pass(HOUR);
    driver.signal("b");
    assert_eq!(driver.place(&wait(1)), Placement::Taken);
    driver.pass(Duration::from_secs(1));
    driver.signal("c");
    assert_eq!(driver.place(&wait(1)), Placement::Take, "forgotten by now");
}

#[test]
fn a_wait_that_was_withdrawn_before_it_came_never_waits() {
    let mut driver = Driver::new();
    assert_eq!(driver.give(unwait(1)), []);
    assert_eq!(driver.place(&wait(1)), Placement::Taken);
    driver.signal("a");
    assert_eq!(driver.signals.value().signals.len(), 1);
}

#[test]
fn a_signal_that_its_step_did_not_get_comes_back_and_is_the_next() {
    let mut driver = Driver::new();
    driver.give(wait(1));
    driver.signal("a");
    driver.signal("b");
    assert_eq!(driver.give(unwait(1)), []);
    assert_eq!(driver.place(&unwait(1)), Placement::Taken);
    assert_eq!(driver.give(wait(2)), to(2, "a"));
    driver.give(wait(3));
    driver.give(wait(4));
    assert_eq!(driver.give(unwait(3)), to(4, "b"), "at once to who waits");
}

#[test]
fn a_signal_is_kept_for_ten_minutes_or_as_its_sender_says() {
    let mut driver = Driver::new();
    let kept = |id: &str, keep_ms| {
        Command::Signal(Signal {
            keep_ms: Some(keep_ms),
            ..signal(id)
        })
    };
    driver.give(kept("short", 1_000));
    driver.signal("usual");
    driver.give(kept("long", 10 * 3_600_000));
    assert_eq!(
        driver.ttl,
        Some(10 * HOUR),
        "the box outlives what it keeps"
    );
    driver.pass(Duration::from_secs(2));
    assert_eq!(driver.give(wait(1)), to(1, "usual"));
    driver.pass(limits::NAMED_SIGNAL_KEPT);
    driver.give(unwait(1));
    assert_eq!(
        driver.give(wait(2)),
        to(2, "long"),
        "what came back was over"
    );
    assert_eq!(driver.give(wait(3)), []);
}

#[test]
fn a_box_lives_for_whole_seconds_whatever_its_signals_are_kept_for() {
    let ttl_of = |keep_ms| {
        let mut driver = Driver::new();
        driver.take(Command::Signal(Signal {
            keep_ms: Some(keep_ms),
            ..signal("a")
        }));
        // The clock goes on until the turn is stored.
        driver.pass(Duration::from_micros(1_500));
        let turn = driver.signals.prepare(driver.now, "t".into()).unwrap();
        turn.ttl.unwrap()
    };
    assert_eq!(ttl_of(10 * 3_600_000), 10 * HOUR);
    assert_eq!(ttl_of(1_000), 2 * HOUR);
    assert_eq!(ttl_of(u64::MAX), limits::NAMED_SIGNAL_KEPT_MAX);
}

#[test]
fn what_is_over_takes_no_room() {
    let mut driver = Driver::new();
    for n in 0..limits::BOX_SIGNALS_MAX {
        driver.take(Command::Signal(signal(&format!("s{n}"))));
    }
    let more = Command::Signal(signal("more"));
    let full = driver.place(&more);
    assert!(matches!(full, Placement::Foreign(_)), "{full:?}");
    driver.pass(limits::NAMED_SIGNAL_KEPT);
    assert_eq!(driver.place(&more), Placement::Take);
    driver.signal("more");
    assert_eq!(driver.signals.value().signals.len(), 1);
}

#[test]
fn a_box_has_limits() {
    let mut driver = Driver::new();
    let large = |id: &str| {
        let data = Payload::encode(&"x".repeat(200_000)).unwrap();
        Command::Signal(Signal::new(id, "paid", data))
    };
    driver.give(large("a"));
    let full = driver.place(&large("b"));
    assert!(matches!(full, Placement::Foreign(_)), "{full:?}");
    driver.signal("c");
    for start in 1..=20 {
        if start > 2 {
            driver.give(large(&format!("l{start}")));
        }
        driver.give(wait(start));
    }
    let bytes = driver.signals.value().encode().unwrap().len();
    assert!(bytes < limits::VALUE_BYTES_MAX / 2, "{bytes}");
    for start in 100..100 + limits::BOX_WAITING_MAX as u64 {
        driver.give(wait(start));
    }
    assert_eq!(driver.place(&wait(99)), Placement::Wait);
    driver.signal("d");
    assert_eq!(driver.place(&wait(99)), Placement::Take);
}

/// The largest binary data, given and given back, beside as much else as a box can remember.
#[test]
fn a_box_can_always_be_stored() {
    let mut driver = Driver::new();
    let large = |id: String| {
        let data = Payload::Other {
            encoding: "application/octet-stream".into(),
            bytes: vec![0xff; limits::PAYLOAD_BYTES_MAX].into(),
        };
        Command::Signal(Signal::new(id, "paid", data))
    };
    let id = |n: u64| format!("{n:\"<128}");
    let stored = |driver: &mut Driver, what: &str| {
        let turn = driver.signals.prepare(driver.now, "t".into()).unwrap();
        let bytes = turn.value.len();
        assert!(bytes <= limits::VALUE_BYTES_MAX, "{what}: {bytes}");
    };
    let mut start = 0;
    loop {
        start += 1;
        let small = Command::Signal(signal(&id(start)));
        if driver.place(&small) != Placement::Take {
            break;
        }
        driver.take(small);
        driver.take(wait(start));
        if driver.signals.turn_is_full() {
            stored(&mut driver, "small ones");
        }
    }
    assert!(driver.signals.value().taken.len() > 700);
    stored(&mut driver, "very many small ones");
    driver.pass(limits::SIGNALS_TAKEN_KEPT * 2);
    let first = start + 1;
    for n in 0..4 {
        driver.take(wait(first + n));
        driver.take(large(id(10_000 + n)));
        stored(&mut driver, "a large one was given");
    }
    driver.take(large(id(20_000)));
    stored(&mut driver, "one is kept");
    for n in 0..4 {
        if driver.place(&unwait(first + n)) == Placement::Take {
            driver.take(unwait(first + n));
        }
    }
    stored(&mut driver, "what was given came back");
    assert!(!driver.signals.value().signals.is_empty());
    driver.take(wait(first + 10));
    driver.take(wait(first + 11));
    stored(&mut driver, "and is given again");
    while !driver.signals.value().signals.is_empty() {
        start += 100;
        driver.take(wait(first + start));
    }
    let queue = "\"".repeat(limits::NAME_BYTES_MAX);
    loop {
        start += 1;
        let Command::Await(one) = wait(first + start) else {
            unreachable!();
        };
        let queue = queue.clone();
        let invocation = InvocationId::new(id(start)).unwrap();
        let one = Await {
            invocation,
            queue,
            ..one
        };
        if driver.place(&Command::Await(one.clone())) != Placement::Take {
            break;
        }
        driver.take(Command::Await(one));
    }
    stored(&mut driver, "many wait");
    assert!(driver.signals.value().waiting.len() > 100);
    driver.take(large(id(30_000)));
    stored(&mut driver, "a large one beside many that wait");
}

/// Its await finds no place while as many wait as may, and meanwhile it is forgotten that it was
/// withdrawn.
#[test]
fn a_wait_of_nobody_swallows_no_signal() {
    let most = limits::BOX_WAITING_MAX as u64;
    let many = limits::BOX_REMEMBERED_LATELY_MAX as u64;
    let mut driver = Driver::new();
    for start in 0..most {
        driver.take(wait(start));
    }
    let stored_at = driver.now;
    let place = |driver: &Driver, start| driver.signals.place(&wait(start), 7, stored_at);
    driver.pass(Duration::from_secs(1));
    let others = many..many + 2;
    for start in others.clone() {
        assert_eq!(place(&driver, start), Placement::Wait);
    }
    driver.give(unwait(others.start));
    assert_eq!(place(&driver, others.start), Placement::Taken);
    driver.pass(limits::SIGNALS_TAKEN_KEPT * 2);
    for start in 0..most {
        driver.take(unwait(start));
    }
    assert_eq!(place(&driver, others.end - 1), Placement::Take, "in time");
    for start in 10_000..10_000 + many {
        driver.take(wait(start));
        driver.take(unwait(start));
    }
    driver.give(wait(9_999));
    let placed = place(&driver, others.start);
    assert!(matches!(placed, Placement::Foreign(_)), "{placed:?}");
    assert_eq!(driver.place(&wait(1_000_000)), Placement::Take, "a new one");
}

#[test]
fn an_id_has_an_end() {
    let driver = Driver::new();
    let long = Command::Signal(signal(&"x".repeat(1_000)));
    let placed = driver.place(&long);
    assert!(matches!(placed, Placement::Foreign(_)), "{placed:?}");
}

#[test]
fn of_very_many_only_the_late_ones_are_remembered() {
    let mut driver = Driver::new();
    let remembered = |driver: &Driver| driver.signals.value().taken.len();
    for n in 0..limits::BOX_REMEMBERED_LATELY_MAX {
        driver.take(Command::Signal(signal(&format!("s{n}"))));
        driver.take(wait(n as u64));
    }
    let refused = driver.place(&Command::Signal(signal("more")));
    assert!(matches!(refused, Placement::Foreign(_)), "{refused:?}");
    driver.pass(limits::SIGNALS_TAKEN_KEPT * 2);
    let later = driver.place(&Command::Signal(signal("more")));
    assert_eq!(later, Placement::Take, "no repeat of theirs comes any more");
    driver.give(wait(1_000_000));
    assert_eq!(remembered(&driver), limits::BOX_REMEMBERED_MAX);
    assert_eq!(
        driver.signals.value().over.len(),
        limits::BOX_REMEMBERED_MAX
    );
}

#[test]
fn what_is_not_for_a_box_is_refused() {
    let driver = Driver::new();
    let event = Command::Signal(Signal {
        channel: Channel::Event,
        ..signal("a")
    });
    let resume = Command::Resume { id: "r".into() };
    for command in [event, resume] {
        let placed = driver.place(&command);
        assert!(matches!(placed, Placement::Foreign(_)), "{placed:?}");
    }
}
