//! `export` and `history`: what is stored of an invocation.

use headwater::wire::InvocationId;

use crate::{args::HistoryArgs, exit::Problem, output::shown, session::Session};

/// The same in every format: a JSON document.
pub(crate) async fn export(session: &Session, id: &InvocationId) -> Result<(), Problem> {
    let file = session.client.export(id).await?;
    session.out.line(String::from_utf8_lossy(&file))
}

pub(crate) async fn history(session: &Session, args: &HistoryArgs) -> Result<(), Problem> {
    let client = &session.client;
    let entries = match args.run {
        Some(number) => client.history_of(&args.id, number).await?,
        None => client.handle(&args.id).history().await?,
    };
    if session.out.is_json() {
        return session.out.json(&entries);
    }
    let mut lines = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let entry = serde_json::to_string(entry)
            .map_err(|error| Problem::other("output", error.to_string()))?;
        lines.push(format!("{:>5}  {}", index + 1, shown(&entry)));
    }
    session.out.lines(&lines)
}
