//! Questions to COMMANDS and TASKS, asked at their leaders.

use bytes::Bytes;
use futures::future::try_join_all;
use headwater_store::{Depth, StoreError};
use headwater_wire::Partition;

use crate::link::{Link, MessageQuery};

/// Questions to the leader under way at once.
const QUESTIONS_MAX: usize = 16;

impl Link {
    /// Whether one of the commands is still there.
    pub(crate) async fn any_in_commands(&self, seqs: &[u64]) -> Result<bool, StoreError> {
        let commands = self.namespace.commands_stream();
        for some in seqs.chunks(QUESTIONS_MAX) {
            let questions = some.iter().map(|seq| self.is_stored(&commands, *seq));
            if try_join_all(questions).await?.contains(&true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_stored(&self, stream: &str, seq: u64) -> Result<bool, StoreError> {
        let query = MessageQuery {
            seq: Some(seq),
            ..MessageQuery::default()
        };
        Ok(self.leader_get(stream, &query).await?.is_some())
    }

    /// Whether a schedule is stored. The server stores the command of one that fires before it
    /// removes the schedule.
    pub(crate) async fn is_scheduled(&self, subject: &str) -> Result<bool, StoreError> {
        let query = MessageQuery {
            last_of: Some(subject),
            ..MessageQuery::default()
        };
        let commands = self.namespace.commands_stream();
        Ok(self.leader_get(&commands, &query).await?.is_some())
    }

    /// The first command for an address from a sequence on.
    pub(crate) async fn first_command(
        &self,
        filter: &str,
        from_seq: u64,
    ) -> Result<Option<(u64, Bytes)>, StoreError> {
        let stream = self.namespace.commands_stream();
        let query = MessageQuery {
            seq: Some(from_seq.max(1)),
            next_of: Some(filter),
            ..MessageQuery::default()
        };
        let stored = self.leader_get(&stream, &query).await?;
        Ok(stored.map(|stored| (stored.seq, stored.data)))
    }

    /// Commands and schedules of a partition.
    pub(crate) async fn backlog(
        &self,
        queue: &str,
        partition: Partition,
    ) -> Result<u64, StoreError> {
        let commands = self.namespace.partition_filter(queue, partition);
        let timers = timers_filter(&commands, &self.namespace.commands_subjects());
        let stream = self.namespace.commands_stream();
        let (commands, timers) = futures::try_join!(
            self.subjects(&stream, &commands),
            self.subjects(&stream, &timers)
        )?;
        Ok(commands.values().chain(timers.values()).sum())
    }

    /// What is stored in COMMANDS and TASKS.
    pub(crate) async fn queue_depths(&self) -> Result<Vec<Depth>, StoreError> {
        let names = &self.namespace;
        let (commands, tasks) = (names.commands_stream(), names.tasks_stream());
        let (commands, tasks) =
            futures::try_join!(self.subjects(&commands, ">"), self.subjects(&tasks, ">"))?;
        let subjects = commands.iter().chain(&tasks);
        let subjects = subjects.map(|(subject, messages)| (subject.as_str(), *messages));
        Ok(Depth::of_subjects(names, subjects))
    }
}

/// The schedules beside the commands of a partition: both subjects of the stream go on alike,
/// `commands.<queue>.<partition>.*` and `timers.<queue>.<partition>.>`.
fn timers_filter(commands_filter: &str, stream_subjects: &[String]) -> String {
    let [commands, timers] = stream_subjects else {
        return commands_filter.to_owned();
    };
    let of_partition = commands_filter
        .strip_prefix(commands.trim_end_matches('>'))
        .unwrap_or(commands_filter)
        .trim_end_matches('*');
    format!("{}{of_partition}>", timers.trim_end_matches('>'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_wire::Namespace;

    #[test]
    fn schedules_of_a_partition_are_found_beside_its_commands() {
        for (namespace, filter) in [("", "timers.default.3.>"), ("a", "a.timers.default.3.>")] {
            let ns = Namespace::new(namespace).unwrap();
            let commands = ns.partition_filter("default", Partition(3));
            assert_eq!(timers_filter(&commands, &ns.commands_subjects()), filter);
        }
    }
}
