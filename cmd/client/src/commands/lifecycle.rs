//! `terminate`, `pause` and `delete`: how people rule the life of an invocation.

use headwater::{
    ClientError,
    client::{Bulk, Deleted, DeletedTree},
    wire::{Code, InvocationId, Status},
};
use serde::Serialize;

use super::bulk;
use crate::{
    args::{DeleteArgs, PauseArgs, TerminateArgs},
    exit::Problem,
    output::shown,
    session::Session,
};

/// The result of each of them.
#[derive(Serialize)]
struct Ruled<'a> {
    invocation_id: &'a InvocationId,
    /// False: there was nothing to do.
    sent: bool,
    /// How it had ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

pub(crate) async fn terminate(session: &Session, args: &TerminateArgs) -> Result<(), Problem> {
    let TerminateArgs { reason, code, .. } = args;
    let code = code.clone().map(Code::new);
    if let Some(filter) = &args.whom.filter {
        let words = ["Terminate requested of", "Would terminate"];
        let terminate = |bulk: Bulk| bulk.terminate(reason, code);
        return bulk::tell(session, filter, &args.pace, words, terminate).await;
    }
    let id = args.whom.one()?;
    let asked = session.client.terminate_with(id, reason, code).await;
    let shown_id = shown(id.as_str());
    let text =
        format!("Terminate requested of {shown_id}; `headwater wait {shown_id}` waits for its end");
    tell(session, id, asked, &text)
}

pub(crate) async fn pause(session: &Session, args: &PauseArgs) -> Result<(), Problem> {
    let reason = &args.reason;
    if let Some(filter) = &args.whom.filter {
        let words = ["Pause requested of", "Would pause"];
        let pause = |bulk: Bulk| bulk.pause(reason);
        return bulk::tell(session, filter, &args.pace, words, pause).await;
    }
    let id = args.whom.one()?;
    let asked = session.client.pause(id, reason).await;
    let shown_id = shown(id.as_str());
    let text =
        format!("Pause requested of {shown_id}; `headwater resume {shown_id}` lets it go on");
    tell(session, id, asked, &text)
}

/// The result of `delete`.
#[derive(Serialize)]
struct Gone<'a> {
    invocation_id: &'a InvocationId,
    entries: u64,
    kv: usize,
    was_running: bool,
}

pub(crate) async fn delete(session: &Session, args: &DeleteArgs) -> Result<(), Problem> {
    if let Some(filter) = &args.whom.filter {
        let words = ["Delete requested of", "Would delete"];
        let delete = |bulk: Bulk| bulk.delete(args.force);
        return bulk::tell(session, filter, &args.pace, words, delete).await;
    }
    let id = args.whom.one()?;
    if args.tree {
        return delete_tree(session, id, args).await;
    }
    let Deleted {
        entries,
        kv,
        was_running,
    } = session.client.delete(id, args.force).await?;
    match session.out.is_json() {
        true => session.out.json(&Gone {
            invocation_id: id,
            entries,
            kv,
            was_running,
        }),
        false => session.out.line(format_args!(
            "Delete requested of {}: {entries} journal entries, {kv} key-value pairs",
            shown(id.as_str())
        )),
    }
}

/// The result of `delete --tree`.
#[derive(Serialize)]
struct GoneTree<'a> {
    invocation_id: &'a InvocationId,
    invocations: usize,
    entries: u64,
    kv: usize,
    were_running: usize,
}

async fn delete_tree(
    session: &Session,
    id: &InvocationId,
    args: &DeleteArgs,
) -> Result<(), Problem> {
    let client = &session.client;
    let DeletedTree {
        invocations,
        entries,
        kv,
        were_running,
    } = client.delete_tree(id, args.force, args.timeout).await?;
    match session.out.is_json() {
        true => session.out.json(&GoneTree {
            invocation_id: id,
            invocations,
            entries,
            kv,
            were_running,
        }),
        false => session.out.line(format_args!(
            "Delete requested of {invocations} invocations, {} and all below it: {entries} journal \
             entries, {kv} key-value pairs",
            shown(id.as_str())
        )),
    }
}

fn tell(
    session: &Session,
    id: &InvocationId,
    asked: Result<(), ClientError>,
    text: &str,
) -> Result<(), Problem> {
    // What was wanted is so already, or can never be.
    let status = match asked {
        Err(ClientError::AlreadyEnded { status, .. }) => Some(status),
        asked => {
            asked?;
            None
        }
    };
    match (session.out.is_json(), status) {
        (true, status) => session.out.json(&Ruled {
            invocation_id: id,
            sent: status.is_none(),
            status,
        }),
        (false, None) => session.out.line(text),
        (false, Some(status)) => session.out.line(format_args!(
            "{} has ended as {status} already, nothing to do",
            shown(id.as_str())
        )),
    }
}
