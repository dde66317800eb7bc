//! The streams and buckets as they should be, and the consumers of the work queues.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{self, AckPolicy, DeliverPolicy},
    stream::{Config, DiscardPolicy, Placement, RetentionPolicy, StorageType},
};
use headwater_store::{Bucket, Source};
use headwater_wire::{Namespace, limits::DUPLICATE_WINDOW};

use crate::options::Options;

/// Pull requests that may wait at one consumer: each engine of a partition and each worker of
/// a topic has one to three. The server's default of 512 would turn away the workers after that;
/// the setting can't be changed later.
const PULLS_WAITING_MAX: i64 = 16_384;

/// What the subjects of a bucket begin with, in any installation of NATS.
const KV: &str = "$KV.";

/// The bucket's name.
pub(crate) fn bucket_name(namespace: &Namespace, bucket: Bucket) -> String {
    match bucket {
        Bucket::State => namespace.state_bucket(),
        Bucket::Journal => namespace.journal_bucket(),
        Bucket::Members => namespace.members_bucket(),
        Bucket::Config => namespace.config_bucket(),
    }
}

/// All buckets.
pub(crate) struct Buckets {
    state: BucketNames,
    journal: BucketNames,
    members: BucketNames,
    config: BucketNames,
}

impl Buckets {
    pub(crate) fn new(namespace: &Namespace) -> Self {
        let names = |bucket| BucketNames::new(namespace, bucket);
        Self {
            state: names(Bucket::State),
            journal: names(Bucket::Journal),
            members: names(Bucket::Members),
            config: names(Bucket::Config),
        }
    }

    /// Names of one.
    pub(crate) fn of(&self, bucket: Bucket) -> &BucketNames {
        match bucket {
            Bucket::State => &self.state,
            Bucket::Journal => &self.journal,
            Bucket::Members => &self.members,
            Bucket::Config => &self.config,
        }
    }
}

/// A bucket as the server knows it: a stream and the subjects of its keys.
#[derive(Clone)]
pub(crate) struct BucketNames {
    pub(crate) stream: String,
    /// What the subject of a key begins with.
    pub(crate) prefix: String,
    /// What the subject begins with on which a removed key is hinted.
    pub(crate) gone_prefix: String,
}

impl BucketNames {
    pub(crate) fn new(namespace: &Namespace, bucket: Bucket) -> Self {
        let name = bucket_name(namespace, bucket);
        let namespace = match namespace.name() {
            "" => String::new(),
            name => format!("{name}."),
        };
        Self {
            stream: format!("KV_{name}"),
            prefix: format!("{KV}{name}."),
            gone_prefix: format!("{namespace}gone.{name}."),
        }
    }

    /// The subject of a key.
    pub(crate) fn subject(&self, key: &str) -> String {
        [self.prefix.as_str(), key].concat()
    }

    /// The key of a subject.
    pub(crate) fn key<'a>(&self, subject: &'a str) -> &'a str {
        subject.strip_prefix(&self.prefix).unwrap_or(subject)
    }
}

/// Every stream, buckets included.
pub(crate) fn all(options: &Options) -> Vec<Config> {
    let (ns, max) = (&options.namespace, &options.max_bytes);
    let bucket = |bucket, max_bytes| kv(options, bucket, max_bytes);
    vec![
        Config {
            subjects: ns.commands_subjects(),
            retention: RetentionPolicy::WorkQueue,
            // A stream that discards the new can't hold schedules (error 10052).
            discard: DiscardPolicy::Old,
            allow_message_schedules: true,
            ..base(options, ns.commands_stream(), max.commands)
        },
        Config {
            subjects: vec![ns.tasks_subject()],
            retention: RetentionPolicy::WorkQueue,
            ..base(options, ns.tasks_stream(), max.tasks)
        },
        bucket(Bucket::State, max.state),
        bucket(Bucket::Journal, max.journal),
        bucket(Bucket::Members, max.members),
        bucket(Bucket::Config, max.config),
        Config {
            subjects: vec![ns.dead_letters_subject()],
            ..base(options, ns.dead_letters_stream(), max.dead_letters)
        },
    ]
}

/// A bucket as every KV client expects it, and with what the engine needs beyond that.
fn kv(options: &Options, bucket: Bucket, max_bytes: Option<u64>) -> Config {
    let names = BucketNames::new(&options.namespace, bucket);
    Config {
        subjects: vec![format!("{}>", names.prefix)],
        max_messages_per_subject: 1,
        deny_delete: true,
        ..base(options, names.stream, max_bytes)
    }
}

/// What all streams have: made from the first day with what later features need, since not
/// every setting can be changed later.
fn base(options: &Options, name: String, max_bytes: Option<u64>) -> Config {
    let tags = &options.placement_tags;
    Config {
        name,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        // Full means refused, with a reason; never lost in silence.
        discard: DiscardPolicy::New,
        max_bytes: max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        max_age: Duration::ZERO,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        allow_rollup: true,
        allow_message_ttl: true,
        allow_atomic_publish: true,
        placement: (!tags.is_empty()).then(|| Placement {
            cluster: None,
            tags: tags.clone(),
        }),
        ..Config::default()
    }
}

/// The stream that a source takes from, and its consumer.
pub(crate) fn consumer(options: &Options, source: &Source) -> (String, consumer::Config) {
    let ns = &options.namespace;
    let (stream, name, filter) = match source {
        Source::Partition { queue, partition } => (
            ns.commands_stream(),
            ns.partition_consumer(queue, *partition),
            ns.partition_filter(queue, *partition),
        ),
        Source::Topic(topic) => (
            ns.tasks_stream(),
            ns.topic_consumer(topic),
            ns.task_subject(topic),
        ),
    };
    let config = consumer::Config {
        name: Some(name.clone()),
        durable_name: Some(name),
        filter_subject: filter,
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.ack_wait,
        // A server that gives up on a message in silence would lose it.
        max_deliver: -1,
        // Held anchors must not fill a consumer; engines bound their own work.
        max_ack_pending: -1,
        max_waiting: PULLS_WAITING_MAX,
        ..consumer::Config::default()
    };
    (stream, config)
}
