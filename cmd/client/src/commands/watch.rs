//! `watch`: changes as they come.

use futures::StreamExt;
use headwater::{
    ClientError,
    client::WatchEvent,
    wire::{InvocationId, Key, id::Owner},
};
use serde::Serialize;

use super::status::Summary;
use crate::{
    exit::{Exit, Problem},
    output::{Out, complain, preview, shown, time_millis},
    session::Session,
};

/// A state whose retention is over, as JSON.
#[derive(Serialize)]
struct Gone<'a> {
    invocation_id: &'a str,
    status: &'static str,
}

pub(crate) async fn watch(session: &Session, id: Option<&InvocationId>) -> Result<(), Problem> {
    if let Some(id) = id {
        session.find(id).await?;
    }
    let mut events = session.client.watch(id).await?;
    loop {
        let event = tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Ok(()),
            event = events.next() => event,
        };
        let ended = match event {
            Some(Ok(event)) => tell(session.out, &event)?,
            // One state that nobody can read does not hide the others.
            Some(Err(error @ ClientError::Unreadable { .. })) if id.is_none() => {
                complain(session.out.format, &error.into());
                false
            }
            Some(Err(error)) => return Err(error.into()),
            None => {
                let message = "the server ended the watch; start it again";
                return Err(Problem::new(Exit::Nats, "unavailable", message));
            }
        };
        if ended && id.is_some() {
            return Ok(());
        }
    }
}

/// Tell a change. Answers whether its invocation has ended.
fn tell(out: Out, event: &WatchEvent) -> Result<bool, Problem> {
    match event {
        WatchEvent::Current => Ok(false),
        WatchEvent::State(state) => {
            let value = &state.value;
            match out.is_json() {
                true => out.json(&Summary::of(value))?,
                false => out.line(format_args!(
                    "{}  {}  {}  {}",
                    time_millis(value.updated_at),
                    shown(value.id.as_str()),
                    value.status,
                    preview(&value.why)
                ))?,
            }
            Ok(value.status.is_ended())
        }
        WatchEvent::Gone(key) => {
            let Some(id) = invocation(key) else {
                return Ok(false);
            };
            match out.is_json() {
                true => out.json(&Gone {
                    invocation_id: id.as_str(),
                    status: "gone",
                })?,
                false => out.line(format_args!(
                    "{}  gone  its retention is over",
                    shown(id.as_str())
                ))?,
            }
            Ok(true)
        }
    }
}

fn invocation(key: &Key) -> Option<InvocationId> {
    match key.owner() {
        Ok(Owner::Invocation(id)) => Some(id),
        _ => None,
    }
}
