//! No acknowledgement before the consequences are durable (rules 3 to 6, 9, 10, 16).

use headwater_wire::{
    Command, Key, Status,
    command::{Asker, Channel, Outcome, Start},
    id::Owner,
    names::TimerId,
    send::{Sent, SentCommand},
    turn::{EffectTag, Root},
    value::Deferred,
};

use super::{
    Known,
    boxes::{self, told_to_box},
    effects::{child_of, schedule_name},
    known::{Kind, Seen},
};

type Checked = Result<(), String>;

/// A command was acknowledged. The error comes with the key that it is about.
pub(super) fn acknowledged(known: &Known, seq: u64) -> Result<(), (String, String)> {
    let Some((key, command)) = known.commands.get(&seq) else {
        return Ok(());
    };
    let about = |what: String| {
        let name = command.name();
        (
            key.to_string(),
            format!("{name} (command {seq}) was acknowledged: {what}"),
        )
    };
    if known.dead.contains(&seq) {
        return Ok(());
    }
    let checked = match command {
        Command::Submit(_) => submitted(known, key, seq),
        Command::Release(ticket) => released(known, key, ticket.number),
        _ if matches!(key.owner(), Ok(Owner::SignalBox { .. })) => {
            boxes::acknowledged(known, key, command, seq)
        }
        _ => match known.invocations.get(key.as_str()) {
            Some(seen) => of_invocation(known, seen, command, seq),
            None => Err("nothing was ever stored for its invocation".to_owned()),
        },
    };
    checked.map_err(about)
}

fn of_invocation(known: &Known, seen: &Seen, command: &Command, seq: u64) -> Checked {
    let root = match command {
        Command::TimerFired(timer) => Root::Timer(*timer),
        _ => Root::Command(seq),
    };
    if let Some((step, _)) = seen
        .value
        .anchors
        .iter()
        .find(|(_, anchor)| **anchor == root)
    {
        return Err(format!("step {step} hangs on it"));
    }
    if seen.value.turn.roots.contains(&root) {
        let resting = seen.value.parked.is_some() || seen.value.status == Status::Queued;
        require(
            resting || !seen.value.turn.partial,
            "the turn that rests on it has still to go on",
        )?;
        settled(known, seen)?;
    }
    match command {
        Command::Start(start) => started(known, seen, start, seq),
        Command::Outcome(outcome) => outcome_taken(seen, outcome),
        Command::TimerFired(timer) => timer_taken(seen, *timer),
        Command::Signal(signal) => {
            let ended = seen.value.status.is_ended();
            let taken = seen.taken.contains(&signal.id) || ended;
            require(taken, "the signal was not taken")?;
            let is_kept = ended || signal.channel != Channel::Update || is_owed(seen, &signal.id);
            require(is_kept, "the update is neither kept nor answered")
        }
        Command::Cancel(_) => {
            let deferred = |deferred: &Deferred| matches!(deferred, Deferred::Cancel { .. });
            let taken = seen.value.cancel.is_some()
                || seen.value.status.is_ended()
                || seen.value.deferred.iter().any(deferred);
            require(taken, "the invocation was not cancelled")
        }
        Command::Grant(ticket) => {
            let waits =
                seen.value.ticket.as_ref() == Some(ticket) && seen.value.status == Status::Queued;
            require(!waits, "the invocation still waits for it")
        }
        Command::Terminate(_) => {
            let ended = seen.value.status.is_ended();
            require(ended, "the invocation was not terminated")
        }
        Command::Pause(pause) => {
            let taken = seen.taken.contains(&pause.id)
                || seen.value.status.is_ended()
                || seen.value.parked.is_some();
            require(taken, "the invocation was not paused")
        }
        Command::Hook(hook) => {
            let taken = seen.taken.contains(&hook.id) || seen.value.status.is_ended();
            require(taken, "the hook was not taken")
        }
        // More runs may have ended since it was taken.
        Command::Prune(_) | Command::Resume { .. } | Command::Submit(_) | Command::Release(_) => {
            Ok(())
        }
        // One that cannot be kept now is dropped: the next one will do.
        Command::Heartbeat(_) => Ok(()),
        // None of these is served: they go to the dead letters, as was looked at above.
        Command::Delete(_) | Command::Await(_) | Command::Unawait(_) => {
            Err(format!("a {} is not served", command.name()))
        }
    }
}

/// An update is there, with a step that owes the answer, or answered.
fn is_owed(seen: &Seen, id: &str) -> bool {
    let value = &seen.value;
    value.signals.waiting.iter().any(|update| update.id == id)
        || value.updates.values().any(|update| update.id == id)
        || value.answers.iter().any(|answer| answer.id == id)
}

fn require(holds: bool, otherwise: &str) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(otherwise.to_owned()),
    }
}

/// The effects of the last turn, on which it rests, have happened or are no longer needed.
fn settled(known: &Known, seen: &Seen) -> Checked {
    let run = seen.value.run;
    for effect in seen.value.turn.effects.iter().flat_map(one_by_one) {
        let (name, needed) = match &effect {
            EffectTag::Task(step, attempt) => {
                let open = seen.open.get(step);
                let needed = open.is_some_and(|open| open.attempt == *attempt && !open.waits);
                (format!("task/{run}/{step}/{attempt}"), needed)
            }
            EffectTag::Schedule(step, attempt) => {
                let timer = TimerId {
                    run,
                    step: *step,
                    attempt: *attempt,
                };
                (schedule_name(timer), seen.open.contains_key(step))
            }
            EffectTag::Send(index) => {
                let sent = seen.value.sends.get(*index as usize);
                if let Some(of) = sent.and_then(told_to_box) {
                    let about = format!(
                        "what the turn that rests on it tells a box of step {}/{} has not left",
                        of.0, of.1
                    );
                    // What the box has given proves that it was told.
                    let proved =
                        known
                            .told
                            .contains(&(seen.value.id.key().to_string(), of.0, of.1));
                    require(proved || known.boxed.contains(&of), &about)?;
                    continue;
                }
                require(
                    sent.is_none_or(|sent| has_left(known, sent)),
                    "what a hook is asked or answers has not left",
                )?;
                let Some(of) = sent.and_then(child_of) else {
                    continue;
                };
                let about = format!(
                    "child {}/{} of the turn that rests on it has not left",
                    of.1, of.2
                );
                require(known.asked.contains(&of), &about)?;
                continue;
            }
            EffectTag::TellParent => {
                require_told(known, &seen.value.asker)?;
                continue;
            }
            _ => continue,
        };
        if needed && !seen.done.contains(&name) {
            return Err(format!("{name} of the turn that rests on it has not left"));
        }
    }
    Ok(())
}

/// The tasks of a map, each for itself.
fn one_by_one(effect: &EffectTag) -> Vec<EffectTag> {
    match *effect {
        EffectTag::Tasks(first, last) => {
            let tasks = (first..=last).map(|step| EffectTag::Task(step, 1));
            tasks.collect()
        }
        other => vec![other],
    }
}

/// Whether what is sent to or from a hook was ever published.
fn has_left(known: &Known, sent: &Sent) -> bool {
    match sent {
        Sent::Command {
            command: SentCommand::Hook(hook),
            ..
        } => known.hooks.contains(&hook.id),
        Sent::Command {
            command: SentCommand::Outcome(outcome),
            to,
        } => {
            let told = (to.key.to_string(), outcome.run, outcome.step);
            known.told.contains(&told)
        }
        _ => true,
    }
}

/// A parent was told the outcome of its step.
fn require_told(known: &Known, asker: &Asker) -> Checked {
    let Asker::Parent {
        invocation,
        run,
        step,
        ..
    } = asker
    else {
        return Ok(());
    };
    let told = (invocation.key().to_string(), *run, *step);
    require(known.told.contains(&told), "its parent was not told")
}

fn started(known: &Known, seen: &Seen, start: &Start, seq: u64) -> Checked {
    // As long as the last turn tells it, a root of that turn is still there.
    let ended = seen.value.status.is_ended();
    let tells = seen.value.turn.effects.contains(&EffectTag::TellParent);
    if start.asker != seen.value.asker || (ended && !tells) {
        require_told(known, &start.asker)?;
    }
    if seen.starts.contains(&seq) {
        return Ok(());
    }
    if let (Some(ticket), own) = (&start.ticket, &seen.value.ticket)
        && own.as_ref() != Some(ticket)
    {
        let queue = Key::of_key_queue(&seen.value.queue, &ticket.key);
        let queue = queue.map_err(|error| error.to_string())?.to_string();
        let released = known.released.contains(&(queue, ticket.number));
        require(released, "it was refused, and its key was not released")?;
    }
    let same = start.asker == seen.value.asker;
    match (&start.asker, &start.reply_to) {
        (Asker::Request(_), Some(inbox)) if !same => require(
            known.hinted.contains(inbox),
            "another asked for the id, and was not told that it exists",
        ),
        _ => Ok(()),
    }
}

fn outcome_taken(seen: &Seen, outcome: &Outcome) -> Checked {
    let Outcome {
        run, step, attempt, ..
    } = outcome;
    if *run != seen.value.run {
        return Ok(());
    }
    if !seen.begun.contains_key(&(*run, *step)) {
        return Err(format!("step {step} is not known yet"));
    }
    let deferred = |deferred: &Deferred| matches!(deferred, Deferred::Outcome { step: s, attempt: a, .. } if s == step && a == attempt);
    match seen.open.get(step) {
        Some(open) if open.kind.takes_outcomes() && open.attempt <= *attempt => {
            let kept = seen.value.deferred.iter().any(deferred);
            require(kept, "its outcome is not recorded")
        }
        _ => Ok(()),
    }
}

fn timer_taken(seen: &Seen, timer: TimerId) -> Checked {
    let TimerId { run, step, attempt } = timer;
    if run != seen.value.run {
        return Ok(());
    }
    require(seen.has_timer(timer), "the timer is not known yet")?;
    let deferred = |deferred: &Deferred| matches!(deferred, Deferred::Timer { step: s, attempt: a } if *s == step && *a == attempt);
    let waits = seen.open.get(&step).is_some_and(|open| match open.kind {
        Kind::Timer => true,
        Kind::Work => open.waits && open.attempt == attempt,
        Kind::Signal | Kind::Named | Kind::Child | Kind::Hook => false,
    });
    let kept = seen.value.deferred.iter().any(deferred);
    require(!waits || kept, "the value still waits for the timer")
}

fn submitted(known: &Known, key: &Key, seq: u64) -> Checked {
    let taken = known.queues.get(key.as_str());
    let taken = taken.is_some_and(|queue| queue.taken_through >= seq);
    require(taken, "its queue has not taken it")
}

fn released(known: &Known, key: &Key, number: u64) -> Checked {
    let Some(queue) = known.queues.get(key.as_str()) else {
        return Err("its queue was never stored".to_owned());
    };
    let holder = queue.holder.as_ref().is_some_and(|h| h.ticket == number);
    let waiting = queue.waiting.iter().any(|queued| queued.ticket == number);
    require(!holder && !waiting, "its queue still keeps the ticket")
}
