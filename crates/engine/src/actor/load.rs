//! Getting the machine: a brand-new start needs no read, everything else reads the value
//! through the leader.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use headwater_core::{
    Effect, Invocation, KeyQueue, SignalBox, Workflow,
    invocation::{Birth, answer_of_nobody},
    mutant::{Mutant, is_broken},
};
use headwater_store::{Bucket, Read, Record, StoreError, Verdict};
use headwater_wire::{Code, Command, Failure, Key, Status, Value, command::Start, id::Owner};

use super::{Actor, Loaded};
use crate::{
    emit::{Backoff, emit},
    registry::Found,
    router::{Delivered, Shared},
};

/// How long a command is given back for when it cannot be dealt with here and now.
const GIVE_BACK: Duration = Duration::from_millis(500);

/// Deliveries of a command after which its handling is suspected to kill its process.
pub(super) const SUSPECT_AFTER: u64 = 3;

impl Actor {
    /// Load or create the machine. False if there is none and nothing in hand can create it.
    pub(super) async fn load(&mut self) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        if !self.must_read && self.is_invocation() && self.queue.iter().any(is_new_start) {
            return self.create().await;
        }
        let mut backoff = Backoff::new("reading a value");
        loop {
            match self.read().await {
                Ok(true) => return true,
                Ok(false) => return self.create().await,
                Err(ReadError::Store(error)) => {
                    if self.shared.is_stopping() {
                        return false;
                    }
                    backoff.wait(&self.shared.env, &error).await;
                }
                Err(ReadError::Unreadable(reason)) => {
                    self.give_back_unreadable(&reason).await;
                    return false;
                }
            }
        }
    }

    fn is_invocation(&self) -> bool {
        !self.address.key.is_built_in()
    }

    /// Read the value through the leader. False if there is none.
    async fn read(&mut self) -> Result<bool, ReadError> {
        let asked = self.shared.env.elapsed();
        let key = self.address.key.clone();
        let store = &self.shared.store;
        let read = match is_broken(Mutant::StaleRead) {
            true => Read::Any,
            false => Read::Leader,
        };
        let record = store
            .get(Bucket::State, key.as_str(), read)
            .await
            .map_err(ReadError::Store)?;
        self.fresh_at = asked;
        self.must_read = false;
        let Some(record) = record else {
            return Ok(false);
        };
        self.settled = self.shared.was_settled(record.revision);
        self.cold = true;
        let retention = self.shared.config.retention;
        if key.is_built_in() {
            self.loaded = Some(built_in(&key, &record, retention)?);
        } else {
            let pages = run_pages(&record.value)?;
            self.pages = match pages.is_empty() {
                true => Vec::new(),
                false => store.pages(&key, pages).await.map_err(ReadError::Store)?,
            };
            let invocation =
                Invocation::load(&record.value, record.revision, &self.pages, retention)
                    .map_err(|error| ReadError::Unreadable(error.to_string()))?;
            self.loaded = Some(Loaded::Invocation(Box::new(invocation)));
        }
        Ok(true)
    }

    /// Look whether the value in hand is the current one. False: it is not, or cannot be told.
    pub(super) async fn refresh(&mut self) -> bool {
        let Some(loaded) = &self.loaded else {
            return false;
        };
        let revision = loaded.machine().revision();
        let asked = self.shared.env.elapsed();
        let record = self.read_record().await;
        self.fresh_at = asked;
        record.map_or(0, |record| record.revision) == revision
    }

    /// The value as it is stored, read through the leader until it answers.
    pub(super) async fn read_record(&self) -> Option<Record> {
        let Shared { store, env, .. } = self.shared.as_ref();
        let mut backoff = Backoff::new("reading a value");
        loop {
            match store
                .get(Bucket::State, self.address.key.as_str(), Read::Leader)
                .await
            {
                Ok(record) => return record,
                Err(error) => backoff.wait(env, &error).await,
            }
        }
    }

    /// There is no value. Only a start or a submission creates one, or what comes to a signal box.
    async fn create(&mut self) -> bool {
        if let Ok(Owner::SignalBox { name, .. }) = self.address.key.owner() {
            return self.create_box(&name);
        }
        let creates = |delivered: &Delivered| {
            matches!(delivered.command, Command::Start(_) | Command::Submit(_))
        };
        let Some(index) = self.queue.iter().position(creates) else {
            self.answer_absent().await;
            return false;
        };
        match self.address.key.owner() {
            Ok(Owner::KeyQueue { partition_key, .. }) => {
                let address = &self.address;
                let retention = self.shared.config.retention;
                let queue =
                    KeyQueue::create(&partition_key, &address.queue, address.partition, retention);
                self.loaded = Some(Loaded::KeyQueue(Box::new(queue)));
                self.settled = true;
                self.cold = false;
                true
            }
            Ok(Owner::Invocation(id)) => {
                let Some(delivered) = self.queue.remove(index) else {
                    return false;
                };
                match &delivered.command {
                    Command::Start(start) => {
                        let start = start.clone();
                        self.begin(id, start, delivered).await
                    }
                    _ => {
                        let reason =
                            "a submission for the queue of a partition key, sent to an invocation";
                        self.shared
                            .give_up(&delivered.delivery, reason.to_owned())
                            .await;
                        false
                    }
                }
            }
            Ok(Owner::SignalBox { .. }) => false, // created before
            Err(error) => {
                self.give_up_all(&error.to_string()).await;
                false
            }
        }
    }

    fn create_box(&mut self, name: &str) -> bool {
        let (address, retention) = (&self.address, self.shared.config.retention);
        let signals = SignalBox::create(name, &address.queue, address.partition, retention);
        self.loaded = Some(Loaded::SignalBox(Box::new(signals)));
        self.settled = true;
        self.cold = false;
        true
    }

    /// Nothing in hand can ever be used here.
    async fn give_up_all(&mut self, reason: &str) {
        while let Some(delivered) = self.queue.pop_front() {
            self.shared
                .give_up(&delivered.delivery, reason.to_owned())
                .await;
        }
    }

    /// Create the invocation in memory, if its workflow can be run here.
    async fn begin(
        &mut self,
        id: headwater_wire::InvocationId,
        start: Start,
        delivered: Delivered,
    ) -> bool {
        self.new_start = is_new_start(&delivered);
        let Some(chosen) = self.choose(&start, &delivered) else {
            self.give_back(delivered).await;
            while let Some(other) = self.queue.pop_front() {
                self.give_back(other).await;
            }
            return false;
        };
        let birth = self.birth(id, chosen.version, &delivered);
        let invocation = Invocation::create(start, birth);
        self.born(invocation, chosen.workflow, delivered);
        true
    }

    /// What a start is to run. None: it may yet be run, elsewhere or later.
    pub(super) fn choose(&self, start: &Start, delivered: &Delivered) -> Option<Chosen> {
        let registry = &self.shared.registry;
        match registry.find(&start.workflow, start.version.as_deref()) {
            Found::Here(version, workflow) => Some(Chosen {
                version,
                workflow: Some(Arc::clone(workflow)),
            }),
            _ if self.may_yet_be_run(start, delivered) => None,
            _ => Some(Chosen {
                version: start.version.clone().unwrap_or_default(),
                workflow: None,
            }),
        }
    }

    pub(super) fn birth(
        &self,
        id: headwater_wire::InvocationId,
        version: String,
        delivered: &Delivered,
    ) -> Birth {
        Birth {
            id,
            queue: self.address.queue.clone(),
            partition: self.address.partition,
            seq: delivered.delivery.seq,
            at: delivered.delivery.stored_at,
            version,
            default_retention: self.shared.config.retention,
        }
    }

    /// Keep a new invocation, begun as far as it can begin. Without its workflow it fails.
    pub(super) fn born(
        &mut self,
        invocation: Invocation,
        workflow: Option<Arc<dyn Workflow>>,
        delivered: Delivered,
    ) {
        let now = self.shared.env.now();
        let mut invocation = Box::new(invocation);
        let waits = invocation.value().status == Status::Queued || invocation.is_paused();
        let suspected = delivered.delivery.deliveries > SUSPECT_AFTER;
        match workflow {
            None => {
                let failure = unregistered(invocation.value());
                invocation.fail(failure, &[], now);
            }
            Some(_) if waits => {}
            // Its handling may have killed engines: store that it is begun before it is.
            Some(_) if suspected => {
                invocation.suspect_crash();
            }
            Some(workflow) => {
                self.shared.registry.offer(&mut invocation);
                let program = workflow.instantiate(invocation.program_info());
                if let Err(mismatch) = invocation.attach(program, &[] as &[&[u8]], now) {
                    invocation.park(mismatch, now);
                }
            }
        }
        tracing::info!(
            invocation_id = %invocation.value().id,
            workflow = %invocation.value().workflow,
            "Processing command"
        );
        self.held.push(delivered);
        self.loaded = Some(Loaded::Invocation(invocation));
        self.settled = true;
        self.cold = false;
    }

    /// Whether another engine has the workflow, or one may come within the grace.
    fn may_yet_be_run(&self, start: &Start, delivered: &Delivered) -> bool {
        let elsewhere = self.shared.members.borrow().values().any(|member| {
            member.queue == self.address.queue
                && member.id != self.shared.id
                && member
                    .workflows
                    .get(&start.workflow)
                    .is_some_and(|versions| {
                        start.version.is_none()
                            || start.version.as_ref().is_some_and(|v| versions.contains(v))
                    })
        });
        let known_here = !matches!(
            self.shared.registry.find(&start.workflow, None),
            Found::NoWorkflow
        );
        let waited = self.shared.env.now().since(delivered.delivery.stored_at);
        elsewhere || known_here || waited < self.shared.config.unregistered_grace
    }

    /// No value, and nothing in hand that creates one.
    async fn answer_absent(&mut self) {
        while let Some(delivered) = self.queue.pop_front() {
            // Drop only by a read that was made after the command came.
            if self.fresh_at < delivered.received {
                self.answer(&delivered, Verdict::Nak(Duration::ZERO)).await;
                continue;
            }
            if let Command::Grant(_) = delivered.command {
                // Its start is on the way: the queue of the key sent it before.
                self.answer(&delivered, Verdict::Nak(GIVE_BACK)).await;
                continue;
            }
            let waits_for_start = matches!(
                delivered.command,
                Command::Signal(_)
                    | Command::Cancel(_)
                    | Command::Resume { .. }
                    | Command::Terminate(_)
                    | Command::Pause(_)
                    | Command::Hook(_)
            ) && !is_broken(Mutant::DropEarlySignal);
            if !waits_for_start {
                self.shared.metrics.dropped.inc();
                tracing::debug!(key = %self.address.key, command = delivered.command.name(), "dropped: no such invocation");
                self.answer(&delivered, Verdict::Ack).await;
                continue;
            }
            let waited = self.shared.env.now().since(delivered.delivery.stored_at);
            if waited < self.shared.config.absent_grace {
                self.answer(&delivered, Verdict::Nak(GIVE_BACK)).await;
            } else if let Some(answer) = self.answer_of_nobody(&delivered.command) {
                emit(&self.shared, vec![answer]).await;
                self.answer(&delivered, Verdict::Ack).await;
            } else {
                let reason = format!(
                    "a {} for an invocation that does not exist, also not after {:?}; start it, then redrive this",
                    delivered.command.name(),
                    self.shared.config.absent_grace
                );
                self.shared.give_up(&delivered.delivery, reason).await;
            }
        }
    }

    /// Whoever waits for a hook of an invocation that is not there is told.
    fn answer_of_nobody(&self, command: &Command) -> Option<Effect> {
        match command {
            Command::Hook(hook) => answer_of_nobody(hook, &self.address.key),
            _ => None,
        }
    }

    pub(super) async fn give_back(&self, delivered: Delivered) {
        self.shared.metrics.given_back.inc();
        self.answer(&delivered, Verdict::Nak(GIVE_BACK)).await;
    }

    /// The value is not ours to read: a newer build's, or broken. Nothing is touched.
    async fn give_back_unreadable(&mut self, reason: &str) {
        tracing::error!(key = %self.address.key, reason, "the value cannot be read; its commands are given back");
        while let Some(delivered) = self.queue.pop_front() {
            self.shared.metrics.given_back.inc();
            self.answer(&delivered, Verdict::Nak(GIVE_BACK * 10)).await;
        }
    }
}

/// The workflow that a start is to run, and its version.
pub(super) struct Chosen {
    pub(super) version: String,
    /// None: nobody has it.
    pub(super) workflow: Option<Arc<dyn Workflow>>,
}

/// The built-in program of a key.
fn built_in(key: &Key, record: &Record, retention: Duration) -> Result<Loaded, ReadError> {
    let (bytes, revision) = (&record.value, record.revision);
    let loaded = match key.owner() {
        Ok(Owner::SignalBox { .. }) => SignalBox::load(bytes, revision, retention)
            .map(|signals| Loaded::SignalBox(Box::new(signals))),
        _ => KeyQueue::load(bytes, revision, retention)
            .map(|queue| Loaded::KeyQueue(Box::new(queue))),
    };
    loaded.map_err(|error| ReadError::Unreadable(error.to_string()))
}

enum ReadError {
    Store(StoreError),
    Unreadable(String),
}

fn run_pages(bytes: &[u8]) -> Result<RangeInclusive<u32>, ReadError> {
    headwater_wire::Value::decode(bytes)
        .map(|(_, journal)| journal.run_pages())
        .map_err(|error| ReadError::Unreadable(error.to_string()))
}

/// A start that was never delivered before, of an id that was made for it: nobody can have
/// taken it, so no value is read. An id of the user's own may be in use, and a step must not run
/// for a start that will be refused.
fn is_new_start(delivered: &Delivered) -> bool {
    matches!(&delivered.command, Command::Start(start) if start.new_id)
        && delivered.delivery.deliveries == 1
}

fn unregistered(value: &Value) -> Failure {
    let version = match value.version.as_str() {
        "" => String::new(),
        version => format!(" version {version}"),
    };
    let Value {
        queue, workflow, ..
    } = value;
    Failure::fatal(
        Code::UNREGISTERED,
        format!(
            "no engine of task queue {queue:?} has workflow {workflow:?}{version}: register it in a processor of that queue, or start one that does; `headwater members` lists what each has"
        ),
    )
}
