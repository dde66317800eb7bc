//! Which partitions an engine pulls: rendezvous hashing over the engines that live and carry the
//! same workflows. No agreement is needed; an overlap costs a lost swap, no more.
//!
//! During a rolling deploy the engines of the old and of the new build each cover all partitions,
//! so that what one of them lacks and gives back comes to the other.

use std::collections::BTreeSet;

use headwater_store::members::Members;
use headwater_wire::{
    Partition,
    member::{Member, Role, owner},
};

/// The partitions that the engine `own` should pull, by what it knows of others.
pub(crate) fn owned(members: &Members, own: &Member, serving: u16) -> BTreeSet<Partition> {
    let is_fellow = |member: &&Member| {
        member.role == Role::Engine
            && member.queue == own.queue
            && member.workflows == own.workflows
    };
    let fellows = members.values().filter(is_fellow);
    let mut engines: BTreeSet<&str> = fellows.map(|member| member.id.as_str()).collect();
    engines.insert(own.id.as_str());
    (1..=serving)
        .map(Partition)
        .filter(|partition| owner(engines.iter().copied(), partition.0) == Some(own.id.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_wire::Timestamp;

    fn member(id: &str, workflow: &str) -> Member {
        Member {
            role: Role::Engine,
            id: id.to_owned(),
            queue: "default".into(),
            host: String::new(),
            pid: 1,
            build: String::new(),
            started_at: Timestamp::default(),
            workflows: [(workflow.to_owned(), vec!["1.0.0".to_owned()])].into(),
            topics: Vec::new(),
        }
    }

    fn members(all: &[&Member]) -> Members {
        all.iter()
            .map(|member| (member.key(), (*member).clone()))
            .collect()
    }

    #[test]
    fn every_partition_has_one_owner_and_a_death_moves_only_its_own() {
        let [a, b, c] = ["a", "b", "c"].map(|id| member(id, "w"));
        let all = members(&[&a, &b, &c]);
        let shares = [&a, &b, &c].map(|own| owned(&all, own, 32));
        assert_eq!(shares.iter().map(BTreeSet::len).sum::<usize>(), 32);
        let left = members(&[&a, &b]);
        assert!(shares[0].is_subset(&owned(&left, &a, 32)));
        assert!(shares[1].is_subset(&owned(&left, &b, 32)));
    }

    #[test]
    fn engines_with_other_workflows_or_of_another_queue_do_not_take_partitions_away() {
        let (own, other) = (member("own", "w"), member("other", "x"));
        let elsewhere = Member {
            queue: "q".into(),
            ..member("elsewhere", "w")
        };
        let all = members(&[&own, &other, &elsewhere]);
        for engine in [&own, &other, &elsewhere] {
            assert_eq!(owned(&all, engine, 8).len(), 8);
        }
        assert_eq!(owned(&Members::new(), &own, 8).len(), 8);
    }
}
