//! One task: run the attempt, publish its outcome, acknowledge.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use headwater_store::{Delivery, Env, Message, Store, StoreError, Verdict};
use headwater_wire::{
    Code, Command, Failure, Payload, Task,
    command::Outcome,
    dead::{DeadKind, DeadLetter},
    limits,
};

use crate::{Activities, WorkerConfig, WorkerMetrics};

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
    pub(crate) id: String,
}

impl Shared {
    /// Deal with one delivery from beginning to end.
    pub(crate) async fn handle(self: Arc<Self>, delivery: Delivery) {
        self.metrics.tasks.inc();
        let task = match Task::decode(&delivery.body) {
            Ok(task) => task,
            Err(error) => return self.give_up(&delivery, error.to_string()).await,
        };
        let is_poison = delivery.deliveries > u64::from(limits::CRASHES_MAX);
        let result = match self.activities.run(&task) {
            Some(_) if is_poison => Err(poison(&task)),
            Some(attempt) => self.attempt(&delivery, attempt).await,
            None if self.may_be_elsewhere(&delivery) => {
                let verdict = Verdict::Nak(GIVE_BACK);
                return self.store.answer(&delivery.token, verdict).await;
            }
            None => Err(unregistered(&task)),
        };
        match &result {
            Ok(_) => self.metrics.succeeded.inc(),
            Err(failure) => {
                tracing::warn!(
                    invocation_id = %task.invocation, activity = %task.activity,
                    step = task.step, attempt = task.attempt, error = %failure, "attempt failed"
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
        self.store.answer(&delivery.token, Verdict::Ack).await;
    }

    /// Run the attempt, saying all along that it is being worked on.
    async fn attempt(
        &self,
        delivery: &Delivery,
        mut attempt: BoxFuture<'static, Result<Payload, Failure>>,
    ) -> Result<Payload, Failure> {
        let began = self.env.elapsed();
        self.metrics.running.inc();
        let result = loop {
            tokio::select! {
                biased;
                result = &mut attempt => break result,
                () = self.env.sleep(self.config.ack_wait / 3) => {
                    self.store.answer(&delivery.token, Verdict::Progress).await;
                }
            }
        };
        self.metrics.running.dec();
        let took = self.env.elapsed().saturating_sub(began);
        self.metrics.attempt_seconds.observe(took.as_secs_f64());
        result
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

fn poison(task: &Task) -> Failure {
    Failure::fatal(
        Code::POISON,
        format!(
            "activity {:?} has ended its worker {} times; it is not tried again",
            task.activity,
            limits::CRASHES_MAX
        ),
    )
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
