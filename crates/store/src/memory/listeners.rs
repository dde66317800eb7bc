//! Who is told what: watchers of keys, listeners to hints, holders of consumers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

/// What one of them has been told and has not taken yet.
pub(super) struct Inbox<T> {
    items: VecDeque<T>,
    bell: Arc<Notify>,
}

impl<T> Inbox<T> {
    pub(super) fn new(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            items: items.into_iter().collect(),
            bell: Arc::default(),
        }
    }

    /// Rings when something is put in.
    pub(super) fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    pub(super) fn put(&mut self, item: T) {
        self.items.push_back(item);
        self.bell.notify_one();
    }

    pub(super) fn take(&mut self) -> Option<T> {
        self.items.pop_front()
    }
}

/// Identifies a listener.
pub(super) struct Ticket {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) bell: Arc<Notify>,
}

/// Inboxes by the name that they listen to.
pub(super) struct Listeners<T> {
    added: u64,
    by_name: BTreeMap<String, BTreeMap<u64, Inbox<T>>>,
}

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Self {
            added: 0,
            by_name: BTreeMap::new(),
        }
    }
}

impl<T: Clone> Listeners<T> {
    /// A new listener, that is told `first` to begin with.
    pub(super) fn add(&mut self, name: String, first: impl IntoIterator<Item = T>) -> Ticket {
        self.added += 1;
        let (number, inbox) = (self.added, Inbox::new(first));
        let bell = inbox.bell();
        let inboxes = self.by_name.entry(name.clone()).or_default();
        inboxes.insert(number, inbox);
        Ticket { name, number, bell }
    }

    pub(super) fn remove(&mut self, ticket: &Ticket) {
        let Some(inboxes) = self.by_name.get_mut(&ticket.name) else {
            return;
        };
        inboxes.remove(&ticket.number);
        if inboxes.is_empty() {
            self.by_name.remove(&ticket.name);
        }
    }

    pub(super) fn tell(&mut self, name: &str, item: &T) {
        for inbox in self.by_name.get_mut(name).into_iter().flatten() {
            inbox.1.put(item.clone());
        }
    }

    pub(super) fn take(&mut self, ticket: &Ticket) -> Option<T> {
        let inboxes = self.by_name.get_mut(&ticket.name)?;
        inboxes.get_mut(&ticket.number)?.take()
    }
}
