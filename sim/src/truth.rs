//! The store as it is: everything that truly happens passes here, is told to the checkers, and
//! is written to the trace.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use headwater_store::{
    Bucket, Delivery, Expect, Message, Record, Revision, Source, Store, StoreError, Ttl, Verdict,
    memory::MemoryStore,
};
use headwater_wire::{
    Command, Task,
    names::{Address, TimerId},
};

use crate::{
    check::{Checks, Event, Ran},
    trace::Trace,
    world::{Pid, World},
};

/// Who does something at the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An engine.
    Engine,
    /// A worker.
    Worker,
    /// A client.
    Client,
}

/// A process as the store knows it.
#[derive(Clone, Debug)]
pub struct Party {
    /// What it is.
    pub role: Role,
    /// Its process.
    pub pid: Pid,
    /// For people.
    pub name: String,
}

/// The store as it is.
pub struct Truth {
    /// The store.
    pub store: Arc<MemoryStore>,
    world: Arc<World>,
    /// What happened, in lines.
    pub trace: Trace,
    checks: Mutex<Checks>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Deliveries by token: whether it is a command, and its sequence.
    given: BTreeMap<String, (bool, u64)>,
    /// Tasks stored and not acknowledged.
    tasks: BTreeMap<u64, String>,
    /// Earlier values, for stale reads.
    before: BTreeMap<String, Record>,
    /// What has been done at the store, heartbeats left out.
    operations: u64,
}

impl Truth {
    /// The truth of a world.
    #[must_use]
    pub fn new(
        world: &Arc<World>,
        store: Arc<MemoryStore>,
        checks: Checks,
        trace: Trace,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            world: Arc::clone(world),
            trace,
            checks: Mutex::new(checks),
            state: Mutex::default(),
        })
    }

    /// The checkers.
    pub fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, event: Event<'_>) {
        self.checks().observe(self.world.now(), event);
    }

    fn tell(&self, by: &Party, key: &str, what: impl FnOnce() -> String) {
        self.state().operations += 1;
        if self.trace.is_written() {
            self.trace.add(self.world.now(), &by.name, key, what());
        }
    }

    /// Say something about the world itself.
    pub fn note(&self, who: &str, what: impl Into<String>) {
        self.trace.add(self.world.now(), who, "", what);
    }

    /// How much has been done at the store, heartbeats left out.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Tasks that are stored and not acknowledged.
    pub fn tasks_left(&self) -> Vec<String> {
        self.state().tasks.values().cloned().collect()
    }

    /// A value as it is, or as it was before, if `stale`.
    pub async fn get(
        &self,
        by: &Party,
        bucket: Bucket,
        key: &str,
        stale: bool,
    ) -> Result<Option<Record>, StoreError> {
        let now = self
            .store
            .get(bucket, key, headwater_store::Read::Leader)
            .await?;
        let before = match stale && bucket == Bucket::State {
            true => self.state().before.get(key).cloned(),
            false => None,
        };
        let found = before.or(now);
        self.tell(by, key, || match &found {
            Some(record) => format!(
                "reads revision {}{}",
                record.revision,
                if stale { " (perhaps stale)" } else { "" }
            ),
            None => "reads nothing".to_owned(),
        });
        Ok(found)
    }

    /// Store a value.
    pub async fn put(
        &self,
        by: &Party,
        bucket: Bucket,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Ttl,
    ) -> Result<Revision, StoreError> {
        let read = headwater_store::Read::Leader;
        let before = match bucket {
            Bucket::State => self.store.get(bucket, key, read).await?,
            _ => None,
        };
        let put = self
            .store
            .put(bucket, key, value.clone(), expect, ttl)
            .await;
        if bucket == Bucket::Members {
            return put;
        }
        self.tell(by, key.split('.').next().unwrap_or(key), || match &put {
            Ok(revision) => format!(
                "stores {} at {revision}",
                describe_value(bucket, key, &value)
            ),
            Err(error) => format!("cannot store for {expect:?}: {error}"),
        });
        if bucket == Bucket::State && put == Err(StoreError::Conflict) {
            self.observe(Event::Lost { key });
        }
        if put.is_ok() {
            if let Some(before) = before {
                self.state().before.insert(key.to_owned(), before);
            }
            self.observe(Event::Stored {
                bucket,
                key,
                value: &value,
                ttl,
            });
        }
        put
    }

    /// Store a message.
    pub async fn publish(&self, by: &Party, message: Message) -> Result<u64, StoreError> {
        let seq = self.store.publish(message.clone()).await?;
        let (key, what) = describe_message(&message);
        self.tell(by, &key, || format!("publishes {what} as {seq}"));
        if let Message::Task { .. } = message {
            self.state().tasks.insert(seq, what);
        }
        self.observe(Event::Published {
            message: &message,
            seq,
            by_engine: by.role == Role::Engine,
        });
        Ok(seq)
    }

    /// Remove a schedule.
    pub async fn unschedule(
        &self,
        by: &Party,
        to: &Address,
        timer: TimerId,
    ) -> Result<(), StoreError> {
        self.store.unschedule(to, timer).await?;
        self.tell(by, to.key.as_str(), || format!("removes {timer}"));
        self.observe(Event::Unscheduled { to, timer });
        Ok(())
    }

    /// A delivery reaches a process.
    pub fn given(&self, by: &Party, source: &Source, delivery: &Delivery) {
        let is_command = matches!(source, Source::Partition { .. });
        let entry = (is_command, delivery.seq);
        self.state().given.insert(delivery.token.clone(), entry);
        let what = || {
            format!(
                "is given {} {} (delivery {})",
                describe_delivery(is_command, delivery),
                delivery.seq,
                delivery.deliveries
            )
        };
        match self.store.parse_command_subject(&delivery.subject) {
            Ok(address) => {
                self.tell(by, address.key.as_str(), what);
                let key = &address.key;
                self.observe(Event::Given { delivery, key });
            }
            Err(_) => {
                let task = Task::decode(&delivery.body);
                let key =
                    task.map_or_else(|_| String::new(), |task| task.invocation.key().to_string());
                self.tell(by, &key, what);
            }
        }
    }

    /// A delivery is answered.
    pub async fn answer(&self, by: &Party, token: &str, verdict: Verdict) {
        let known = self.state().given.get(token).copied();
        self.store.answer(token, verdict).await;
        let Some((is_command, seq)) = known else {
            return;
        };
        if verdict == Verdict::Progress {
            return;
        }
        let kind = if is_command { "command" } else { "task" };
        let key = self.key_of(is_command, seq);
        self.tell(by, &key, || format!("answers {verdict:?} to {kind} {seq}"));
        if verdict != Verdict::Ack {
            return;
        }
        match is_command {
            true => self.observe(Event::Acknowledged { seq }),
            false => {
                self.state().tasks.remove(&seq);
            }
        }
    }

    fn key_of(&self, is_command: bool, seq: u64) -> String {
        match is_command && self.trace.is_written() {
            true => self.checks().known.key_of_command(seq).unwrap_or_default(),
            false => String::new(),
        }
    }

    /// A hint is told.
    pub async fn hint(&self, by: &Party, subject: &str, body: Bytes) {
        self.tell(by, "", || format!("hints on {subject}"));
        self.store.hint(subject, body).await;
    }

    /// A hint is sent, whether or not it arrives.
    pub fn hinted(&self, subject: &str) {
        self.observe(Event::Hinted { subject });
    }

    /// A step begins.
    pub fn ran(&self, by: &str, ran: Ran) {
        if self.trace.is_written() {
            let Ran {
                key,
                idempotency_key,
                attempt,
            } = &ran;
            let what = format!("runs {idempotency_key}, attempt {attempt}");
            self.trace.add(self.world.now(), by, key, what);
        }
        self.observe(Event::Ran(ran));
    }
}

fn describe_value(bucket: Bucket, key: &str, value: &Bytes) -> String {
    match bucket {
        Bucket::State => {}
        Bucket::Journal => return format!("page {key}"),
        _ => return format!("{bucket:?} {key}"),
    }
    if let Ok((value, journal)) = headwater_wire::Value::decode(value) {
        let last = journal.tail.entries().ok().and_then(|e| e.last().cloned());
        let last = last.map_or_else(String::new, |entry| format!("{entry:?}"));
        return format!(
            "turn {} ({}, {} steps, {} entries; roots {:?}, effects {:?}, anchors {:?}; {last})",
            value.turn.number,
            value.status,
            journal.steps,
            journal.entries,
            value.turn.roots,
            value.turn.effects,
            value.anchors
        );
    }
    match headwater_wire::key_queue::KeyQueueValue::decode(value) {
        Ok(queue) => format!(
            "turn {} of the queue (through {}, {:?}, {} wait; {} sends)",
            queue.turn.number,
            queue.taken_through,
            queue.holder.map(|holder| holder.ticket),
            queue.waiting.len(),
            queue.sends.len()
        ),
        Err(error) => match headwater_wire::signal_box::SignalBoxValue::decode(value) {
            Ok(signals) => format!(
                "turn {} of the box ({}; {} served, {} sends)",
                signals.turn.number,
                signals.why,
                signals.served.len(),
                signals.sends.len()
            ),
            Err(_) => format!("something unreadable: {error}"),
        },
    }
}

fn describe_command(command: &Command) -> String {
    match command {
        Command::Start(start) => format!(
            "start (ticket {:?}, granted {})",
            start.ticket.as_ref().map(|t| t.number),
            start.granted
        ),
        Command::Outcome(outcome) => {
            let (run, step, attempt) = (outcome.run, outcome.step, outcome.attempt);
            let how = if outcome.result.is_ok() {
                "success"
            } else {
                "failure"
            };
            format!("{how} of {run}/{step}/{attempt}")
        }
        Command::TimerFired(timer) => timer.to_string(),
        Command::Signal(signal) => format!("signal {} {}", signal.name, signal.id),
        Command::Submit(submit) => format!("submission of {}", submit.invocation),
        Command::Grant(ticket) => format!("grant {}", ticket.number),
        Command::Release(ticket) => format!("release {}", ticket.number),
        Command::Await(wait) => format!("await of {}/{}", wait.run, wait.step),
        Command::Unawait(wait) => format!("no more await of {}/{}", wait.run, wait.step),
        _ => command.name().to_owned(),
    }
}

fn describe_message(message: &Message) -> (String, String) {
    match message {
        Message::Command { to, body } => {
            let command = Command::decode(body);
            let what = command.map_or_else(|e| e.to_string(), |c| describe_command(&c));
            (to.key.to_string(), what)
        }
        Message::Schedule { to, timer, due, .. } => {
            (to.key.to_string(), format!("schedule of {timer} for {due}"))
        }
        Message::Task { body, .. } => match Task::decode(body) {
            Ok(task) => {
                let what = format!("task {}/{}/{}", task.run, task.step, task.attempt);
                (task.invocation.key().to_string(), what)
            }
            Err(error) => (String::new(), error.to_string()),
        },
        Message::Dead(letter) => {
            let key = letter.subject.rsplit('.').next().unwrap_or_default();
            (key.to_owned(), format!("dead letter: {}", letter.reason))
        }
    }
}

fn describe_delivery(is_command: bool, delivery: &Delivery) -> String {
    match is_command {
        true => {
            Command::decode(&delivery.body).map_or_else(|e| e.to_string(), |c| describe_command(&c))
        }
        false => Task::decode(&delivery.body).map_or_else(
            |e| e.to_string(),
            |task| format!("task {}/{}/{}", task.run, task.step, task.attempt),
        ),
    }
}
