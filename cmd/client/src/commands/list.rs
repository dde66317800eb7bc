//! `list` and `members`.

use headwater::{
    client::{Cursor, Filter, State},
    wire::member::{Member, Role},
};
use serde::Serialize;

use super::status::Summary;
use crate::{
    args::ListArgs,
    exit::Problem,
    output::{preview, shown, table, time},
    session::Session,
};

/// A line of `list` as JSON.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    /// For `--after`.
    cursor: String,
}

impl<'a> Row<'a> {
    fn of(state: &'a State) -> Self {
        Self {
            summary: Summary::of(&state.value),
            cursor: Cursor::behind(state).to_string(),
        }
    }
}

fn filter(args: ListArgs) -> Filter {
    let mut filter = args.filter.unwrap_or_default().limit(args.limit);
    if let Some(status) = args.status {
        filter = filter.status(status);
    }
    if let Some(workflow) = args.workflow {
        filter = filter.workflow(workflow);
    }
    match args.after {
        Some(cursor) => filter.after(cursor),
        None => filter,
    }
}

pub(crate) async fn list(session: &Session, args: ListArgs) -> Result<(), Problem> {
    let page = session.client.list(&filter(args)).await?;
    let (states, out) = (&page.states, session.out);
    if out.is_json() {
        return out.json(&states.iter().map(Row::of).collect::<Vec<_>>());
    }
    let titles = [
        "INVOCATION ID",
        "WORKFLOW",
        "STATUS",
        "KEY",
        "CREATED",
        "WHY",
    ];
    let rows: Vec<[String; 6]> = states
        .iter()
        .map(|state| {
            let value = &state.value;
            [
                shown(value.id.as_str()),
                shown(&value.workflow),
                value.status.to_string(),
                shown(value.partition_key.as_deref().unwrap_or("default")),
                time(value.created_at),
                preview(&value.why),
            ]
        })
        .collect();
    out.lines(&table(titles, &rows))?;
    if let Some(next) = page.next {
        out.line(format_args!("(more: --after {next}, or a larger --limit)"))?;
    }
    Ok(())
}

pub(crate) async fn members(session: &Session) -> Result<(), Problem> {
    let members = session.client.members().await?;
    let out = session.out;
    if out.is_json() {
        return out.json(&members);
    }
    let titles = [
        "ROLE", "ID", "QUEUE", "HOST", "PID", "BUILD", "SINCE", "CAN DO",
    ];
    let rows: Vec<[String; 8]> = members
        .iter()
        .map(|member| {
            [
                member.role.as_str().to_owned(),
                shown(&member.id),
                shown(&member.queue),
                shown(&member.host),
                member.pid.to_string(),
                shown(&member.build),
                time(member.started_at),
                abilities(member),
            ]
        })
        .collect();
    out.lines(&table(titles, &rows))?;
    if !members.iter().any(|member| member.role == Role::Engine) {
        out.line("No engine is connected: workflows wait until a processor is started.")?;
    }
    Ok(())
}

fn abilities(member: &Member) -> String {
    let workflows = member
        .workflows
        .iter()
        .map(|(name, versions)| format!("{} {}", shown(name), shown(&versions.join(", "))));
    let topics = member.topics.iter().map(|topic| shown(topic));
    workflows.chain(topics).collect::<Vec<_>>().join("; ")
}
