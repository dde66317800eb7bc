//! A step late in a long invocation beside one early in it.

use std::ops::RangeInclusive;

use async_nats::{ConnectOptions, Subscriber};
use futures::{FutureExt as _, StreamExt as _};
use headwater::wire::Namespace;
use tokio::task::unconstrained;

use crate::{
    cell::Bench,
    error::{BenchError, Doing as _},
    stats::median,
    traffic::{self, TAP_CAPACITY, record_bytes},
    workload::{LONG, Workload},
};

/// The invocation.
const WORKLOAD: Workload = Workload {
    name: "long",
    workflow: LONG,
    steps: 10_010,
};

/// Steps around step 10 and around step 10,000.
const EARLY: RangeInclusive<usize> = 1..=20;
const LATE: RangeInclusive<usize> = 9_991..=10_010;

/// Before step 10,000 and so many that several pages are among what they write: values grow
/// until a page is written.
const LATE_WRITES: RangeInclusive<usize> = 9_801..=10_000;

/// Found in one invocation alone; medians of the runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Long {
    /// Median time from one step to the next, in microseconds.
    pub(crate) early_us: f64,
    pub(crate) late_us: f64,
    /// Mean of the stored records for one step.
    pub(crate) early_bytes: f64,
    pub(crate) late_bytes: f64,
}

/// A record that was stored for the invocation.
#[derive(Clone, Copy, Debug)]
struct Written {
    bytes: u64,
    is_page: bool,
}

pub(super) async fn measure(bench: &Bench<'_>) -> Result<Long, BenchError> {
    let written = written(bench).await?;
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for _ in 0..bench.plan.long_runs {
        let (_, times) = bench.complete::<Vec<u64>>(WORKLOAD).await?;
        early.extend(step_us(&times, EARLY));
        late.extend(step_us(&times, LATE));
    }
    Ok(Long {
        early_us: median(&mut early).unwrap_or(f64::NAN),
        late_us: median(&mut late).unwrap_or(f64::NAN),
        early_bytes: bytes_per_step(&written, EARLY),
        late_bytes: bytes_per_step(&written, LATE_WRITES),
    })
}

/// Everything that one invocation writes, seen by a subscription, in the order of its turns.
async fn written(bench: &Bench<'_>) -> Result<Vec<Written>, BenchError> {
    let options = ConnectOptions::new().subscription_capacity(TAP_CAPACITY);
    let client = bench.server.connect_with(options).await?;
    let tap = client
        .subscribe("$KV.>")
        .await
        .doing("tapping the buckets")?;
    let js = async_nats::jetstream::new(client);
    // Asked over the tap's own connection: with the answer, its subscription is in force; and
    // with the second answer, all that was stored before has come.
    traffic::stored(&js).await?;
    let (id, _) = bench.complete::<Vec<u64>>(WORKLOAD).await?;
    traffic::stored(&js).await?;
    let (ns, key) = (Namespace::default(), id.key());
    let value = format!("$KV.{}.{key}", ns.state_bucket());
    let pages = format!("$KV.{}.{key}.", ns.journal_bucket());
    Ok(records(tap, &value, &pages))
}

fn records(mut tap: Subscriber, value: &str, pages: &str) -> Vec<Written> {
    let mut written = Vec::new();
    // Unconstrained: the runtime would have this wait now and then although there are more.
    while let Some(Some(message)) = unconstrained(tap.next()).now_or_never() {
        let is_page = message.subject.starts_with(pages);
        if is_page || message.subject.as_str() == value {
            written.push(Written {
                bytes: record_bytes(&message),
                is_page,
            });
        }
    }
    written
}

/// Median time of the steps with these numbers, each until the one after it or from the one
/// before it.
fn step_us(times: &[u64], steps: RangeInclusive<usize>) -> Option<f64> {
    let steps = times.get(steps.start() - 1..*steps.end())?;
    let mut took: Vec<f64> = steps
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]) as f64 / 1e3)
        .collect();
    median(&mut took)
}

/// Mean bytes of the values of these numbers, with the pages among them. A local step is one
/// value.
fn bytes_per_step(written: &[Written], values: RangeInclusive<usize>) -> f64 {
    let (mut number, mut bytes) = (0, 0);
    for record in written {
        number += usize::from(!record.is_page);
        if values.contains(&number) {
            bytes += record.bytes;
        }
    }
    match number >= *values.end() {
        true => bytes as f64 / values.count() as f64,
        false => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_a_step_is_that_between_two() {
        let times = [0, 1_000, 3_000, 6_000, 100_000];
        assert_eq!(step_us(&times, 1..=4), Some(2.0));
        assert_eq!(step_us(&times, 3..=6), None);
    }

    #[test]
    fn pages_count_for_the_values_that_they_come_with() {
        let record = |bytes, is_page| Written { bytes, is_page };
        let written = [
            record(10, false),
            record(20, false),
            record(100, true),
            record(30, false),
        ];
        assert_eq!(bytes_per_step(&written, 1..=1).round(), 10.0);
        assert_eq!(bytes_per_step(&written, 1..=2), 65.0);
        assert_eq!(bytes_per_step(&written, 3..=3), 30.0);
        assert!(bytes_per_step(&written, 3..=4).is_nan());
    }
}
