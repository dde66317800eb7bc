//! Identities: invocation ids, the keys they are stored under, runs and partitions.
//!
//! A key is one subject token and one KV key: `[-_A-Za-z0-9]` stand for themselves, any other
//! byte as `=XX` (upper-case hex). Built-in programs have keys that begin with `=` and a letter
//! that is no hex digit, so no user id can collide with them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{failure::cut, limits::ID_BYTES_MAX, names::DEFAULT_QUEUE, pb, task::idempotency_key};

/// A text that cannot be an id or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The empty text.
    #[error("an id must not be empty")]
    Empty,
    /// Longer than `ID_BYTES_MAX`.
    #[error("the id has {0} bytes, over the limit ID_BYTES_MAX of {ID_BYTES_MAX}")]
    TooLong(usize),
    /// A key that the encoding does not produce.
    #[error("{0:?} is not an encoded key: expected [-_A-Za-z0-9] and =XX for other bytes")]
    NotEncoded(String),
}

/// Check an id: 1 to `ID_BYTES_MAX` bytes.
pub fn check_id(id: &str) -> Result<(), IdError> {
    match id.len() {
        0 => Err(IdError::Empty),
        bytes if bytes > ID_BYTES_MAX => Err(IdError::TooLong(bytes)),
        _ => Ok(()),
    }
}

/// An invocation id as its user wrote it: 1 to 128 bytes of any UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvocationId(String);

impl InvocationId {
    /// Check and take a text as an id.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        check_id(&text)?;
        Ok(Self(text))
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key that the invocation is stored under and addressed by.
    #[must_use]
    pub fn key(&self) -> Key {
        Key(encode_token(&self.0))
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for InvocationId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for InvocationId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<InvocationId> for String {
    fn from(id: InvocationId) -> Self {
        id.0
    }
}

/// The key of one value in EXECUTION_STATE: one subject token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An invocation.
    Invocation(InvocationId),
    /// The queue of a partition key in a task queue.
    KeyQueue {
        /// The task queue.
        queue: String,
        /// The partition key.
        partition_key: String,
    },
    /// The box of the signals that are addressed by this name in a task queue.
    SignalBox {
        /// The task queue.
        queue: String,
        /// The name.
        name: String,
    },
}

/// Begins the key of a key queue: `=K<partition key>`, and of a signal box: `=S<name>`. In task
/// queues other than the default one `=Q<task queue>` follows. None of these is a hex code, so no
/// user id is encoded so.
const KEY_QUEUE_PREFIX: &str = "=K";
const SIGNAL_BOX_PREFIX: &str = "=S";
const TASK_QUEUE_INFIX: &str = "=Q";

impl Key {
    /// The key of the queue of a partition key in a task queue.
    pub fn of_key_queue(queue: &str, partition_key: &str) -> Result<Self, IdError> {
        Self::built_in(KEY_QUEUE_PREFIX, queue, partition_key)
    }

    /// The key of the box of the signals of a name in a task queue.
    pub fn of_signal_box(queue: &str, name: &str) -> Result<Self, IdError> {
        Self::built_in(SIGNAL_BOX_PREFIX, queue, name)
    }

    fn built_in(prefix: &str, queue: &str, name: &str) -> Result<Self, IdError> {
        let name = encode_token(InvocationId::new(name)?.as_str());
        Ok(Self(match queue {
            DEFAULT_QUEUE => format!("{prefix}{name}"),
            queue => {
                let queue = encode_token(InvocationId::new(queue)?.as_str());
                format!("{prefix}{name}{TASK_QUEUE_INFIX}{queue}")
            }
        }))
    }

    /// Check a token read from a subject or a KV key.
    pub fn parse(token: &str) -> Result<Self, IdError> {
        let key = Self(token.to_owned());
        key.owner().map(|_| key)
    }

    /// The encoded token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the key stands for. Never fails on a key that [`Key::parse`] let through.
    pub fn owner(&self) -> Result<Owner, IdError> {
        if let Some(rest) = self.0.strip_prefix(KEY_QUEUE_PREFIX) {
            let (queue, partition_key) = self.built_in_of(rest)?;
            return Ok(Owner::KeyQueue {
                queue,
                partition_key,
            });
        }
        if let Some(rest) = self.0.strip_prefix(SIGNAL_BOX_PREFIX) {
            let (queue, name) = self.built_in_of(rest)?;
            return Ok(Owner::SignalBox { queue, name });
        }
        Ok(Owner::Invocation(decode_token(&self.0)?))
    }

    /// Task queue and name of a built-in program, from what follows the prefix.
    fn built_in_of(&self, rest: &str) -> Result<(String, String), IdError> {
        let Some((name, queue)) = rest.split_once(TASK_QUEUE_INFIX) else {
            return Ok((DEFAULT_QUEUE.to_owned(), decode_token(rest)?.0));
        };
        // The default queue is never spelled, so that one program has one key.
        match decode_token(queue)?.0 {
            queue if queue == DEFAULT_QUEUE => Err(IdError::NotEncoded(self.0.clone())),
            queue => Ok((queue, decode_token(name)?.0)),
        }
    }

    /// Whether this is the key of a built-in program and not of a user's invocation.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.0.starts_with(KEY_QUEUE_PREFIX) || self.0.starts_with(SIGNAL_BOX_PREFIX)
    }
}

impl TryFrom<String> for Key {
    type Error = IdError;
    fn try_from(token: String) -> Result<Self, IdError> {
        Self::parse(&token)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Encode any text as one subject token that is also a valid KV key.
#[must_use]
pub fn encode_token(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push('=');
            token.push(char::from(HEX[usize::from(byte >> 4)]));
            token.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    token
}

/// The text that [`encode_token`] made the token from; anything else is refused, so that
/// one id has one key.
fn decode_token(token: &str) -> Result<InvocationId, IdError> {
    let refuse = || IdError::NotEncoded(token.to_owned());
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'=' => {
                let (Some(high), Some(low)) = (
                    rest.next().and_then(hex_digit),
                    rest.next().and_then(hex_digit),
                ) else {
                    return Err(refuse());
                };
                bytes.push(high << 4 | low);
            }
            _ => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse())?;
    let id = InvocationId::new(text)?;
    if encode_token(&id.0) == token {
        Ok(id)
    } else {
        Err(refuse())
    }
}

/// The name that [`encode_token`] made the token from.
pub(crate) fn decode_name(token: &str) -> Result<String, IdError> {
    decode_token(token).map(|id| id.0)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The id of a child that was given none: the idempotency key of the step that starts it
/// (`<parent>/<run>/<step>`); one that is too long is cut, and its hash follows. It holds the run, so
/// it is used once for ever.
#[must_use]
pub fn child_id(parent: &InvocationId, run: Run, step: u32) -> InvocationId {
    of_step(idempotency_key(parent, run, step))
}

/// The id of what an activity starts and gives none: `<idempotency key>/<n>`, where `n` counts what
/// an attempt starts; cut as that of a child. The same in every attempt, so that what one attempt
/// has started is not started again by the next.
#[must_use]
pub fn started_id(invocation: &InvocationId, run: Run, step: u32, n: u32) -> InvocationId {
    of_step(format!("{}/{n}", idempotency_key(invocation, run, step)))
}

fn of_step(key: String) -> InvocationId {
    if key.len() <= ID_BYTES_MAX {
        return InvocationId(key);
    }
    let hash = xxhash_rust::xxh3::xxh3_128(key.as_bytes());
    InvocationId(format!("{}~{hash:032x}", cut(&key, CHILD_ID_KEPT)))
}

/// Bytes of a long idempotency key that a child's id keeps, for people.
const CHILD_ID_KEPT: usize = 64;

/// One run of an invocation id: the start's sequence in COMMANDS and how often it has
/// continued as new since. Unique for ever. Shown as `<start>.<continued>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Run {
    /// Sequence in COMMANDS of the start that created the invocation.
    pub start: u64,
    /// Times continued as new.
    pub continued: u32,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.start, self.continued)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Run> for String {
    fn from(run: Run) -> Self {
        run.to_string()
    }
}

impl TryFrom<String> for Run {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let refuse = || format!("{text:?} is not a run: expected <start>.<continued>");
        let (start, continued) = text.split_once('.').ok_or_else(refuse)?;
        Ok(Self {
            start: start.parse().map_err(|_| refuse())?,
            continued: continued.parse().map_err(|_| refuse())?,
        })
    }
}

impl From<Run> for pb::Run {
    fn from(run: Run) -> Self {
        Self {
            start: run.start,
            continued: run.continued,
        }
    }
}

impl From<pb::Run> for Run {
    fn from(run: pb::Run) -> Self {
        Self {
            start: run.start,
            continued: run.continued,
        }
    }
}

/// A partition of a task queue, numbered from 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl Partition {
    /// The partition of a partition key, or of an invocation id where no key is given:
    /// xxh3 of the text modulo the partition count.
    #[must_use]
    pub fn of(text: &str, partitions: u16) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let slot = hash % u64::from(partitions.max(1));
        Self(u16::try_from(slot).unwrap_or(0) + 1)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_id_comes_back_from_its_key(text in "\\PC{1,32}") {
            let id = InvocationId::new(text).unwrap();
            let key = id.key();
            prop_assert!(key.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=".contains(&b)));
            prop_assert!(!key.is_built_in());
            prop_assert_eq!(Key::parse(key.as_str()).unwrap().owner().unwrap(), Owner::Invocation(id));
        }

        #[test]
        fn every_key_queue_comes_back_from_its_key(partition_key in "\\PC{1,32}", queue in "(default|\\PC{1,9})") {
            let key = Key::of_key_queue(&queue, &partition_key).unwrap();
            prop_assert!(key.is_built_in());
            prop_assert_eq!(key.owner().unwrap(), Owner::KeyQueue { queue: queue.clone(), partition_key: partition_key.clone() });
            let other = Key::of_signal_box(&queue, &partition_key).unwrap();
            prop_assert!(other.is_built_in() && other != key);
            prop_assert_eq!(other.owner().unwrap(), Owner::SignalBox { queue, name: partition_key });
        }

        #[test]
        fn a_token_is_refused_or_is_the_one_key_of_its_id(token in "[-_=.A-Fa-fKSQ0-9]{0,12}") {
            if let Ok(key) = Key::parse(&token) {
                let again = match key.owner().unwrap() {
                    Owner::Invocation(id) => id.key(),
                    Owner::KeyQueue { queue, partition_key } => Key::of_key_queue(&queue, &partition_key).unwrap(),
                    Owner::SignalBox { queue, name } => Key::of_signal_box(&queue, &name).unwrap(),
                };
                prop_assert_eq!(again.as_str(), token);
            }
        }

        #[test]
        fn children_of_other_steps_have_other_ids_within_the_limit(text in "\\PC{1,42}|[a-é]{60,64}", start: u64, one: u32, other: u32) {
            let parent = InvocationId::new(text).unwrap();
            let id = |step| child_id(&parent, Run { start, continued: 0 }, step);
            prop_assert!(InvocationId::new(id(one).as_str()).is_ok());
            prop_assert_eq!(id(one) == id(other), one == other);
            let later = child_id(&parent, Run { start, continued: 1 }, one);
            prop_assert_ne!(later, id(one));
        }

        #[test]
        fn runs_round_trip(start: u64, continued: u32) {
            let run = Run { start, continued };
            prop_assert_eq!(Run::try_from(run.to_string()).unwrap(), run);
        }

        #[test]
        fn a_partition_is_in_range(text in ".{0,40}", partitions in 1u16..200) {
            let partition = Partition::of(&text, partitions);
            prop_assert!((1..=partitions).contains(&partition.0));
        }
    }

    #[test]
    fn keys_and_partitions_never_change() {
        assert_eq!(
            InvocationId::new("order 7/é").unwrap().key().as_str(),
            "order=207=2F=C3=A9"
        );
        assert_eq!(
            Key::of_key_queue("default", "user-1").unwrap().as_str(),
            "=Kuser-1"
        );
        assert_eq!(
            Key::of_key_queue("gpu", "a b").unwrap().as_str(),
            "=Ka=20b=Qgpu"
        );
        assert_eq!(
            Key::of_signal_box("default", "paid").unwrap().as_str(),
            "=Spaid"
        );
        assert_eq!(
            Key::of_signal_box("gpu", "a b").unwrap().as_str(),
            "=Sa=20b=Qgpu"
        );
        let partitions: Vec<u16> = ["a", "b", "user-123", "order-7"]
            .iter()
            .map(|text| Partition::of(text, 8).0)
            .collect();
        assert_eq!(partitions, [8, 8, 2, 4]);
    }

    #[test]
    fn ids_of_children_never_change() {
        let (parent, run) = (
            InvocationId::new("order 7").unwrap(),
            Run {
                start: 12,
                continued: 1,
            },
        );
        assert_eq!(child_id(&parent, run, 3).as_str(), "order 7/12.1/3");
        let long = InvocationId::new("é".repeat(64)).unwrap();
        assert_eq!(
            child_id(&long, run, 3).as_str(),
            format!("{}~329371d50ae75cf5c873d6888084ad79", "é".repeat(32))
        );
    }

    #[test]
    fn bad_ids_are_refused_with_the_limit() {
        assert_eq!(InvocationId::new(""), Err(IdError::Empty));
        assert!(
            InvocationId::new("x".repeat(129))
                .unwrap_err()
                .to_string()
                .contains("ID_BYTES_MAX of 128")
        );
        assert!(Key::parse("a.b").is_err());
        assert!(
            Key::parse("=4b").is_err(),
            "lower-case hex would be a second key of the same id"
        );
        assert!(Key::parse("=41").is_err(), "an A stands for itself");
    }
}
