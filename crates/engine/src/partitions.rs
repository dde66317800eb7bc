//! Which partitions an engine pulls: rendezvous hashing over the engines that live. No
//! agreement is needed; an overlap costs a lost swap, no more.

use std::collections::BTreeSet;

use headwater_store::members::Members;
use headwater_wire::{Partition, member::Role};

/// The partitions that the engine `own` of this queue should pull, by what it knows of others.
pub(crate) fn owned(
    members: &Members,
    own: &str,
    queue: &str,
    serving: u16,
) -> BTreeSet<Partition> {
    let mut engines: BTreeSet<&str> = members
        .values()
        .filter(|member| member.role == Role::Engine && member.queue == queue)
        .map(|member| member.id.as_str())
        .collect();
    engines.insert(own);
    (1..=serving)
        .map(Partition)
        .filter(|partition| owner(&engines, *partition) == Some(own))
        .collect()
}

fn owner<'a>(engines: &BTreeSet<&'a str>, partition: Partition) -> Option<&'a str> {
    let weight = |engine: &&&str| {
        xxhash_rust::xxh3::xxh3_64_with_seed(engine.as_bytes(), u64::from(partition.0))
    };
    engines.iter().max_by_key(weight).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_wire::{Timestamp, member::Member};

    fn members(ids: &[&str]) -> Members {
        let member = |id: &&str| Member {
            role: Role::Engine,
            id: (*id).to_owned(),
            queue: "default".into(),
            host: String::new(),
            pid: 1,
            build: String::new(),
            started_at: Timestamp::default(),
            workflows: Default::default(),
            topics: Vec::new(),
        };
        ids.iter().map(member).map(|m| (m.key(), m)).collect()
    }

    #[test]
    fn every_partition_has_one_owner_and_a_death_moves_only_its_own() {
        let all = members(&["a", "b", "c"]);
        let shares: Vec<_> = ["a", "b", "c"]
            .map(|id| owned(&all, id, "default", 32))
            .into();
        let total: usize = shares.iter().map(BTreeSet::len).sum();
        assert_eq!(total, 32);
        let left = members(&["a", "b"]);
        assert!(shares[0].is_subset(&owned(&left, "a", "default", 32)));
        assert!(shares[1].is_subset(&owned(&left, "b", "default", 32)));
    }

    #[test]
    fn an_engine_that_knows_nobody_serves_everything() {
        assert_eq!(owned(&Members::new(), "me", "default", 8).len(), 8);
        let others = members(&["x"]);
        assert_eq!(owned(&others, "me", "another-queue", 8).len(), 8);
    }
}
