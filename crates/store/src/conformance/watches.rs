//! Watches of a bucket and of one key.

use std::collections::BTreeSet;

use futures::stream::BoxStream;

use super::{Bench, must};
use crate::{Bucket, Change, StoreError};

type Changes = BoxStream<'static, Result<Change, StoreError>>;

impl Bench {
    async fn watch(&self, key: Option<&str>) -> Changes {
        must("watch", self.store.watch(Bucket::Members, key).await)
    }

    async fn change(&self, changes: &mut Changes) -> Change {
        must("a change", self.told("a change", changes).await)
    }

    async fn delete(&self, key: &str) {
        must("delete", self.store.delete(Bucket::Members, key).await);
    }
}

/// A change in one line.
fn line(change: &Change) -> String {
    match change {
        Change::Put(record) => {
            let text = String::from_utf8_lossy(&record.value);
            format!("{} = {text} @ {}", record.key, record.revision)
        }
        Change::Gone { key } => format!("{key} gone"),
        Change::Current => "current".to_owned(),
    }
}

pub(super) async fn a_watch_tells_what_is_there_then_what_changes(bench: Bench) {
    let one = bench.put(Bucket::Members, "engine.1", "up", 0).await;
    let two = bench.put(Bucket::Members, "engine.2", "up", 0).await;
    bench.put(Bucket::Members, "engine.3", "up", 0).await;
    bench.delete("engine.3").await;
    bench
        .put(Bucket::Config, "topology.default", "other", 0)
        .await;

    let mut changes = bench.watch(None).await;
    let mut there = BTreeSet::new();
    for _ in 0..2 {
        there.insert(line(&bench.change(&mut changes).await));
    }
    let expected = [
        format!("engine.1 = up @ {one}"),
        format!("engine.2 = up @ {two}"),
    ];
    assert_eq!(there, BTreeSet::from(expected), "what is there");
    assert_eq!(line(&bench.change(&mut changes).await), "current");

    let busy = bench.put(Bucket::Members, "engine.1", "busy", one).await;
    let told = line(&bench.change(&mut changes).await);
    assert_eq!(told, format!("engine.1 = busy @ {busy}"), "an update");
    bench.delete("engine.2").await;
    let told = line(&bench.change(&mut changes).await);
    assert_eq!(told, "engine.2 gone", "a delete");
    let four = bench.put(Bucket::Members, "engine.4", "up", 0).await;
    let told = line(&bench.change(&mut changes).await);
    assert_eq!(told, format!("engine.4 = up @ {four}"), "a new key");
}

pub(super) async fn a_watch_of_one_key_tells_of_no_other(bench: Bench) {
    bench.put(Bucket::Members, "engine.1", "up", 0).await;
    let mut changes = bench.watch(Some("engine.2")).await;
    let told = line(&bench.change(&mut changes).await);
    assert_eq!(told, "current", "the key is not there");

    bench.put(Bucket::Members, "engine.3", "up", 0).await;
    let up = bench.put(Bucket::Members, "engine.2", "up", 0).await;
    let told = line(&bench.change(&mut changes).await);
    assert_eq!(told, format!("engine.2 = up @ {up}"));

    let mut later = bench.watch(Some("engine.2")).await;
    let told = line(&bench.change(&mut later).await);
    assert_eq!(told, format!("engine.2 = up @ {up}"), "it is there now");
    assert_eq!(line(&bench.change(&mut later).await), "current");

    bench.delete("engine.1").await;
    bench.delete("engine.2").await;
    for changes in [&mut changes, &mut later] {
        let told = line(&bench.change(changes).await);
        assert_eq!(told, "engine.2 gone");
    }
}
