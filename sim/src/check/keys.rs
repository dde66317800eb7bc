//! Partition keys (rule 12): one invocation of a key at a time, in the order of submission.

use bytes::Bytes;
use headwater_wire::{Key, Status, key_queue::KeyQueueValue};

use super::Known;

/// The value of a key queue was stored.
pub(super) fn queue_stored(known: &mut Known, key: &str, bytes: &Bytes) -> Result<(), String> {
    let value = KeyQueueValue::decode(bytes).map_err(|error| error.to_string())?;
    if let Some(before) = known.queues.get(key) {
        if value.taken_through < before.taken_through {
            let (was, is) = (before.taken_through, value.taken_through);
            return Err(format!(
                "the queue has forgotten submissions: {was}, then {is}"
            ));
        }
        if value.turn.number != before.turn.number + 1 && value.turn.number != 1 {
            return Err("a turn of the queue is missing".to_owned());
        }
    }
    known.queues.insert(key.to_owned(), value);
    Ok(())
}

/// A value of an invocation was stored: it may only run if it is its turn.
pub(super) fn invocation_stored(known: &mut Known, key: &str) -> Result<(), String> {
    let Some(seen) = known.invocations.get(key) else {
        return Ok(());
    };
    let value = &seen.value;
    let Some(ticket) = &value.ticket else {
        return Ok(());
    };
    let runs = |status: Status| status != Status::Queued && !status.is_ended();
    if !runs(value.status) {
        return Ok(());
    }
    let others = known.invocations.values().map(|seen| &seen.value);
    for other in others.filter(|other| other.id != value.id && runs(other.status)) {
        if other.ticket.as_ref().is_some_and(|t| t.key == ticket.key) {
            return Err(format!(
                "it runs while {} runs under the same key {:?}",
                other.id, ticket.key
            ));
        }
    }
    let queue = Key::of_key_queue(&value.queue, &ticket.key).map_err(|error| error.to_string())?;
    let last = known.last_let_run.entry(queue.to_string()).or_default();
    if ticket.number < *last {
        return Err(format!("ticket {} runs after ticket {last}", ticket.number));
    }
    *last = ticket.number;
    Ok(())
}
