//! What an engine pays to read an invocation that it does not know: the value through the
//! leader, its pages in one request, and every entry decoded.

use std::time::{Duration, Instant};

use headwater::{
    store::{Bucket, Read, Store},
    wire::{Key, Value, limits},
};
use headwater_core::Invocation;

use crate::{
    cell::Bench,
    error::{BenchError, Doing as _},
    stats::median,
    workload::{CHAIN10, Workload},
};

/// Invocations of so many steps, so many of them, each read so often. A local step is two
/// entries: what was decided, and its outcome.
const SIZES: [(u32, usize, usize); 2] = [(10, 100, 5), (5_000, 1, 20)];

const DOING: &str = "a cold read";

/// Found for invocations of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColdRead {
    pub(crate) entries: usize,
    /// Median of the runs' medians.
    pub(crate) p50_ms: f64,
    pub(crate) pages: usize,
    /// Of value and pages together.
    pub(crate) bytes: usize,
}

pub(super) async fn measure(bench: &Bench<'_>) -> Result<Vec<ColdRead>, BenchError> {
    let mut found = Vec::new();
    for (steps, count, times) in SIZES {
        let mut keys = Vec::new();
        for _ in 0..count {
            let workload = Workload { steps, ..CHAIN10 };
            keys.push(bench.complete::<u32>(workload).await?.0.key());
        }
        found.push(of_keys(bench, &keys, times).await?);
    }
    Ok(found)
}

async fn of_keys(bench: &Bench<'_>, keys: &[Key], times: usize) -> Result<ColdRead, BenchError> {
    let store = bench.client.store().as_ref();
    let first = keys.first().ok_or(BenchError::Ended("cold read"))?;
    // Its figures are those of all.
    let (_, mut found) = read(store, first).await?;
    let mut medians = Vec::new();
    for _ in 0..bench.plan.runs {
        let mut took = Vec::new();
        for key in (0..times).flat_map(|_| keys) {
            took.push(read(store, key).await?.0.as_secs_f64() * 1e3);
        }
        medians.extend(median(&mut took));
    }
    found.p50_ms = median(&mut medians).unwrap_or_default();
    Ok(found)
}

/// As an engine does it. The time ends before the figures are gathered.
async fn read(store: &dyn Store, key: &Key) -> Result<(Duration, ColdRead), BenchError> {
    let from = Instant::now();
    let record = store.get(Bucket::State, key.as_str(), Read::Leader).await;
    let record = record.doing(DOING)?.ok_or(BenchError::Ended("cold read"))?;
    let (_, journal) = Value::decode(&record.value).doing(DOING)?;
    let pages = match journal.run_pages() {
        pages if pages.is_empty() => Vec::new(),
        pages => store.pages(key, pages).await.doing(DOING)?,
    };
    let invocation = Invocation::load(&record.value, record.revision, &pages, limits::RETENTION);
    let invocation = invocation.doing(DOING)?;
    let took = from.elapsed();
    let entries = invocation.entries(&pages).doing(DOING)?.len();
    let bytes = record.value.len() + pages.iter().map(bytes::Bytes::len).sum::<usize>();
    Ok((
        took,
        ColdRead {
            entries,
            p50_ms: 0.0,
            pages: pages.len(),
            bytes,
        },
    ))
}
