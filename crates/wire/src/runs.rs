//! Runs of an invocation that are over: it has continued as new. The value lists the last ones;
//! their journals stand in the JOURNAL bucket, for as long as an ended invocation is kept.

use serde::{Deserialize, Serialize};

use crate::{Key, Run, Timestamp};

/// A run that has continued as new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedRun {
    /// Which.
    pub run: Run,
    /// Version of the workflow that ran it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, and the next began.
    pub ended_at: Timestamp,
    /// Entries of its journal.
    pub entries: u64,
    /// Its first page and its last, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<(u32, u32)>,
    /// What holds the entries that are in no page, beside the pages: see [`journal_key`]. None:
    /// there are no such entries, or they were too large to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
}

impl EndedRun {
    /// The parts of its journal in the JOURNAL bucket, in order: see [`journal_key`].
    pub fn parts(&self) -> impl Iterator<Item = String> {
        let pages = self.pages.map(|(first, last)| first..=last);
        let pages = pages.into_iter().flatten().map(|page| page.to_string());
        pages.chain(self.archive.clone())
    }
}

/// Forget runs that are over. The current one never goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Chosen by the sender.
    pub id: String,
    /// The last ones that stay, the current one counted; 0: as 1.
    pub keep_last: u32,
    /// Only those that ended before.
    pub ended_before: Option<Timestamp>,
}

impl Prune {
    /// Whether it forgets a run of an invocation that is at `current`.
    #[must_use]
    pub fn forgets(&self, ended: &EndedRun, current: Run) -> bool {
        let following = current.continued.saturating_sub(ended.run.continued);
        following >= self.keep_last.max(1)
            && self
                .ended_before
                .is_none_or(|before| ended.ended_at < before)
    }
}

/// Name of what a run that ends leaves in the JOURNAL bucket. It holds the id of the turn that
/// ends it, so that nobody else writes there who makes another turn on the same value.
#[must_use]
pub fn archive_name(run: Run, turn: &str) -> String {
    format!("{}-{turn}", run.continued)
}

/// Key in the JOURNAL bucket of a part of a journal: the number of a page, or the name of what a
/// run has left.
#[must_use]
pub fn journal_key(key: &Key, part: &str) -> String {
    format!("{key}.{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_stay_and_those_that_ended_late() {
        let ended = |continued: u32| EndedRun {
            run: Run {
                start: 7,
                continued,
            },
            version: String::new(),
            started_at: Timestamp::from_micros(0),
            ended_at: Timestamp::from_micros(i64::from(continued)),
            entries: 1,
            pages: None,
            archive: None,
        };
        let current = Run {
            start: 7,
            continued: 10,
        };
        for (keep_last, before, expected) in [
            (0, None, 0..10),
            (1, None, 0..10),
            (3, None, 0..8),
            (11, None, 0..0),
            (3, Some(5), 0..5),
            (9, Some(5), 0..2),
        ] {
            let prune = Prune {
                id: "p".into(),
                keep_last,
                ended_before: before.map(Timestamp::from_micros),
            };
            let all = (0..10).map(ended);
            let gone: Vec<u32> = all
                .filter(|run| prune.forgets(run, current))
                .map(|run| run.run.continued)
                .collect();
            assert_eq!(gone, expected.collect::<Vec<_>>(), "{keep_last} {before:?}");
        }
    }

    #[test]
    fn its_journal_is_its_pages_and_what_it_left() {
        let mut ended = EndedRun {
            run: Run {
                start: 7,
                continued: 1,
            },
            version: String::new(),
            started_at: Timestamp::from_micros(0),
            ended_at: Timestamp::from_micros(1),
            entries: 1,
            pages: Some((3, 5)),
            archive: Some(archive_name(
                Run {
                    start: 7,
                    continued: 1,
                },
                "ab12-9",
            )),
        };
        let parts: Vec<String> = ended.parts().collect();
        assert_eq!(parts, ["3", "4", "5", "1-ab12-9"]);
        ended.pages = None;
        ended.archive = None;
        assert_eq!(ended.parts().count(), 0);
    }
}
