//! Every decoder of the wire, in one table, against arbitrary, valid and damaged bytes: it never
//! panics, it says what is wrong, what it lets through is kept as it is, and what this build
//! writes comes back exactly.
//!
//! A decoder that is missing in the table is a hole: add it. What is only written and never read
//! (subjects, consumers, keys of pages) is in `names.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod arbitrary;

use std::fmt::{Debug, Display};

use arbitrary as any_of;
use headwater_wire::{
    Command, Entry, Failure, InvocationId, Key, Namespace, Partition, Payload, Run, Status, Task,
    Timestamp, Value,
    ask::{Answer, Progress, Query, Stop},
    command::{Asker, Retention, Start},
    journal::Lines,
    key_queue::KeyQueueValue,
    member::Member,
    names::{Address, TimerId},
    pb,
    send::Sent,
    signal_box::SignalBoxValue,
    task::Reply,
    topology::Topology,
    turn::{EffectTag, LastTurn, Root},
    value::JournalPart,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;
use serde::{Serialize, de::DeserializeOwned};

/// One kind of record, with how it is written and read.
struct Codec<T> {
    write: fn(&T) -> Vec<u8>,
    read: fn(&[u8]) -> Result<T, String>,
}

macro_rules! table {
    ($($name:ident: $type:ty = $codec:expr, $valid:expr;)+) => {$(
        mod $name {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(CASES))]

                #[test]
                fn arbitrary_bytes_are_refused_with_a_reason(bytes in any_bytes()) {
                    let codec: Codec<$type> = $codec;
                    codec.reads_or_refuses(&bytes)?;
                }

                #[test]
                fn what_is_written_comes_back(record in $valid) {
                    let codec: Codec<$type> = $codec;
                    codec.round_trips(&record)?;
                }

                #[test]
                fn damage_is_refused_or_kept(one in $valid, other in $valid, damage in vec(damage(), 1..4)) {
                    let codec: Codec<$type> = $codec;
                    let (mut bytes, other) = ((codec.write)(&one), (codec.write)(&other));
                    for damage in damage {
                        damage.done_to(&mut bytes, &other);
                    }
                    codec.reads_or_refuses(&bytes)?;
                }
            }
        }
    )+};
}

const CASES: u32 = 128;

table! {
    // Messages of COMMANDS, TASKS and waiting clients.
    command: Command = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Command::decode(b)) }, any_of::command();
    task: Task = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Task::decode(b)) }, any_of::task();
    reply: Reply = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Reply::decode(b)) }, any_of::reply();
    query: Query = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Query::decode(b)) }, any_of::query();
    answer: Answer = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Answer::decode(b)) }, any_of::answer();
    stop: Stop = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Stop::decode(b)) }, any_of::stop();
    progress: Progress = Codec { write: |it| it.clone().encode().to_vec(), read: |b| said(Progress::decode(b)) }, any_of::progress();
    payload_in_a_message: Payload = protobuf::<Payload, pb::Payload>(), any_of::payload();
    failure_in_a_message: Failure = protobuf::<Failure, pb::Failure>(), any_of::failure();

    // Values and pages.
    value: (Value, JournalPart) = Codec { write: |(value, journal)| value.encode(journal).unwrap(), read: |b| said(Value::decode(b)) }, any_of::value();
    key_queue: KeyQueueValue = Codec { write: |it| it.encode().unwrap(), read: |b| said(KeyQueueValue::decode(b)) }, any_of::key_queue();
    signal_box: SignalBoxValue = Codec { write: |it| it.encode().unwrap(), read: |b| said(SignalBoxValue::decode(b)) }, any_of::signal_box::value();
    member: Member = Codec { write: |it| it.encode().unwrap(), read: |b| said(Member::decode(b)) }, any_of::member();
    topology: Topology = Codec { write: |it| it.encode().unwrap(), read: |b| said(Topology::decode(b)) }, any_of::topology();
    page: Lines = Codec { write: |it| it.to_page().into_bytes(), read: read_page }, any_of::lines();
    entry: Entry = json(), any_of::entry();

    // Parts of values, as JSON.
    payload: Payload = json(), any_of::payload();
    failure: Failure = json(), any_of::failure();
    start: Start = json(), any_of::start();
    asker: Asker = json(), any_of::asker();
    retention: Retention = json(), any_of::retention();
    sent: Sent = json(), any_of::sent();
    key_in_json: Key = json(), any_of::key();
    last_turn: LastTurn = json(), any_of::last_turn();
    root: Root = json(), any_of::root();
    effect_tag: EffectTag = json(), any_of::effect();
    status_in_json: Status = json(), any_of::status();
    run_in_json: Run = json(), any_of::run();
    id_in_json: InvocationId = json(), any_of::id();
    time_in_json: Timestamp = json(), any_of::time();
    partition: Partition = json(), any_of::partition();

    // Texts.
    run: Run = Codec { write: shown, read: |b| said(Run::try_from(utf8(b)?.to_owned())) }, any_of::run();
    timer_id: TimerId = text(), any_of::timer();
    effect: EffectTag = text(), any_of::effect();
    time: Timestamp = text(), any_of::time();
    status: Status = text(), any_of::status();
    invocation_id: InvocationId = text(), any_of::id();
    key: Key = Codec { write: shown, read: |b| said(Key::parse(utf8(b)?)) }, any_of::key();
    subject: Address = in_namespace!(""), any_of::address();
    subject_of_a_namespace: Address = in_namespace!("team-a"), any_of::address();
}

fn said<T, E: Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    said(std::str::from_utf8(bytes))
}

fn shown<T: Display>(record: &T) -> Vec<u8> {
    record.to_string().into_bytes()
}

fn json<T: Serialize + DeserializeOwned>() -> Codec<T> {
    Codec {
        write: |record| serde_json::to_vec(record).unwrap(),
        read: |bytes| said(serde_json::from_slice(bytes)),
    }
}

fn text<T: Display + std::str::FromStr<Err: Display>>() -> Codec<T> {
    Codec {
        write: shown,
        read: |bytes| said(utf8(bytes)?.parse()),
    }
}

fn protobuf<T, P>() -> Codec<T>
where
    T: Clone + TryFrom<P, Error: Display>,
    P: From<T> + prost::Message + Default,
{
    Codec {
        write: |record| P::from(record.clone()).encode_to_vec(),
        read: |bytes| said(T::try_from(said(P::decode(bytes))?)),
    }
}

/// A page whose entries are read too, as a replay does.
fn read_page(bytes: &[u8]) -> Result<Lines, String> {
    let lines = said(Lines::from_page(bytes))?;
    said(lines.entries())?;
    Ok(lines)
}

macro_rules! in_namespace {
    ($name:literal) => {
        Codec {
            write: |to| {
                Namespace::new($name)
                    .unwrap()
                    .command_subject(to)
                    .into_bytes()
            },
            read: |bytes| {
                said(
                    Namespace::new($name)
                        .unwrap()
                        .parse_command_subject(utf8(bytes)?),
                )
            },
        }
    };
}
use in_namespace;

impl<T: PartialEq + Debug> Codec<T> {
    fn round_trips(&self, record: &T) -> Result<(), TestCaseError> {
        let bytes = (self.write)(record);
        let read = (self.read)(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(record));
        let again = read.map(|read| (self.write)(&read));
        prop_assert_eq!(again, Ok(bytes));
        Ok(())
    }

    fn reads_or_refuses(&self, bytes: &[u8]) -> Result<(), TestCaseError> {
        match (self.read)(bytes) {
            Ok(record) => self.round_trips(&record),
            Err(reason) => {
                prop_assert!(reason.trim().len() > 3, "no reason: {:?}", reason);
                Ok(())
            }
        }
    }
}

/// Bytes of any kind, and texts that are nearer to what is expected.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let like_json = "[\\[\\]{}\":,0-9a-z. \\\\\\n-]{0,60}";
    prop_oneof![
        2 => vec(any::<u8>(), 0..200),
        1 => like_json.prop_map(String::into_bytes),
        1 => "[a-z0-9=./+_KQ-]{0,40}".prop_map(String::into_bytes),
        1 => any::<String>().prop_map(String::into_bytes),
    ]
}

/// What can happen to bytes on their way.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Truncate(Index),
    Remove(Index, u8),
    Repeat(Index, u8),
    /// A beginning of one record and an end of another.
    Splice(Index, Index),
    /// Another record behind it.
    Append,
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        // Digits and signs turn one valid text into another more often than other bytes do.
        2 => (at(), prop::sample::select(&b"0129-+.=/{}[]\",: \0\xff"[..])).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => at().prop_map(Damage::Truncate),
        1 => (at(), any::<u8>()).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => (at(), any::<u8>()).prop_map(|(at, count)| Damage::Repeat(at, count)),
        1 => (at(), at()).prop_map(|(one, other)| Damage::Splice(one, other)),
        1 => Just(Damage::Append),
    ]
}

impl Damage {
    fn done_to(self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let size = bytes.len();
        let range = |at: Index, count: u8| {
            let from = at.index(size);
            from..(from + usize::from(count % 16)).min(size)
        };
        match self {
            Self::Flip(at, bit) => bytes[at.index(size)] ^= 1 << bit,
            Self::Set(at, byte) => bytes[at.index(size)] = byte,
            Self::Truncate(at) => bytes.truncate(at.index(size)),
            Self::Remove(at, count) => drop(bytes.drain(range(at, count))),
            Self::Repeat(at, count) => {
                let range = range(at, count);
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, part);
            }
            Self::Splice(at, from) => {
                bytes.truncate(at.index(size));
                if !other.is_empty() {
                    bytes.extend_from_slice(&other[from.index(other.len())..]);
                }
            }
            Self::Append => bytes.extend_from_slice(other),
        }
    }
}

proptest! {
    #[test]
    fn journal_lines_are_one_a_line_and_appending_is_joining(one in vec(any_of::entry(), 0..4), other in vec(any_of::entry(), 0..4)) {
        let lines = |entries: &[Entry]| {
            let mut lines = Lines::default();
            for entry in entries {
                lines.push(entry).unwrap();
            }
            lines
        };
        let mut joined = lines(&one);
        joined.append(&lines(&other));
        let all = [one, other].concat();
        prop_assert_eq!(&joined, &lines(&all));
        prop_assert_eq!(joined.count(), all.len() as u64);
        prop_assert_eq!(joined.to_page().lines().count(), all.len().max(1) + 2);
        prop_assert_eq!(joined.entries().unwrap(), all);
    }

    #[test]
    fn a_value_of_a_newer_format_is_said_to_be_so((value, journal) in any_of::value(), queue in any_of::key_queue(), signals in any_of::signal_box::value(), format in 2u32..) {
        let (value, queue) = (Value { format, ..value }, KeyQueueValue { format, ..queue });
        let signals = SignalBoxValue { format, ..signals };
        let newer = format!("the value has format {format}, this build reads up to 1: use a newer build");
        prop_assert_eq!(said(Value::decode(&value.encode(&journal).unwrap())), Err(newer.clone()));
        prop_assert_eq!(said(KeyQueueValue::decode(&queue.encode().unwrap())), Err(newer.clone()));
        prop_assert_eq!(said(SignalBoxValue::decode(&signals.encode().unwrap())), Err(newer.clone()));
        // Whatever else a newer build has changed.
        let unlike = format!("{{\"format\":{format},\"journal\":7,\"id\":[]}}");
        prop_assert_eq!(said(Value::decode(unlike.as_bytes())), Err(newer.clone()));
        prop_assert_eq!(said(KeyQueueValue::decode(unlike.as_bytes())), Err(newer));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let no_run = pb::command::Kind::TimerFired(pb::TimerFired::default());
    let no_run = pb::Command { kind: Some(no_run) }.encode_to_vec();
    let newer_kind = [0xfa, 0x06, 0x00];
    for (reason, part) in [
        (
            said(Command::decode(&no_run)).unwrap_err(),
            "timer_fired.run is missing",
        ),
        (
            said(Command::decode(&newer_kind)).unwrap_err(),
            "no kind that this build knows",
        ),
        (
            said(Command::decode(b"hello")).unwrap_err(),
            "not a headwater.v1 message",
        ),
        (said(Task::decode(&[])).unwrap_err(), "id must not be empty"),
        (
            said("timer/1.2/3".parse::<TimerId>()).unwrap_err(),
            "expected timer/<run>/<step>/<attempt>",
        ),
        (
            said("x/1".parse::<EffectTag>()).unwrap_err(),
            "\"x/1\" is not an effect",
        ),
        (
            said("asleep".parse::<Status>()).unwrap_err(),
            "use queued, running",
        ),
        (
            said(Run::try_from("1".to_owned())).unwrap_err(),
            "expected <start>.<continued>",
        ),
        (
            said(Key::parse("a.b")).unwrap_err(),
            "is not an encoded key",
        ),
        (
            said(Namespace::default().parse_command_subject("commands.q.1.=4b")).unwrap_err(),
            "has a bad key",
        ),
        (said(Value::decode(b"{}")).unwrap_err(), "missing field"),
        (said(Lines::from_page(b"[1")).unwrap_err(), "not a journal"),
    ] {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
}
