//! `metrics`, `depths` and `tree`: all invocations, all queues, one family.

use std::collections::BTreeMap;

use headwater::{
    client::Tree,
    wire::{InvocationId, Status},
};
use serde::Serialize;

use super::status::Summary;
use crate::{
    exit::Problem,
    output::{preview, shown, table},
    session::Session,
};

/// The result of `metrics`.
#[derive(Serialize)]
struct Metrics<'a> {
    invocations: u64,
    live: u64,
    executions: u64,
    events: u64,
    by_status: &'a BTreeMap<Status, u64>,
}

pub(crate) async fn metrics(session: &Session) -> Result<(), Problem> {
    let metrics = session.client.metrics().await?;
    if session.out.is_json() {
        return session.out.json(&Metrics {
            invocations: metrics.invocations,
            live: metrics.live(),
            executions: metrics.executions,
            events: metrics.events,
            by_status: &metrics.by_status,
        });
    }
    let mut lines = vec![
        format!("Invocations: {}", metrics.invocations),
        format!("Live: {}", metrics.live()),
        format!("Executions: {}", metrics.executions),
        format!("Journal Entries: {}", metrics.events),
    ];
    let by_status = metrics.by_status.iter();
    lines.extend(by_status.map(|(status, count)| format!("  {status}: {count}")));
    session.out.lines(&lines)
}

/// A queue as JSON.
#[derive(Serialize)]
struct Depth<'a> {
    kind: &'static str,
    name: &'a str,
    messages: u64,
}

pub(crate) async fn depths(session: &Session) -> Result<(), Problem> {
    let depths = session.client.queue_depths().await?;
    let out = session.out;
    if out.is_json() {
        let depths = depths.iter().map(|depth| Depth {
            kind: depth.kind.as_str(),
            name: &depth.name,
            messages: depth.messages,
        });
        return out.json(&depths.collect::<Vec<_>>());
    }
    let rows: Vec<[String; 3]> = depths
        .iter()
        .map(|depth| {
            [
                depth.kind.to_string(),
                depth.messages.to_string(),
                shown(&depth.name),
            ]
        })
        .collect();
    out.lines(&table(["KIND", "MESSAGES", "QUEUE OR TOPIC"], &rows))
}

/// A tree as JSON.
#[derive(Serialize)]
struct Branch<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    children: Vec<Branch<'a>>,
}

impl<'a> Branch<'a> {
    fn of(tree: &'a Tree) -> Self {
        Self {
            summary: Summary::of(&tree.state.value),
            children: tree.children.iter().map(Self::of).collect(),
        }
    }
}

pub(crate) async fn tree(session: &Session, id: &InvocationId) -> Result<(), Problem> {
    let tree = session.client.tree(id).await?;
    if session.out.is_json() {
        return session.out.json(&Branch::of(&tree));
    }
    let lines: Vec<String> = tree
        .flatten()
        .into_iter()
        .map(|(depth, state)| {
            let value = &state.value;
            format!(
                "{:indent$}{}  {}  {}  {}",
                "",
                shown(value.id.as_str()),
                shown(&value.workflow),
                value.status,
                preview(&value.why),
                indent = 2 * depth
            )
        })
        .collect();
    session.out.lines(&lines)
}
