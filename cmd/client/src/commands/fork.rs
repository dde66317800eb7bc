//! `fork`: another invocation with what one has recorded.

use headwater::{client::IfExists, wire::InvocationId};
use serde::Serialize;

use crate::{args::ForkArgs, exit::Problem, output::shown, session::Session};

/// The result of `fork`.
#[derive(Serialize)]
struct Forked<'a> {
    invocation_id: &'a InvocationId,
    fork_of: &'a InvocationId,
    from_step: u32,
}

pub(crate) async fn fork(session: &Session, args: ForkArgs) -> Result<(), Problem> {
    let mut call = session.client.fork(&args.id, args.from_step).await?;
    if let Some(id) = args.new_id {
        call = call.id(id);
    }
    if let Some(version) = args.version {
        call = call.version(version);
    }
    let handle = call.if_exists(IfExists::Reject).send().await?;
    let id = handle.id();
    match session.out.is_json() {
        true => session.out.json(&Forked {
            invocation_id: id,
            fork_of: &args.id,
            from_step: args.from_step,
        }),
        false => {
            let (id, of) = (shown(id.as_str()), shown(args.id.as_str()));
            session.out.line(format_args!(
                "Invocation {id} begins before step {} of {of}; `headwater wait {id}` waits for its end",
                args.from_step
            ))
        }
    }
}
