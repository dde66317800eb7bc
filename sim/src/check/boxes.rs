//! Signal boxes: each signal is taken once and given to one step (rule 7); nothing is acknowledged
//! or sent before it stands in a box (rules 2 to 4).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use headwater_store::Ttl;
use headwater_wire::{
    Command, Key, Run,
    names::Address,
    send::{Sent, SentCommand},
    signal_box::SignalBoxValue,
    turn::Root,
};

use super::{Known, known::Seen};

/// A box as it was stored, and all that it ever held.
pub(super) struct SeenBox {
    value: SignalBoxValue,
    /// Ids of signals that were ever taken, and steps that ever waited or were withdrawn.
    taken: BTreeSet<String>,
    steps: BTreeSet<(Run, u32)>,
    /// To whom each signal was given last.
    given: BTreeMap<String, (Run, u32)>,
}

type Checked = Result<(), String>;

/// The value of a box was stored.
pub(super) fn stored(known: &mut Known, key: &str, bytes: &Bytes, ttl: Ttl) -> Checked {
    let value = SignalBoxValue::decode(bytes).map_err(|error| error.to_string())?;
    match ttl {
        Ttl::After(_) if !value.waiting.is_empty() => {
            return Err("somebody waits at the box, and it would be gone".to_owned());
        }
        Ttl::After(life) if life < known.retention => {
            return Err(format!("the box would be forgotten after {life:?}"));
        }
        Ttl::Never if value.waiting.is_empty() => {
            return Err("nobody waits at the box, and it would stay for good".to_owned());
        }
        _ => {}
    }
    let before = known.boxes.remove(key).unwrap_or_else(SeenBox::new);
    let seen = before.followed_by(value)?;
    known.boxes.insert(key.to_owned(), seen);
    Ok(())
}

impl SeenBox {
    fn new() -> Self {
        let value = headwater_core::SignalBox::create(
            "",
            "",
            headwater_wire::Partition(1),
            std::time::Duration::ZERO,
        );
        Self {
            value: value.value().clone(),
            taken: BTreeSet::new(),
            steps: BTreeSet::new(),
            given: BTreeMap::new(),
        }
    }

    fn followed_by(mut self, value: SignalBoxValue) -> Result<Self, String> {
        let before = self.value;
        if value.turn.number != before.turn.number + 1 {
            return Err("a turn of the box is missing".to_owned());
        }
        for taken in &value.taken {
            let was_there = before.taken.iter().any(|one| one.id == taken.id);
            if !was_there && !self.taken.insert(taken.id.clone()) {
                return Err(format!("signal {} was taken twice", taken.id));
            }
        }
        // Those that wait: none for whom it was over.
        for wait in &value.waiting {
            let step = (wait.run, wait.step);
            let was_there = before.waiting.iter().any(|one| (one.run, one.step) == step);
            if !was_there && !self.steps.insert(step) {
                return Err(format!("step {}/{} waits again", step.0, step.1));
            }
        }
        self.steps
            .extend(value.over.iter().map(|over| (over.run, over.step)));
        for served in &value.served {
            let (step, id) = ((served.run, served.step), &served.signal.id);
            let earlier = self.given.insert(id.clone(), step);
            let withdrawn = |earlier: (Run, u32)| {
                earlier == step
                    || !value
                        .served
                        .iter()
                        .any(|one| (one.run, one.step) == earlier)
            };
            if !earlier.is_none_or(withdrawn) {
                return Err(format!("signal {id} was given to two steps"));
            }
        }
        self.value = value;
        Ok(self)
    }
}

impl Known {
    /// Once nothing is under way any more, each signal that was ever taken is in its box yet, or has
    /// come to a step.
    pub fn check_boxes(&self) -> Checked {
        let boxes = self.boxes.values();
        let taken: usize = boxes.clone().map(|seen| seen.taken.len()).sum();
        let kept: usize = boxes.map(|seen| seen.value.signals.len()).sum();
        let came: usize = self.invocations.values().map(|seen| self.came(seen)).sum();
        match taken == kept + came {
            true => Ok(()),
            false => Err(format!(
                "{taken} signals were taken by boxes, {kept} are there and {came} have come to a step"
            )),
        }
    }
}

impl Known {
    /// Signals that came to the steps of an invocation.
    fn came(&self, seen: &Seen) -> usize {
        let gave_up = |(run, step): &&(Run, u32)| self.boxed.contains(&(*run, *step, false));
        let at_end = seen.named_at_end.iter();
        seen.named + at_end.filter(|step| !gave_up(step)).count()
    }
}

/// A command to a box was acknowledged.
pub(super) fn acknowledged(known: &Known, key: &Key, command: &Command, seq: u64) -> Checked {
    let Some(seen) = known.boxes.get(key.as_str()) else {
        return Err("its box was never stored".to_owned());
    };
    if seen.value.turn.roots.contains(&Root::Command(seq)) {
        for sent in &seen.value.sends {
            if let Some(told) = outcome_of(sent)
                && !known.told.contains(&told)
            {
                let (key, run, step) = told;
                return Err(format!("step {run}/{step} of {key} was not told"));
            }
        }
    }
    let known = match command {
        Command::Signal(signal) => seen.taken.contains(&signal.id),
        Command::Await(wait) => seen.steps.contains(&(wait.run, wait.step)),
        Command::Unawait(wait) => {
            let waits = seen.value.waiting.iter();
            let mut waits = waits.map(|one| (one.run, one.step));
            seen.steps.contains(&(wait.run, wait.step))
                && !waits.any(|step| step == (wait.run, wait.step))
        }
        _ => return Err(format!("a {} is not for a box", command.name())),
    };
    match known {
        true => Ok(()),
        false => Err("its box has not taken it".to_owned()),
    }
}

/// The step that a box tells, by key and run.
fn outcome_of(sent: &Sent) -> Option<(String, Run, u32)> {
    match sent {
        Sent::Command {
            to,
            command: SentCommand::Outcome(outcome),
        } => Some((to.key.to_string(), outcome.run, outcome.step)),
        _ => None,
    }
}

/// What an invocation tells a box: which step, and whether it waits.
pub(super) fn told_to_box(sent: &Sent) -> Option<(Run, u32, bool)> {
    match sent {
        Sent::Command {
            command: SentCommand::Await(wait),
            ..
        } => Some((wait.run, wait.step, true)),
        Sent::Command {
            command: SentCommand::Unawait(wait),
            ..
        } => Some((wait.run, wait.step, false)),
        _ => None,
    }
}

/// An engine has sent something to or from a box: it follows from what is stored.
pub(super) fn published(known: &mut Known, to: &Address, command: &Command) -> Checked {
    match command {
        Command::Await(wait) => {
            known.boxed.insert((wait.run, wait.step, true));
            let key = wait.invocation.key();
            let seen = known.invocations.get(key.as_str());
            let decided = seen.is_some_and(|seen| seen.begun.contains_key(&(wait.run, wait.step)));
            decided.then_some(()).ok_or_else(|| {
                "an await left before the value that decides it was stored".to_owned()
            })
        }
        Command::Unawait(wait) => {
            known.boxed.insert((wait.run, wait.step, false));
            let key = wait.invocation.key();
            let waits = known.invocations.get(key.as_str()).is_some_and(|seen| {
                seen.value.run == wait.run && seen.open.contains_key(&wait.step)
            });
            match waits {
                true => Err("it was said to wait no more, and its value waits".to_owned()),
                false => Ok(()),
            }
        }
        Command::Outcome(outcome) => {
            let seen = known.invocations.get(to.key.as_str());
            let open = seen.filter(|seen| seen.value.run == outcome.run);
            let open = open.and_then(|seen| seen.open.get(&outcome.step));
            if open.is_none_or(|open| open.kind != super::known::Kind::Named) {
                return Ok(());
            }
            let step = (outcome.run, outcome.step);
            let gave = |seen: &SeenBox| seen.given.values().any(|given| *given == step);
            match known.boxes.values().any(gave) {
                true => Ok(()),
                false => Err(format!(
                    "the signal for step {}/{} left before its box was stored",
                    step.0, step.1
                )),
            }
        }
        _ => Ok(()),
    }
}
