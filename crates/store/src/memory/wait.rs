//! The state behind its lock, and those who wait for something to happen in it.

use std::{
    future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    future::BoxFuture,
    stream::{self, Stream},
};
use tokio::sync::Notify;

use super::{
    listeners::{Listeners, Ticket},
    queue::{Seat, Work},
    state::State,
    timeline::Lane,
};
use crate::{Consumer, Delivery, Env};

/// What the store and everyone who waits in it share.
pub(super) struct Shared {
    pub(super) env: Arc<dyn Env>,
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(env: Arc<dyn Env>, ack_wait: Duration) -> Self {
        Self {
            env,
            state: Mutex::new(State::new(ack_wait)),
        }
    }

    /// Do one thing, at the time that it is.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.env.elapsed(), self.env.now());
        let answer = act(&mut state);
        state.settle();
        answer
    }

    /// Wait until there is something to take: until the bell rings or an event of the lane
    /// happens. A dropped wait has taken nothing.
    async fn wait<T>(
        &self,
        lane: Lane,
        bell: &Notify,
        take: impl Fn(&mut State) -> Option<T>,
    ) -> T {
        let earlier = self.act(|state| state.timeline.earlier(lane));
        loop {
            let earlier = earlier.notified(); // hears from here on, so before the time is read
            let due = match self.act(|state| take(state).ok_or(state.timeline.next_in(lane))) {
                Ok(item) => return item,
                Err(due) => due,
            };
            tokio::select! {
                biased;
                () = bell.notified() => {}
                () = earlier => {}
                () = self.sleep_until(due) => {}
            }
        }
    }

    async fn sleep_until(&self, due: Option<Duration>) {
        match due {
            Some(due) => {
                let left = due.saturating_sub(self.env.elapsed());
                self.env.sleep(left).await;
            }
            None => future::pending().await,
        }
    }
}

/// A holder of a durable consumer.
pub(super) struct MemoryConsumer {
    shared: Arc<Shared>,
    work: Work,
    seat: Seat,
}

impl MemoryConsumer {
    pub(super) fn new(shared: Arc<Shared>, work: Work, seat: Seat) -> Self {
        Self { shared, work, seat }
    }
}

impl Consumer for MemoryConsumer {
    fn request(&self, deliveries: usize) {
        self.shared.act(|state| {
            let queue = state.queues.of(self.work);
            queue.request(&mut state.timeline, &self.seat, deliveries);
        });
    }

    fn next(&mut self) -> BoxFuture<'_, Delivery> {
        let Self { shared, work, seat } = self;
        let take = |state: &mut State| state.queues.of(*work).take(seat);
        Box::pin(shared.wait(seat.clock, &seat.bell, take))
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        let Self { shared, work, seat } = self;
        shared.act(|state| state.queues.of(*work).close(seat));
    }
}

/// A watch, or a place to be told hints.
pub(super) struct Subscription<T: Clone, L: Fn(&mut State) -> &mut Listeners<T>> {
    shared: Arc<Shared>,
    lane: Lane,
    ticket: Ticket,
    listeners: L,
}

impl<T: Clone, L: Fn(&mut State) -> &mut Listeners<T>> Subscription<T, L> {
    pub(super) fn new(shared: Arc<Shared>, lane: Lane, ticket: Ticket, listeners: L) -> Self {
        Self {
            shared,
            lane,
            ticket,
            listeners,
        }
    }

    async fn next(&self) -> T {
        let take = |state: &mut State| (self.listeners)(state).take(&self.ticket);
        self.shared.wait(self.lane, &self.ticket.bell, take).await
    }

    /// What it is told, without end.
    pub(super) fn stream(self) -> impl Stream<Item = T> {
        stream::unfold(self, async |subscription| {
            Some((subscription.next().await, subscription))
        })
    }
}

impl<T: Clone, L: Fn(&mut State) -> &mut Listeners<T>> Drop for Subscription<T, L> {
    fn drop(&mut self) {
        let Self {
            shared,
            ticket,
            listeners,
            ..
        } = self;
        shared.act(|state| listeners(state).remove(ticket));
    }
}
