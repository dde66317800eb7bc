//! `list` and `members`.

use headwater::{
    client::Filter,
    wire::member::{Member, Role},
};

use super::status::Summary;
use crate::{
    args::ListArgs,
    exit::Problem,
    output::{preview, shown, table, time},
    session::Session,
};

pub(crate) async fn list(session: &Session, args: ListArgs) -> Result<(), Problem> {
    let filter = Filter {
        status: args.status,
        workflow: args.workflow,
        // One more, to know whether there are more.
        limit: Some(args.limit.saturating_add(1)),
    };
    let mut states = session.client.list(&filter).await?;
    let more = states.len() > args.limit;
    states.truncate(args.limit);
    let out = session.out;
    if out.is_json() {
        let summaries: Vec<Summary<'_>> = states.iter().map(|s| Summary::of(&s.value)).collect();
        return out.json(&summaries);
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
    if more {
        out.line(format_args!(
            "(the newest {}; --limit shows more)",
            args.limit
        ))?;
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
