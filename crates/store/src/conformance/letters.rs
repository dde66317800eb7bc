//! Dead letters.

use bytes::Bytes;
use headwater_wire::dead::{DeadKind, DeadLetter};

use super::{Bench, SKEW, address, must, partition};
use crate::{DeadRecord, Delivery, Message, Source, Verdict};

/// No text, and no protobuf either.
const BINARY: &[u8] = &[0xff, 0x00, b'\r', b'\n', 0x80, 0xfe, 0x00];

fn letter(kind: DeadKind, delivery: &Delivery) -> DeadLetter {
    DeadLetter {
        kind,
        subject: delivery.subject.clone(),
        seq: delivery.seq,
        deliveries: delivery.deliveries,
        reason: "not a command: «é» is no kind\nmend: deploy the newer build".to_owned(),
        by: "engine-1".to_owned(),
        payload: delivery.body.clone(),
    }
}

impl Bench {
    async fn letters(&self, from_seq: u64, limit: usize) -> Vec<DeadRecord> {
        let letters = self.store.dead_letters(from_seq, limit).await;
        must("dead_letters", letters)
    }

    /// Publish the message, take it, give it up, and bring it back.
    async fn give_up_and_redrive(&self, kind: DeadKind, source: Source, message: Message) {
        let mut consumer = self.consume(&source, 10).await;
        self.publish(message).await;
        let taken = self.next(&mut consumer).await;
        let buried = self.publish(Message::Dead(letter(kind, &taken))).await;
        self.answer(&taken, Verdict::Ack).await;

        let redriven = must("redrive", self.store.redrive(buried).await);
        assert!(redriven, "there is such a letter");
        let again = self.next(&mut consumer).await;
        assert_eq!(again.subject, taken.subject, "on its own subject");
        assert_eq!(again.body, BINARY, "the same bytes");
        assert!(again.seq > taken.seq, "a new message");
        assert_eq!(again.deliveries, 1, "delivered for the first time");
        assert_eq!(self.letters(0, 10).await, [], "the letter is gone");
        let twice = must("redrive again", self.store.redrive(buried).await);
        assert!(!twice, "there is no such letter any more");
    }
}

pub(super) async fn a_dead_letter_is_kept_whole(bench: Bench) {
    assert_eq!(bench.letters(0, 10).await, [], "none yet");
    let none = must("redrive of none", bench.store.redrive(1).await);
    assert!(!none, "there is no letter to redrive");

    let to = address(1, "order=207");
    let body = Bytes::from_static(BINARY);
    bench.publish(Message::Command { to, body }).await;
    let mut consumer = bench.consume(&partition(1), 1).await;
    let taken = bench.next(&mut consumer).await;
    let before = bench.env.now();
    let command = letter(DeadKind::Command, &taken);
    let task = DeadLetter {
        kind: DeadKind::Task,
        payload: Bytes::new(),
        ..command.clone()
    };
    let first = bench.publish(Message::Dead(command.clone())).await;
    let second = bench.publish(Message::Dead(task.clone())).await;

    let letters = bench.letters(0, 10).await;
    let found: Vec<_> = letters.iter().map(|r| (r.seq, &r.letter)).collect();
    assert_eq!(
        found,
        [(first, &command), (second, &task)],
        "oldest first, whole"
    );
    assert!(letters[0].at.after(SKEW) >= before, "when it was given up");
    assert_eq!(
        bench.letters(first, 1).await,
        letters[..1],
        "at most as many"
    );
    assert_eq!(
        bench.letters(second, 10).await,
        letters[1..],
        "from there on"
    );
    assert_eq!(bench.letters(second + 1, 10).await, [], "there are no more");
}

pub(super) async fn a_redriven_command_comes_again(bench: Bench) {
    let (to, body) = (address(1, "a"), Bytes::from_static(BINARY));
    let message = Message::Command { to, body };
    bench
        .give_up_and_redrive(DeadKind::Command, partition(1), message)
        .await;
}

pub(super) async fn a_redriven_task_comes_again(bench: Bench) {
    let topic = "send.mail".to_owned();
    let message = Message::Task {
        topic: topic.clone(),
        body: Bytes::from_static(BINARY),
    };
    bench
        .give_up_and_redrive(DeadKind::Task, Source::Topic(topic), message)
        .await;
}
