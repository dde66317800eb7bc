//! The actor of one key: loads its value, places and takes commands, swaps, settles,
//! acknowledges. Everything it does for correctness it does in that order; see ARCHITECTURE.md.

mod archive;
mod commit;
mod load;
mod place;
mod settle;
mod supersede;
mod verify;
mod wait;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use headwater_core::{Invocation, KeyQueue, LocalOutcome, Machine, SignalBox};
use headwater_store::Verdict;
use headwater_wire::{Run, names::Address, turn::Root};
use tokio::sync::mpsc;

use crate::router::{Delivered, Shared};

/// The machine of the key, as far as it is in memory.
enum Loaded {
    Invocation(Box<Invocation>),
    KeyQueue(Box<KeyQueue>),
    SignalBox(Box<SignalBox>),
}

impl Loaded {
    fn machine(&self) -> &dyn Machine {
        match self {
            Self::Invocation(invocation) => invocation.as_ref(),
            Self::KeyQueue(queue) => queue.as_ref(),
            Self::SignalBox(signals) => signals.as_ref(),
        }
    }

    fn machine_mut(&mut self) -> &mut dyn Machine {
        match self {
            Self::Invocation(invocation) => invocation.as_mut(),
            Self::KeyQueue(queue) => queue.as_mut(),
            Self::SignalBox(signals) => signals.as_mut(),
        }
    }

    fn invocation(&mut self) -> Option<&mut Invocation> {
        match self {
            Self::Invocation(invocation) => Some(invocation),
            Self::KeyQueue(_) | Self::SignalBox(_) => None,
        }
    }
}

pub(crate) struct Actor {
    shared: Arc<Shared>,
    address: Address,
    inbox: mpsc::UnboundedReceiver<Box<Delivered>>,
    /// Not yet placed, or to be placed again.
    queue: VecDeque<Delivered>,
    /// Placed and taken, not yet acknowledged.
    held: Vec<Delivered>,
    loaded: Option<Loaded>,
    /// Pages of the journal, until the program has been replayed over them.
    pages: Vec<Bytes>,
    /// The effects of the last turn are known to be acknowledged.
    settled: bool,
    /// A swap was lost: the next load reads, whatever is in hand.
    must_read: bool,
    /// The value was read and not yet written by this actor.
    cold: bool,
    /// The value in hand was current at this time ([`headwater_store::Env::elapsed`]).
    fresh_at: Duration,
    /// Timers that this actor fired itself: their schedules are still to come.
    fired: Vec<Root>,
    /// When to look again at what could not be placed.
    look_again: Option<Duration>,
    /// When to say next that what is in hand is being worked on.
    progress_at: Duration,
    /// When the engine was found to be stopping.
    stop_seen: Option<Duration>,
    /// Swaps lost in a row.
    losses: u32,
    /// Outcomes of local steps here that no stored turn has taken yet, with their run.
    outcomes: Vec<(Run, LocalOutcome)>,
    /// Revision in memory when the last swap was lost; none once one was won.
    lost_at: Option<u64>,
    /// Nobody else can have taken the start in hand: its id was made for it, and it never came
    /// before.
    new_start: bool,
    /// The value would pass its limit: the invocation has to fail.
    overflow: bool,
}

/// What the actor has in memory no longer holds: somebody else has written the value.
struct Lost;

impl Actor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        address: Address,
        inbox: mpsc::UnboundedReceiver<Box<Delivered>>,
    ) -> Self {
        let progress_at = shared.env.elapsed() + shared.config.ack_wait / 3;
        Self {
            shared,
            address,
            inbox,
            queue: VecDeque::new(),
            held: Vec::new(),
            loaded: None,
            pages: Vec::new(),
            settled: false,
            must_read: false,
            cold: true,
            fresh_at: Duration::ZERO,
            fired: Vec::new(),
            look_again: None,
            progress_at,
            stop_seen: None,
            losses: 0,
            outcomes: Vec::new(),
            lost_at: None,
            new_start: false,
            overflow: false,
        }
    }

    /// Until there is nothing to do for this key.
    pub(crate) async fn run(mut self) {
        loop {
            if let Err(Lost) = self.work().await {
                self.shared.metrics.swaps_lost.inc();
                tracing::debug!(key = %self.address.key, "lost a swap, reading again");
                self.forget();
                self.pause_after_loss().await;
                continue;
            }
            self.losses = 0;
            self.lost_at = None;
            if !self.wait().await {
                return;
            }
        }
    }

    /// Everything that can be done now.
    async fn work(&mut self) -> Result<(), Lost> {
        loop {
            // Also between turns: there may always be a next one.
            self.drain_inbox();
            if self.loaded.is_none() && !self.load().await {
                return Ok(());
            }
            self.fail_if_too_large();
            self.place_all().await?;
            self.fire_timers().await;
            self.run_ahead().await;
            if self.commit().await? {
                continue;
            }
            self.settle_roots().await;
            self.release_held().await;
            self.start_locals().await?;
            if !self.go_on() {
                return Ok(());
            }
        }
    }

    /// Losing once is daily life; losing again and again must not spin.
    async fn pause_after_loss(&mut self) {
        self.losses = (self.losses + 1).min(10);
        if self.losses > 1 {
            let pause = Duration::from_millis(1 << self.losses);
            self.shared.env.sleep(pause).await;
        }
    }

    fn drain_inbox(&mut self) {
        while let Ok(delivered) = self.inbox.try_recv() {
            self.enqueue(*delivered);
        }
    }

    /// A newer delivery of a command replaces the one in hand.
    fn enqueue(&mut self, delivered: Delivered) {
        let seq = delivered.delivery.seq;
        self.queue.retain(|other| other.delivery.seq != seq);
        self.queue.push_back(delivered);
        self.look_again = None;
    }

    /// Throw away what is in memory; what is in hand is to be placed anew.
    fn forget(&mut self) {
        let loaded = self.loaded.take();
        self.lost_at = loaded.map(|loaded| loaded.machine().revision());
        self.must_read = true;
        self.pages.clear();
        self.fired.clear();
        for delivered in self.held.drain(..).rev() {
            self.queue.push_front(delivered);
        }
    }

    /// A local step has ended here. Its outcome is kept until a turn that took it is stored: over
    /// a lost swap the step is not run again for nothing.
    fn take_local(&mut self, outcome: LocalOutcome) {
        let now = self.shared.env.now();
        if let Some(invocation) = self.loaded.as_mut().and_then(Loaded::invocation) {
            let run = invocation.value().run;
            self.outcomes.push((run, outcome.clone()));
            invocation.take_local(outcome, now);
        }
    }

    /// Whether this root can come again only through this actor, so that local work may hang on it.
    fn in_hand(held: &[Delivered], fired: &[Root], root: &Root) -> bool {
        held.iter().any(|delivered| delivered.root == *root) || fired.contains(root)
    }

    async fn answer(&self, delivered: &Delivered, verdict: Verdict) {
        self.shared
            .store
            .answer(&delivered.delivery.token, verdict)
            .await;
    }
}
