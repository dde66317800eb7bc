//! No decoder panics on any bytes, and what decodes encodes back to something that decodes the same.
#![allow(clippy::unwrap_used, missing_docs)]

use headwater_wire::{
    Code, Command, Entry, Failure, Payload, Run, Task, Timestamp, Value,
    command::{Outcome, Signal},
    journal::Lines,
    key_queue::KeyQueueValue,
    member::Member,
    names::TimerId,
    task::Reply,
    topology::Topology,
    turn::EffectTag,
};
use proptest::prelude::*;

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        any::<i64>().prop_map(|n| Payload::encode(&n).unwrap()),
        "\\PC{0,20}".prop_map(|text| Payload::encode(&text).unwrap()),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Payload::Other {
            encoding: "x".into(),
            bytes: bytes.into()
        }),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    (any::<u64>(), any::<u32>()).prop_map(|(start, continued)| Run { start, continued })
}

fn failure() -> impl Strategy<Value = Failure> {
    (
        "[a-z]{1,8}",
        "\\PC{0,20}",
        any::<bool>(),
        proptest::option::of(payload()),
    )
        .prop_map(|(code, message, is_final, details)| Failure {
            code: Code::new(code),
            message,
            is_final,
            details,
        })
}

proptest! {
    #[test]
    fn no_decoder_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Command::decode(&bytes);
        let _ = Task::decode(&bytes);
        let _ = Reply::decode(&bytes);
        let _ = Value::decode(&bytes);
        let _ = KeyQueueValue::decode(&bytes);
        let _ = Member::decode(&bytes);
        let _ = Topology::decode(&bytes);
        let _ = Lines::from_page(&bytes).and_then(|lines| lines.entries());
    }

    #[test]
    fn a_truncated_command_is_refused_or_another_valid_one(
        run in run(), step: u32, attempt: u32, payload in payload(), cut in 0usize..40
    ) {
        let outcome = Outcome { run, step, attempt, result: Ok(payload), worker: "w".into() };
        let bytes = Command::Outcome(outcome).encode();
        let _ = Command::decode(&bytes[..bytes.len().saturating_sub(cut)]);
    }

    #[test]
    fn outcomes_and_signals_round_trip(
        run in run(), step: u32, attempt: u32, ok in any::<bool>(), payload in payload(), failure in failure(), name in "\\PC{1,9}"
    ) {
        let result = if ok { Ok(payload.clone()) } else { Err(failure) };
        let outcome = Command::Outcome(Outcome { run, step, attempt, result, worker: name.clone() });
        prop_assert_eq!(&Command::decode(&outcome.clone().encode()).unwrap(), &outcome);
        let signal = Command::Signal(Signal { id: name.clone(), name, data: payload });
        prop_assert_eq!(&Command::decode(&signal.clone().encode()).unwrap(), &signal);
    }

    #[test]
    fn entries_round_trip_one_a_line(step: u32, t: u64, value in payload(), error in failure(), micros in 0i64..4_000_000_000_000_000) {
        let due = Timestamp::from_micros(micros);
        let entries = vec![
            Entry::Done { step, t, value: value.clone() },
            Entry::Retry { step, t, attempt: 3, due, error: error.clone() },
            Entry::Failed { step, t, attempt: 1, error },
            Entry::Timer { step, due },
            Entry::Received { step, t, id: "x".into(), value },
        ];
        let mut lines = Lines::default();
        for entry in &entries {
            lines.push(entry).unwrap();
        }
        prop_assert_eq!(lines.to_page().lines().count(), entries.len() + 2);
        prop_assert_eq!(Lines::from_page(lines.to_page().as_bytes()).unwrap().entries().unwrap(), entries);
    }

    #[test]
    fn small_texts_round_trip(run in run(), step: u32, attempt: u32) {
        let timer = TimerId { run, step, attempt };
        prop_assert_eq!(timer.to_string().parse::<TimerId>().unwrap(), timer);
        for tag in [EffectTag::Task(step, attempt), EffectTag::Schedule(step, attempt), EffectTag::Unschedule(step, attempt), EffectTag::UnscheduleOf(timer), EffectTag::ExpirePages(1, step), EffectTag::ExpirePages(step, attempt), EffectTag::Release] {
            prop_assert_eq!(tag.to_string().parse::<EffectTag>().unwrap(), tag);
        }
    }

    #[test]
    fn times_round_trip(micros in -60_000_000_000_000_000i64..200_000_000_000_000_000) {
        let time = Timestamp::from_micros(micros);
        prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    }
}
