//! One attempt at an activity, looked after: its delivery is kept alive, its time is limited, its
//! heartbeats are passed on, and it is stopped when nobody wants its outcome any more.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::{BoxFuture, OptionFuture};
use headwater_store::{Delivery, Message, Verdict};
use headwater_wire::{Code, Command, Failure, Payload, Task, ask::Heartbeat, limits};
use tokio::sync::watch;

use crate::{context::Link, run::Shared};

/// How an attempt ended.
pub(crate) enum End {
    /// With this.
    Outcome(Result<Payload, Failure>),
    /// It was cut off, since nobody wants its outcome.
    Stopped,
}

/// When something has to be done about an attempt, by [`headwater_store::Env::elapsed`].
struct Due {
    /// Say that the task is being worked on.
    progress: Duration,
    /// Look whether it is still wanted.
    look: Duration,
    /// Its time is over.
    end: Option<Duration>,
    /// It has been silent for too long.
    silent: Option<Duration>,
    /// Send the heartbeat that waits.
    beat: Option<Duration>,
    /// It was told to stop, and has not.
    abort: Option<Duration>,
}

impl Due {
    fn next(&self) -> Duration {
        let maybe = [self.end, self.silent, self.beat, self.abort];
        let maybe = maybe.into_iter().flatten();
        maybe.fold(self.progress.min(self.look), Duration::min)
    }

    /// How the attempt ends at this time, if it does.
    fn end(&self, now: Duration) -> Option<End> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| now >= at);
        if is_due(self.abort) {
            return Some(End::Stopped);
        }
        let message = match () {
            () if is_due(self.end) => "timeout: activity timed out",
            () if is_due(self.silent) => "timeout: activity sent no heartbeat",
            () => return None,
        };
        Some(End::Outcome(Err(Failure::new(Code::TIMEOUT, message))))
    }
}

/// An attempt's heartbeats on their way.
struct Beats {
    given: watch::Receiver<Option<Payload>>,
    /// The last that was given is not sent.
    unsent: bool,
    number: u64,
    sent_at: Option<Duration>,
}

impl Shared {
    /// Run an attempt to its end.
    pub(crate) async fn attempt(
        &self,
        delivery: &Delivery,
        task: &Task,
        link: &Arc<Link>,
        attempt: BoxFuture<'static, Result<Payload, Failure>>,
    ) -> End {
        let began = self.env.elapsed();
        self.metrics.running.inc();
        let end = self.look_after(delivery, task, link, attempt).await;
        self.metrics.running.dec();
        let took = self.env.elapsed().saturating_sub(began);
        self.metrics.attempt_seconds.observe(took.as_secs_f64());
        end
    }

    async fn look_after(
        &self,
        delivery: &Delivery,
        task: &Task,
        link: &Arc<Link>,
        mut attempt: BoxFuture<'static, Result<Payload, Failure>>,
    ) -> End {
        let began = self.env.elapsed();
        let silence = task.options.heartbeat();
        let mut due = Due {
            progress: began + self.config.ack_wait / 3,
            look: began + self.config.cancel_check,
            end: task.options.timeout().map(|timeout| began + timeout),
            silent: silence.map(|silence| began + silence),
            beat: None,
            abort: None,
        };
        let mut stopped = pin!(told_to_stop(link.stopped()));
        let mut beats = Beats::of(link);
        // Beside the attempt, which must not wait for storage.
        let mut looking: OptionFuture<BoxFuture<'_, _>> = None.into();
        let mut sending: OptionFuture<BoxFuture<'_, _>> = None.into();
        let (mut looks, mut sends) = (false, false);
        let end = loop {
            let now = self.env.elapsed();
            if let Some(end) = due.end(now) {
                break end;
            }
            if now >= due.progress {
                due.progress = now + self.config.ack_wait / 3;
                self.store.answer(&delivery.token, Verdict::Progress).await;
            }
            if now >= due.look {
                due.look = now + self.config.cancel_check;
                if !looks && due.abort.is_none() {
                    (looks, looking) = (true, Some(self.is_over(task)).into());
                }
            }
            if due.beat.is_some_and(|at| now >= at) && !sends {
                due.beat = None;
                let beat = beats.send(self, task, now);
                (sends, sending) = (true, Some(beat).into());
            }
            let pause = due.next().saturating_sub(now);
            tokio::select! {
                biased;
                result = &mut attempt => break End::Outcome(result),
                () = &mut stopped, if due.abort.is_none() => {
                    due.abort = Some(self.env.elapsed() + self.config.cancel_grace);
                }
                () = beats.next() => {
                    let now = self.env.elapsed();
                    due.silent = silence.map(|silence| now + silence);
                    due.beat = Some(beats.next_at(now));
                }
                Some(sent) = &mut sending, if sends => {
                    sends = false;
                    if !sent {
                        // It is tried again with the next one, or at the end.
                        beats.unsent = true;
                    }
                }
                Some(is_over) = &mut looking, if looks => {
                    looks = false;
                    if is_over {
                        link.stop("its outcome is no longer wanted");
                    }
                }
                () = self.env.sleep(pause) => {}
            }
        };
        if let End::Outcome(Err(_)) = end {
            // The next attempt is to be told the last one.
            if sends {
                beats.unsent |= sending.await == Some(false);
            }
            if beats.take_last() {
                beats.send(self, task, self.env.elapsed()).await;
            }
        }
        end
    }

    fn is_over<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, bool> {
        Box::pin(async { self.look(task).await.is_over })
    }
}

async fn told_to_stop(mut stopped: watch::Receiver<Option<String>>) {
    if stopped.wait_for(Option::is_some).await.is_err() {
        std::future::pending().await
    }
}

impl Beats {
    fn of(link: &Link) -> Self {
        Self {
            given: link.beats(),
            unsent: false,
            number: 0,
            sent_at: None,
        }
    }

    /// Ready when the attempt gives one.
    async fn next(&mut self) {
        if self.given.changed().await.is_err() {
            std::future::pending().await
        }
        self.unsent = true;
    }

    /// When the one that waits may be sent.
    fn next_at(&self, now: Duration) -> Duration {
        let earliest = self.sent_at.map(|at| at + limits::HEARTBEAT_EVERY);
        earliest.map_or(now, |earliest| earliest.max(now))
    }

    /// Whether there is one that is not sent, given in the very last moment or before.
    fn take_last(&mut self) -> bool {
        self.unsent || self.given.has_changed().unwrap_or(false)
    }

    /// Send the last one. Answers whether it was stored.
    fn send<'a>(&mut self, shared: &'a Shared, task: &Task, now: Duration) -> BoxFuture<'a, bool> {
        let details = self.given.borrow_and_update().clone();
        let micros = u64::try_from(shared.env.now().as_micros()).unwrap_or(0);
        self.number = micros.max(self.number + 1);
        (self.unsent, self.sent_at) = (false, Some(now));
        let beat = Command::Heartbeat(Heartbeat {
            run: task.run,
            step: task.step,
            attempt: task.attempt,
            number: self.number,
            details: details.unwrap_or_default(),
        });
        let (to, body) = (task.reply_address(), beat.encode());
        let message = Message::Command { to, body };
        Box::pin(async move { shared.store.publish(message).await.is_ok() })
    }
}
