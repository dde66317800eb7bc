//! Store, then act (rule 2): nothing leaves an engine that does not follow from a stored value.

use headwater_store::Message;
use headwater_wire::{
    Command, Key, Run, Task,
    command::{Asker, Start, Submit, Ticket},
    names::{Address, TimerId},
    send::{Sent, SentCommand},
};

use super::{Known, boxes};

/// A message was stored.
pub(super) fn published(
    known: &mut Known,
    message: &Message,
    seq: u64,
    by_engine: bool,
) -> Result<(), String> {
    match message {
        Message::Task { body, .. } => {
            let task = Task::decode(body).map_err(|error| error.to_string())?;
            task_published(known, &task)
        }
        Message::Schedule { to, timer, .. } => scheduled(known, to, *timer),
        Message::Command { to, body } => {
            let command = Command::decode(body).map_err(|error| error.to_string())?;
            let checked = match by_engine {
                true => command_published(known, to, &command)
                    .and_then(|()| boxes::published(known, to, &command)),
                false => Ok(()),
            };
            match &command {
                Command::Release(ticket) => {
                    known.released.insert((to.key.to_string(), ticket.number));
                }
                Command::Outcome(outcome) => {
                    let of = (to.key.to_string(), outcome.run, outcome.step);
                    known.told.insert(of);
                }
                Command::Hook(hook) => {
                    known.hooks.insert(hook.id.clone());
                }
                Command::Start(start) | Command::Submit(Submit { start, .. }) => {
                    known.asked.extend(parent_of(start));
                }
                _ => {}
            }
            known.commands.insert(seq, (to.key.clone(), command));
            checked
        }
        Message::Dead(letter) => {
            known.dead.insert(letter.seq);
            Ok(())
        }
    }
}

fn task_published(known: &mut Known, task: &Task) -> Result<(), String> {
    let (run, step, attempt) = (task.run, task.step, task.attempt);
    let name = format!("task/{run}/{step}/{attempt}");
    let seen = known.invocations.get_mut(task.invocation.key().as_str());
    let seen = seen.ok_or_else(|| format!("{name} left before any value was stored"))?;
    match seen.begun.get(&(run, step)) {
        Some(begun) if *begun >= attempt => {}
        _ => {
            return Err(format!(
                "{name} left before the value that decides it was stored"
            ));
        }
    }
    if seen.inputs.get(&(run, step)) != Some(&task.input) {
        return Err(format!("{name} has another input than its journal"));
    }
    seen.effect_done(name);
    Ok(())
}

fn scheduled(known: &mut Known, to: &Address, timer: TimerId) -> Result<(), String> {
    let seen = known.invocations.get_mut(to.key.as_str());
    let seen = seen.ok_or_else(|| format!("{timer} was set before any value was stored"))?;
    if !seen.has_timer(timer) {
        return Err(format!(
            "{timer} was set before the value that decides it was stored"
        ));
    }
    seen.effect_done(schedule_name(timer));
    Ok(())
}

pub(super) fn schedule_name(timer: TimerId) -> String {
    let TimerId { run, step, attempt } = timer;
    format!("schedule/{run}/{step}/{attempt}")
}

/// A schedule was removed: only a timer that is over may lose it (rule 11).
pub(super) fn unscheduled(known: &mut Known, to: &Address, timer: TimerId) -> Result<(), String> {
    let Some(seen) = known.invocations.get_mut(to.key.as_str()) else {
        return Err(format!("{timer} was removed before any value was stored"));
    };
    let waits = seen.value.run == timer.run
        && seen.open.get(&timer.step).is_some_and(|open| {
            let attempt = if open.kind == super::known::Kind::Timer {
                0
            } else {
                open.attempt
            };
            attempt == timer.attempt && (open.waits || attempt == 0)
        });
    match waits {
        true => Err(format!("{timer} was removed, and the value waits for it")),
        false => Ok(()),
    }
}

fn command_published(known: &Known, to: &Address, command: &Command) -> Result<(), String> {
    match command {
        Command::Start(start) => match &start.ticket {
            Some(ticket) => queue_sent(known, to, ticket, start.granted),
            None => child_started(known, start),
        },
        Command::Submit(submit) => child_started(known, &submit.start),
        Command::Grant(ticket) => queue_sent(known, to, ticket, true),
        Command::Release(ticket) => released(known, ticket),
        _ => Ok(()),
    }
}

/// Who asked for a child, if a step did: key, run and step.
pub(super) fn parent_of(start: &Start) -> Option<(String, Run, u32)> {
    match &start.asker {
        Asker::Parent {
            invocation,
            run,
            step,
            ..
        } => Some((invocation.key().to_string(), *run, *step)),
        Asker::Request(_) => None,
    }
}

/// The child that a message starts.
pub(super) fn child_of(sent: &Sent) -> Option<(String, Run, u32)> {
    match sent {
        Sent::Command {
            command: SentCommand::Start(start) | SentCommand::Submit { start, .. },
            ..
        } => parent_of(start),
        _ => None,
    }
}

/// An engine starts nothing but children that were decided.
fn child_started(known: &Known, start: &Start) -> Result<(), String> {
    let Some((key, run, step)) = parent_of(start) else {
        return Ok(());
    };
    let parent = known.invocations.get(&key);
    match parent.is_some_and(|parent| parent.children.contains(&(run, step))) {
        true => Ok(()),
        false => Err(format!(
            "child {run}/{step} left before the value that decides it was stored"
        )),
    }
}

/// A key queue let an invocation start or run.
fn queue_sent(known: &Known, to: &Address, ticket: &Ticket, runs: bool) -> Result<(), String> {
    let key = Key::of_key_queue(&to.queue, &ticket.key).map_err(|error| error.to_string())?;
    let number = ticket.number;
    let queue = known.queues.get(key.as_str());
    let queue = queue.ok_or_else(|| format!("ticket {number} left before its queue was stored"))?;
    if queue.taken_through < number {
        return Err(format!("ticket {number} left before it was stored"));
    }
    if runs && queue.waiting.iter().any(|queued| queued.ticket == number) {
        return Err(format!(
            "ticket {number} was let run, and its queue says that it waits"
        ));
    }
    Ok(())
}

/// A key was given back: by an invocation that has ended, or by a start that was refused.
fn released(known: &Known, ticket: &Ticket) -> Result<(), String> {
    let holders = known.invocations.values();
    for seen in holders.filter(|seen| seen.value.ticket.as_ref() == Some(ticket)) {
        if !seen.value.status.is_ended() {
            return Err(format!(
                "ticket {} was released by {}, which has not ended",
                ticket.number, seen.value.id
            ));
        }
    }
    Ok(())
}
