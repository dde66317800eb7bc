//! What the context's futures and the executor share.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use headwater_wire::{Entry, Failure, Payload, Timestamp};
use rand_chacha::ChaCha8Rng;

use crate::program::{Decision, LocalOutcome, LogLine, ProgramInfo};

/// State of one program, seen by its context, its futures and its executor.
pub(super) struct Shared {
    pub(super) info: Arc<ProgramInfo>,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) random: ChaCha8Rng,
    pub(super) replaying: bool,
    /// The program is being dropped: futures must not decide anything any more.
    pub(super) closed: bool,
    /// Local steps are being driven: only then is the user's work in them polled, so that a
    /// workflow goes through the same polls live and on replay.
    pub(super) driving: bool,
    pub(super) steps: u32,
    pub(super) decisions: Vec<Decision>,
    /// The run is over and another follows with this input, unless it cannot be encoded.
    pub(super) next_input: Option<Result<Payload, Failure>>,
    pub(super) slots: BTreeMap<u32, Slot>,
    pub(super) local_outcomes: Vec<LocalOutcome>,
    pub(super) logs: Vec<LogLine>,
}

/// A future of the context that has decided something and is not yet dropped or done.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) waker: Option<Waker>,
    pub(super) outcome: Option<Result<Payload, Failure>>,
    /// A local step: the attempt that may run.
    pub(super) released: Option<u32>,
    /// A local step: the attempt that runs.
    pub(super) running: Option<u32>,
}

impl Shared {
    pub(super) fn new(info: Arc<ProgramInfo>, random: ChaCha8Rng) -> Arc<Self> {
        Arc::new(Self {
            info,
            state: Mutex::new(State {
                now: Timestamp::default(),
                random,
                replaying: false,
                closed: false,
                driving: false,
                steps: 0,
                decisions: Vec::new(),
                next_input: None,
                slots: BTreeMap::new(),
                local_outcomes: Vec::new(),
                logs: Vec::new(),
            }),
        })
    }

    /// A panic of user code cannot leave the state inconsistent: no user code runs under the lock.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Number a new step and decide it.
    pub(super) fn decide(&mut self, make: impl FnOnce(u32, &Self) -> Decision) -> u32 {
        self.steps += 1;
        let step = self.steps;
        let decision = make(step, self);
        self.decisions.push(decision);
        self.slots.insert(step, Slot::default());
        step
    }

    /// Number so many steps, one at least, and decide them as one.
    #[allow(dead_code)] // for `map`
    pub(super) fn decide_many(
        &mut self,
        count: u32,
        make: impl FnOnce(u32, &Self) -> Decision,
    ) -> RangeInclusive<u32> {
        let first = self.steps + 1;
        self.steps += count;
        let decision = make(first, self);
        self.decisions.push(decision);
        let steps = first..=self.steps;
        self.slots
            .extend(steps.clone().map(|step| (step, Slot::default())));
        steps
    }

    /// Decide what has no outcome and no number.
    #[allow(dead_code)] // for state, patches and answers
    pub(super) fn note(&mut self, entry: Entry) {
        self.decisions.push(Decision::Note(entry));
    }

    /// Number and decide what has no outcome: its number makes the id of what it sends.
    pub(super) fn note_numbered(&mut self, make: impl FnOnce(u32) -> Entry) -> u32 {
        self.steps += 1;
        self.decisions.push(Decision::Note(make(self.steps)));
        self.steps
    }

    /// Put an outcome where its future will find it.
    pub(super) fn resolve(&mut self, step: u32, outcome: Result<Payload, Failure>) {
        if let Some(slot) = self.slots.get_mut(&step) {
            slot.outcome = Some(outcome);
            slot.released = None;
            slot.running = None;
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// Whether the program waits for something that can come.
    pub(super) fn waits(&self) -> bool {
        self.slots.values().any(|slot| slot.outcome.is_none())
    }

    /// Whether a local step runs or may run.
    pub(super) fn has_local_work(&self) -> bool {
        self.slots
            .values()
            .any(|slot| slot.released.is_some() || slot.running.is_some())
    }

    /// Have the local steps polled at the next poll of the program.
    pub(super) fn wake_local_work(&mut self) {
        for slot in self.slots.values_mut() {
            if (slot.released.is_some() || slot.running.is_some())
                && let Some(waker) = slot.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// The future of a step is gone.
    pub(super) fn forget(&mut self, step: u32) {
        let Some(slot) = self.slots.remove(&step) else {
            return;
        };
        if slot.outcome.is_none() && !self.closed {
            self.decisions.push(Decision::Drop {
                step,
                through: None,
            });
        }
    }
}
