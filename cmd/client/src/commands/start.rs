//! `start` and `wait`.

use headwater::{
    ClientError,
    client::{self, Ended, State},
    wire::{Code, Failure, InvocationId, Payload, Status},
};
use serde::Serialize;

use crate::{
    args::{Globals, IfExists, StartArgs, WaitArgs},
    exit::Problem,
    input,
    output::{Out, payload, shown},
    session::{Known, Session},
};

/// Workflow when none is named.
const DEFAULT_WORKFLOW: &str = "hello_workflow";

/// Input of [`DEFAULT_WORKFLOW`] when none is given.
const DEFAULT_INPUT: &str = "\"World\"";

/// What the absence of a partition key is called.
const NO_KEY: &str = "default";

/// What to start, with the defaults and the environment filled in.
struct Plan {
    workflow: String,
    key: Option<String>,
    input: Payload,
    signal: Option<(String, Payload)>,
}

/// `NAME`, or `NAME=JSON`.
fn signal(text: &str) -> Result<(String, Payload), Problem> {
    let (name, data) = text.split_once('=').unwrap_or((text, "null"));
    Ok((name.to_owned(), input::read("--signal", data)?))
}

impl Plan {
    /// The environment stands in for arguments only where no workflow is named.
    fn of(args: &StartArgs, env: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let given = |name| env(name).filter(|value| !value.is_empty());
        let (workflow, env_key) = match &args.workflow {
            Some(workflow) => (workflow.clone(), None),
            None => {
                let workflow = given("HANDLER").unwrap_or_else(|| DEFAULT_WORKFLOW.to_owned());
                (workflow, given("PARTITION_KEY"))
            }
        };
        let key = args.key.clone().or(env_key).filter(|key| key != NO_KEY);
        if let Some(key) = &key {
            InvocationId::new(key.as_str())?;
        }
        let input = match args.input.as_deref() {
            None if workflow == DEFAULT_WORKFLOW => DEFAULT_INPUT,
            None => "null",
            Some(input) => input,
        };
        Ok(Self {
            input: input::read("--input", input)?,
            workflow,
            key,
            signal: args.signal.as_deref().map(signal).transpose()?,
        })
    }
}

/// The result of `start`.
#[derive(Serialize)]
struct Started<'a> {
    invocation_id: &'a InvocationId,
    workflow: &'a str,
    partition_key: Option<&'a str>,
    existing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

/// The result of `wait`.
#[derive(Serialize)]
struct Waited<'a> {
    invocation_id: &'a InvocationId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

pub(crate) async fn start(globals: &Globals, args: StartArgs) -> Result<(), Problem> {
    let plan = Plan::of(&args, |name| std::env::var(name).ok())?;
    let out = Out {
        format: globals.output,
    };
    if !out.is_json() {
        out.log("Starting Durable Execution Client...")?;
    }
    let session = Session::open(globals).await?;
    let mut call = session
        .client
        .start(plan.workflow.as_str())
        .payload(plan.input)
        .if_exists(match args.if_exists {
            IfExists::Attach => client::IfExists::Attach,
            IfExists::Reject => client::IfExists::Reject,
            IfExists::Replace => client::IfExists::Replace,
        });
    if let Some(id) = args.id {
        call = call.id(id.as_str());
    }
    if let Some(key) = &plan.key {
        call = call.key(key);
    }
    if let Some(queue) = args.queue {
        call = call.queue(queue);
    }
    if let Some(version) = args.version {
        call = call.version(version);
    }
    if let Some(ttl) = args.ttl {
        call = call.result_ttl(ttl);
    }
    if args.paused {
        call = call.paused();
    }
    if let Some((name, data)) = plan.signal {
        call = call.with_signal_payload(name, data);
    }
    for (key, value) in args.search {
        call = call.search_payload(key, value);
    }
    if args.wait {
        call = call.expect_outcome();
    }
    let mut handle = call.send().await?;
    let id = handle.id().clone();
    // Whoever attaches is told what it is attached to.
    let existing = match handle.existing() {
        true => session.client.state(&id).await.ok(),
        false => None,
    };
    let mut started = Started {
        invocation_id: &id,
        workflow: &plan.workflow,
        partition_key: plan.key.as_deref(),
        existing: handle.existing(),
        status: None,
        output: None,
        error: None,
    };
    if let Some(State { value, .. }) = &existing {
        started.workflow = &value.workflow;
        started.partition_key = value.partition_key.as_deref();
        started.status = Some(value.status);
        started.output = value.output.as_ref();
        started.error = value.error.as_ref();
    }
    if !out.is_json() {
        tell_submitted(&session, &started)?;
    }
    if !args.wait {
        return match out.is_json() {
            true => out.json(&started),
            false => Ok(()),
        };
    }
    let waited = handle.wait(args.timeout).await;
    if handle.existing() && !started.existing {
        started.existing = true;
        if !out.is_json() {
            out.log("existing: true")?;
        }
    }
    let ended = waited.as_ref().ok();
    if let Some(ended) = ended {
        started.status = Some(ended.status);
        started.output = ended.output.as_ref();
        started.error = ended.error.as_ref();
    }
    let told = match (out.is_json(), ended) {
        (true, _) => out.json(&started),
        (false, Some(ended)) => tell_end(ended, |line| out.log(line)),
        (false, None) => Ok(()),
    };
    // How it ended decides the exit code, whether or not anybody read it.
    completed(&waited?).and(told)
}

/// What was submitted, as the Go prototype printed it.
fn tell_submitted(session: &Session, started: &Started<'_>) -> Result<(), Problem> {
    let out = session.out;
    let key = started.partition_key.unwrap_or(NO_KEY);
    out.log("Submitting workflow:")?;
    out.log(format_args!(
        "  Invocation ID: {}",
        shown(started.invocation_id.as_str())
    ))?;
    out.log(format_args!("  Handler: {}", shown(started.workflow)))?;
    out.log(format_args!("  Partition Key: {}", shown(key)))?;
    if started.existing {
        let status = started.status.map(|status| format!(" ({status})"));
        let status = status.unwrap_or_default();
        out.log(format_args!(
            "✓ Attached to the invocation that has this id{status}, nothing is run twice"
        ))?;
        out.log("existing: true")?;
    } else {
        out.log("✓ Command submitted successfully!")?;
    }
    out.log(format_args!(
        "Track execution with: nats kv get {} {}",
        session.namespace.state_bucket(),
        started.invocation_id.key()
    ))
}

fn tell_end(
    ended: &Ended,
    mut line: impl FnMut(String) -> Result<(), Problem>,
) -> Result<(), Problem> {
    line(format!("Status: {}", ended.status))?;
    if let Some(output) = &ended.output {
        line(format!("Output: {}", payload(output)))?;
    }
    if let Some(error) = &ended.error {
        line(format!("Error: {}", shown(&error.to_string())))?;
    }
    Ok(())
}

/// An error unless it completed.
fn completed(ended: &Ended) -> Result<(), Problem> {
    if ended.status == Status::Completed {
        return Ok(());
    }
    let unknown = || Failure::new(Code::FAILED, "no reason was recorded");
    Err(Problem::from(ClientError::Failed {
        id: ended.id.clone(),
        status: ended.status,
        failure: ended.error.clone().unwrap_or_else(unknown),
    }))
}

pub(crate) async fn wait(session: &Session, args: &WaitArgs) -> Result<(), Problem> {
    let ended = match session.find(&args.id).await? {
        Known::State(state) if state.value.status.is_ended() => Ended {
            id: state.value.id,
            status: state.value.status,
            output: state.value.output,
            error: state.value.error,
        },
        _ => session.client.wait(&args.id, args.timeout).await?,
    };
    let out = session.out;
    let told = match out.is_json() {
        true => out.json(&Waited {
            invocation_id: &ended.id,
            status: ended.status,
            output: ended.output.as_ref(),
            error: ended.error.as_ref(),
        }),
        false => tell_end(&ended, |line| out.line(line)),
    };
    completed(&ended).and(told)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn plan(args: &[&str], env: &[(&str, &str)]) -> (String, Option<String>, String) {
        let args = [&["headwater", "start"], args].concat();
        let Command::Start(args) = Cli::try_parse_from(args).unwrap().command else {
            panic!("start is start");
        };
        let env = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let plan = Plan::of(&args, env).unwrap();
        (plan.workflow, plan.key, payload(&plan.input))
    }

    #[test]
    fn the_environment_stands_in_where_no_workflow_is_named() {
        let hello = "hello_workflow".to_owned();
        let world = "\"World\"".to_owned();
        assert_eq!(plan(&[], &[]), (hello.clone(), None, world.clone()));
        let env = [("HANDLER", "order"), ("PARTITION_KEY", "tenant-a")];
        let order = (
            "order".to_owned(),
            Some("tenant-a".to_owned()),
            "null".to_owned(),
        );
        assert_eq!(plan(&[], &env), order);
        assert_eq!(
            plan(&["hello_workflow"], &env),
            (hello.clone(), None, world.clone())
        );
        assert_eq!(plan(&["--key", "b"], &env).1, Some("b".to_owned()));
        let empty = [("HANDLER", ""), ("PARTITION_KEY", "default")];
        assert_eq!(plan(&[], &empty), (hello, None, world));
        assert_eq!(plan(&["--key", "default", "--input", "-5"], &[]).1, None);
    }
}
