//! Taking from a work queue: one inbox and open pull requests, never for more deliveries than
//! were asked for. The server sends what it has the moment that it has it.
//!
//! Everything that goes wrong ends in one way: a new inbox, which makes the server forget the
//! requests that stand on the old one, and pull requests for what is still owed.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::{Message, jetstream::consumer::Config};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use headwater_store::{Consumer, Delivery, Verdict};
use tokio::sync::{Notify, watch};

use crate::{
    ack,
    hints::verdict_body,
    inbox::{Inbox, Opening, Recovery},
    link::{Link, State},
};

/// Silence after which the server has forgotten our requests: two heartbeats, and some.
const SILENCE_MAX: Duration = Duration::from_secs(35);

/// Second and longest pause before pulling again; the first attempt is made at once. The end
/// of an election goes unnoticed for no longer than this.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// Pull requests that nobody takes until we look whether the consumer still exists.
const ATTEMPTS_UNTIL_ENSURED: u32 = 4;

/// The server's words for it.
const CONSUMER_DELETED: &str = "Consumer Deleted";

/// Header of a status: what its pull request had left.
const PENDING_MESSAGES: &str = "Nats-Pending-Messages";

/// Credits on their way from [`Consumer::request`] to the loop.
#[derive(Default)]
struct Gate {
    credits: AtomicUsize,
    opened: Notify,
}

/// See the module.
pub(crate) struct PullConsumer {
    link: Arc<Link>,
    stream: String,
    config: Arc<Config>,
    gate: Gate,
    /// Deliveries allowed and not yet given out.
    owed: usize,
    /// How many of those the server has open requests for.
    asked: usize,
    inbox: Option<Inbox>,
    /// The making of the next inbox. Kept here, since `next` may be dropped at any await.
    opening: Option<BoxFuture<'static, Inbox>>,
    /// Deliveries that arrived on an inbox since given up.
    ready: VecDeque<Delivery>,
    backoff: Duration,
    /// Pull requests in a row that nobody took.
    unserved: u32,
    last_heard: Duration,
    alarm: Option<BoxFuture<'static, ()>>,
    state: watch::Receiver<State>,
    lost: u64,
}

/// What the loop waits for.
enum Event {
    Opened(Inbox),
    Message(Option<Message>),
    Credits,
    Connection,
    Alarm,
}

impl PullConsumer {
    /// Take from a consumer that exists.
    pub(crate) fn new(link: Arc<Link>, stream: String, config: Config) -> Self {
        let mut state = link.state.clone();
        let lost = state.borrow_and_update().lost;
        let mut consumer = Self {
            stream,
            config: Arc::new(config),
            gate: Gate::default(),
            owed: 0,
            asked: 0,
            inbox: None,
            opening: None,
            ready: VecDeque::new(),
            backoff: Duration::ZERO,
            unserved: 0,
            last_heard: Duration::ZERO,
            alarm: None,
            state,
            lost,
            link,
        };
        consumer.opening = Some(consumer.open(Recovery::Pull));
        consumer
    }

    /// The loop behind [`Consumer::next`]. It can be dropped at any await and called again.
    async fn next_delivery(&mut self) -> Delivery {
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                return delivery;
            }
            self.owed += self.gate.credits.swap(0, Ordering::AcqRel);
            if self.inbox.is_some() && self.should_pull() {
                self.pull().await;
            }
            match self.event().await {
                Event::Opened(inbox) => {
                    self.opening = None;
                    self.inbox = Some(inbox);
                }
                Event::Message(Some(message)) => {
                    if let Some(delivery) = self.take(message) {
                        return delivery;
                    }
                }
                Event::Message(None) => self.begin_again(Recovery::Ensure),
                Event::Credits => {}
                Event::Connection => self.follow_connection(),
                Event::Alarm => self.check_silence(),
            }
        }
    }

    async fn event(&mut self) -> Event {
        let message = async {
            match &mut self.inbox {
                Some(inbox) => inbox.messages.next().await,
                None => std::future::pending().await,
            }
        };
        let opened = async {
            match &mut self.opening {
                Some(opening) => opening.await,
                None => std::future::pending().await,
            }
        };
        let alarm = async {
            match &mut self.alarm {
                Some(alarm) => alarm.await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            if self.state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! { biased;
            message = message => Event::Message(message),
            () = self.gate.opened.notified() => Event::Credits,
            inbox = opened => Event::Opened(inbox),
            () = changed => Event::Connection,
            () = alarm => Event::Alarm,
        }
    }

    /// Few requests instead of one for each credit: only once half of what is owed is not
    /// covered. Messages go on coming meanwhile.
    fn should_pull(&self) -> bool {
        self.owed > self.asked && self.asked * 2 <= self.owed
    }

    async fn pull(&mut self) {
        let Some(inbox) = &self.inbox else {
            return;
        };
        let batch = self.owed - self.asked;
        let name = self.config.name.as_deref().unwrap_or_default();
        // No await follows: either the request is on its way and counted, or neither.
        if let Err(error) = inbox.pull(&self.link, &self.stream, name, batch).await {
            tracing::warn!(stream = self.stream, %error, "pull request not sent");
            self.begin_again(Recovery::Ensure);
            return;
        }
        if self.asked == 0 {
            self.last_heard = self.link.env.elapsed();
        }
        self.asked += batch;
        if self.alarm.is_none() {
            self.alarm = Some(self.link.env.sleep(SILENCE_MAX));
        }
    }

    /// A delivery, or a word of the server about a pull request.
    fn take(&mut self, message: Message) -> Option<Delivery> {
        self.last_heard = self.link.env.elapsed();
        let Some(status) = message.status else {
            return self.take_delivery(message);
        };
        let pending = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(PENDING_MESSAGES))
            .and_then(|value| value.as_str().parse::<usize>().ok());
        let text = message.description.as_deref().unwrap_or_default();
        match (status.as_u16(), pending) {
            (100, _) => self.is_served(),
            // The request is over, and says what it had left.
            (404 | 408, Some(pending)) => self.asked = self.asked.saturating_sub(pending),
            (status, _) => {
                let (stream, consumer) = (&self.stream, &self.config.name);
                tracing::debug!(stream, consumer, status, text, "pulling again");
                let recovery = self.recovery(status, text);
                self.begin_again(recovery);
            }
        }
        None
    }

    fn take_delivery(&mut self, message: Message) -> Option<Delivery> {
        let delivery = ack::delivery(message)?;
        self.owed = self.owed.saturating_sub(1);
        self.asked = self.asked.saturating_sub(1);
        self.is_served();
        Some(delivery)
    }

    fn is_served(&mut self) {
        self.backoff = Duration::ZERO;
        self.unserved = 0;
    }

    /// What to do about a pull request that the server has ended.
    fn recovery(&mut self, status: u16, text: &str) -> Recovery {
        match status {
            // Nobody serves the consumer: it has no leader, or is not there any more. In an
            // election there is nobody to ask which, so most attempts only pull.
            503 => {
                self.unserved += 1;
                match self.unserved % ATTEMPTS_UNTIL_ENSURED {
                    0 => Recovery::Ensure,
                    _ => Recovery::Pull,
                }
            }
            // A new leader, or a server that stops.
            409 if text != CONSUMER_DELETED => Recovery::Pull,
            _ => Recovery::Ensure,
        }
    }

    fn follow_connection(&mut self) {
        let State { connected, lost } = *self.state.borrow_and_update();
        if connected && lost != self.lost {
            self.lost = lost;
            self.backoff = Duration::ZERO;
            self.begin_again(Recovery::Pull);
        }
    }

    fn check_silence(&mut self) {
        self.alarm = None;
        if self.asked == 0 {
            return;
        }
        let silent = self.link.env.elapsed().saturating_sub(self.last_heard);
        if silent >= SILENCE_MAX {
            tracing::warn!(
                stream = self.stream,
                consumer = self.config.name,
                "the server is silent, pulling again"
            );
            self.begin_again(Recovery::Ensure);
        } else {
            self.alarm = Some(self.link.env.sleep(SILENCE_MAX - silent));
        }
    }

    /// Give up the inbox, keep what has arrived on it, and open another.
    fn begin_again(&mut self, recovery: Recovery) {
        if let Some(mut inbox) = self.inbox.take() {
            while let Some(Some(message)) = inbox.messages.next().now_or_never() {
                let delivery = message
                    .status
                    .is_none()
                    .then(|| self.take_delivery(message));
                self.ready.extend(delivery.flatten());
            }
        }
        self.asked = 0;
        self.alarm = None;
        self.opening = Some(self.open(recovery));
    }

    /// Open an inbox after the pause that is due; the next pause is longer, until the server
    /// gives us something.
    fn open(&mut self, recovery: Recovery) -> BoxFuture<'static, Inbox> {
        let pause = self.backoff;
        self.backoff = (pause * 2).clamp(BACKOFF.0, BACKOFF.1);
        let opening = Opening {
            link: Arc::clone(&self.link),
            stream: self.stream.clone(),
            config: Arc::clone(&self.config),
        };
        Box::pin(opening.open(pause, recovery))
    }
}

impl Consumer for PullConsumer {
    fn request(&self, deliveries: usize) {
        self.gate.credits.fetch_add(deliveries, Ordering::AcqRel);
        self.gate.opened.notify_one();
    }

    fn next(&mut self) -> BoxFuture<'_, Delivery> {
        Box::pin(self.next_delivery())
    }
}

impl Drop for PullConsumer {
    /// Give back what was delivered and never looked at, so that it need not wait for its time
    /// to be answered. As far as it goes without waiting.
    fn drop(&mut self) {
        let mut tokens: Vec<String> = self.ready.drain(..).map(|d| d.token).collect();
        if let Some(inbox) = &mut self.inbox {
            while let Some(Some(message)) = inbox.messages.next().now_or_never() {
                tokens.extend(ack::delivery(message).map(|delivery| delivery.token));
            }
        }
        for token in tokens {
            let body = verdict_body(Verdict::Nak(Duration::ZERO));
            let _ = self.link.client.publish(token, body).now_or_never();
        }
    }
}
