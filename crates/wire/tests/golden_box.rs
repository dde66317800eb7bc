//! Golden bytes of the value of a signal box. As in `golden.rs`: what stands here is readable for
//! good.
#![allow(clippy::unwrap_used, missing_docs)]

use headwater_wire::{
    InvocationId, Partition, Payload, Run, Status, Timestamp,
    command::Outcome,
    names::Address,
    send::{Recipient, Sent, SentCommand},
    signal_box::{Await, KeptSignal, Over, Served, SignalBoxValue, Taken},
    turn::{LastTurn, Root},
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000 + 123_456)
}

fn kept(id: &str) -> KeptSignal {
    KeptSignal {
        id: id.into(),
        data: Payload::from_json_text("{\"a\": 1}").unwrap(),
        kept_until: at(600),
    }
}

#[test]
fn signal_box() {
    let (id, partition) = (InvocationId::new("order 7").unwrap(), Partition(3));
    let (run, step) = (
        Run {
            start: 7,
            continued: 1,
        },
        2,
    );
    let outcome = Outcome {
        run,
        step,
        attempt: 1,
        result: Ok(Payload::null()),
        worker: String::new(),
    };
    let address = Address {
        queue: "gpu".into(),
        partition,
        key: id.key(),
    };
    let full = SignalBoxValue {
        format: 1,
        program: "signal box".into(),
        name: "paid".into(),
        status: Status::Waiting,
        why: "w".into(),
        queue: "gpu".into(),
        partition,
        updated_at: at(1),
        waiting: vec![Await {
            invocation: id,
            queue: "gpu".into(),
            partition,
            run,
            step,
        }],
        signals: vec![kept("a")],
        served: vec![Served {
            run,
            step,
            signal: kept("b"),
        }],
        over: vec![Over {
            run,
            step,
            at: at(2),
        }],
        withdrawn_at: Some(at(2)),
        taken: vec![Taken {
            id: "b".into(),
            at: at(3),
        }],
        turn: LastTurn {
            number: 1,
            id: "e-1".into(),
            roots: vec![Root::Command(9)],
            ..LastTurn::default()
        },
        sends: vec![Sent::Command {
            to: Recipient::from(address),
            command: SentCommand::Outcome(outcome),
        }],
    };
    let bytes = full.encode().unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), FULL);
    assert_eq!(SignalBoxValue::decode(&bytes).unwrap(), full);
    let bare = SignalBoxValue {
        waiting: Vec::new(),
        signals: Vec::new(),
        served: Vec::new(),
        over: Vec::new(),
        withdrawn_at: None,
        taken: Vec::new(),
        sends: Vec::new(),
        ..full
    };
    let bytes = bare.encode().unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), BARE);
    assert_eq!(SignalBoxValue::decode(&bytes).unwrap(), bare);
}

const BARE: &str = r#"{"format":1,"program":"signal box","name":"paid","status":"waiting","why":"w","queue":"gpu","partition":3,"updated_at":"1970-01-01T00:00:01.123456Z","turn":{"number":1,"id":"e-1","roots":[9]}}"#;
const FULL: &str = r#"{"format":1,"program":"signal box","name":"paid","status":"waiting","why":"w","queue":"gpu","partition":3,"updated_at":"1970-01-01T00:00:01.123456Z","waiting":[{"invocation":"order 7","queue":"gpu","partition":3,"run":"7.1","step":2}],"signals":[{"id":"a","data":{"a": 1},"kept_until":"1970-01-01T00:10:00.123456Z"}],"served":[{"run":"7.1","step":2,"signal":{"id":"b","data":{"a": 1},"kept_until":"1970-01-01T00:10:00.123456Z"}}],"over":[{"run":"7.1","step":2,"at":"1970-01-01T00:00:02.123456Z"}],"withdrawn_at":"1970-01-01T00:00:02.123456Z","taken":[{"id":"b","at":"1970-01-01T00:00:03.123456Z"}],"turn":{"number":1,"id":"e-1","roots":[9]},"sends":[{"command":{"to":{"key":"order=207","queue":"gpu","partition":3},"command":{"outcome":{"run":"7.1","step":2,"attempt":1,"result":{"ok":null}}}}}]}"#;
