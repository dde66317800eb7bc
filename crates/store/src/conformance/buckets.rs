//! Values: compare-and-swap, time to live, pages, scans.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use futures::StreamExt;

use super::{Bench, bytes, key, must};
use crate::{Bucket, Expect, Read, Record, StoreError, Ttl};

impl Bench {
    async fn get(&self, bucket: Bucket, key: &str) -> Option<Record> {
        must("get", self.store.get(bucket, key, Read::Leader).await)
    }

    async fn put_for(&self, key: &str, seconds: u64, revision: u64) -> u64 {
        let ttl = Ttl::After(Duration::from_secs(seconds));
        let expect = Expect::Revision(revision);
        let put = self
            .store
            .put(Bucket::State, key, bytes("brief"), expect, ttl);
        must("put with a time to live", put.await)
    }

    async fn conflicts(&self, key: &str, revision: u64, when: &str) {
        let expect = Expect::Revision(revision);
        let put = self
            .store
            .put(Bucket::State, key, bytes("lost"), expect, Ttl::Never);
        assert_eq!(put.await, Err(StoreError::Conflict), "a swap {when}");
    }
}

pub(super) async fn a_value_is_created_updated_and_guarded_by_its_revision(bench: Bench) {
    assert_eq!(bench.get(Bucket::State, "a").await, None, "nothing yet");
    bench
        .conflicts("a", 7, "of a value that is not there")
        .await;
    let before = bench.env.now();
    let created = bench.put(Bucket::State, "a", "one", 0).await;
    assert_ne!(created, 0, "0 stands for no value");
    bench.conflicts("a", 0, "that expects no value").await;

    let updated = bench.put(Bucket::State, "a", "two", created).await;
    assert!(
        updated > created,
        "revisions count up: {created}, {updated}"
    );
    bench.conflicts("a", created, "on an old revision").await;
    bench
        .conflicts("a", updated + 1, "on a revision to come")
        .await;

    let Some(record) = bench.get(Bucket::State, "a").await else {
        panic!("the value is gone");
    };
    assert_eq!(record.key, "a");
    assert_eq!(record.value, "two", "the last write that succeeded");
    assert_eq!(record.revision, updated);
    assert!(record.written_at.after(super::SKEW) >= before, "written_at");
    let any = bench.store.get(Bucket::State, "a", Read::Any);
    assert!(must("a read from anywhere", any.await).is_some());
}

pub(super) async fn a_write_that_expects_nothing_replaces_whatever_is_there(bench: Bench) {
    let mut last = 0;
    for text in ["one", "two"] {
        let put = bench
            .store
            .put(Bucket::Config, "a", bytes(text), Expect::Any, Ttl::Never);
        let revision = must("put", put.await);
        assert!(revision > last, "revisions count up: {last}, {revision}");
        let found = bench.get(Bucket::Config, "a").await;
        assert_eq!(found.map(|record| record.value), Some(bytes(text)));
        last = revision;
    }
}

pub(super) async fn keys_and_buckets_do_not_mix(bench: Bench) {
    let all = [
        Bucket::State,
        Bucket::Journal,
        Bucket::Members,
        Bucket::Config,
    ];
    for bucket in all {
        bench.put(bucket, "same", &format!("{bucket:?}"), 0).await;
    }
    let first = bench.put(Bucket::State, "same.1", "part", 0).await;
    let second = bench.put(Bucket::State, "=Kother", "key queue", 0).await;
    assert!(
        second > first,
        "revisions count per bucket: {first}, {second}"
    );
    for bucket in all {
        let found = bench.get(bucket, "same").await.map(|record| record.value);
        assert_eq!(found, Some(bytes(&format!("{bucket:?}"))), "in {bucket:?}");
    }
}

pub(super) async fn a_deleted_key_has_revision_0_again(bench: Bench) {
    let first = bench.put(Bucket::State, "a", "one", 0).await;
    must("delete", bench.store.delete(Bucket::State, "a").await);
    assert_eq!(bench.get(Bucket::State, "a").await, None, "deleted");
    bench.conflicts("a", first, "of a deleted value").await;
    let again = bench.put(Bucket::State, "a", "two", 0).await;
    assert!(
        again > first,
        "revisions are not used again: {first}, {again}"
    );
    let missing = bench.store.delete(Bucket::State, "never-there").await;
    must("delete of a missing key", missing);
}

pub(super) async fn a_value_expires_and_its_key_has_revision_0_again(bench: Bench) {
    let first = bench.put_for("a", 1, 0).await;
    assert!(
        bench.get(Bucket::State, "a").await.is_some(),
        "not yet over"
    );
    let is_gone = || async { bench.get(Bucket::State, "a").await.is_none() };
    bench
        .eventually("the end of its time to live", is_gone)
        .await;
    bench
        .conflicts("a", first, "of a value that has expired")
        .await;
    let again = bench.put(Bucket::State, "a", "two", 0).await;
    assert!(
        again > first,
        "revisions are not used again: {first}, {again}"
    );
}

pub(super) async fn a_write_without_a_time_to_live_removes_the_limit(bench: Bench) {
    let unlimited = bench.put_for("unlimited", 1, 0).await;
    bench
        .put(Bucket::State, "unlimited", "for good", unlimited)
        .await;
    let longer = bench.put_for("longer", 1, 0).await;
    bench.put_for("longer", 3_600, longer).await;
    let shorter = bench.put(Bucket::State, "shorter", "for good", 0).await;
    bench.put_for("shorter", 1, shorter).await;

    bench.env.sleep(Duration::from_millis(2_500)).await;
    for key in ["unlimited", "longer"] {
        let found = bench.get(Bucket::State, key).await;
        assert!(found.is_some(), "{key}: the first limit holds no more");
    }
    let is_gone = || async { bench.get(Bucket::State, "shorter").await.is_none() };
    bench
        .eventually("the end of a limit set later", is_gone)
        .await;
}

pub(super) async fn a_time_to_live_under_a_second_is_refused(bench: Bench) {
    let ttl = Ttl::After(Duration::from_millis(500));
    let put = bench
        .store
        .put(Bucket::State, "a", bytes("x"), Expect::Any, ttl);
    let refused = put.await;
    let is_refused = matches!(refused, Err(StoreError::Refused(_)));
    assert!(is_refused, "half a second: {refused:?}");
    assert_eq!(bench.get(Bucket::State, "a").await, None, "nothing stored");
}

pub(super) async fn pages_come_in_order_and_a_missing_one_is_refused(bench: Bench) {
    let owner = key("order=207");
    for page in [2, 1, 3] {
        let text = format!("page {page}");
        let page_key = headwater_wire::names::page_key(&owner, page);
        bench.put(Bucket::Journal, &page_key, &text, 0).await;
    }
    bench.put(Bucket::Journal, "other.1", "not mine", 0).await;

    let pages = must("pages", bench.store.pages(&owner, 1..=3).await);
    assert_eq!(pages, ["page 1", "page 2", "page 3"]);
    let fewer = must("fewer pages", bench.store.pages(&owner, 1..=2).await);
    assert_eq!(fewer, ["page 1", "page 2"], "as many as asked for");
    let last = must("the last pages", bench.store.pages(&owner, 2..=3).await);
    assert_eq!(last, ["page 2", "page 3"], "from the first asked for");
    let none = must(
        "no pages",
        bench.store.pages(&owner, RangeInclusive::new(4, 3)).await,
    );
    assert!(none.is_empty(), "none asked for");

    let delete = bench
        .store
        .delete(Bucket::Journal, &headwater_wire::names::page_key(&owner, 2))
        .await;
    must("delete", delete);
    let missing = bench.store.pages(&owner, 1..=3).await;
    let is_refused = matches!(missing, Err(StoreError::Refused(_)));
    assert!(is_refused, "page 2 is missing: {missing:?}");
    let third = must("a later page", bench.store.pages(&owner, 3..=3).await);
    assert_eq!(third, ["page 3"], "pages before it may be gone");
}

pub(super) async fn a_scan_gives_every_value_once(bench: Bench) {
    assert!(bench.scan().await.is_empty(), "an empty bucket");
    let mut expected = BTreeMap::new();
    for number in 0..20 {
        let (name, text) = (format!("engine.{number}"), format!("member {number}"));
        bench.put(Bucket::Members, &name, "first", 0).await;
        let put = bench.store.put(
            Bucket::Members,
            &name,
            bytes(&text),
            Expect::Any,
            Ttl::Never,
        );
        must("put", put.await);
        expected.insert(name, bytes(&text));
    }
    must(
        "delete",
        bench.store.delete(Bucket::Members, "engine.3").await,
    );
    expected.remove("engine.3");

    let records = bench.scan().await;
    assert_eq!(records.len(), expected.len(), "each once");
    let found: BTreeMap<_, _> = records.into_iter().map(|r| (r.key, r.value)).collect();
    assert_eq!(found, expected);
}

impl Bench {
    async fn scan(&self) -> Vec<Record> {
        let scan = must("scan", self.store.scan(Bucket::Members).await);
        let records: Vec<_> = self.within("the end of a scan", scan.collect()).await;
        let records = records.into_iter().map(|record| must("a record", record));
        records.collect()
    }
}
