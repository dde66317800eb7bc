//! `signal`, `cancel` and `resume`: what is told to an invocation.

use headwater::{
    client::Bulk,
    wire::{InvocationId, Payload, Status},
};
use serde::Serialize;

use super::bulk;
use crate::{
    args::{CancelArgs, Globals, ResumeArgs, SignalArgs},
    exit::Problem,
    input,
    output::shown,
    session::{Known, Session},
};

/// The result of each of them.
#[derive(Serialize)]
struct Told<'a> {
    invocation_id: &'a InvocationId,
    /// False: there was nothing to do.
    sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_id: Option<&'a str>,
}

/// The status of an invocation; none while its start waits in COMMANDS.
pub(super) async fn status_of(
    session: &Session,
    id: &InvocationId,
) -> Result<Option<Status>, Problem> {
    Ok(match session.find(id).await? {
        Known::State(state) => Some(state.value.status),
        Known::Submitted(_) => None,
    })
}

pub(super) fn has_ended(id: &InvocationId, status: Status, what: &str) -> Problem {
    Problem::not_found(format!(
        "the invocation {id} has ended as {status}, so {what}; `headwater inspect {id}` shows what it did"
    ))
}

pub(crate) async fn signal(globals: &Globals, args: &SignalArgs) -> Result<(), Problem> {
    let data = match &args.data {
        None => Payload::null(),
        Some(data) => input::read("--data", data)?,
    };
    let session = Session::open(globals).await?;
    let name = args.name.as_str();
    if args.by_name {
        return signal_named(&session, args, data).await;
    }
    if let Some(filter) = &args.whom.filter {
        let words = ["Signal sent to", "Would signal"];
        let signal = |bulk: Bulk| bulk.signal_payload(name, data);
        return bulk::tell(&session, filter, &args.pace, words, signal).await;
    }
    let id = args.whom.one()?;
    let status = status_of(&session, id).await?;
    if let Some(status) = status.filter(|status| status.is_ended()) {
        return Err(has_ended(id, status, "the signal was not sent"));
    }
    let signal_id = session.client.signal_payload(id, name, data, None).await?;
    let told = Told {
        invocation_id: id,
        sent: true,
        status,
        signal_id: Some(&signal_id),
    };
    let text = format!(
        "Signal {} sent to {}; it is kept until the workflow waits for it",
        shown(name),
        shown(id.as_str())
    );
    tell(&session, &told, &text)
}

/// The result of a signal to a name.
#[derive(Serialize)]
struct ToldByName<'a> {
    name: &'a str,
    sent: bool,
    signal_id: &'a str,
}

async fn signal_named(session: &Session, args: &SignalArgs, data: Payload) -> Result<(), Problem> {
    let name = args.name.as_str();
    let mut signal = session.client.signal_named_payload(name, Ok(data));
    if let Some(keep) = args.keep {
        signal = signal.keep(keep);
    }
    if let Some(queue) = &args.queue {
        signal = signal.queue(queue);
    }
    let signal_id = signal.await?;
    let out = session.out;
    match out.is_json() {
        true => out.json(&ToldByName {
            name,
            sent: true,
            signal_id: &signal_id,
        }),
        false => out.line(format_args!(
            "Signal {} sent by its name; it is kept for a while until a workflow waits for it",
            shown(name)
        )),
    }
}

pub(crate) async fn cancel(session: &Session, args: &CancelArgs) -> Result<(), Problem> {
    if let Some(filter) = &args.whom.filter {
        let words = ["Cancel requested of", "Would cancel"];
        let cancel = |bulk: Bulk| bulk.cancel(&args.reason);
        return bulk::tell(session, filter, &args.pace, words, cancel).await;
    }
    let id = args.whom.one()?;
    let status = status_of(session, id).await?;
    let ended = status.filter(|status| status.is_ended());
    let shown_id = shown(id.as_str());
    let text = match ended {
        // What was wanted is so already.
        Some(status) => format!("{shown_id} has ended as {status} already, nothing to cancel"),
        None => {
            session.client.cancel(id, &args.reason).await?;
            format!("Cancel requested of {shown_id}; `headwater wait {shown_id}` waits for its end")
        }
    };
    let told = Told {
        invocation_id: id,
        sent: ended.is_none(),
        status,
        signal_id: None,
    };
    tell(session, &told, &text)
}

pub(crate) async fn resume(session: &Session, args: &ResumeArgs) -> Result<(), Problem> {
    if let Some(filter) = &args.whom.filter {
        let words = ["Resume requested of", "Would resume"];
        return bulk::tell(session, filter, &args.pace, words, Bulk::resume).await;
    }
    let id = args.whom.one()?;
    let status = status_of(session, id).await?;
    let shown_id = shown(id.as_str());
    let stands = matches!(status, Some(Status::Parked | Status::Paused));
    let text = match status {
        Some(status) if status.is_ended() => {
            return Err(has_ended(id, status, "it can't be resumed"));
        }
        Some(Status::Parked | Status::Paused) => {
            session.client.resume(id).await?;
            format!(
                "Resume requested of {shown_id}; `headwater why {shown_id}` tells what became of it"
            )
        }
        Some(status) => {
            format!("{shown_id} is {status}, neither parked nor paused: nothing to resume")
        }
        None => format!("{shown_id} has not been taken by an engine yet: nothing to resume"),
    };
    let told = Told {
        invocation_id: id,
        sent: stands,
        status,
        signal_id: None,
    };
    tell(session, &told, &text)
}

fn tell(session: &Session, told: &Told<'_>, text: &str) -> Result<(), Problem> {
    match session.out.is_json() {
        true => session.out.json(told),
        false => session.out.line(text),
    }
}
