//! `enqueue`, `raise`, `update` and `query`: what is put to one invocation beside signals.

use headwater::wire::{InvocationId, Payload, command::Channel};
use serde::Serialize;

use super::tell::{has_ended, status_of};
use crate::{
    args::{AskArgs, Globals, UpdateArgs},
    exit::Problem,
    input,
    output::{payload, shown},
    session::Session,
};

/// The result of `enqueue` and `raise`.
#[derive(Serialize)]
struct Sent<'a> {
    invocation_id: &'a InvocationId,
    sent: bool,
    signal_id: &'a str,
}

/// The result of `update` and `query`.
#[derive(Serialize)]
struct Answered<'a> {
    invocation_id: &'a InvocationId,
    answer: &'a Payload,
}

fn data(args: &AskArgs) -> Result<Payload, Problem> {
    match &args.data {
        None => Ok(Payload::null()),
        Some(data) => input::read("DATA", data),
    }
}

/// Refuse what an ended invocation would never take.
async fn expect_going_on(session: &Session, id: &InvocationId, what: &str) -> Result<(), Problem> {
    match status_of(session, id).await? {
        Some(status) if status.is_ended() => Err(has_ended(id, status, what)),
        _ => Ok(()),
    }
}

pub(crate) async fn enqueue(globals: &Globals, args: &AskArgs) -> Result<(), Problem> {
    let told = "is kept until the workflow takes it";
    send(globals, args, Channel::Queue, "Item for queue", told).await
}

pub(crate) async fn raise(globals: &Globals, args: &AskArgs) -> Result<(), Problem> {
    let told = "is dropped unless the workflow waits for it";
    send(globals, args, Channel::Event, "Event", told).await
}

async fn send(
    globals: &Globals,
    args: &AskArgs,
    channel: Channel,
    what: &str,
    told: &str,
) -> Result<(), Problem> {
    let data = data(args)?;
    let AskArgs { id, name, .. } = args;
    let session = Session::open(globals).await?;
    expect_going_on(&session, id, "nothing was sent").await?;
    let sent = session.client.send_on(channel, id, name, data, None);
    let signal_id = sent.await?;
    let out = session.out;
    match out.is_json() {
        true => out.json(&Sent {
            invocation_id: id,
            sent: true,
            signal_id: &signal_id,
        }),
        false => out.line(format_args!(
            "{what} {} sent to {}; it {told}",
            shown(name),
            shown(id.as_str())
        )),
    }
}

pub(crate) async fn update(globals: &Globals, args: &UpdateArgs) -> Result<(), Problem> {
    let UpdateArgs { ask, timeout } = args;
    let request = data(ask)?;
    let session = Session::open(globals).await?;
    expect_going_on(&session, &ask.id, "the update was not sent").await?;
    let client = &session.client;
    let answer = client.update_payload(&ask.id, &ask.name, request, None, *timeout);
    tell(&session, &ask.id, &answer.await?)
}

pub(crate) async fn query(globals: &Globals, args: &AskArgs) -> Result<(), Problem> {
    let input = data(args)?;
    let session = Session::open(globals).await?;
    let answer = session.client.query_payload(&args.id, &args.name, input);
    tell(&session, &args.id, &answer.await?)
}

fn tell(session: &Session, id: &InvocationId, answer: &Payload) -> Result<(), Problem> {
    let out = session.out;
    match out.is_json() {
        true => out.json(&Answered {
            invocation_id: id,
            answer,
        }),
        false => out.line(payload(answer)),
    }
}
