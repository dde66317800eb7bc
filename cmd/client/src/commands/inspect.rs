//! `inspect`: the state and the whole journal.

use headwater::wire::{Entry, InvocationId, Value};
use serde::Serialize;

use super::status::describe;
use crate::{exit::Problem, journal, session::Session};

/// The result of `inspect`: all as it is stored, the journal's pages put together.
#[derive(Serialize)]
struct Inspected<'a> {
    invocation_id: &'a InvocationId,
    state: &'a Value,
    journal: &'a [Entry],
}

pub(crate) async fn inspect(session: &Session, id: &InvocationId) -> Result<(), Problem> {
    let state = session.client.state(id).await?;
    let entries = session.client.history(&state).await?;
    if session.out.is_json() {
        return session.out.json(&Inspected {
            invocation_id: id,
            state: &state.value,
            journal: &entries,
        });
    }
    let indented = |line: String| format!("  {line}");
    let mut lines = vec!["Execution State:".to_owned()];
    lines.extend(describe(&state).into_iter().map(indented));
    lines.extend([String::new(), "Journal:".to_owned()]);
    lines.extend(
        journal::lines(&state.value, &entries)
            .into_iter()
            .map(indented),
    );
    session.out.lines(&lines)
}
