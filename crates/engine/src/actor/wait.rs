//! Waiting: for a command, a local step, a timer, or for nothing any more.

use std::{task::Poll, time::Duration};

use futures::future::poll_fn;
use headwater_store::Verdict;

use super::{Actor, Loaded};

/// What ended the wait.
enum Event {
    Delivered(Box<crate::router::Delivered>),
    Local(headwater_core::LocalOutcome),
    Stop,
    Time,
}

impl Actor {
    /// Wait until there is something to do. False: there is nothing, and the actor is gone.
    pub(super) async fn wait(&mut self) -> bool {
        if self.take_what_is_there().await {
            return true;
        }
        let waiting_since = self.shared.env.elapsed();
        loop {
            let now = self.shared.env.elapsed();
            let stopping = self.shared.is_stopping();
            let idle = self.is_idle();
            if stopping && (idle || !self.has_local_steps() || self.grace_is_over()) {
                self.hand_back().await;
                if self.shared.retire(&self.address.key, &mut self.inbox) {
                    return false;
                }
            }
            if idle && now >= waiting_since + self.idle_time() {
                if self.retire() {
                    return false;
                }
                self.drain_inbox();
                return true;
            }
            if self.look_again.is_some_and(|at| now >= at)
                || self.timer_in() == Some(Duration::ZERO)
            {
                self.look_again = None;
                return true;
            }
            if now >= self.progress_at {
                self.tell_progress().await;
                self.progress_at = now + self.shared.config.ack_wait / 3;
            }
            let until = [
                Some(self.progress_at).filter(|_| !(self.held.is_empty() && self.queue.is_empty())),
                Some(waiting_since + self.idle_time()).filter(|_| idle),
                self.stop_seen.map(|at| at + self.shared.config.stop_grace),
                self.look_again,
                self.timer_in().map(|left| now + left),
            ];
            let pause = until
                .into_iter()
                .flatten()
                .min()
                .map(|at| at.saturating_sub(now));
            match self.next_event(pause, stopping).await {
                Event::Delivered(delivered) => {
                    self.enqueue(*delivered);
                    return true;
                }
                Event::Local(outcome) => {
                    self.shared.metrics.local_steps.inc();
                    self.take_local(outcome);
                    return true;
                }
                Event::Stop | Event::Time => {}
            }
        }
    }

    /// Leave memory. False if something just came in. What is read again unchanged needs no
    /// emitting again: the acknowledgements of what it rests on may still be on their way.
    fn retire(&mut self) -> bool {
        if let Some(loaded) = &self.loaded
            && self.settled
        {
            self.shared.remember_settled(loaded.machine().revision());
        }
        self.shared.retire(&self.address.key, &mut self.inbox)
    }

    /// A local step that ends at once needs no timers set, which is what waiting costs.
    async fn take_what_is_there(&mut self) -> bool {
        if !self.inbox.is_empty()
            || self.shared.is_stopping()
            || self.shared.env.elapsed() >= self.progress_at
        {
            return false;
        }
        let Some(Loaded::Invocation(invocation)) = &mut self.loaded else {
            return false;
        };
        let Poll::Ready(outcome) = poll_fn(|cx| Poll::Ready(invocation.poll_local(cx))).await
        else {
            return false;
        };
        self.shared.metrics.local_steps.inc();
        self.take_local(outcome);
        true
    }

    async fn next_event(&mut self, pause: Option<Duration>, stopping: bool) -> Event {
        let Self {
            shared,
            inbox,
            loaded,
            ..
        } = self;
        let mut stop = shared.stopping.clone();
        let local = poll_fn(|cx| match loaded {
            Some(Loaded::Invocation(invocation)) => invocation.poll_local(cx),
            _ => Poll::Pending,
        });
        let time = async {
            match pause {
                Some(pause) => shared.env.sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(delivered) = inbox.recv() => Event::Delivered(delivered),
            outcome = local => Event::Local(outcome),
            _ = stop.wait_for(|stop| *stop), if !stopping => Event::Stop,
            () = time => Event::Time,
        }
    }

    /// Nothing is in hand and nothing in memory is needed for what may come.
    fn is_idle(&self) -> bool {
        self.held.is_empty() && self.queue.is_empty() && !self.hangs_on_fired_timer()
    }

    /// Local work hangs on a timer that was fired here and whose schedule is still to come. (What
    /// hangs on a command in hand is seen by that command; what hangs on another is not ours.)
    fn hangs_on_fired_timer(&self) -> bool {
        let Some(loaded) = &self.loaded else {
            return false;
        };
        let machine = loaded.machine();
        self.fired.iter().any(|root| machine.is_anchor(root))
    }

    fn has_local_steps(&self) -> bool {
        match &self.loaded {
            Some(Loaded::Invocation(invocation)) => invocation.has_running_steps(),
            _ => false,
        }
    }

    fn grace_is_over(&mut self) -> bool {
        let now = self.shared.env.elapsed();
        let since = *self.stop_seen.get_or_insert(now);
        now >= since + self.shared.config.stop_grace
    }

    /// How long to stay in memory: not at all when memory is short, there is nothing to keep or
    /// all that is awaited is a timer that is due later than that, but so long that the command of a timer that was fired here finds a turn whose effects are
    /// known to be settled, and not one that was read: those are emitted again.
    fn idle_time(&self) -> Duration {
        let config = &self.shared.config;
        let over = self.shared.live() > config.cache_max;
        let keep = match &self.loaded {
            Some(Loaded::Invocation(invocation)) => {
                let awake_by = self.shared.env.now().after(config.cache_idle);
                let sleeps = invocation.sleeps_until().is_some_and(|due| due > awake_by);
                !invocation.value().status.is_ended() && !sleeps
            }
            Some(Loaded::KeyQueue(_) | Loaded::SignalBox(_)) => true,
            None => false,
        };
        match keep {
            true if !self.fired.is_empty() => config.cache_idle.max(config.ack_wait),
            true if !over => config.cache_idle,
            _ => Duration::ZERO,
        }
    }

    /// Time until the next timer that may be fired here.
    fn timer_in(&self) -> Option<Duration> {
        Some(self.next_due()?.since(self.shared.env.now()))
    }

    /// Say that what is in hand is still being worked on.
    async fn tell_progress(&self) {
        for delivered in self.held.iter().chain(&self.queue) {
            self.answer(delivered, Verdict::Progress).await;
        }
    }

    /// Give everything in hand to whoever comes next.
    async fn hand_back(&mut self) {
        self.drain_inbox();
        self.loaded = None;
        let held = std::mem::take(&mut self.held);
        for delivered in held.into_iter().chain(std::mem::take(&mut self.queue)) {
            self.answer(&delivered, Verdict::Nak(Duration::ZERO)).await;
        }
    }
}
