//! What nobody wants any more: attempts under way are told, and tasks that come later are not
//! begun. Told by hints of the engines; what is lost is made up by [`crate::look`].

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt as _;
use headwater_wire::{InvocationId, Run, Task, ask::Stop, limits, names::Hint};
use tokio::sync::watch;

use crate::{context::Link, run::Shared};

/// Pause before it listens again, after it could not.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// A run of an invocation.
type Of = (InvocationId, Run);

/// Attempts under way, and what is no longer wanted.
#[derive(Default)]
pub(crate) struct Stops(Mutex<Table>);

#[derive(Default)]
struct Table {
    running: BTreeMap<Of, Vec<(u32, Arc<Link>)>>,
    heard: BTreeMap<Of, Unwanted>,
    /// When what was heard, oldest first.
    order: VecDeque<(Duration, Of)>,
}

/// What was heard of a run.
enum Unwanted {
    All,
    Steps(BTreeSet<u32>),
}

/// An attempt in the table; it leaves when this is dropped.
pub(crate) struct Entered<'a> {
    stops: &'a Stops,
    of: Of,
    link: &'a Arc<Link>,
}

impl Stops {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Have an attempt told. None: nobody wants it.
    pub(crate) fn enter<'a>(&'a self, task: &Task, link: &'a Arc<Link>) -> Option<Entered<'a>> {
        let of = (task.invocation.clone(), task.run);
        let mut table = self.table();
        let unwanted = match table.heard.get(&of) {
            None => false,
            Some(Unwanted::All) => true,
            Some(Unwanted::Steps(steps)) => steps.contains(&task.step),
        };
        if unwanted {
            return None;
        }
        let running = table.running.entry(of.clone()).or_default();
        running.push((task.step, Arc::clone(link)));
        let stops = self;
        Some(Entered { stops, of, link })
    }

    /// An engine says that these steps are no longer wanted.
    fn hear(&self, stop: Stop, now: Duration) {
        let of = (stop.invocation, stop.run);
        let mut table = self.table();
        for (step, link) in table.running.get(&of).into_iter().flatten() {
            if stop.steps.is_empty() || stop.steps.contains(step) {
                link.stop(&stop.reason);
            }
        }
        table.remember(of, stop.steps, now);
    }
}

impl Table {
    fn remember(&mut self, of: Of, steps: Vec<u32>, now: Duration) {
        let known = self.heard.entry(of.clone()).or_insert_with(|| {
            self.order.push_back((now, of));
            Unwanted::Steps(BTreeSet::new())
        });
        match known {
            Unwanted::All => {}
            known if steps.is_empty() => *known = Unwanted::All,
            Unwanted::Steps(known) => known.extend(steps),
        }
        let is_old = |at: &Duration| now.saturating_sub(*at) > limits::STOPS_KEPT;
        while let Some((at, _)) = self.order.front()
            && (is_old(at) || self.order.len() > limits::STOPS_KEPT_MAX)
            && let Some((_, of)) = self.order.pop_front()
        {
            self.heard.remove(&of);
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut table = self.stops.table();
        if let Some(running) = table.running.get_mut(&self.of) {
            running.retain(|(_, link)| !Arc::ptr_eq(link, self.link));
            if running.is_empty() {
                table.running.remove(&self.of);
            }
        }
    }
}

/// Listen to what the engines say to the workers of a topic, for as long as the worker is there.
pub(crate) async fn listen(
    shared: Arc<Shared>,
    topic: String,
    mut stopping: watch::Receiver<bool>,
) {
    let listening = async {
        loop {
            hear_all(&shared, &topic).await;
            shared.env.sleep(LISTEN_AGAIN).await;
        }
    };
    tokio::select! {
        biased;
        // Only once the handle is gone: attempts have their grace when it is asked to stop.
        _ = stopping.wait_for(|_| false) => {}
        () = listening => {}
    }
}

async fn hear_all(shared: &Shared, topic: &str) {
    let subject = shared.store.hint_subject(Hint::Stop(topic));
    let mut heard = match shared.store.listen(&subject).await {
        Ok(heard) => heard,
        Err(error) => {
            tracing::warn!(%error, topic, "cannot hear what is to be stopped, trying again");
            return;
        }
    };
    while let Some(body) = heard.next().await {
        match Stop::decode(&body) {
            Ok(stop) => shared.stops.hear(stop, shared.env.elapsed()),
            Err(error) => tracing::debug!(%error, topic, "a hint that cannot be read"),
        }
    }
}
