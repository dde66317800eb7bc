//! The signal box: keeps the signals that are addressed by a name alone until a step waits for one,
//! and the steps that wait until a signal comes.
//!
//! Signals are given in their order to the steps in theirs, each once. What expires is looked at
//! when something comes: a box sets no timers. Its own commands create it.

mod size;

use std::time::Duration;

use headwater_wire::{
    Command, Partition, Run, Status, Timestamp,
    command::{Channel, Outcome, Signal},
    limits,
    send::{Recipient, Sent, SentCommand},
    signal_box::{Await, KeptSignal, Over, Served, SignalBoxValue, Taken, Unawait},
    turn::{LastTurn, Root},
    value::ValueError,
};

use crate::{
    machine::{Effect, Machine, Placement, Turn, address, root_of},
    mutant::{Mutant, is_broken},
};

/// A signal box in an engine's memory.
pub struct SignalBox {
    value: SignalBoxValue,
    revision: u64,
    retention: Duration,
    dirty: bool,
    roots: Vec<Root>,
    sends: Vec<Sent>,
    sent_bytes: usize,
}

impl SignalBox {
    /// The box of a name that was never used, or not for longer than the retention.
    #[must_use]
    pub fn create(name: &str, queue: &str, partition: Partition, retention: Duration) -> Self {
        let value = SignalBoxValue {
            format: limits::VALUE_FORMAT,
            program: "signal box".to_owned(),
            name: name.to_owned(),
            status: Status::Waiting,
            why: String::new(),
            queue: queue.to_owned(),
            partition,
            updated_at: Timestamp::default(),
            waiting: Vec::new(),
            signals: Vec::new(),
            served: Vec::new(),
            over: Vec::new(),
            withdrawn_at: None,
            taken: Vec::new(),
            turn: LastTurn::default(),
            sends: Vec::new(),
        };
        Self::of(value, 0, retention)
    }

    fn of(value: SignalBoxValue, revision: u64, retention: Duration) -> Self {
        Self {
            value,
            revision,
            retention: retention.max(limits::RETENTION_MIN),
            dirty: false,
            roots: Vec::new(),
            sends: Vec::new(),
            sent_bytes: 0,
        }
    }

    /// Read a stored value.
    pub fn load(bytes: &[u8], revision: u64, retention: Duration) -> Result<Self, ValueError> {
        let value = SignalBoxValue::decode(bytes)?;
        Ok(Self::of(value, revision, retention))
    }

    /// The state.
    #[must_use]
    pub fn value(&self) -> &SignalBoxValue {
        &self.value
    }

    /// By what counts when it was stored: what is over by then is only not yet swept away.
    fn place_signal(&self, signal: &Signal, stored_at: Timestamp) -> Placement {
        let value = &self.value;
        if signal.channel != Channel::Signal {
            return Placement::Foreign("not a signal, sent to a signal box");
        }
        if value.taken.iter().any(|taken| taken.id == signal.id) {
            return Placement::Taken;
        }
        if size::text(&signal.id) > 2 * limits::ID_BYTES_MAX {
            return Placement::Foreign(
                "a signal whose id is longer than twice ID_BYTES_MAX in JSON",
            );
        }
        let own = size::of_signal(&signal.id, &signal.data);
        if own > limits::BOX_SIGNALS_BYTES_MAX {
            return Placement::Foreign("a signal that is too large");
        }
        let is_late = |taken: &&Taken| stored_at.since(taken.at) <= limits::SIGNALS_TAKEN_KEPT;
        let late = || value.taken.iter().filter(is_late);
        if late().count() >= limits::BOX_REMEMBERED_LATELY_MAX
            || late().map(size::taken).sum::<usize>() >= limits::BOX_REMEMBERED_BYTES_MAX
        {
            return Placement::Foreign("too many signals of this name in a short time");
        }
        let kept = || value.signals.iter().filter(|s| s.kept_until > stored_at);
        let bytes: usize = kept().map(size::signal).sum();
        let is_full = kept().count() >= limits::BOX_SIGNALS_MAX
            || (kept().next().is_some() && bytes + own > limits::BOX_SIGNALS_BYTES_MAX);
        match is_full {
            true => Placement::Foreign("the box has no room for more signals of this name"),
            false => Placement::Take,
        }
    }

    fn place_await(&self, wait: &Await, stored_at: Timestamp) -> Placement {
        let value = &self.value;
        let waits = |other: &Await| (other.run, other.step) == (wait.run, wait.step);
        if value.waiting.iter().any(waits) || self.is_over(wait.run, wait.step) {
            Placement::Taken
        } else if value.waiting.len() >= limits::BOX_WAITING_MAX
            || value.waiting.iter().map(size::wait).sum::<usize>() >= limits::BOX_WAITING_BYTES_MAX
        {
            Placement::Wait
        } else if self.may_be_withdrawn(stored_at) {
            Placement::Foreign(
                "it found no place for so long that its step may wait no more; if it does, redrive this",
            )
        } else {
            Placement::Take
        }
    }

    /// Whether who waited no more since then may be forgotten. A place for nobody would swallow a
    /// signal.
    fn may_be_withdrawn(&self, stored_at: Timestamp) -> bool {
        let value = &self.value;
        let forgets = match value.over.first() {
            Some(first) if value.over.len() >= limits::BOX_REMEMBERED_MAX => first.at >= stored_at,
            _ => false,
        };
        value.withdrawn_at.is_some_and(|at| at >= stored_at)
            && (forgets || value.updated_at.since(stored_at) > self.retention)
    }

    fn place_unawait(&self, wait: &Unawait) -> Placement {
        let Unawait { run, step, .. } = *wait;
        // A signal that it was given comes back.
        let was_served = self
            .value
            .served
            .iter()
            .any(|s| (s.run, s.step) == (run, step));
        match self.is_over(run, step) && !was_served {
            true => Placement::Taken,
            false => Placement::Take,
        }
    }

    fn is_over(&self, run: Run, step: u32) -> bool {
        let over = &self.value.over;
        over.iter().any(|over| (over.run, over.step) == (run, step))
    }

    fn take_signal(&mut self, signal: Signal, now: Timestamp) {
        let Signal {
            id, data, keep_ms, ..
        } = signal;
        let keep = keep_ms.map_or(limits::NAMED_SIGNAL_KEPT, Duration::from_millis);
        let keep = keep.min(limits::NAMED_SIGNAL_KEPT_MAX);
        self.value.taken.push(Taken {
            id: id.clone(),
            at: now,
        });
        self.value.signals.push(KeptSignal {
            id,
            data,
            kept_until: now.after(keep),
        });
    }

    /// It waits no more. What it was given and has not got is the next that is given.
    fn take_unawait(&mut self, wait: &Unawait, now: Timestamp) {
        let Unawait { run, step, .. } = *wait;
        let is = |of_run: Run, of_step: u32| (of_run, of_step) == (run, step);
        let waited = self.value.waiting.len();
        self.value.waiting.retain(|wait| !is(wait.run, wait.step));
        if self.value.waiting.len() == waited && !self.is_over(run, step) {
            self.value.withdrawn_at = Some(now);
        }
        let served = &mut self.value.served;
        let back = served.iter().position(|served| is(served.run, served.step));
        match back.map(|index| served.remove(index)) {
            Some(Served { signal, .. }) if !is_broken(Mutant::BoxEatsReturned) => {
                self.value.signals.insert(0, signal);
            }
            _ => {}
        }
        self.end_wait(run, step, now);
    }

    fn end_wait(&mut self, run: Run, step: u32, at: Timestamp) {
        if !self.is_over(run, step) {
            self.value.over.push(Over { run, step, at });
        }
    }

    /// Give what is there to who waits, as far as both go.
    fn serve(&mut self, now: Timestamp) {
        self.value.signals.retain(|signal| signal.kept_until > now);
        while !self.value.signals.is_empty() && !self.value.waiting.is_empty() {
            let signal = self.value.signals.remove(0);
            let wait = self.value.waiting.remove(0);
            self.give(wait, signal, now);
        }
    }

    fn give(&mut self, wait: Await, signal: KeptSignal, now: Timestamp) {
        let Await {
            invocation,
            queue,
            partition,
            run,
            step,
        } = wait;
        self.end_wait(run, step, now);
        let outcome = Outcome {
            run,
            step,
            attempt: 1,
            result: Ok(signal.data.clone()),
            worker: String::new(),
        };
        let to = address(&queue, partition, &invocation);
        self.sent_bytes += size::sent(&to, &signal.data);
        self.sends.push(Sent::Command {
            to: Recipient::from(to),
            command: SentCommand::Outcome(outcome),
        });
        self.value.served.push(Served { run, step, signal });
    }

    /// What can come no more, or could only come to be dropped, is forgotten; and what there is no
    /// room for, the oldest first.
    fn forget(&mut self, now: Timestamp) {
        let value = &mut self.value;
        value.served.retain(|served| served.signal.kept_until > now);
        let kept = value.signals.iter().map(size::signal).sum::<usize>();
        forget_served(&mut value.served, kept, limits::BOX_SIGNALS_BYTES_MAX, 1);
        let remembered = match is_broken(Mutant::BoxForgets) {
            true => Duration::from_secs(1),
            false => self.retention,
        };
        forget_old(&mut value.over, |over| over.at, now, remembered);
        forget_old(&mut value.taken, |taken| taken.at, now, remembered);
        let beyond = value
            .over
            .len()
            .saturating_sub(limits::BOX_REMEMBERED_LATELY_MAX);
        value.over.drain(..beyond);
    }

    /// Keep the value small enough to be stored, whatever it costs of what may come back.
    fn make_room(&mut self) {
        if self.value.served.is_empty() {
            return;
        }
        let rest = size::all_but_served(&self.value) + 21 * self.roots.len() + self.sent_bytes;
        forget_served(&mut self.value.served, rest, limits::BOX_BYTES_MAX, 0);
    }

    fn why(&self) -> String {
        match (self.value.waiting.len(), self.value.signals.len()) {
            (0, 0) => "nothing waits".to_owned(),
            (0, signals) => format!("{signals} signals are kept until somebody waits for them"),
            (waiting, _) => format!("{waiting} steps wait for a signal"),
        }
    }

    /// How long it is kept: for as long as what it remembers may come again, and what it keeps is
    /// kept; a box at which somebody waits, for good. In whole seconds, as a store takes it.
    fn ttl(&self, now: Timestamp) -> Option<Duration> {
        if !self.value.waiting.is_empty() {
            return None;
        }
        let kept = self.value.signals.iter().map(|s| s.kept_until.since(now));
        let kept = kept.max().unwrap_or_default();
        let life = kept.min(limits::NAMED_SIGNAL_KEPT_MAX);
        let life = life.max(self.retention * 2);
        let begun = u64::from(life.subsec_nanos() > 0);
        Some(Duration::from_secs(life.as_secs() + begun))
    }
}

/// Forget of what was given the oldest, but not the last ones, until it is within the limit
/// together with what else there is.
fn forget_served(served: &mut Vec<Served>, rest: usize, limit: usize, last: usize) {
    let mut bytes = rest + served.iter().map(size::served).sum::<usize>();
    let forgotten = served.iter().take_while(|one| {
        let is_too_much = bytes > limit;
        bytes -= size::served(one);
        is_too_much
    });
    let forgotten = forgotten.count().min(served.len().saturating_sub(last));
    served.drain(..forgotten);
}

/// Forget what is older than the retention; of very many also what is not of late.
fn forget_old<T>(
    all: &mut Vec<T>,
    at: impl Fn(&T) -> Timestamp,
    now: Timestamp,
    retention: Duration,
) {
    let beyond = all.len().saturating_sub(limits::BOX_REMEMBERED_MAX);
    let mut index = 0;
    all.retain(|one| {
        index += 1;
        let age = now.since(at(one));
        age <= retention && (index > beyond || age <= limits::SIGNALS_TAKEN_KEPT)
    });
}

impl Machine for SignalBox {
    fn place(&self, command: &Command, seq: u64, stored_at: Timestamp) -> Placement {
        // What the last turn rests on was taken.
        if self.value.turn.roots.contains(&root_of(command, seq)) {
            return Placement::Taken;
        }
        match command {
            Command::Signal(signal) => self.place_signal(signal, stored_at),
            Command::Await(wait) => self.place_await(wait, stored_at),
            Command::Unawait(wait) => self.place_unawait(wait),
            _ => Placement::Foreign("a command for an invocation, sent to a signal box"),
        }
    }

    fn take(&mut self, command: Command, seq: u64, now: Timestamp) {
        let root = root_of(&command, seq);
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
        self.dirty = true;
        match command {
            Command::Signal(signal) => self.take_signal(signal, now),
            Command::Await(wait) => self.value.waiting.push(wait),
            Command::Unawait(wait) => self.take_unawait(&wait, now),
            _ => {}
        }
        self.serve(now);
        self.make_room();
    }

    fn has_turn(&self) -> bool {
        self.dirty
    }

    fn turn_is_full(&self) -> bool {
        self.sent_bytes >= limits::TURN_BYTES_MAX
            || self.sends.len() >= limits::TURN_EFFECTS_MAX
            || self.roots.len() >= limits::BOX_TURN_COMMANDS_MAX
    }

    fn prepare(&mut self, now: Timestamp, id: String) -> Result<Turn, String> {
        self.forget(now);
        self.value.why = self.why();
        self.value.updated_at = now.max(self.value.updated_at);
        self.value.sends = std::mem::take(&mut self.sends);
        self.value.turn = LastTurn {
            number: self.value.turn.number + 1,
            id: id.clone(),
            roots: std::mem::take(&mut self.roots),
            effects: Vec::new(),
            partial: false,
        };
        self.dirty = false;
        self.sent_bytes = 0;
        Ok(Turn {
            expected: self.revision,
            value: self.value.encode().map_err(|error| error.to_string())?,
            ttl: self.ttl(now),
            page: None,
            archive: None,
            forgotten: Vec::new(),
            id,
        })
    }

    fn committed(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn last_turn(&self) -> &LastTurn {
        &self.value.turn
    }

    fn effects(&self) -> Vec<Effect> {
        let sends = self.value.sends.iter();
        sends
            .map(|sent| Effect::Send(Box::new(sent.clone())))
            .collect()
    }

    fn proves(&self, _command: &Command, _effect: &Effect) -> bool {
        false
    }

    fn is_anchor(&self, _root: &Root) -> bool {
        false
    }
}
