//! Golden bytes of every record on the wire. A change here is a change of the format: old
//! records have to be readable for good, so add a case beside the old one and say in its name
//! what was decided.
#![allow(clippy::unwrap_used, missing_docs)]

use headwater_wire::{
    Code, Command, Entry, Failure, InvocationId, Partition, Payload, Run, Status, Task, Timestamp,
    Value,
    command::{Asker, Cancel, Channel, Outcome, Retention, Signal, Start, Submit, Ticket},
    journal::{ActivityOptions, Lines},
    key_queue::{KeyQueueValue, Queued},
    member::{Member, Role},
    names::TimerId,
    task::Reply,
    topology::Topology,
    turn::{EffectTag, LastTurn, Root},
    value::{JournalPart, Signals, Wait},
};

fn json(text: &str) -> Payload {
    Payload::from_json_text(text).unwrap()
}

fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

fn run() -> Run {
    Run {
        start: 7,
        continued: 1,
    }
}

fn ticket() -> Ticket {
    Ticket {
        key: "user-1".into(),
        number: 9,
    }
}

fn start() -> Start {
    Start {
        version: Some("1.2.0".into()),
        reply_to: Some("_INBOX.a".into()),
        ticket: Some(ticket()),
        granted: true,
        retention: Some(Retention::Seconds(3600)),
        new_id: true,
        ..Start::new("hello", json("\"World\""), Asker::Request("r1".into()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_command(command: Command, golden: &str) {
    let bytes = command.clone().encode();
    assert_eq!(hex(&bytes), golden, "{command:?}");
    assert_eq!(Command::decode(&bytes).unwrap(), command);
}

#[test]
fn commands() {
    let parent = Start {
        asker: Asker::Parent {
            invocation: id("p"),
            run: run(),
            step: 3,
            queue: String::new(),
            partition: Partition::default(),
        },
        retention: Some(Retention::Forever),
        version: None,
        reply_to: None,
        ticket: None,
        granted: false,
        new_id: false,
        ..start()
    };
    let outcome = |result| {
        Command::Outcome(Outcome {
            run: run(),
            step: 2,
            attempt: 1,
            result,
            worker: "w".into(),
        })
    };
    let failure = Failure {
        details: Some(json("{\"a\":1}")),
        ..Failure::fatal(Code::FAILED, "no")
    };
    let other = Payload::Other {
        encoding: "cbor".into(),
        bytes: vec![0xa0].into(),
    };
    let timer = TimerId {
        run: run(),
        step: 4,
        attempt: 2,
    };
    let cases = [
        (Command::Start(start()), GOLDEN[0]),
        (Command::Start(parent.clone()), GOLDEN[1]),
        (outcome(Ok(other)), GOLDEN[2]),
        (outcome(Err(failure)), GOLDEN[3]),
        (Command::Signal(Signal::new("s", "n", json("1"))), GOLDEN[4]),
        (Command::TimerFired(timer), GOLDEN[5]),
        (
            Command::Cancel(Cancel {
                id: "c".into(),
                reason: "why".into(),
            }),
            GOLDEN[6],
        ),
        (Command::Resume { id: "r".into() }, GOLDEN[7]),
        (
            Command::Submit(Submit {
                invocation: id("i"),
                start: parent,
            }),
            GOLDEN[8],
        ),
        (Command::Grant(ticket()), GOLDEN[9]),
        (Command::Release(ticket()), GOLDEN[10]),
    ];
    for (command, golden) in cases {
        check_command(command, golden);
    }
}

#[test]
fn tasks_and_replies() {
    let task = Task {
        invocation: id("i"),
        queue: "default".into(),
        partition: Partition(3),
        run: run(),
        step: 2,
        attempt: 1,
        activity: "greet".into(),
        input: json("\"x\""),
        workflow: "hello".into(),
        options: ActivityOptions::default(),
        heartbeat: None,
    };
    let bytes = task.clone().encode();
    assert_eq!(hex(&bytes), GOLDEN[11]);
    assert_eq!(Task::decode(&bytes).unwrap(), task);
    let reply = Reply {
        invocation: id("i"),
        exists: true,
        status: "completed".into(),
        output: Some(json("1")),
        error: None,
    };
    let bytes = reply.clone().encode();
    assert_eq!(hex(&bytes), GOLDEN[12]);
    assert_eq!(Reply::decode(&bytes).unwrap(), reply);
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000 + 123_456)
}

fn entries() -> Vec<Entry> {
    vec![
        Entry::Run {
            step: 1,
            name: "say".into(),
        },
        Entry::Done {
            step: 1,
            t: 5,
            value: json("null"),
        },
        Entry::Activity {
            step: 2,
            name: "greet".into(),
            topic: "t".into(),
            input: json("[1]"),
            options: None,
        },
        Entry::Retry {
            step: 2,
            t: 6,
            attempt: 2,
            due: at(1),
            error: Failure::new(Code::FAILED, "e"),
        },
        Entry::Failed {
            step: 2,
            t: 7,
            attempt: 2,
            error: Failure::fatal(Code::POISON, "p"),
        },
        Entry::Timer {
            step: 3,
            due: at(2),
        },
        Entry::Fired { step: 3, t: 8 },
        Entry::Signal {
            step: 4,
            name: "s".into(),
            channel: Channel::Signal,
        },
        Entry::Received {
            step: 4,
            t: 9,
            id: "x".into(),
            value: json("{\"k\":\"v\"}"),
        },
        Entry::Signal {
            step: 5,
            name: "s".into(),
            channel: Channel::Signal,
        },
        Entry::Drop {
            step: 5,
            through: None,
        },
        Entry::Cancel {
            t: 10,
            reason: "r".into(),
            shielded: Vec::new(),
        },
        Entry::Granted { t: 11 },
    ]
}

#[test]
fn journal() {
    let mut lines = Lines::default();
    for entry in entries() {
        lines.push(&entry).unwrap();
    }
    assert_eq!(lines.to_page(), JOURNAL);
    let read = Lines::from_page(JOURNAL.as_bytes()).unwrap();
    assert_eq!((read.entries().unwrap(), read.count()), (entries(), 13));
    assert_eq!(read.to_page(), JOURNAL, "paging copies bytes");
}

#[test]
fn value() {
    let mut tail = Lines::default();
    for entry in &entries()[..2] {
        tail.push(entry).unwrap();
    }
    let value = Value {
        format: 1,
        id: id("order 7"),
        workflow: "hello".into(),
        version: "1.0.0".into(),
        status: Status::Waiting,
        why: "sleeps".into(),
        waits: vec![Wait {
            step: 3,
            kind: "timer".into(),
            name: String::new(),
            topic: None,
            until: Some(at(2)),
            attempt: None,
            error: None,
        }],
        pending: 1,
        partition_key: Some("user-1".into()),
        queue: "default".into(),
        partition: Partition(3),
        created_at: at(0),
        updated_at: at(1),
        ended_at: None,
        deleted_at: None,
        input: json("\"World\""),
        output: None,
        error: None,
        search: Default::default(),
        kv: Default::default(),
        custom_status: None,
        run: run(),
        run_started_at: None,
        asker: Asker::Request("r1".into()),
        ticket: Some(ticket()),
        reply_to: None,
        retention: None,
        result_ttl_ms: None,
        replaced: None,
        runs: Vec::new(),
        forked: None,
        signals: Signals::default(),
        updates: Default::default(),
        answers: Vec::new(),
        cancel: None,
        parked: None,
        deferred: Vec::new(),
        suspected_crashes: 0,
        anchors: [
            (3, Root::Command(7)),
            (
                4,
                Root::Timer(TimerId {
                    run: run(),
                    step: 2,
                    attempt: 0,
                }),
            ),
        ]
        .into(),
        beats: Default::default(),
        turn: LastTurn {
            number: 2,
            id: "e-1".into(),
            roots: vec![Root::Command(7)],
            effects: vec![
                EffectTag::Task(2, 1),
                EffectTag::Schedule(3, 0),
                EffectTag::Unschedule(4, 0),
                EffectTag::Release,
                EffectTag::ExpirePages(1, 2),
            ],
            partial: false,
        },
        sends: Vec::new(),
    };
    let journal = JournalPart {
        steps: 3,
        entries: 12,
        pages: 1,
        first_page: 1,
        tail,
    };
    let bytes = value.encode(&journal).unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), VALUE);
    assert_eq!(Value::decode(&bytes).unwrap(), (value, journal));
    continued_value();
    let newer = VALUE.replace("\"format\":1", "\"format\":2");
    let error = Value::decode(newer.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("format 2") && error.contains("newer build"),
        "{error}"
    );
}

/// The first value of a run that follows another.
fn continued_value() {
    let (mut value, _) = Value::decode(VALUE.as_bytes()).unwrap();
    value.run.continued = 2;
    value.run_started_at = Some(at(1));
    value.turn.effects = vec![
        EffectTag::UnscheduleOf(TimerId {
            run: run(),
            step: 3,
            attempt: 0,
        }),
        EffectTag::ExpirePages(2, 4),
    ];
    let journal = JournalPart {
        pages: 4,
        first_page: 5,
        ..JournalPart::default()
    };
    let bytes = value.encode(&journal).unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), CONTINUED_VALUE);
    assert_eq!(Value::decode(&bytes).unwrap(), (value, journal));
}

#[test]
fn key_queue_member_and_topology() {
    let queue = KeyQueueValue {
        format: 1,
        program: "key queue".into(),
        partition_key: "user-1".into(),
        status: Status::Running,
        why: "w".into(),
        queue: "default".into(),
        partition: Partition(3),
        updated_at: at(1),
        taken_through: 9,
        holder: Some(Queued {
            ticket: 9,
            invocation: id("a"),
        }),
        waiting: vec![Queued {
            ticket: 10,
            invocation: id("b"),
        }],
        turn: LastTurn {
            number: 1,
            id: "e-1".into(),
            roots: vec![Root::Command(9)],
            ..LastTurn::default()
        },
        sends: vec![
            headwater_wire::key_queue::Send::Start {
                invocation: id("a"),
                start: Box::new(start()),
            },
            headwater_wire::key_queue::Send::Grant {
                invocation: id("b"),
                ticket: 10,
            },
        ],
    };
    let bytes = queue.encode().unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), KEY_QUEUE);
    assert_eq!(KeyQueueValue::decode(&bytes).unwrap(), queue);
    let member = Member {
        role: Role::Engine,
        id: "e".into(),
        queue: "default".into(),
        host: "h".into(),
        pid: 1,
        build: "0.1.0".into(),
        started_at: at(0),
        workflows: [("hello".to_owned(), vec!["1.0.0".to_owned()])].into(),
        topics: Vec::new(),
    };
    let bytes = member.encode().unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), MEMBER);
    assert_eq!(
        (
            Member::decode(&bytes).unwrap().key().as_str(),
            Member::decode(&bytes).unwrap()
        ),
        ("engine.e", member)
    );
    let topology = Topology {
        partitions: 8,
        serving: 16,
    };
    let bytes = topology.encode().unwrap();
    assert_eq!(bytes, br#"{"partitions":8,"serving":16}"#);
    assert_eq!(Topology::decode(&bytes).unwrap(), topology);
    assert_eq!(Topology::key("default"), "topology.default");
}

#[test]
fn payloads_that_are_not_json_are_wrapped_and_come_back() {
    let other = Payload::Other {
        encoding: "cbor".into(),
        bytes: vec![1, 2].into(),
    };
    let wrapped = r#"{"$payload":{"encoding":"cbor","base64":"AQI="}}"#;
    for payload in [other, json(wrapped), json("{\"$payload\":1}"), json("null")] {
        let entry = Entry::Done {
            step: 1,
            t: 0,
            value: payload,
        };
        let mut lines = Lines::default();
        lines.push(&entry).unwrap();
        assert_eq!(lines.entries().unwrap(), [entry]);
    }
}

const GOLDEN: [&str; 13] = [
    "0a3c0a0568656c6c6f1205312e322e301a09120722576f726c642222040a0272312a085f494e424f582e61320a0a06757365722d311009380140901c5001",
    "0a230a0568656c6c6f1a09120722576f726c6422220d120b0a017012040807100118034801",
    "12180a04080710011002180122090a0463626f721201a0320177",
    "12280a0408071001100218012a190a066661696c656412026e6f1801220912077b2261223a317d320177",
    "1a0b0a017312016e1a03120131",
    "220a0a040807100110041802",
    "2a080a01631203776879",
    "32030a0172",
    "3a280a016912230a0568656c6c6f1a09120722576f726c6422220d120b0a017012040807100118034801",
    "420c0a0a0a06757365722d311009",
    "4a0c0a0a0a06757365722d311009",
    "0a0169120764656661756c741803220408071001280230013a056772656574420512032278224a0568656c6c6f",
    "0a016910011a09636f6d706c657465642203120131",
];
const JOURNAL: &str = r#"[
{"run":{"step":1,"name":"say"}},
{"done":{"step":1,"t":5,"value":null}},
{"activity":{"step":2,"name":"greet","topic":"t","input":[1]}},
{"retry":{"step":2,"t":6,"attempt":2,"due":"1970-01-01T00:00:01.123456Z","error":{"code":"failed","message":"e"}}},
{"failed":{"step":2,"t":7,"attempt":2,"error":{"code":"poison","message":"p","final":true}}},
{"timer":{"step":3,"due":"1970-01-01T00:00:02.123456Z"}},
{"fired":{"step":3,"t":8}},
{"signal":{"step":4,"name":"s"}},
{"received":{"step":4,"t":9,"id":"x","value":{"k":"v"}}},
{"signal":{"step":5,"name":"s"}},
{"drop":{"step":5}},
{"cancel":{"t":10,"reason":"r"}},
{"granted":{"t":11}}
]"#;
const VALUE: &str = r#"{"format":1,"id":"order 7","workflow":"hello","version":"1.0.0","status":"waiting","why":"sleeps","waits":[{"step":3,"for":"timer","until":"1970-01-01T00:00:02.123456Z"}],"pending":1,"partition_key":"user-1","queue":"default","partition":3,"created_at":"1970-01-01T00:00:00.123456Z","updated_at":"1970-01-01T00:00:01.123456Z","input":"World","search":{},"run":"7.1","asker":{"request":"r1"},"ticket":{"key":"user-1","number":9},"anchors":{"3":7,"4":"timer/7.1/2/0"},"turn":{"number":2,"id":"e-1","roots":[7],"effects":["task/2/1","schedule/3/0","unschedule/4/0","release","expire-pages/2"]},"journal":{"steps":3,"entries":12,"pages":1,"tail":[
{"run":{"step":1,"name":"say"}},
{"done":{"step":1,"t":5,"value":null}}
]}}"#;
const CONTINUED_VALUE: &str = r#"{"format":1,"id":"order 7","workflow":"hello","version":"1.0.0","status":"waiting","why":"sleeps","waits":[{"step":3,"for":"timer","until":"1970-01-01T00:00:02.123456Z"}],"pending":1,"partition_key":"user-1","queue":"default","partition":3,"created_at":"1970-01-01T00:00:00.123456Z","updated_at":"1970-01-01T00:00:01.123456Z","input":"World","search":{},"run":"7.2","run_started_at":"1970-01-01T00:00:01.123456Z","asker":{"request":"r1"},"ticket":{"key":"user-1","number":9},"anchors":{"3":7,"4":"timer/7.1/2/0"},"turn":{"number":2,"id":"e-1","roots":[7],"effects":["unschedule/7.1/3/0","expire-pages/2/4"]},"journal":{"steps":0,"entries":0,"pages":4,"first_page":5,"tail":[

]}}"#;
const KEY_QUEUE: &str = r#"{"format":1,"program":"key queue","partition_key":"user-1","status":"running","why":"w","queue":"default","partition":3,"updated_at":"1970-01-01T00:00:01.123456Z","taken_through":9,"holder":{"ticket":9,"invocation":"a"},"waiting":[{"ticket":10,"invocation":"b"}],"turn":{"number":1,"id":"e-1","roots":[9]},"sends":[{"start":{"invocation":"a","start":{"workflow":"hello","version":"1.2.0","input":"World","asker":{"request":"r1"},"reply_to":"_INBOX.a","ticket":{"key":"user-1","number":9},"granted":true,"retention":{"seconds":3600},"new_id":true}}},{"grant":{"invocation":"b","ticket":10}}]}"#;
const MEMBER: &str = r#"{"role":"engine","id":"e","queue":"default","host":"h","pid":1,"build":"0.1.0","started_at":"1970-01-01T00:00:00.123456Z","workflows":{"hello":["1.0.0"]}}"#;
