//! What the context's futures and the executor share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use headwater_wire::{Entry, Failure, Payload, Timestamp, limits::CANCEL_IGNORED_MAX};
use rand_chacha::ChaCha8Rng;

use super::{groups::Group, hooks::HooksByName, queries::Handlers, scope::Reach, state::Visible};
use crate::program::{Decision, LocalOutcome, LogLine, NextRun, ProgramInfo};

/// State of one program, seen by its context, its futures and its executor.
pub(super) struct Shared {
    pub(super) info: Arc<ProgramInfo>,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) now: Timestamp,
    random: ChaCha8Rng,
    pub(super) replaying: bool,
    /// The program is being dropped: futures must not decide anything any more.
    pub(super) closed: bool,
    /// Local steps are being driven: only then is the user's work in them polled, so that a
    /// workflow goes through the same polls live and on replay.
    pub(super) driving: bool,
    /// What the work of a step has taken from the context, which a replay would not do.
    pub(super) misused: Option<&'static str>,
    pub(super) steps: u32,
    pub(super) decisions: Vec<Decision>,
    /// The run is over and another follows, unless its input cannot be encoded.
    pub(super) next_run: Option<Result<NextRun, Failure>>,
    /// What cancellations reach.
    pub(super) reach: Reach,
    scopes: Vec<ScopeState>,
    /// The invocation was cancelled.
    pub(super) cancelled: Option<Failure>,
    /// Steps that were refused since they are reached by a cancellation.
    refused: u32,
    /// So many were that the run ends with this.
    pub(super) overruled: Option<Failure>,
    /// What others can see.
    pub(super) visible: Visible,
    /// What clients can ask it.
    pub(super) queries: Handlers,
    pub(super) slots: BTreeMap<u32, Slot>,
    pub(super) groups: BTreeMap<u32, Group>,
    /// Functions to run beside the main one when somebody asks for it.
    pub(super) hooks: HooksByName,
    pub(super) local_outcomes: Vec<LocalOutcome>,
    pub(super) logs: Vec<LogLine>,
}

struct ScopeState {
    outer: Reach,
    cancelled: Option<Failure>,
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
    /// Which cancellations reach it.
    pub(super) reach: Reach,
    /// The group that it is of: its outcome is told there.
    pub(super) group: Option<u32>,
}

impl Slot {
    pub(super) fn of_group(group: u32, reach: Reach) -> Self {
        Self {
            group: Some(group),
            ..Self::within(reach)
        }
    }

    fn within(reach: Reach) -> Self {
        Self {
            reach,
            ..Self::default()
        }
    }
}

impl Shared {
    pub(super) fn new(info: Arc<ProgramInfo>, random: ChaCha8Rng) -> Arc<Self> {
        let visible = Visible::of(&info);
        Arc::new(Self {
            info,
            state: Mutex::new(State {
                now: Timestamp::default(),
                random,
                replaying: false,
                closed: false,
                driving: false,
                misused: None,
                steps: 0,
                decisions: Vec::new(),
                next_run: None,
                reach: Reach::Invocation,
                scopes: Vec::new(),
                cancelled: None,
                refused: 0,
                overruled: None,
                visible,
                queries: Handlers::new(),
                slots: BTreeMap::new(),
                groups: BTreeMap::new(),
                hooks: HooksByName::new(),
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
    /// The generator of the workflow. The work of a step must not draw from it: a replay, which
    /// runs no step, would go on with other numbers.
    pub(super) fn random(&mut self, what: &'static str) -> &mut ChaCha8Rng {
        if self.driving {
            self.misused.get_or_insert(what);
        }
        &mut self.random
    }

    /// Number a new step and decide it.
    pub(super) fn decide(&mut self, make: impl FnOnce(u32, &Self) -> Decision) -> u32 {
        self.steps += 1;
        let step = self.steps;
        let decision = make(step, self);
        self.decisions.push(decision);
        self.slots.insert(step, Slot::within(self.reach));
        step
    }

    /// Decide what has no outcome and no number.
    pub(super) fn note(&mut self, entry: Entry) {
        if !self.closed {
            self.decisions.push(Decision::Note(entry));
        }
    }

    /// Number and decide what has no outcome: its number makes the id of what it sends.
    pub(super) fn note_numbered(&mut self, make: impl FnOnce(u32) -> Entry) -> u32 {
        self.steps += 1;
        self.decisions.push(Decision::Note(make(self.steps)));
        self.steps
    }

    /// Why a step that is about to be decided is not: a cancellation reaches it. Whoever goes on
    /// regardless, again and again, is stopped.
    pub(super) fn refuse(&mut self) -> Option<Poll<Failure>> {
        let failure = self.cancellation_of(self.reach)?.clone();
        if self.refused < CANCEL_IGNORED_MAX {
            self.refused += 1;
            return Some(Poll::Ready(failure));
        }
        self.overruled = Some(failure);
        Some(Poll::Pending)
    }

    /// The cancellation that reaches there.
    pub(super) fn cancellation_of(&self, reach: Reach) -> Option<&Failure> {
        match reach {
            Reach::Shielded => None,
            Reach::Invocation => self.cancelled.as_ref(),
            Reach::Scope(id) => {
                let scope = self.scopes.get(id as usize)?;
                let own = scope.cancelled.as_ref();
                own.or_else(|| self.cancellation_of(scope.outer))
            }
        }
    }

    pub(super) fn new_scope(&mut self) -> u32 {
        self.scopes.push(ScopeState {
            outer: self.reach,
            cancelled: None,
        });
        self.scopes.len() as u32 - 1
    }

    /// What is awaited in a scope fails, and is no longer wanted.
    pub(super) fn cancel_scope(&mut self, id: u32, failure: Failure) {
        match self.scopes.get_mut(id as usize) {
            Some(scope) if scope.cancelled.is_none() => scope.cancelled = Some(failure.clone()),
            _ => return,
        }
        if self.closed {
            return;
        }
        for step in self.waiting() {
            let slot = self.slots.get(&step);
            if slot.is_some_and(|slot| self.is_within(slot.reach, id)) {
                let through = None;
                self.decisions.push(Decision::Drop { step, through });
                self.resolve(step, Err(failure.clone()));
            }
        }
    }

    fn is_within(&self, reach: Reach, scope: u32) -> bool {
        match reach {
            Reach::Scope(id) if id == scope => true,
            Reach::Scope(id) => {
                let outer = self.scopes.get(id as usize).map(|scope| scope.outer);
                outer.is_some_and(|outer| self.is_within(outer, scope))
            }
            Reach::Invocation | Reach::Shielded => false,
        }
    }

    /// Steps without an outcome that a cancellation of the invocation does not reach.
    pub(super) fn shielded(&self) -> Vec<u32> {
        let mut steps = self.waiting();
        steps.retain(|step| {
            let slot = self.slots.get(step);
            slot.is_some_and(|slot| !self.is_reached(slot.reach))
        });
        steps
    }

    fn is_reached(&self, reach: Reach) -> bool {
        match reach {
            Reach::Shielded => false,
            Reach::Invocation => true,
            Reach::Scope(id) => {
                let scope = self.scopes.get(id as usize);
                scope.is_some_and(|scope| self.is_reached(scope.outer))
            }
        }
    }

    /// Steps without an outcome.
    pub(super) fn waiting(&self) -> Vec<u32> {
        let waiting = self.slots.iter().filter(|(_, slot)| slot.outcome.is_none());
        waiting.map(|(step, _)| *step).collect()
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
            if let Some(group) = slot.group {
                self.tell_group(group, step);
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
