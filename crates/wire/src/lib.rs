//! The schema of Headwater: every subject, stream, bucket, key, header, record and limit
//! has its one home here, with its layout, who writes it, who reads it and how long it lives.
//!
//! Pure: no clock, no randomness, no I/O. Nothing else in the tree spells a subject by hand.

pub mod ask;
pub mod command;
pub mod cron;
pub mod dead;
pub mod duration;
pub mod failure;
pub mod fork;
pub mod id;
pub mod journal;
pub mod key_queue;
pub mod lifecycle;
pub mod limits;
pub mod member;
pub mod names;
pub mod payload;
pub mod runs;
pub mod send;
pub mod signal_box;
pub mod task;
pub mod time;
pub mod topic;
pub mod topology;
pub mod turn;
pub mod value;

pub use command::Command;
pub use cron::Cron;
pub use duration::IntoDuration;
pub use failure::{Code, Failure};
pub use id::{InvocationId, Key, Partition, Run};
pub use journal::Entry;
pub use names::Namespace;
pub use payload::Payload;
pub use task::Task;
pub use time::Timestamp;
pub use value::{Status, Value};

/// Types generated from `proto/headwater/v1/headwater.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/headwater.v1.rs"));
}
