//! Requests under way: all answers come to one inbox, by number. Nothing but a slot is kept for
//! each, no timer among others: one task looks after those that are overdue.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use headwater_store::{Env, TaskHandle};
use tokio::sync::{Notify, oneshot};

/// A request may be given up later than its time by this much.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Those who wait for so many answers go on before more are given out: what they send is then on
/// its way to the server while the next ones work, instead of after them all.
const BURST: u32 = 16;

/// See the module.
pub(crate) struct Requests {
    shared: Arc<Shared>,
    tasks: Vec<TaskHandle>,
}

struct Shared {
    /// What the subjects of answers begin with, before the number.
    prefix: String,
    slots: Mutex<Slots>,
    /// Told when there is a first request after there were none.
    begun: Notify,
}

/// Requests in the order of their numbers. A slot that is done stays until those before it are.
#[derive(Default)]
struct Slots {
    /// Number of the first.
    first: u64,
    waiting: VecDeque<Option<Waiting>>,
}

struct Waiting {
    answer: oneshot::Sender<Message>,
    /// By [`Env::elapsed`].
    due: Duration,
}

impl Slots {
    fn add(&mut self, waiting: Waiting) -> u64 {
        self.waiting.push_back(Some(waiting));
        self.first + self.waiting.len() as u64 - 1
    }

    fn take(&mut self, number: u64) -> Option<Waiting> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let taken = self.waiting.get_mut(index)?.take();
        self.forget_done();
        taken
    }

    /// Dropping the sender tells the one who waits.
    fn give_up_overdue(&mut self, now: Duration) {
        for slot in &mut self.waiting {
            slot.take_if(|waiting| waiting.due <= now || waiting.answer.is_closed());
        }
        self.forget_done();
    }

    fn forget_done(&mut self) {
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take_answers(self: Arc<Self>, mut answers: Subscriber) {
        let mut burst = 0;
        while let Some(message) = answers.next().await {
            burst += 1;
            if burst == BURST {
                burst = 0;
                tokio::task::yield_now().await;
            }
            let number = message.subject.strip_prefix(self.prefix.as_str());
            let Some(number) = number.and_then(|number| number.parse().ok()) else {
                continue;
            };
            if let Some(waiting) = self.slots().take(number) {
                // Whoever asked may have gone.
                let _ = waiting.answer.send(message);
            }
        }
    }

    async fn look_after_overdue(self: Arc<Self>, env: Arc<dyn Env>) {
        loop {
            let begun = self.begun.notified();
            let is_empty = self.slots().waiting.is_empty();
            if is_empty {
                begun.await;
            }
            env.sleep(LOOK_PAUSE).await;
            self.slots().give_up_overdue(env.elapsed());
        }
    }
}

impl Requests {
    /// Requests whose answers come to `<inbox>.*`, which is subscribed to.
    pub(crate) fn new(inbox: &str, answers: Subscriber, env: &Arc<dyn Env>) -> Self {
        let shared = Arc::new(Shared {
            prefix: format!("{inbox}."),
            slots: Mutex::default(),
            begun: Notify::new(),
        });
        let take = Arc::clone(&shared).take_answers(answers);
        let look = Arc::clone(&shared).look_after_overdue(Arc::clone(env));
        let tasks = vec![env.spawn(Box::pin(take)), env.spawn(Box::pin(look))];
        Self { shared, tasks }
    }

    /// Where the answer of a new request is to be sent, and where it then is. Nothing comes
    /// any more once it is due.
    pub(crate) fn begin(&self, due: Duration) -> (String, oneshot::Receiver<Message>) {
        let (answer, receive) = oneshot::channel();
        let mut slots = self.shared.slots();
        let is_first = slots.waiting.is_empty();
        let number = slots.add(Waiting { answer, due });
        drop(slots);
        if is_first {
            self.shared.begun.notify_one();
        }
        (format!("{}{number}", self.shared.prefix), receive)
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(due: u64) -> (Waiting, oneshot::Receiver<Message>) {
        let (answer, receive) = oneshot::channel();
        let due = Duration::from_secs(due);
        (Waiting { answer, due }, receive)
    }

    #[test]
    fn each_is_found_by_its_number_once() {
        let mut slots = Slots::default();
        let mut receivers = Vec::new();
        for number in 0..5 {
            let (waiting, receive) = waiting(number);
            assert_eq!(slots.add(waiting), number);
            receivers.push(receive);
        }
        for number in [3, 0, 1] {
            let due = slots.take(number).map(|waiting| waiting.due.as_secs());
            assert_eq!(due, Some(number));
            assert!(slots.take(number).is_none());
        }
        assert!(slots.take(5).is_none());
        assert_eq!((slots.first, slots.waiting.len()), (2, 3));
        assert_eq!(slots.add(waiting(9).0), 5);
    }

    #[test]
    fn the_overdue_and_the_abandoned_are_given_up() {
        let mut slots = Slots::default();
        let kept: Vec<_> = [5, 1, 7].map(waiting).into();
        let (senders, mut receivers): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
        for sender in senders {
            slots.add(sender);
        }
        slots.give_up_overdue(Duration::from_secs(1));
        assert!(slots.take(1).is_none());
        assert!(receivers.remove(1).try_recv().is_err());
        receivers.remove(0);
        slots.give_up_overdue(Duration::from_secs(2));
        assert_eq!((slots.first, slots.waiting.len()), (2, 1));
    }
}
