//! The checkers. They see what truly happens at the store and nothing else: neither what the
//! fault injector does nor what a process believes. What the rules are is in DESIGN, "Rules that
//! must always hold"; each module names those that it holds the product to.

mod acknowledge;
mod boxes;
mod effects;
mod journal;
mod keys;
mod known;
mod replays;
mod steps;

use std::time::Duration;

use bytes::Bytes;
use headwater_store::{Bucket, Delivery, Message, Ttl};
use headwater_wire::{
    Command, Key,
    id::Owner,
    names::{Address, TimerId},
};

pub use self::{
    known::Known,
    replays::{page_entries, replays},
    steps::Ran,
};

/// Something that truly happened.
pub enum Event<'a> {
    /// A value was stored.
    Stored {
        /// Where.
        bucket: Bucket,
        /// Under which key.
        key: &'a str,
        /// What.
        value: &'a Bytes,
        /// For how long.
        ttl: Ttl,
    },
    /// A swap was lost: two engines are at one key.
    Lost {
        /// Which.
        key: &'a str,
    },
    /// A message was stored.
    Published {
        /// The message.
        message: &'a Message,
        /// Its sequence.
        seq: u64,
        /// By an engine, not by a client or worker.
        by_engine: bool,
    },
    /// A schedule was removed.
    Unscheduled {
        /// Whose.
        to: &'a Address,
        /// Which.
        timer: TimerId,
    },
    /// A command was given to an engine.
    Given {
        /// The delivery.
        delivery: &'a Delivery,
        /// The key in its subject.
        key: &'a Key,
    },
    /// A command was acknowledged and is gone.
    Acknowledged {
        /// Its sequence.
        seq: u64,
    },
    /// Somebody was told a hint.
    Hinted {
        /// On which subject.
        subject: &'a str,
    },
    /// A step was run.
    Ran(Ran),
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Duration,
    /// Key of the invocation or key queue; empty: of none.
    pub key: String,
    /// What.
    pub what: String,
}

/// All checkers and what they know.
pub struct Checks {
    /// What was stored so far.
    pub known: Known,
    violations: Vec<Violation>,
}

impl Checks {
    /// Checkers of a world in which nothing has happened.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self {
            known: Known::new(retention),
            violations: Vec::new(),
        }
    }

    /// Look at what happened now.
    pub fn observe(&mut self, at: Duration, event: Event<'_>) {
        let checked = match event {
            Event::Stored {
                bucket: Bucket::State,
                key,
                value,
                ttl,
            } => self
                .stored(at, key, value, ttl)
                .map_err(|e| (key.to_owned(), e)),
            Event::Stored {
                bucket: Bucket::Journal,
                key,
                value,
                ttl,
            } => {
                let owner = key.rsplit_once('.').map_or(key, |(owner, _)| owner);
                let page = journal::page_stored(&mut self.known, key, value, ttl);
                page.map_err(|e| (owner.to_owned(), e))
            }
            Event::Stored { .. } => Ok(()),
            Event::Lost { key } => {
                self.known.contended(key, at);
                Ok(())
            }
            Event::Published {
                message,
                seq,
                by_engine,
            } => effects::published(&mut self.known, message, seq, by_engine)
                .map_err(|e| (key_of(message), e)),
            Event::Unscheduled { to, timer } => effects::unscheduled(&mut self.known, to, timer)
                .map_err(|e| (to.key.to_string(), e)),
            Event::Given { delivery, key } => {
                if let Ok(command) = Command::decode(&delivery.body) {
                    let commands = &mut self.known.commands;
                    commands.insert(delivery.seq, (key.clone(), command));
                }
                Ok(())
            }
            Event::Acknowledged { seq } => acknowledge::acknowledged(&self.known, seq),
            Event::Hinted { subject } => {
                self.known.hinted.insert(subject.to_owned());
                Ok(())
            }
            Event::Ran(ran) => {
                let key = ran.key.clone();
                steps::ran(&mut self.known, at, ran).map_err(|e| (key, e))
            }
        };
        if let Err((key, what)) = checked {
            self.violate(at, key, what);
        }
    }

    fn stored(&mut self, at: Duration, key: &str, value: &Bytes, ttl: Ttl) -> Result<(), String> {
        let parsed = Key::parse(key).map_err(|e| e.to_string())?;
        match parsed.owner().map_err(|e| e.to_string())? {
            Owner::Invocation(_) => {
                let before = self.known.writer(key);
                journal::stored(&mut self.known, key, value, ttl)?;
                // The one before may be at it still, and find out at its next swap.
                if before.is_some() && before != self.known.writer(key) {
                    self.known.contended(key, at);
                }
                keys::invocation_stored(&mut self.known, key)
            }
            Owner::KeyQueue { .. } => keys::queue_stored(&mut self.known, key, value),
            Owner::SignalBox { .. } => boxes::stored(&mut self.known, key, value, ttl),
        }
    }

    /// Note a broken rule.
    pub fn violate(&mut self, at: Duration, key: impl Into<String>, what: impl Into<String>) {
        self.violations.push(Violation {
            at,
            key: key.into(),
            what: what.into(),
        });
    }

    /// The first rule that was broken.
    #[must_use]
    pub fn first(&self) -> Option<&Violation> {
        self.violations.first()
    }
}

fn key_of(message: &Message) -> String {
    match message {
        Message::Command { to, .. } | Message::Schedule { to, .. } => to.key.to_string(),
        Message::Task { body, .. } => headwater_wire::Task::decode(body)
            .map_or_else(|_| String::new(), |task| task.invocation.key().to_string()),
        Message::Dead(letter) => letter
            .subject
            .rsplit_once('.')
            .map_or_else(String::new, |(_, key)| key.to_owned()),
    }
}
