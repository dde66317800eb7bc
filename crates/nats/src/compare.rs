//! An existing stream against the one that we need: what makes it unusable, and what can be
//! changed in place.

use async_nats::jetstream::stream::Config;

/// A field of a stream that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field, as the server names it.
    pub field: &'static str,
    /// What it is.
    pub found: String,
    /// What it has to be.
    pub wanted: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} is {}, wanted {}",
            self.field, self.found, self.wanted
        )
    }
}

impl Difference {
    /// All of them in one line.
    pub(crate) fn list(differences: &[Self]) -> String {
        let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
        texts.join("; ")
    }
}

/// What is wrong with the stream `found` beyond what [`mend`] mends: a stream of somebody
/// else's, or one that was changed in a way that would lose or reorder messages.
pub(crate) fn differences(found: &Config, wanted: &Config) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut check = |field, found: String, wanted: String| {
        if found != wanted {
            differences.push(Difference {
                field,
                found,
                wanted,
            });
        }
    };
    let sorted = |subjects: &[String]| {
        let mut subjects = subjects.to_vec();
        subjects.sort();
        subjects.join(",")
    };
    let unlimited = |limit: i64| match limit {
        ..=0 => "unlimited".to_owned(),
        _ => limit.to_string(),
    };
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    check(
        "subjects",
        sorted(&found.subjects),
        sorted(&wanted.subjects),
    );
    check("retention", text(&found.retention), text(&wanted.retention));
    check("storage", text(&found.storage), text(&wanted.storage));
    // Asynchronous, it acknowledges what it has not stored yet.
    check(
        "persist_mode",
        text(&found.persist_mode.unwrap_or_default()),
        text(&wanted.persist_mode.unwrap_or_default()),
    );
    check("discard", text(&found.discard), text(&wanted.discard));
    check(
        "max_msgs_per_subject",
        unlimited(found.max_messages_per_subject),
        unlimited(wanted.max_messages_per_subject),
    );
    check(
        "max_msgs",
        unlimited(found.max_messages),
        unlimited(wanted.max_messages),
    );
    check("max_age", text(&found.max_age), text(&wanted.max_age));
    check(
        "max_msg_size",
        unlimited(found.max_message_size.into()),
        unlimited(wanted.max_message_size.into()),
    );
    check("no_ack", text(&found.no_ack), text(&wanted.no_ack));
    check("sealed", text(&found.sealed), text(&wanted.sealed));
    check(
        "deny_delete",
        text(&found.deny_delete),
        text(&wanted.deny_delete),
    );
    check(
        "deny_purge",
        text(&found.deny_purge),
        text(&wanted.deny_purge),
    );
    let marker = |config: &Config| config.subject_delete_marker_ttl.unwrap_or_default();
    check(
        "subject_delete_marker_ttl",
        text(&marker(found)),
        text(&marker(wanted)),
    );
    let copies = |config: &Config| {
        let sources = config.sources.as_ref().map_or(0, Vec::len);
        usize::from(config.mirror.is_some()) + sources
    };
    check(
        "sources and mirror",
        copies(found).to_string(),
        copies(wanted).to_string(),
    );
    differences
}

/// The stream `found` with our settings that the server changes in place; none if it has
/// them already. Replicas are not looked at here.
pub(crate) fn mend(found: &Config, wanted: &Config) -> Option<Config> {
    let max_bytes = match wanted.max_bytes {
        ..=0 => found.max_bytes,
        limit => limit,
    };
    let mended = Config {
        allow_direct: true,
        allow_rollup: true,
        allow_message_ttl: true,
        allow_atomic_publish: true,
        allow_message_schedules: found.allow_message_schedules || wanted.allow_message_schedules,
        duplicate_window: wanted.duplicate_window,
        max_bytes,
        ..found.clone()
    };
    (mended != *found).then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, streams};
    use async_nats::jetstream::stream::RetentionPolicy;

    #[test]
    fn a_stream_as_wanted_has_no_differences() {
        for wanted in streams::all(&Options::default()) {
            assert_eq!(differences(&wanted, &wanted), []);
            assert_eq!(mend(&wanted, &wanted), None);
        }
    }

    #[test]
    fn a_foreign_stream_is_told_field_by_field() {
        let wanted = streams::all(&Options::default()).remove(0);
        let found = Config {
            retention: RetentionPolicy::Limits,
            max_messages: 1_000,
            ..wanted.clone()
        };
        let text = Difference::list(&differences(&found, &wanted));
        assert_eq!(
            text,
            "retention is limits, wanted workqueue; max_msgs is 1000, wanted unlimited"
        );
    }

    #[test]
    fn a_missing_capability_is_added() {
        let wanted = streams::all(&Options::default()).remove(0);
        let found = Config {
            allow_atomic_publish: false,
            ..wanted.clone()
        };
        assert_eq!(differences(&found, &wanted), []);
        assert_eq!(mend(&found, &wanted), Some(wanted));
    }
}
