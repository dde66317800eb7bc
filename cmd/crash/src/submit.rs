//! The client: submits the jobs at an even pace, tries again what the servers did not take,
//! and waits for the result of some.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headwater::{Client, client::Handle};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    clock::Clock,
    workload::{self, Job, Kind},
};

/// One job in so many is waited for, as a client does.
const WAITED_FOR: u64 = 7;

/// How long a client waits for a result before it asks anew.
const WAIT: Duration = Duration::from_secs(30);

/// Pause before a start is tried again that could not be stored within ten seconds.
const PAUSE: Duration = Duration::from_millis(500);

/// What the client has come across; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Submissions(Arc<Shared>);

#[derive(Default)]
struct Shared {
    submitted: AtomicU64,
    /// Starts that got no answer and were sent again under a new id: both may have been taken.
    twice: Mutex<BTreeSet<u64>>,
    /// Waits for results.
    waiting: Mutex<JoinSet<()>>,
    results: AtomicU64,
    wrong: Mutex<Vec<String>>,
    errors: AtomicU64,
}

impl Submissions {
    pub(crate) fn submitted(&self) -> u64 {
        self.0.submitted.load(Ordering::Relaxed)
    }

    pub(crate) fn twice(&self) -> BTreeSet<u64> {
        let twice = self.0.twice.lock();
        twice.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Right results that clients were told.
    pub(crate) fn results(&self) -> u64 {
        self.0.results.load(Ordering::Relaxed)
    }

    /// Wrong ones.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = self.0.wrong.lock();
        wrong.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls of the client that failed and were tried again.
    pub(crate) fn errors(&self) -> u64 {
        self.0.errors.load(Ordering::Relaxed)
    }

    fn failed(&self) {
        self.0.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Submit all jobs over the time; returns once all are stored.
    pub(crate) async fn run(&self, client: Client, jobs: u64, clock: Clock, over: Duration) {
        let mut sending = JoinSet::new();
        // Those of a key are sent one after another: their order is the order of submission.
        let mut keys: BTreeMap<String, mpsc::UnboundedSender<u64>> = BTreeMap::new();
        let one = Submitter {
            client,
            all: self.clone(),
        };
        for n in 0..jobs {
            let at = over.as_secs_f64() * n as f64 / jobs as f64;
            clock.until(Duration::from_secs_f64(at)).await;
            let Some(key) = workload::key(n) else {
                let one = one.clone();
                sending.spawn(async move { one.submit(n, None).await });
                continue;
            };
            let of_key = keys.entry(key.clone()).or_insert_with(|| {
                let (send, mut taken) = mpsc::unbounded_channel();
                let one = one.clone();
                sending.spawn(async move {
                    while let Some(n) = taken.recv().await {
                        one.submit(n, Some(&key)).await;
                    }
                });
                send
            });
            // Its task takes until this end is dropped.
            let _ = of_key.send(n);
        }
        drop(keys);
        while sending.join_next().await.is_some() {}
    }

    /// Wait until every result that is waited for has been told. False: one has not in time.
    pub(crate) async fn all_told(&self, patience: Duration) -> bool {
        let mut waiting = {
            let waiting = self.0.waiting.lock();
            std::mem::take(&mut *waiting.unwrap_or_else(PoisonError::into_inner))
        };
        let all = async { while waiting.join_next().await.is_some() {} };
        tokio::time::timeout(patience, all).await.is_ok()
    }
}

#[derive(Clone)]
struct Submitter {
    client: Client,
    all: Submissions,
}

impl Submitter {
    /// Submit one job, until it is stored. Every other job without a key has an id that the
    /// client makes: those may run ahead of their first value.
    async fn submit(&self, n: u64, key: Option<&str>) {
        let own_id = key.is_some() || n.is_multiple_of(2);
        loop {
            let mut start = self
                .client
                .start(Kind::of(n).name())
                .input(&Job { n })
                .request(format!("request-{n}"));
            if own_id {
                start = start.id(format!("job:{n}"));
            }
            if let Some(key) = key {
                start = start.key(key);
            }
            if n.is_multiple_of(WAITED_FOR) {
                start = start.expect_outcome();
            }
            match start.send().await {
                Ok(handle) => {
                    self.all.0.submitted.fetch_add(1, Ordering::Relaxed);
                    if n.is_multiple_of(WAITED_FOR) {
                        let waiting = self.all.0.waiting.lock();
                        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
                        waiting.spawn(await_result(self.all.clone(), n, handle));
                    }
                    return;
                }
                Err(_) => self.all.failed(),
            }
            if !own_id {
                let twice = self.all.0.twice.lock();
                twice.unwrap_or_else(PoisonError::into_inner).insert(n);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn await_result(all: Submissions, n: u64, mut handle: Handle) {
    loop {
        match handle.result::<u64>(WAIT).await {
            Ok(result) if result == workload::expected(n) => {
                all.0.results.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(result) => {
                let text = format!("job {n}: a client was told {result}");
                let wrong = all.0.wrong.lock();
                wrong.unwrap_or_else(PoisonError::into_inner).push(text);
                return;
            }
            Err(_) => all.failed(),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
