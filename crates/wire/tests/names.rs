//! What is written for NATS to route by and never read back: subjects, consumers and keys of any
//! names in any namespace are valid, tell everything apart, and stay in their streams.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs
)]

mod arbitrary;

use arbitrary as any_of;
use bytes::Bytes;
use headwater_wire::{
    Key, Namespace, Partition,
    dead::{DeadKind, DeadLetter},
    id::encode_token,
    names::{Address, TimerId, page_key},
    topology::Topology,
};
use proptest::prelude::*;

fn namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![Just(String::new()), "[A-Za-z0-9-]{1,32}"]
        .prop_map(|name| Namespace::new(&name).unwrap())
}

/// As the server matches.
fn matches(filter: &str, subject: &str) -> bool {
    let (mut filter, mut subject) = (filter.split('.'), subject.split('.'));
    loop {
        match (filter.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// A subject that may be published on: no empty token, no wildcard, no space.
fn is_literal(subject: &str) -> bool {
    subject.split('.').all(|token| {
        !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
    })
}

fn letter(kind: DeadKind, subject: String) -> DeadLetter {
    DeadLetter {
        kind,
        subject,
        seq: 1,
        deliveries: 1,
        reason: "r".into(),
        by: "b".into(),
        payload: Bytes::new(),
    }
}

/// Everything that is named after what a command, timer or task is about.
fn names(ns: &Namespace, to: &Address, timer: TimerId, topic: &str) -> Vec<String> {
    let dead = |kind, subject| ns.dead_subject(&letter(kind, subject));
    vec![
        ns.command_subject(to),
        ns.timer_subject(to, timer),
        ns.task_subject(topic),
        dead(DeadKind::Command, ns.command_subject(to)),
        dead(DeadKind::Task, ns.task_subject(topic)),
        ns.ended_subject(&to.key),
        page_key(&to.key, timer.step),
        Topology::key(topic),
    ]
}

proptest! {
    #[test]
    fn subjects_are_literal_and_in_their_streams(ns in namespace(), to in any_of::address(), timer in any_of::timer(), topic in any_of::name()) {
        for name in names(&ns, &to, timer, &topic) {
            prop_assert!(is_literal(&name), "{}", name);
        }
        let (command, schedule) = (ns.command_subject(&to), ns.timer_subject(&to, timer));
        let commands = ns.commands_subjects();
        prop_assert!(matches(&commands[0], &command) && matches(&commands[1], &schedule));
        prop_assert!(!matches(&commands[1], &command) && !matches(&commands[0], &schedule));
        let task = ns.task_subject(&topic);
        prop_assert!(matches(&ns.tasks_subject(), &task));
        for subject in [command.clone(), task] {
            let dead = ns.dead_subject(&letter(DeadKind::Task, subject));
            prop_assert!(matches(&ns.dead_letters_subject(), &dead));
        }
        // A partition's consumer takes its commands, and no schedule or other partition.
        let filter = ns.partition_filter(&to.queue, to.partition);
        prop_assert!(matches(&filter, &command) && !matches(&filter, &schedule));
        let other = Partition(to.partition.0.wrapping_add(1));
        prop_assert!(!matches(&ns.partition_filter(&to.queue, other), &command));
        prop_assert!(matches(&ns.key_filter(&to.queue, &to.key), &command));
    }

    #[test]
    fn what_differs_is_named_differently(
        one in (namespace(), any_of::address(), any_of::timer(), any_of::name()),
        other in (namespace(), any_of::address(), any_of::timer(), any_of::name()),
        same in any::<[bool; 4]>(),
    ) {
        let mut other = other;
        // In most cases they differ in one thing only.
        if same[0] { other.0 = one.0.clone(); }
        if same[1] { other.1.key = one.1.key.clone(); other.1.partition = one.1.partition; }
        if same[2] { other.1.queue = one.1.queue.clone(); other.2 = one.2; }
        if same[3] { other.3 = one.3.clone(); }
        let (a, b) = (names(&one.0, &one.1, one.2, &one.3), names(&other.0, &other.1, other.2, &other.3));
        let ns = one.0 == other.0;
        let differ = |index: usize| a[index] != b[index];
        prop_assert_eq!(differ(0), !(ns && one.1 == other.1));
        prop_assert_eq!(differ(1), !(ns && one.1 == other.1 && one.2 == other.2));
        prop_assert_eq!(differ(2), !(ns && one.3 == other.3));
        prop_assert_eq!(differ(5), !(ns && one.1.key == other.1.key));
        prop_assert_eq!(differ(6), !(one.1.key == other.1.key && one.2.step == other.2.step));
        prop_assert_eq!(differ(7), one.3 != other.3);
        // Another namespace does not take the commands of this one for its own.
        let read = other.0.parse_command_subject(&a[0]);
        prop_assert!(ns || read.ok() != Some(one.1.clone()), "{}", a[0]);
        let consumers = |ns: &Namespace, to: &Address| ns.partition_consumer(&to.queue, to.partition);
        let is_same = one.1.queue == other.1.queue && one.1.partition == other.1.partition;
        prop_assert_eq!(consumers(&one.0, &one.1) == consumers(&other.0, &other.1), is_same);
    }

    #[test]
    fn streams_and_buckets_of_namespaces_are_their_own(one in namespace(), other in namespace()) {
        let all = |ns: &Namespace| {
            let bucket = |name: String| format!("KV_{name}");
            [
                ns.commands_stream(),
                ns.tasks_stream(),
                ns.dead_letters_stream(),
                bucket(ns.state_bucket()),
                bucket(ns.journal_bucket()),
                bucket(ns.members_bucket()),
                bucket(ns.config_bucket()),
            ]
        };
        let (names, others) = (all(&one), all(&other));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        prop_assert_eq!(distinct.len(), names.len());
        prop_assert!(names.iter().all(|name| is_literal(name)));
        let shared = names.iter().any(|name| others.contains(name));
        prop_assert_eq!(shared, one == other);
    }

    #[test]
    fn any_name_becomes_one_token_and_never_that_of_another(one in any::<String>(), other in any::<String>()) {
        prop_assert!(one.is_empty() || is_literal(&encode_token(&one)));
        prop_assert_eq!(encode_token(&one) == encode_token(&other), one == other);
        // What users name can never be the key of a built-in program.
        prop_assert!(Key::parse(&encode_token(&one)).is_err() || !encode_token(&one).starts_with("=K"));
    }

    #[test]
    fn a_namespace_is_taken_or_refused_with_what_is_allowed(name in any_of::text()) {
        let allowed = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match Namespace::new(&name) {
            Ok(ns) => prop_assert!(allowed && ns.name() == name),
            Err(error) => prop_assert!(!allowed && error.to_string().contains("1 to 32 letters, digits and '-'")),
        }
    }
}

#[test]
fn consumers_of_queues_and_of_the_default_queue_never_share_a_name() {
    let ns = Namespace::default();
    let consumer = |queue: &str| ns.partition_consumer(queue, Partition(1));
    assert_eq!(consumer("default"), "processor-1");
    assert_eq!(consumer("gpu"), "gpu-1");
    assert_eq!(consumer("processor"), "=70rocessor-1");
}
