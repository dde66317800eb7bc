//! Topics that are made of another: those of the workers with a tag, `<topic>#<tag>`. Users name
//! neither with a `#`.
//!
//! Which there are stands in bucket CONFIG, key `topics.<topic>`: written by the first engine that
//! has a task for one, read by workers that take tasks of any tag, for good.

use serde::{Deserialize, Serialize};

use crate::{id::encode_token, limits::TAG_BYTES_MAX, names::NameError};

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
    topic.split_once(TAG).map(|(_, tag)| tag)
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
    /// The topic.
    pub topic: String,
}

impl TopicRecord {
    const KEYS: &'static str = "topics.";

    /// Key in the CONFIG bucket.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}", Self::KEYS, encode_token(&self.topic))
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
    fn a_record_has_its_key_and_bytes_for_good() {
        let record = TopicRecord {
            topic: "render#gpu".to_owned(),
        };
        assert_eq!(record.key(), "topics.render=23gpu");
        assert!(TopicRecord::is_key(&record.key()) && !TopicRecord::is_key("topology.default"));
        let bytes = record.encode().unwrap();
        assert_eq!(bytes, br#"{"topic":"render#gpu"}"#);
        assert_eq!(TopicRecord::decode(&bytes).unwrap(), record);
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
