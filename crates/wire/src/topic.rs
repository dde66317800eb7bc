//! Topics that are made of another, by what users cannot say in one:
//!
//! | topic | whose tasks |
//! |---|---|
//! | `<topic>#<tag>` | those for workers with a tag |
//! | `<topic>#headwater.session-<slot>` | those of the sessions of a slot; the topic may have a tag |
//!
//! Which there are stands in bucket CONFIG, key `topics.<topic>`: written by the first engine that
//! has a task for one, read by workers, for good. The slots of a topic stand there as one, without
//! their number.

use serde::{Deserialize, Serialize};

use crate::{
    id::encode_token,
    limits::{SESSION_SLOTS, TAG_BYTES_MAX},
    names::NameError,
};

/// Between a topic and a tag.
const TAG: char = '#';

/// What no tag of a user's begins with.
const RESERVED: &str = "headwater.";

/// The topic of the workers that have this tag.
#[must_use]
pub fn tagged(topic: &str, tag: &str) -> String {
    format!("{topic}{TAG}{tag}")
}

/// The tag of a topic, if it has one.
#[must_use]
pub fn tag_of(topic: &str) -> Option<&str> {
    let (_, tag) = without_slot(topic).split_once(TAG)?;
    Some(tag)
}

/// The topic without its tag.
#[must_use]
pub fn untagged(topic: &str) -> &str {
    topic.split_once(TAG).map_or(topic, |(topic, _)| topic)
}

/// How a worker that takes every tag of a topic says so among its topics.
#[must_use]
pub fn any_tag(topic: &str) -> String {
    tagged(untagged(topic), "*")
}

/// Between a topic and the number of a slot.
const SLOT: &str = "#headwater.session-";

/// The topic that the tasks of a session go to.
#[must_use]
pub fn of_session(topic: &str, session: &str) -> String {
    let hash = xxhash_rust::xxh3::xxh3_64(session.as_bytes());
    let slot = hash % u64::from(SESSION_SLOTS);
    format!("{topic}{SLOT}{slot}")
}

/// The topics of all the sessions of a topic.
pub fn slots(topic: &str) -> impl Iterator<Item = (u16, String)> + '_ {
    (0..SESSION_SLOTS).map(move |slot| (slot, format!("{topic}{SLOT}{slot}")))
}

/// The topic whose sessions these are; the topic itself if it is of none.
#[must_use]
pub fn without_slot(topic: &str) -> &str {
    topic.split_once(SLOT).map_or(topic, |(topic, _)| topic)
}

/// Check a tag.
pub fn check_tag(tag: &str) -> Result<(), NameError> {
    let fits = (1..=TAG_BYTES_MAX).contains(&tag.len());
    match fits && !tag.contains(TAG) && !tag.starts_with(RESERVED) {
        true => Ok(()),
        false => Err(NameError::Tag(tag.to_owned())),
    }
}

/// That there is a topic which is made of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// The topic; of one with slots, without them.
    pub topic: String,
    /// It has slots for sessions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sessions: bool,
}

impl TopicRecord {
    /// What there is to tell of a topic; none: users have named it.
    #[must_use]
    pub fn of(topic: &str) -> Option<Self> {
        let whole = without_slot(topic);
        let sessions = whole != topic;
        (sessions || tag_of(topic).is_some()).then(|| Self {
            topic: whole.to_owned(),
            sessions,
        })
    }

    const KEYS: &'static str = "topics.";

    /// Key in the CONFIG bucket.
    #[must_use]
    pub fn key(&self) -> String {
        let slots = if self.sessions { SLOT } else { "" };
        let topic = encode_token(&format!("{}{slots}", self.topic));
        format!("{}{topic}", Self::KEYS)
    }

    /// Whether a key of the CONFIG bucket is that of such a record.
    #[must_use]
    pub fn is_key(key: &str) -> bool {
        key.starts_with(Self::KEYS)
    }

    /// As it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Read what [`TopicRecord::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagged_topic_can_be_taken_apart() {
        let topic = tagged("send.email", "eu");
        assert_eq!(topic, "send.email#eu");
        assert_eq!(
            (untagged(&topic), tag_of(&topic)),
            ("send.email", Some("eu"))
        );
        assert_eq!((untagged("render"), tag_of("render")), ("render", None));
    }

    #[test]
    fn a_session_has_its_slot_for_good() {
        for (topic, session, slot) in SLOTS_OF {
            let of_session = of_session(topic, session);
            assert_eq!(of_session, slot);
            assert_eq!(without_slot(&of_session), topic);
            assert_eq!(tag_of(&of_session), tag_of(topic));
            assert_eq!(
                slots(topic).filter(|(_, slot)| *slot == of_session).count(),
                1
            );
        }
        assert_eq!(slots("t").count(), usize::from(SESSION_SLOTS));
    }

    /// Topic, session, and where its tasks go.
    const SLOTS_OF: [(&str, &str, &str); 3] = [
        ("render", "a", "render#headwater.session-15"),
        ("render#gpu", "a", "render#gpu#headwater.session-15"),
        ("render", "ada 7", "render#headwater.session-3"),
    ];

    #[test]
    fn a_record_has_its_key_and_bytes_for_good() {
        for (topic, key, bytes) in [
            (
                "render#gpu",
                "topics.render=23gpu",
                r#"{"topic":"render#gpu"}"#,
            ),
            (
                "render#headwater.session-3",
                "topics.render=23headwater=2Esession-",
                r#"{"topic":"render","sessions":true}"#,
            ),
        ] {
            let record = TopicRecord::of(topic).unwrap();
            assert_eq!(record.key(), key);
            assert!(TopicRecord::is_key(key));
            assert_eq!(record.encode().unwrap(), bytes.as_bytes());
            assert_eq!(TopicRecord::decode(bytes.as_bytes()).unwrap(), record);
        }
        assert_eq!(TopicRecord::of("render"), None);
        assert!(!TopicRecord::is_key("topology.default"));
    }

    #[test]
    fn bad_tags_say_what_is_allowed() {
        for tag in ["", "a#b", "headwater.x", &"x".repeat(TAG_BYTES_MAX + 1)] {
            let refused = check_tag(tag).unwrap_err().to_string();
            assert!(refused.contains("1 to 64 bytes"), "{refused}");
        }
        assert!(check_tag("gpu").is_ok());
    }
}
