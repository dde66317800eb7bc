//! Sessions: what belongs together runs on one worker. The sessions of a topic are spread over
//! slots, each a topic of its own, and every worker takes those slots that rendezvous hashing over
//! the living workers of the topic gives it, as engines take partitions. No agreement is needed: for
//! a moment two workers may take from one slot. The tasks of a worker that dies come again to who
//! has its slots then, and none is ever bound to a worker.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater_store::members::{self, Members};
use headwater_wire::{
    limits::SESSION_SLOTS,
    member::{Member, owner},
    topic::slots,
};
use tokio::sync::watch;

use crate::{
    run::Shared,
    worker::{Taking, asked_to_stop},
};

/// Take from the own slots of these topics, until asked to stop.
pub(crate) async fn take(
    shared: Arc<Shared>,
    taking: Taking,
    own: Member,
    mut topics: watch::Receiver<BTreeSet<String>>,
) {
    let store = Arc::clone(&shared.store);
    let (mut members, viewing) = members::view(store, &shared.env, shared.config.liveness);
    let mut stopping = taking.stopping.clone();
    // Dropped, or told so, the loop of a slot ends.
    let mut taken: BTreeMap<String, watch::Sender<bool>> = BTreeMap::new();
    loop {
        let slots = owned(
            &members.borrow_and_update(),
            &own,
            &topics.borrow_and_update(),
        );
        taken.retain(|slot, stop| {
            let keep = slots.contains(slot);
            if !keep {
                // Nobody listening means that it has ended already.
                let _ = stop.send(true);
            }
            keep
        });
        for slot in slots {
            taken.entry(slot).or_insert_with_key(|slot| {
                let (stop, stopping) = watch::channel(false);
                let concurrency = (taking.concurrency / usize::from(SESSION_SLOTS)).max(1);
                let of_slot = taking.apart(stopping, concurrency);
                of_slot.begin(&shared, slot.clone());
                stop
            });
        }
        tokio::select! {
            biased;
            () = asked_to_stop(&mut stopping) => break,
            Ok(()) = members.changed() => {}
            Ok(()) = topics.changed() => {}
            else => break,
        }
    }
    viewing.abort();
}

/// The slots that the worker `own` takes, by the members that it sees. None before it sees itself:
/// the others do not see it then, or it does not see them yet.
fn owned(members: &Members, own: &Member, topics: &BTreeSet<String>) -> BTreeSet<String> {
    let mut owned = BTreeSet::new();
    if !members.contains_key(&own.key()) {
        return owned;
    }
    for topic in topics {
        let fellows = members.values().filter(|member| member.takes(topic));
        let workers: BTreeSet<&str> = fellows.map(|member| member.id.as_str()).collect();
        let is_own = |slot: u16| owner(workers.iter().copied(), slot) == Some(own.id.as_str());
        let own_slots = slots(topic).filter(|(slot, _)| is_own(*slot));
        owned.extend(own_slots.map(|(_, slot)| slot));
    }
    owned
}

#[cfg(test)]
mod tests {
    use headwater_wire::{Timestamp, member::Role};

    use super::*;

    fn worker(id: &str, topics: &[&str]) -> Member {
        Member {
            role: Role::Worker,
            id: id.to_owned(),
            queue: String::new(),
            host: String::new(),
            pid: 1,
            build: String::new(),
            started_at: Timestamp::default(),
            workflows: BTreeMap::new(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        }
    }

    fn members(all: &[&Member]) -> Members {
        all.iter()
            .map(|member| (member.key(), (*member).clone()))
            .collect()
    }

    #[test]
    fn every_slot_has_one_worker_that_is_the_same_for_all_topics_of_the_same_workers() {
        let [a, b, c] = ["a", "b", "c"].map(|id| worker(id, &["load", "use"]));
        let other = worker("other", &["else"]);
        let all = members(&[&a, &b, &c, &other]);
        let of = |topic: &str, own: &Member| owned(&all, own, &[topic.to_owned()].into());
        let number = |slot: &String| slot.rsplit_once('-').unwrap().1.to_owned();
        let mut count = 0;
        for own in [&a, &b, &c] {
            let (load, using) = (of("load", own), of("use", own));
            count += load.len();
            assert!(load.iter().map(number).eq(using.iter().map(number)));
        }
        assert_eq!(count, usize::from(SESSION_SLOTS));
        assert_eq!(of("else", &other).len(), usize::from(SESSION_SLOTS));
        // A death moves only its own.
        let left = members(&[&a, &b]);
        let topics = ["load".to_owned()].into();
        assert!(of("load", &a).is_subset(&owned(&left, &a, &topics)));
        // One that the others do not see takes none.
        assert!(owned(&left, &c, &topics).is_empty());
    }
}
