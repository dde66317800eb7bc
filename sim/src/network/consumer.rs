//! Deliveries on their way: late, doubled, out of order, or never.

use std::time::Duration;

use futures::future::BoxFuture;
use headwater_store::{Consumer, Delivery, Source};

use super::Line;
use crate::weather::Passage;

/// A consumer over the network.
pub(super) struct FlakyConsumer {
    line: Line,
    source: Source,
    inner: Box<dyn Consumer>,
    /// Under way: when each arrives, and in which order they were sent.
    under_way: Vec<(Duration, u64, Delivery)>,
    sent: u64,
}

impl FlakyConsumer {
    pub(super) fn new(line: Line, source: Source, inner: Box<dyn Consumer>) -> Self {
        Self {
            line,
            source,
            inner,
            under_way: Vec::new(),
            sent: 0,
        }
    }

    fn put_under_way(&mut self, after: Duration, delivery: Delivery) {
        self.sent += 1;
        let arrives = self.line.world.now() + after;
        self.under_way.push((arrives, self.sent, delivery));
    }

    fn send_off(&mut self, delivery: Delivery) {
        match self.line.weather.delivery(self.line.world.now()) {
            Passage::After(after) => self.put_under_way(after, delivery),
            Passage::Twice(after, again) => {
                self.put_under_way(after, delivery.clone());
                self.put_under_way(again, delivery);
            }
            // What was asked for is still wanted.
            Passage::Never => self.inner.request(1),
        }
    }

    /// Index of what arrives next.
    fn next_to_arrive(&self) -> Option<usize> {
        let arrivals = self.under_way.iter().enumerate();
        let next = arrivals.min_by_key(|(_, (arrives, sent, _))| (*arrives, *sent));
        next.map(|(index, _)| index)
    }

    async fn next_arrived(&mut self) -> Delivery {
        loop {
            let next = self.next_to_arrive();
            let arrives = next.map(|index| self.under_way[index].0);
            let now = self.line.world.now();
            if let Some(index) = next
                && arrives.is_some_and(|arrives| arrives <= now)
            {
                let (_, _, delivery) = self.under_way.swap_remove(index);
                self.line
                    .truth
                    .given(&self.line.party, &self.source, &delivery);
                return delivery;
            }
            let arrival = async {
                match arrives {
                    Some(arrives) => self.line.world.sleep(arrives.saturating_sub(now)).await,
                    None => std::future::pending().await,
                }
            };
            let sent = tokio::select! {
                biased;
                () = arrival => None,
                delivery = self.inner.next() => Some(delivery),
            };
            if let Some(delivery) = sent {
                self.send_off(delivery);
            }
        }
    }
}

impl Consumer for FlakyConsumer {
    fn request(&self, deliveries: usize) {
        self.inner.request(deliveries);
    }

    fn next(&mut self) -> BoxFuture<'_, Delivery> {
        Box::pin(self.next_arrived())
    }
}
