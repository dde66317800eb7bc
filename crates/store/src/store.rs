//! The storage that Headwater rests on: four buckets with compare-and-swap, two work queues
//! with schedules, dead letters, and hints. JetStream is the model; the in-memory store
//! behaves the same, and one suite holds both to it.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use headwater_wire::{
    Key, Partition, Timestamp,
    dead::DeadLetter,
    names::{Address, Hint, TimerId},
};

use crate::Depth;

/// Position of a write in its bucket's stream; 0 stands for "no value".
pub type Revision = u64;

/// A bucket: one value a key, history 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// Values of invocations and built-in programs.
    State,
    /// Journal pages.
    Journal,
    /// Living members.
    Members,
    /// Topology and deployments.
    Config,
}

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// From any replica: may be stale by some milliseconds.
    Any,
    /// From the leader: sees every write acknowledged before the read was sent.
    Leader,
}

/// What a write expects to replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    Any,
    /// This revision; 0: no value.
    Revision(Revision),
}

/// How long a value lives. Every write sets or omits it on purpose; a write without removes
/// the limit that an earlier one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// Until it is overwritten.
    Never,
    /// This long, in whole seconds, at least one.
    After(Duration),
}

/// A value of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Key.
    pub key: String,
    /// Bytes.
    pub value: Bytes,
    /// Revision, never 0.
    pub revision: Revision,
    /// When it was written.
    pub written_at: Timestamp,
}

/// A change that a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value now.
    Put(Record),
    /// The key was deleted or has expired.
    Gone {
        /// The key.
        key: String,
    },
    /// Every value that existed when the watch began has been told.
    Current,
}

/// A message to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A command, to its invocation.
    Command {
        /// Where to.
        to: Address,
        /// Encoded command.
        body: Bytes,
    },
    /// A command that is to be published later. The same timer again replaces it.
    Schedule {
        /// Where to, when due.
        to: Address,
        /// Which timer.
        timer: TimerId,
        /// When. The past means at once.
        due: Timestamp,
        /// Encoded command.
        body: Bytes,
    },
    /// A task, to the workers of a topic.
    Task {
        /// Topic.
        topic: String,
        /// Encoded task.
        body: Bytes,
    },
    /// A message given up.
    Dead(DeadLetter),
}

/// A dead letter as it stands in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRecord {
    /// Sequence in DEAD_LETTERS.
    pub seq: u64,
    /// When it was given up.
    pub at: Timestamp,
    /// The message.
    pub letter: DeadLetter,
}

/// A work queue to take from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Commands of one partition.
    Partition {
        /// Task queue.
        queue: String,
        /// Partition.
        partition: Partition,
    },
    /// Tasks of one topic.
    Topic(String),
}

/// A message taken from a work queue. It comes again unless it is answered in time.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Subject that it was published on.
    pub subject: String,
    /// Its bytes.
    pub body: Bytes,
    /// Sequence in its stream.
    pub seq: u64,
    /// How often it has been delivered, this time included.
    pub deliveries: u64,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// What [`Store::answer`] needs.
    pub token: String,
}

/// The answer to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Dealt with: remove it. Valid for a delivery that was given to another since, too.
    Ack,
    /// Give it again, after this time.
    Nak(Duration),
    /// Still at it: start the time for an answer anew.
    Progress,
}

/// Why an operation has not succeeded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The key is not at the expected revision. Nothing was stored.
    #[error("the key is not at the expected revision")]
    Conflict,
    /// No answer: it may have been stored, or may be stored yet.
    #[error("no answer, the outcome is unknown: {0}")]
    Unknown(String),
    /// Nobody was there to store it. Nothing was stored; try again.
    #[error("storage is not available: {0}")]
    Unavailable(String),
    /// The server refused it and says why. Nothing was stored.
    #[error("the server refused: {0}")]
    Refused(String),
}

/// A position in a work queue. Ends only when it is dropped.
pub trait Consumer: Send {
    /// Allow this many more deliveries to be sent here.
    fn request(&self, deliveries: usize);

    /// The next delivery; waits for one. A wait that is dropped loses none.
    fn next(&mut self) -> BoxFuture<'_, Delivery>;
}

/// Storage, shared by everything in a process.
pub trait Store: Send + Sync + 'static {
    /// Read a value.
    fn get(
        &self,
        bucket: Bucket,
        key: &str,
        read: Read,
    ) -> BoxFuture<'_, Result<Option<Record>, StoreError>>;

    /// Write a value; compare-and-swap if a revision is expected. Answers the new revision.
    fn put(
        &self,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Ttl,
    ) -> BoxFuture<'_, Result<Revision, StoreError>>;

    /// Remove a value without a trace (no delete marker). A missing key is no error.
    fn delete(&self, bucket: Bucket, key: &str) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Read these pages of a journal, in order. A missing page is `Refused`.
    fn pages(
        &self,
        key: &Key,
        pages: RangeInclusive<u32>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>>;

    /// Every value of a bucket as of now, in no particular order.
    fn scan(
        &self,
        bucket: Bucket,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Record, StoreError>>, StoreError>>;

    /// Every value of a bucket (or of one key), then [`Change::Current`], then each change.
    fn watch(
        &self,
        bucket: Bucket,
        key: Option<&str>,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, StoreError>>, StoreError>>;

    /// Store a message. Answers its sequence in its stream.
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Remove a schedule that has not fired. A missing one is no error.
    fn unschedule(&self, to: &Address, timer: TimerId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether this schedule has neither fired nor been removed, asked at the leader. The command
    /// of one that fired is in COMMANDS before this answers `false`.
    fn is_scheduled(&self, to: &Address, timer: TimerId)
    -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Whether any of these commands is still in COMMANDS, asked at the leader.
    fn any_in_commands(&self, seqs: &[u64]) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// The first command for this key of a task queue from the sequence on, in any partition,
    /// asked at the leader.
    fn first_command(
        &self,
        queue: &str,
        key: &Key,
        from_seq: u64,
    ) -> BoxFuture<'_, Result<Option<(u64, Bytes)>, StoreError>>;

    /// Commands and schedules left for a partition, in flight ones included.
    fn backlog(&self, queue: &str, partition: Partition) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// What is stored in COMMANDS and TASKS, asked at the leader, sorted. Of what holds nothing
    /// there is no line.
    fn queue_depths(&self) -> BoxFuture<'_, Result<Vec<Depth>, StoreError>>;

    /// Take from a work queue, beside whoever else does.
    fn consume(&self, source: &Source) -> BoxFuture<'_, Result<Box<dyn Consumer>, StoreError>>;

    /// Answer a delivery. An answer can be lost: then the message comes again.
    fn answer(&self, token: &str, verdict: Verdict) -> BoxFuture<'_, ()>;

    /// Tell whoever listens on a subject; stored nowhere, may be lost.
    fn hint(&self, subject: &str, body: Bytes) -> BoxFuture<'_, ()>;

    /// Listen for hints on a subject. It listens before this returns.
    fn listen(&self, subject: &str)
    -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, StoreError>>;

    /// A subject of the caller's own to be told hints on.
    fn new_inbox(&self) -> String;

    /// Where the end of an invocation is hinted.
    fn ended_subject(&self, key: &Key) -> String;

    /// Where other things are hinted.
    fn hint_subject(&self, hint: Hint<'_>) -> String;

    /// The address in the subject of a command; the error says what is wrong with it.
    fn parse_command_subject(&self, subject: &str) -> Result<Address, String>;

    /// Dead letters from the sequence on, oldest first, at most `limit`.
    fn dead_letters(
        &self,
        from_seq: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadRecord>, StoreError>>;

    /// Publish a dead letter's message again on its own subject, then remove the letter.
    /// False if there is no such letter.
    fn redrive(&self, seq: u64) -> BoxFuture<'_, Result<bool, StoreError>>;
}
