//! Golden bytes of the records of the programming model: children, state, channels, life cycle.
//! A change here is a change of the format, as in `golden.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

use std::fmt::Debug;

use headwater_wire::{
    Code, Command, Entry, Failure, InvocationId, Key, Partition, Payload, Run, Task, Timestamp,
    Value,
    ask::{Answer, Heartbeat, Hook, Progress, Query, Stop},
    command::{Asker, Channel, Outcome, Signal, Start},
    fork::{Fork, Forked},
    journal::{ActivityOptions, AnswerTo, Carried, ChildSpec, Lines, Of, ParentClose, Sending},
    lifecycle::{Delete, Pause, Terminate},
    runs::{EndedRun, Prune},
    send::{Recipient, Sent, SentCommand},
    signal_box::{Await, Unawait},
    turn::EffectTag,
    value::{Answered, Beat, BufferedSignal, CustomStatus, Deferred, JournalPart, OpenUpdate},
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

fn parent() -> Asker {
    Asker::Parent {
        invocation: id("p"),
        run: run(),
        step: 3,
        queue: "gpu".into(),
        partition: Partition(4),
    }
}

fn start() -> Start {
    Start {
        result_ttl_ms: Some(2_000),
        search: [("a".to_owned(), json("1")), ("b".to_owned(), json("null"))].into(),
        signal: Some(Box::new(Signal::new("s", "n", json("1")))),
        paused: true,
        replace: true,
        ..Start::new("hello", json("\"World\""), parent())
    }
}

fn update() -> Signal {
    Signal {
        channel: Channel::Update,
        reply_to: Some("_INBOX.a".into()),
        keep_ms: Some(600),
        ..Signal::new("s", "n", json("1"))
    }
}

fn terminate() -> Terminate {
    Terminate {
        id: "t".into(),
        reason: "why".into(),
        code: Some(Code::INTERRUPTED),
    }
}

fn hook() -> Hook {
    Hook {
        id: "h".into(),
        name: "n".into(),
        input: json("1"),
        asker: Some(parent()),
    }
}

fn waits() -> Await {
    Await {
        invocation: id("i"),
        queue: "default".into(),
        partition: Partition(3),
        run: run(),
        step: 2,
    }
}

fn unwaits() -> Unawait {
    Unawait {
        invocation: id("i"),
        run: run(),
        step: 2,
    }
}

fn stop() -> Stop {
    Stop {
        invocation: id("i"),
        run: run(),
        steps: vec![2, 300],
        reason: "r".into(),
    }
}

fn answer() -> Answer {
    Answer {
        id: "a".into(),
        result: Ok(json("1")),
    }
}

fn refusal() -> Failure {
    Failure::fatal(Code::FATAL, "no")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A record as it travels, after it has come back from that.
fn there_and_back<T: Clone + PartialEq + Debug, E: Debug>(
    record: T,
    bytes: impl AsRef<[u8]>,
    decode: impl Fn(&[u8]) -> Result<T, E>,
) -> String {
    assert_eq!(decode(bytes.as_ref()).unwrap(), record);
    hex(bytes.as_ref())
}

#[test]
fn commands_and_hints() {
    let command =
        |command: Command| there_and_back(command.clone(), command.encode(), Command::decode);
    let beat = Heartbeat {
        run: run(),
        step: 2,
        attempt: 1,
        number: 9,
        details: json("[1]"),
    };
    let task = Task {
        invocation: id("i"),
        queue: "default".into(),
        partition: Partition(3),
        run: run(),
        step: 2,
        attempt: 1,
        activity: "greet".into(),
        input: json("1"),
        workflow: "hello".into(),
        options: ActivityOptions {
            timeout_ms: Some(1_000),
            heartbeat_ms: Some(500),
            session: None,
        },
        heartbeat: Some(json("[1]")),
    };
    let query = Query {
        id: "q".into(),
        invocation: id("i"),
        queue: "default".into(),
        partition: Partition(3),
        name: "n".into(),
        data: json("1"),
        reply_to: "_INBOX.a".into(),
    };
    let refused = Answer {
        result: Err(refusal()),
        ..answer()
    };
    let progress = Progress {
        invocation: id("i"),
        run: run(),
        step: 2,
        attempt: 1,
        activity: "greet".into(),
        data: json("1"),
    };
    let found = [
        command(Command::Start(start())),
        command(Command::Signal(update())),
        command(Command::Terminate(terminate())),
        command(Command::Pause(Pause {
            id: "p".into(),
            reason: "why".into(),
        })),
        command(Command::Delete(Delete {
            id: "d".into(),
            force: true,
        })),
        command(Command::Heartbeat(beat)),
        command(Command::Hook(hook())),
        command(Command::Await(waits())),
        command(Command::Unawait(unwaits())),
        command(Command::Start(Start {
            fork: Some(Box::new(Fork {
                invocation: id("i"),
                run: run(),
                step: 2,
            })),
            ..Start::new("w", json("1"), Asker::Request("r".into()))
        })),
        command(Command::Prune(Prune {
            id: "p".into(),
            keep_last: 3,
            ended_before: Some(at(1)),
        })),
        there_and_back(task.clone(), task.encode(), Task::decode),
        there_and_back(query.clone(), query.encode(), Query::decode),
        there_and_back(answer(), answer().encode(), Answer::decode),
        there_and_back(refused.clone(), refused.encode(), Answer::decode),
        there_and_back(stop(), stop().encode(), Stop::decode),
        there_and_back(progress.clone(), progress.encode(), Progress::decode),
    ];
    assert_eq!(found.join("\n"), MESSAGES.trim());
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000 + 123_456)
}

fn child() -> ChildSpec {
    ChildSpec {
        step: 5,
        id: id("c"),
        workflow: "w".into(),
        version: None,
        queue: None,
        key: None,
        input: json("1"),
        detached: false,
        on_close: ParentClose::Cancel,
        retention: None,
    }
}

fn send(step: u32, what: Sending) -> Entry {
    Entry::Send {
        step,
        to: id("other"),
        queue: None,
        what,
    }
}

fn entries() -> Vec<Entry> {
    let options = ActivityOptions {
        timeout_ms: Some(1_000),
        heartbeat_ms: None,
        session: None,
    };
    vec![
        Entry::Carried(Carried {
            kv: [("k".to_owned(), json("1"))].into(),
            search: [].into(),
            status: Some(CustomStatus {
                version: 2,
                value: json("\"s\""),
            }),
        }),
        Entry::Activity {
            step: 1,
            name: "a".into(),
            topic: "t".into(),
            input: json("1"),
            options: Some(options.clone()),
        },
        Entry::Map {
            step: 2,
            name: "a".into(),
            topic: "t".into(),
            options: Some(options),
            inputs: vec![json("1"), json("2"), json("3")],
        },
        Entry::Drop {
            step: 2,
            through: Some(4),
        },
        Entry::Child(Box::new(child())),
        Entry::Child(Box::new(ChildSpec {
            step: 6,
            version: Some("1.0.0".into()),
            queue: Some("gpu".into()),
            key: Some("user-1".into()),
            detached: true,
            on_close: ParentClose::Abandon,
            retention: Some(headwater_wire::command::Retention::Forever),
            ..child()
        })),
        Entry::Named {
            step: 7,
            name: "n".into(),
        },
        send(
            8,
            Sending::Signal {
                name: "n".into(),
                channel: Channel::Queue,
                data: json("1"),
            },
        ),
        send(9, Sending::Cancel { reason: "r".into() }),
        send(
            10,
            Sending::Terminate {
                reason: "r".into(),
                code: None,
            },
        ),
        send(
            11,
            Sending::Hook {
                name: "n".into(),
                input: json("1"),
                awaited: true,
            },
        ),
        Entry::Emit {
            step: 12,
            topic: "t".into(),
            data: json("1"),
        },
        Entry::Signal {
            step: 13,
            name: "n".into(),
            channel: Channel::Update,
        },
        Entry::Answer {
            to: AnswerTo::Update(13),
            result: Ok(json("null")),
        },
        Entry::Answer {
            to: AnswerTo::Hook("h".into()),
            result: Err(refusal()),
        },
        Entry::Set {
            of: Of::Kv,
            key: "k".into(),
            value: Some(json("null")),
        },
        Entry::Set {
            of: Of::Search,
            key: "k".into(),
            value: None,
        },
        Entry::CustomStatus {
            value: Some(json("1")),
        },
        Entry::CustomStatus { value: None },
        Entry::Patch { id: "p".into() },
        Entry::Hook {
            t: 9,
            id: "h".into(),
            name: "n".into(),
            input: json("1"),
            asker: None,
        },
        Entry::Cancel {
            t: 10,
            reason: "r".into(),
            shielded: vec![7],
        },
    ]
}

#[test]
fn journal() {
    let mut lines = Lines::default();
    for entry in entries() {
        lines.push(&entry).unwrap();
    }
    assert_eq!(lines.to_page(), JOURNAL.trim());
    let read = Lines::from_page(JOURNAL.as_bytes()).unwrap();
    assert_eq!(read.entries().unwrap(), entries());
}

#[test]
fn steps_are_numbered_without_gaps_and_notes_await_nothing() {
    let begun = entries().into_iter().filter_map(|entry| entry.begins());
    assert_eq!(
        begun.flatten().collect::<Vec<u32>>(),
        (1..=13).collect::<Vec<u32>>()
    );
    let kinds = |which: fn(&Entry) -> bool| {
        let entries = entries().into_iter().filter(which);
        entries.map(|entry| entry.kind()).collect::<Vec<_>>()
    };
    assert_eq!(
        kinds(Entry::is_note),
        [
            "child",
            "send",
            "send",
            "send",
            "emit",
            "answer",
            "answer",
            "set",
            "set",
            "custom_status",
            "custom_status",
            "patch"
        ]
    );
    assert_eq!(
        kinds(|entry| !entry.is_decision()),
        ["carried", "hook", "cancel"]
    );
}

#[test]
fn runs_that_are_over_and_what_it_is_a_fork_of() {
    let (mut value, _) = Value::decode(BARE_VALUE.as_bytes()).unwrap();
    let ended = EndedRun {
        run: run(),
        version: "1.0.0".into(),
        started_at: at(1),
        ended_at: at(2),
        entries: 9,
        pages: Some((1, 2)),
        archive: Some("1-e-1".into()),
    };
    let bare = EndedRun {
        version: String::new(),
        pages: None,
        archive: None,
        ..ended.clone()
    };
    value.runs = vec![ended, bare];
    value.forked = Some(Forked {
        of: id("i"),
        run: run(),
        step: 2,
        entries: 3,
        epoch: at(1),
        began_at: at(2),
        seed: "i/7.1".into(),
    });
    let bytes = value.encode(&JournalPart::default()).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(RUNS), "{text}");
    assert_eq!(Value::decode(&bytes).unwrap().0, value);
}

#[test]
fn value() {
    let (mut value, _) = Value::decode(BARE_VALUE.as_bytes()).unwrap();
    let bare = value.encode(&JournalPart::default()).unwrap();
    assert_eq!(String::from_utf8(bare).unwrap(), BARE_VALUE.trim());
    value.ended_at = Some(at(1));
    value.deleted_at = Some(at(2));
    value.kv = [("k".to_owned(), json("1"))].into();
    value.custom_status = Some(CustomStatus {
        version: 2,
        value: json("1"),
    });
    value.result_ttl_ms = Some(2_000);
    value.replaced = Some(run());
    value.signals.waiting = vec![BufferedSignal {
        id: "s".into(),
        name: "n".into(),
        data: json("1"),
        channel: Channel::Event,
        reply_to: Some("_INBOX.a".into()),
    }];
    value.updates = [(
        4,
        OpenUpdate {
            id: "u".into(),
            reply_to: None,
        },
    )]
    .into();
    value.answers = vec![Answered {
        id: "u".into(),
        t: 5,
        result: Err(refusal()),
    }];
    value.deferred = vec![Deferred::Hook {
        id: "h".into(),
        name: "n".into(),
        input: json("1"),
        asker: Some(parent()),
    }];
    value.beats = [(
        2,
        Beat {
            attempt: 1,
            number: 9,
            details: json("[1]"),
        },
    )]
    .into();
    value.turn.effects = vec![
        EffectTag::Send(0),
        EffectTag::Tasks(2, 4),
        EffectTag::TellParent,
    ];
    value.sends = sends();
    let journal = JournalPart::default();
    let bytes = value.encode(&journal).unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), VALUE.trim());
    assert_eq!(Value::decode(&bytes).unwrap(), (value, journal));
}

fn sends() -> Vec<Sent> {
    let to = |key: Key| Recipient {
        key,
        queue: None,
        partition: None,
    };
    let command = |command| Sent::Command {
        to: to(id("other").key()),
        command,
    };
    vec![
        command(SentCommand::Start(Box::new(start()))),
        command(SentCommand::Submit {
            invocation: id("c"),
            start: Box::new(Start::new("hello", json("1"), parent())),
        }),
        command(SentCommand::Outcome(Outcome {
            run: run(),
            step: 2,
            attempt: 1,
            result: Ok(json("1")),
            worker: String::new(),
        })),
        command(SentCommand::Signal(update())),
        command(SentCommand::Cancel(headwater_wire::command::Cancel {
            id: "c".into(),
            reason: "r".into(),
        })),
        command(SentCommand::Terminate(terminate())),
        command(SentCommand::Hook(hook())),
        Sent::Command {
            to: to(Key::of_signal_box("gpu", "n").unwrap()),
            command: SentCommand::Await(waits()),
        },
        Sent::Command {
            to: Recipient {
                queue: Some("gpu".into()),
                partition: Some(Partition(4)),
                ..to(Key::of_signal_box("gpu", "n").unwrap())
            },
            command: SentCommand::Unawait(unwaits()),
        },
        Sent::Stop {
            topic: "t".into(),
            stop: stop(),
        },
        Sent::Event {
            topic: "t".into(),
            data: json("1"),
        },
        Sent::Answer {
            inbox: "_INBOX.a".into(),
            answer: answer(),
        },
    ]
}

const MESSAGES: &str = r#"
0a540a0568656c6c6f1a09120722576f726c6422221412120a017012040807100118032203677075280458d00f62080a01611203120131620b0a0162120612046e756c6c6a0b0a017312016e1a031201317801800101
1a1a0a017312016e1a0312013120032a085f494e424f582e6130d804
52150a017412037768791a0b696e746572727570746564
5a080a01701203776879
62050a01641001
6a130a04080710011002180120092a0512035b315d
72210a016812016e1a03120131221412120a0170120408071001180322036770752804
7a160a0169120764656661756c7418032204080710012802
82010b0a01691204080710011802
0a1a0a01771a0312013122030a0172720b0a01691204080710011802
8a01090a017010031880c944
0a0169120764656661756c741803220408071001280230013a05677265657442031201314a0568656c6c6f50e80758f403620512035b315d
0a01711201691a0764656661756c7420032a016e32031201313a085f494e424f582e61
0a01611203120131
0a01611a0d0a05666174616c12026e6f1801
0a01691204080710011a0302ac02220172
0a0169120408071001180220012a0567726565743203120131
"#;
const RUNS: &str = r#","runs":[{"run":"7.1","version":"1.0.0","started_at":"1970-01-01T00:00:01.123456Z","ended_at":"1970-01-01T00:00:02.123456Z","entries":9,"pages":[1,2],"archive":"1-e-1"},{"run":"7.1","started_at":"1970-01-01T00:00:01.123456Z","ended_at":"1970-01-01T00:00:02.123456Z","entries":9}],"forked":{"of":"i","run":"7.1","step":2,"entries":3,"epoch":"1970-01-01T00:00:01.123456Z","began_at":"1970-01-01T00:00:02.123456Z","seed":"i/7.1"},"#;
const JOURNAL: &str = r#"
[
{"carried":{"kv":{"k":1},"status":{"version":2,"value":"s"}}},
{"activity":{"step":1,"name":"a","topic":"t","input":1,"options":{"timeout_ms":1000}}},
{"map":{"step":2,"name":"a","topic":"t","options":{"timeout_ms":1000},"inputs":[1,2,3]}},
{"drop":{"step":2,"through":4}},
{"child":{"step":5,"id":"c","workflow":"w","input":1}},
{"child":{"step":6,"id":"c","workflow":"w","version":"1.0.0","queue":"gpu","key":"user-1","input":1,"detached":true,"on_close":"abandon","retention":"forever"}},
{"named":{"step":7,"name":"n"}},
{"send":{"step":8,"to":"other","what":{"signal":{"name":"n","channel":"queue","data":1}}}},
{"send":{"step":9,"to":"other","what":{"cancel":{"reason":"r"}}}},
{"send":{"step":10,"to":"other","what":{"terminate":{"reason":"r"}}}},
{"send":{"step":11,"to":"other","what":{"hook":{"name":"n","input":1,"awaited":true}}}},
{"emit":{"step":12,"topic":"t","data":1}},
{"signal":{"step":13,"name":"n","channel":"update"}},
{"answer":{"to":{"update":13},"result":{"ok":null}}},
{"answer":{"to":{"hook":"h"},"result":{"error":{"code":"fatal","message":"no","final":true}}}},
{"set":{"of":"kv","key":"k","value":null}},
{"set":{"of":"search","key":"k"}},
{"custom_status":{"value":1}},
{"custom_status":{}},
{"patch":{"id":"p"}},
{"hook":{"t":9,"id":"h","name":"n","input":1}},
{"cancel":{"t":10,"reason":"r","shielded":[7]}}
]
"#;
const BARE_VALUE: &str = r#"
{"format":1,"id":"a","workflow":"w","status":"waiting","why":"","pending":0,"queue":"default","partition":3,"created_at":"1970-01-01T00:00:00.123456Z","updated_at":"1970-01-01T00:00:01.123456Z","input":1,"search":{},"run":"7.1","asker":{"request":"r1"},"turn":{"number":2,"id":"e-1","roots":[7]},"journal":{"steps":0,"entries":0,"pages":0,"tail":[

]}}
"#;
const VALUE: &str = r#"
{"format":1,"id":"a","workflow":"w","status":"waiting","why":"","pending":0,"queue":"default","partition":3,"created_at":"1970-01-01T00:00:00.123456Z","updated_at":"1970-01-01T00:00:01.123456Z","ended_at":"1970-01-01T00:00:01.123456Z","deleted_at":"1970-01-01T00:00:02.123456Z","input":1,"search":{},"kv":{"k":1},"custom_status":{"version":2,"value":1},"run":"7.1","asker":{"request":"r1"},"result_ttl_ms":2000,"replaced":"7.1","signals":{"waiting":[{"id":"s","name":"n","data":1,"channel":"event","reply_to":"_INBOX.a"}]},"updates":{"4":{"id":"u"}},"answers":[{"id":"u","t":5,"result":{"error":{"code":"fatal","message":"no","final":true}}}],"deferred":[{"hook":{"id":"h","name":"n","input":1,"asker":{"parent":{"invocation":"p","run":"7.1","step":3,"queue":"gpu","partition":4}}}}],"beats":{"2":{"attempt":1,"number":9,"details":[1]}},"turn":{"number":2,"id":"e-1","roots":[7],"effects":["send/0","tasks/2/4","tell-parent"]},"sends":[{"command":{"to":{"key":"other"},"command":{"start":{"workflow":"hello","input":"World","asker":{"parent":{"invocation":"p","run":"7.1","step":3,"queue":"gpu","partition":4}},"result_ttl_ms":2000,"search":{"a":1,"b":null},"signal":{"id":"s","name":"n","data":1},"paused":true,"replace":true}}}},{"command":{"to":{"key":"other"},"command":{"submit":{"invocation":"c","start":{"workflow":"hello","input":1,"asker":{"parent":{"invocation":"p","run":"7.1","step":3,"queue":"gpu","partition":4}}}}}}},{"command":{"to":{"key":"other"},"command":{"outcome":{"run":"7.1","step":2,"attempt":1,"result":{"ok":1}}}}},{"command":{"to":{"key":"other"},"command":{"signal":{"id":"s","name":"n","data":1,"channel":"update","reply_to":"_INBOX.a","keep_ms":600}}}},{"command":{"to":{"key":"other"},"command":{"cancel":{"id":"c","reason":"r"}}}},{"command":{"to":{"key":"other"},"command":{"terminate":{"id":"t","reason":"why","code":"interrupted"}}}},{"command":{"to":{"key":"other"},"command":{"hook":{"id":"h","name":"n","input":1,"asker":{"parent":{"invocation":"p","run":"7.1","step":3,"queue":"gpu","partition":4}}}}}},{"command":{"to":{"key":"=Sn=Qgpu"},"command":{"await":{"invocation":"i","queue":"default","partition":3,"run":"7.1","step":2}}}},{"command":{"to":{"key":"=Sn=Qgpu","queue":"gpu","partition":4},"command":{"unawait":{"invocation":"i","run":"7.1","step":2}}}},{"stop":{"topic":"t","stop":{"invocation":"i","run":"7.1","steps":[2,300],"reason":"r"}}},{"event":{"topic":"t","data":1}},{"answer":{"inbox":"_INBOX.a","answer":{"id":"a","result":{"ok":1}}}}],"journal":{"steps":0,"entries":0,"pages":0,"tail":[

]}}
"#;
