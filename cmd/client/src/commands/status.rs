//! `status` and `why`.

use std::collections::BTreeMap;

use headwater::{
    client::State,
    wire::{
        Failure, InvocationId, Payload, Run, Status, Timestamp, Value,
        value::{CustomStatus, Wait},
    },
};
use serde::Serialize;

use crate::{
    exit::Problem,
    output::{payload, preview, shown, time_millis},
    session::{Known, Session},
};

/// An invocation in one object, as `list` and `watch` tell it.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    pub(super) invocation_id: &'a InvocationId,
    pub(super) workflow: &'a str,
    pub(super) version: &'a str,
    pub(super) status: Status,
    pub(super) why: &'a str,
    pub(super) partition_key: Option<&'a str>,
    pub(super) queue: &'a str,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'a Failure>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        Self {
            invocation_id: &value.id,
            workflow: &value.workflow,
            version: &value.version,
            status: value.status,
            why: &value.why,
            partition_key: value.partition_key.as_deref(),
            queue: &value.queue,
            created_at: value.created_at,
            updated_at: value.updated_at,
            ended_at: value.ended_at,
            error: value.error.as_ref(),
        }
    }
}

/// The result of `status`.
#[derive(Serialize)]
struct Details<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    run: Run,
    input: &'a Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_status: Option<&'a CustomStatus>,
    search: &'a BTreeMap<String, Payload>,
    kv: &'a BTreeMap<String, Payload>,
    pending: u32,
    waits: &'a [Wait],
    journal: Counts,
}

#[derive(Serialize)]
struct Counts {
    steps: u32,
    entries: u64,
    pages: usize,
}

/// The result of `status` while the start waits in COMMANDS, and of `why`.
#[derive(Serialize)]
struct Reasons<'a> {
    invocation_id: &'a InvocationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    why: &'a [String],
}

pub(crate) async fn status(session: &Session, id: &InvocationId) -> Result<(), Problem> {
    let out = session.out;
    match session.find(id).await? {
        Known::Submitted(why) if out.is_json() => out.json(&Reasons {
            invocation_id: id,
            status: Some("submitted"),
            why: &why,
        }),
        Known::Submitted(why) => {
            let mut lines = vec![format!("Invocation ID: {}", shown(id.as_str()))];
            lines.extend(why.iter().map(|line| shown(line)));
            out.lines(&lines)
        }
        Known::State(state) if out.is_json() => {
            let State { value, journal, .. } = &*state;
            out.json(&Details {
                summary: Summary::of(value),
                run: value.run,
                input: &value.input,
                output: value.output.as_ref(),
                custom_status: value.custom_status.as_ref(),
                search: &value.search,
                kv: &value.kv,
                pending: value.pending,
                waits: &value.waits,
                journal: Counts {
                    steps: journal.steps,
                    entries: journal.entries,
                    pages: journal.run_pages().count(),
                },
            })
        }
        Known::State(state) => out.lines(&describe(&state)),
    }
}

/// The state in lines.
pub(super) fn describe(state: &State) -> Vec<String> {
    let State { value, journal, .. } = state;
    let key = value.partition_key.as_deref().unwrap_or("default");
    let mut lines = vec![
        format!("Invocation ID: {}", shown(value.id.as_str())),
        format!("Handler: {}", shown(&value.workflow)),
        format!("Version: {}", shown(&value.version)),
        format!("Status: {}", value.status),
        format!("Why: {}", shown(&value.why)),
        format!("Partition Key: {}", shown(key)),
        format!(
            "Task Queue: {} (partition {})",
            shown(&value.queue),
            value.partition
        ),
        run(value),
        format!("Created: {}", time_millis(value.created_at)),
        format!("Updated: {}", time_millis(value.updated_at)),
    ];
    lines.extend(
        value
            .ended_at
            .map(|at| format!("Ended: {}", time_millis(at))),
    );
    lines.push(format!("Input: {}", preview(&payload(&value.input))));
    if let Some(output) = &value.output {
        lines.push(format!("Output: {}", payload(output)));
    }
    if let Some(error) = &value.error {
        lines.push(format!("Error: {}", shown(&error.to_string())));
    }
    lines.extend(shows(value));
    if let Some(cancel) = &value.cancel {
        lines.push(format!(
            "Cancel requested: {} ({})",
            time_millis(cancel.at),
            shown(&cancel.reason)
        ));
    }
    if value.pending > 0 && !value.status.is_ended() {
        lines.push(format!("Pending Steps: {}", value.pending));
        lines.extend(value.waits.iter().map(wait_line));
    }
    lines.push(format!("Journal Entries: {}", journal.entries));
    lines
}

/// What the workflow shows of itself.
fn shows(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(CustomStatus { version, value }) = &value.custom_status {
        let status = preview(&payload(value));
        lines.push(format!("Custom Status: {status} (version {version})"));
    }
    for (title, pairs) in [("Search", &value.search), ("KV", &value.kv)] {
        if !pairs.is_empty() {
            lines.push(format!("{title}:"));
        }
        lines.extend(pairs.iter().map(|(key, value)| {
            let value = preview(&payload(value));
            format!("  {} = {value}", shown(key))
        }));
    }
    lines
}

fn run(value: &Value) -> String {
    let mut line = format!("Run: {}", value.run);
    if let Some(at) = value.run_started_at {
        let (times, at) = (value.run.continued, time_millis(at));
        line.push_str(&format!(" (continued as new {times} times, last at {at})"));
    }
    line
}

fn wait_line(wait: &Wait) -> String {
    let mut line = format!("  Step {}: {}", wait.step, shown(&wait.kind));
    if !wait.name.is_empty() {
        line.push_str(&format!(" {}", shown(&wait.name)));
    }
    if let Some(topic) = &wait.topic {
        line.push_str(&format!(", topic {}", shown(topic)));
    }
    if let Some(until) = wait.until {
        line.push_str(&format!(", until {}", time_millis(until)));
    }
    if let Some(attempt) = wait.attempt {
        line.push_str(&format!(", attempt {attempt}"));
    }
    if let Some(error) = &wait.error {
        line.push_str(&format!(", last error: {}", preview(error)));
    }
    line
}

pub(crate) async fn why(session: &Session, id: &InvocationId) -> Result<(), Problem> {
    let why = match session.find(id).await? {
        Known::Submitted(why) => why,
        Known::State(_) => session.client.why(id).await?,
    };
    if session.out.is_json() {
        return session.out.json(&Reasons {
            invocation_id: id,
            status: None,
            why: &why,
        });
    }
    let lines: Vec<String> = why.iter().map(|line| shown(line)).collect();
    session.out.lines(&lines)
}
