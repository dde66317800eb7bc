//! One task: run the attempt, publish its outcome, acknowledge.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headwater_store::{Delivery, Env, Message, Store, StoreError, Verdict};
use headwater_wire::{
    Code, Command, Failure, Payload, Task,
    command::Outcome,
    dead::{DeadKind, DeadLetter},
    limits,
};

use crate::{
    Activities, ActivityContext, WorkerConfig, WorkerMetrics, attempt::End, context::Link,
    stops::Stops,
};

/// How long a task is given back for when this worker does not know its activity. Each time counts
/// as a delivery, so within the grace there must be far fewer than `CRASHES_MAX`.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// What the topics of a worker share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) config: WorkerConfig,
    pub(crate) activities: Activities,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) stops: Stops,
    pub(crate) id: String,
}

impl Shared {
    /// Deal with one delivery from beginning to end.
    pub(crate) async fn handle(self: Arc<Self>, delivery: Delivery, topic: &str) {
        self.metrics.tasks.inc();
        let mut task = match Task::decode(&delivery.body) {
            Ok(task) => task,
            Err(error) => return self.give_up(&delivery, error.to_string()).await,
        };
        let end = match self.activities.has(&task.activity) {
            true => self.run(&delivery, &mut task, topic).await,
            false if self.may_be_elsewhere(&delivery) => {
                let verdict = Verdict::Nak(GIVE_BACK);
                return self.store.answer(&delivery.token, verdict).await;
            }
            false => End::Outcome(Err(unregistered(&task))),
        };
        match end {
            End::Outcome(result) => self.tell(&task, result).await,
            End::Stopped => drop(self.metrics.stopped.inc()),
        };
        self.store.answer(&delivery.token, Verdict::Ack).await;
    }

    /// Run a task, unless it kills whoever does, or nobody wants it.
    async fn run(&self, delivery: &Delivery, task: &mut Task, topic: &str) -> End {
        if delivery.deliveries > u64::from(limits::CRASHES_MAX) {
            return End::Outcome(Err(poison(task, delivery.deliveries - 1)));
        }
        if delivery.deliveries > 1 {
            // It was begun before, and may have said how far it was.
            let seen = self.look(task).await;
            if seen.is_over {
                return End::Stopped;
            }
            task.heartbeat = seen.heartbeat.or(task.heartbeat.take());
        }
        let link = Link::new(Arc::clone(&self.store), Arc::clone(&self.env));
        let Some(_entered) = self.stops.enter(task, &link) else {
            return End::Stopped;
        };
        let context = ActivityContext::of(task, topic, &self.id, &link);
        match self.activities.run(context, task.input.clone()) {
            Some(attempt) => self.attempt(delivery, task, &link, attempt).await,
            None => End::Outcome(Err(unregistered(task))),
        }
    }

    /// Publish the outcome of an attempt.
    async fn tell(&self, task: &Task, result: Result<Payload, Failure>) {
        match &result {
            Ok(_) => self.metrics.succeeded.inc(),
            Err(failure) => {
                tracing::warn!(
                    invocation_id = %task.invocation, workflow = %task.workflow, run = %task.run,
                    step = task.step, attempt = task.attempt, worker = %self.id,
                    activity = %task.activity, error = %failure, "attempt failed"
                );
                self.metrics.failed.inc()
            }
        };
        let outcome = Command::Outcome(Outcome {
            run: task.run,
            step: task.step,
            attempt: task.attempt,
            result: result.map_err(Failure::within_limits),
            worker: self.id.clone(),
        });
        let to = task.reply_address();
        let body = outcome.encode();
        self.publish(Message::Command { to, body }).await;
    }

    /// Whether another worker of the topic may have the activity.
    fn may_be_elsewhere(&self, delivery: &Delivery) -> bool {
        let waited = self.env.now().since(delivery.stored_at);
        waited < limits::UNREGISTERED_GRACE
    }

    async fn give_up(&self, delivery: &Delivery, reason: String) {
        self.metrics.dead_letters.inc();
        tracing::warn!(subject = %delivery.subject, seq = delivery.seq, %reason, "to DEAD_LETTERS");
        self.publish(Message::Dead(DeadLetter {
            kind: DeadKind::Task,
            subject: delivery.subject.clone(),
            seq: delivery.seq,
            deliveries: delivery.deliveries,
            reason,
            by: self.id.clone(),
            payload: delivery.body.clone(),
        }))
        .await;
        self.store.answer(&delivery.token, Verdict::Ack).await;
    }

    /// Publish until it is acknowledged. Twice is harmless: an outcome is recorded once.
    async fn publish(&self, message: Message) {
        let mut pause = Duration::from_millis(20);
        while let Err(error) = self.store.publish(message.clone()).await {
            if pause >= Duration::from_secs(1) || matches!(error, StoreError::Refused(_)) {
                tracing::warn!(%error, "storage does not take an outcome, still trying");
            }
            self.env.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

/// `attempts`: how many workers have begun it and died.
fn poison(task: &Task, attempts: u64) -> Failure {
    let message = format!(
        "activity {:?} has ended its worker {attempts} times; it is not tried again",
        task.activity
    );
    let counts = BTreeMap::from([
        ("attempts", attempts),
        ("max", u64::from(limits::CRASHES_MAX)),
    ]);
    Failure {
        details: Payload::encode(&counts).ok(),
        ..Failure::fatal(Code::POISON, message)
    }
}

fn unregistered(task: &Task) -> Failure {
    Failure::fatal(
        Code::UNREGISTERED,
        format!(
            "no worker of the topic has activity {:?}: register it in one, or give it a topic of its own",
            task.activity
        ),
    )
}
