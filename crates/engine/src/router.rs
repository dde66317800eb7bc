//! From the deliveries of all partitions to the actors, one a key.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headwater_store::{
    Delivery, Env, Message, Revision, Store, Verdict, address::Addresses, members::Members,
};
use headwater_wire::{
    Command, Key, Partition,
    dead::{DeadKind, DeadLetter},
    names::Address,
    turn::Root,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::{EngineConfig, EngineMetrics, Registry, actor::Actor, emit::Backoff, tags::Told};

/// Values that left memory and are remembered as settled: more than leave it in the time that
/// an acknowledgement takes.
const SETTLED_MAX: usize = 4_096;

/// What everything in an engine shares.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) addresses: Addresses,
    pub(crate) config: EngineConfig,
    pub(crate) registry: Registry,
    pub(crate) metrics: EngineMetrics,
    pub(crate) members: watch::Receiver<Members>,
    /// This engine, as its member record and the turn ids name it.
    pub(crate) id: String,
    /// True once the engine is asked to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Partitions that are pulled now.
    pulled: Mutex<BTreeSet<Partition>>,
    /// Topics with a tag that are told to workers.
    pub(crate) told: Told,
    turns: AtomicU64,
    actors: Mutex<BTreeMap<Key, mpsc::UnboundedSender<Box<Delivered>>>>,
    /// Revisions of values that left memory when the effects of their last turn were settled.
    settled: Mutex<VecDeque<Revision>>,
    room: Arc<Semaphore>,
    /// Told when the last actor has gone.
    empty: Notify,
}

/// A command in hand: decoded, and unanswered until its actor has dealt with it. It is sent in
/// a box, since a channel has room for dozens.
pub(crate) struct Delivered {
    pub(crate) delivery: Delivery,
    pub(crate) command: Command,
    pub(crate) root: Root,
    /// When it came, by [`Env::elapsed`].
    pub(crate) received: Duration,
    /// Room among the commands under way; given back when it is merely held.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Shared {
    #[allow(clippy::too_many_arguments)] // the parts of an engine, once
    pub(crate) fn new(
        store: Arc<dyn Store>,
        env: Arc<dyn Env>,
        config: EngineConfig,
        registry: Registry,
        metrics: EngineMetrics,
        members: watch::Receiver<Members>,
        id: String,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(config.commands_max));
        Arc::new(Self {
            addresses: Addresses::new(Arc::clone(&store), Arc::clone(&env)),
            store,
            env,
            config,
            registry,
            metrics,
            members,
            id,
            stopping,
            pulled: Mutex::default(),
            told: Told::default(),
            turns: AtomicU64::new(0),
            actors: Mutex::new(BTreeMap::new()),
            settled: Mutex::default(),
            room,
            empty: Notify::new(),
        })
    }

    /// An id for a turn: unique, since an engine's id is.
    pub(crate) fn turn_id(&self) -> String {
        let number = self.turns.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(self.id.len() + 12);
        // Writing to a string cannot fail.
        let _ = write!(id, "{}-{number}", self.id);
        id
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // A closed channel: the engine's handle is gone, and nobody will ask any more.
        *self.stopping.borrow() || self.stopping.has_changed().is_err()
    }

    fn actors(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<Key, mpsc::UnboundedSender<Box<Delivered>>>> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulled(&self) -> std::sync::MutexGuard<'_, BTreeSet<Partition>> {
        self.pulled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_pulled(&self, partitions: BTreeSet<Partition>) {
        *self.pulled() = partitions;
    }

    /// Whether the commands of a partition come here: so does the schedule of a timer.
    pub(crate) fn pulls(&self, partition: Partition) -> bool {
        self.pulled().contains(&partition)
    }

    /// Number of keys at work or in the cache.
    pub(crate) fn live(&self) -> usize {
        self.actors().len()
    }

    /// A value leaves memory at this revision, with the effects of its last turn settled.
    pub(crate) fn remember_settled(&self, revision: Revision) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.len() == SETTLED_MAX {
            settled.pop_front();
        }
        settled.push_back(revision);
    }

    /// Whether a value that is read at this revision is known to need no emitting.
    pub(crate) fn was_settled(&self, revision: Revision) -> bool {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.contains(&revision)
    }

    /// Wait until no key is at work any more.
    pub(crate) async fn drained(&self) {
        loop {
            let empty = self.empty.notified();
            if self.live() == 0 {
                return;
            }
            empty.await;
        }
    }

    /// Hand a delivery to the actor of its key, or give it up if it is none of ours.
    pub(crate) async fn route(self: &Arc<Self>, delivery: Delivery) {
        self.metrics.commands.inc();
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        let address = match self.store.parse_command_subject(&delivery.subject) {
            Ok(address) => address,
            Err(reason) => return self.give_up(&delivery, reason).await,
        };
        let command = match Command::decode(&delivery.body) {
            Ok(command) => command,
            Err(error) => return self.give_up(&delivery, error.to_string()).await,
        };
        tracing::debug!(key = %address.key, seq = delivery.seq, command = command.name(), "command");
        let delivered = Delivered {
            root: headwater_core::machine::root_of(&command, delivery.seq),
            received: self.env.elapsed(),
            delivery,
            command,
            room,
        };
        self.hand_over(address, Box::new(delivered));
    }

    fn hand_over(self: &Arc<Self>, address: Address, delivered: Box<Delivered>) {
        let mut actors = self.actors();
        let delivered = match actors.get(&address.key) {
            Some(actor) => match actor.send(delivered) {
                Ok(()) => return,
                Err(returned) => returned.0,
            },
            None => delivered,
        };
        let (send, receive) = mpsc::unbounded_channel();
        // The channel is open: its receiver is in hand.
        let _ = send.send(delivered);
        actors.insert(address.key.clone(), send);
        self.metrics
            .live
            .set(i64::try_from(actors.len()).unwrap_or(i64::MAX));
        drop(actors);
        let actor = Actor::new(Arc::clone(self), address, receive);
        self.env.spawn(Box::pin(actor.run()));
    }

    /// Close the door of an actor that has nothing to do. False if something just came in.
    pub(crate) fn retire(
        &self,
        key: &Key,
        inbox: &mut mpsc::UnboundedReceiver<Box<Delivered>>,
    ) -> bool {
        let mut actors = self.actors();
        if !inbox.is_empty() {
            return false;
        }
        inbox.close();
        actors.remove(key);
        self.metrics
            .live
            .set(i64::try_from(actors.len()).unwrap_or(i64::MAX));
        if actors.is_empty() {
            self.empty.notify_waiters();
        }
        true
    }

    /// Store a message among the dead letters, whole, then acknowledge it.
    pub(crate) async fn give_up(&self, delivery: &Delivery, reason: String) {
        self.metrics.dead_letters.inc();
        tracing::warn!(subject = %delivery.subject, seq = delivery.seq, %reason, "to DEAD_LETTERS");
        let letter = DeadLetter {
            kind: DeadKind::Command,
            subject: delivery.subject.clone(),
            seq: delivery.seq,
            deliveries: delivery.deliveries,
            reason,
            by: self.id.clone(),
            payload: delivery.body.clone(),
        };
        let mut backoff = Backoff::new("storing a dead letter");
        while let Err(error) = self.store.publish(Message::Dead(letter.clone())).await {
            backoff.wait(&self.env, &error).await;
        }
        self.store.answer(&delivery.token, Verdict::Ack).await;
    }
}
