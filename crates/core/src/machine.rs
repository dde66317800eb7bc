//! What the engine drives: something with a value that takes commands, one turn at a time.

use std::{ops::RangeInclusive, time::Duration};

use headwater_wire::{
    Command, InvocationId, Key, Task, Timestamp,
    names::{Address, TimerId},
    send::Sent,
    task::Reply,
    turn::{LastTurn, Root},
};

use crate::program::LogLine;

/// What to do with a command, by the value in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It belongs into the next turn.
    Take,
    /// It was taken in this or an earlier turn.
    Taken,
    /// It can't be placed: nothing waits for it. To be dropped, but only by a fresh value.
    Drop(&'static str),
    /// It can't be taken now; keep it and try again after the next turn.
    Wait,
    /// It is refused, or was answered long ago: these are to be told (and stored) before it is
    /// acknowledged.
    Tell(Vec<Effect>),
    /// A start for which the id is free: a new invocation takes the place of this one, which has
    /// ended, once what follows from its end is settled.
    Supersede,
    /// It makes no sense here: to be dead-lettered.
    Foreign(&'static str),
    /// It can be taken only if no other command for this address, from this sequence up to its
    /// own, is still in COMMANDS.
    TakeInOrder {
        /// The first sequence to look at.
        from_seq: u64,
    },
}

/// What has to leave the engine after a turn is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Publish a task.
    Task {
        /// Topic.
        topic: String,
        /// The task.
        task: Box<Task>,
    },
    /// Publish a command.
    Command {
        /// To whom.
        to: Address,
        /// The command.
        command: Box<Command>,
    },
    /// Publish a command later.
    Schedule {
        /// To whom.
        to: Address,
        /// Which timer.
        timer: TimerId,
        /// When.
        due: Timestamp,
    },
    /// Remove a schedule.
    Unschedule {
        /// To whom it would have gone.
        to: Address,
        /// Which timer.
        timer: TimerId,
    },
    /// Give journal pages a time to live.
    ExpirePages {
        /// Whose.
        key: Key,
        /// Which.
        pages: RangeInclusive<u32>,
        /// How long.
        ttl: Duration,
    },
    /// What a value says that it sent: a command, or a hint that nobody awaits.
    Send(Box<Sent>),
    /// Tell a waiting client. A hint: nobody awaits its acknowledgement.
    Reply {
        /// Where.
        inbox: String,
        /// What.
        reply: Box<Reply>,
    },
}

/// One compare-and-swap, ready to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Revision that it replaces; 0: none.
    pub expected: u64,
    /// The new value.
    pub value: Vec<u8>,
    /// How long it lives; none: until overwritten.
    pub ttl: Option<Duration>,
    /// Journal page that has to be stored before: its number and contents.
    pub page: Option<(u32, String)>,
    /// What the run that it ends leaves, which has to be stored before, too.
    pub archive: Option<Archive>,
    /// Parts of the journal of earlier runs that nobody can ask for once it is stored.
    pub forgotten: Vec<String>,
    /// The id that the value bears, by which its writer knows it again.
    pub id: String,
}

/// Entries of a run that is over, to be stored beside its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its part of the key: see [`journal_key`](headwater_wire::runs::journal_key).
    pub name: String,
    /// The entries, as a page has them.
    pub page: String,
    /// How long it lives.
    pub ttl: Duration,
}

/// Something with a value that takes commands.
pub trait Machine: Send + Sync {
    /// Forget what is too old to be of use, if that is what keeps commands waiting.
    fn tidy(&mut self, _now: Timestamp) {}

    /// Where a command stands by the value in hand. `stored_at`: when it was stored, since what it
    /// finds does not hang on when it is looked at.
    fn place(&self, command: &Command, seq: u64, stored_at: Timestamp) -> Placement;

    /// Take a command into the turn that is being made.
    fn take(&mut self, command: Command, seq: u64, now: Timestamp);

    /// Whether there is a turn to be stored.
    fn has_turn(&self) -> bool;

    /// Whether the turn is full: what else there is has to wait for the next.
    fn turn_is_full(&self) -> bool;

    /// The turn to be stored, under this id. Errors only if the value cannot be encoded.
    fn prepare(&mut self, now: Timestamp, id: String) -> Result<Turn, String>;

    /// The turn was stored.
    fn committed(&mut self, revision: u64);

    /// Revision of the value that the machine was loaded from or that it last wrote; 0: none.
    fn revision(&self) -> u64;

    /// The last stored turn.
    fn last_turn(&self) -> &LastTurn;

    /// What follows from the last stored turn.
    fn effects(&self) -> Vec<Effect>;

    /// Whether an effect has happened for sure, since this command rests on it.
    fn proves(&self, command: &Command, effect: &Effect) -> bool;

    /// Whether local work hangs on this command.
    fn is_anchor(&self, root: &Root) -> bool;

    /// Lines logged since the last call.
    fn take_logs(&mut self) -> Vec<LogLine> {
        Vec::new()
    }

    /// Hints for who waits, if the last turn ended it.
    fn replies(&self) -> Vec<Effect> {
        Vec::new()
    }
}

/// The root that a command is.
#[must_use]
pub fn root_of(command: &Command, seq: u64) -> Root {
    match command {
        Command::TimerFired(timer) => Root::Timer(*timer),
        _ => Root::Command(seq),
    }
}

/// The address of an invocation.
#[must_use]
pub fn address(queue: &str, partition: headwater_wire::Partition, id: &InvocationId) -> Address {
    Address {
        queue: queue.to_owned(),
        partition,
        key: id.key(),
    }
}
