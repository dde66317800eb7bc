//! `check`: a build replays journals in a process of its own, and tells what it would decide
//! otherwise.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use headwater::{
    check::{ALLOW_MISSING, CHECK, Conclusion, REPORT, Report},
    client::State,
};
use tokio::process::Command;

use crate::{
    args::{CheckArgs, Globals},
    exit::{Exit, Problem},
    output::Out,
    session::Session,
};

/// Lines of the build's own output that are shown when it has not answered.
const LINES_SHOWN: usize = 10;

pub(crate) async fn check(globals: &Globals, args: &CheckArgs) -> Result<(), Problem> {
    let build = fs::canonicalize(&args.build).map_err(|error| {
        let build = args.build.display();
        Problem::usage(format!("--build {build} is not there: {error}"))
    })?;
    let folder = tempfile::tempdir().map_err(unwritable)?;
    let mut paths = args.files.clone();
    if args.live {
        let session = Session::open(globals).await?;
        let live = folder.path().join("live");
        export_live(&session, args, &live).await?;
        paths.push(live);
    }
    let file = folder.path().join("report.json");
    let output = replay(&build, &paths, &file, args).await?;
    let report = fs::read(&file)
        .ok()
        .and_then(|report| serde_json::from_slice(&report).ok())
        .ok_or_else(|| no_answer(&args.build, &output))?;
    let out = Out {
        format: globals.output,
    };
    match out.is_json() {
        true => out.json(&report)?,
        false => out.line(&report)?,
    }
    conclude(&report, args)
}

/// Every invocation that has not ended, one file each.
async fn export_live(session: &Session, args: &CheckArgs, folder: &Path) -> Result<(), Problem> {
    fs::create_dir(folder).map_err(unwritable)?;
    let mut filter = args.filter.clone().unwrap_or_default();
    if let Some(workflow) = &args.workflow {
        filter = filter.workflow(workflow);
    }
    let page = session.client.list(&filter).await?;
    let live = |state: &&State| !state.value.status.is_ended();
    for state in page.states.iter().filter(live) {
        let exported = session.client.export_state(state).await?;
        let name = format!("{}.json", state.value.id.key());
        fs::write(folder.join(name), exported).map_err(unwritable)?;
    }
    Ok(())
}

/// Run the build; it writes its report to the file.
async fn replay(
    build: &Path,
    paths: &[PathBuf],
    report: &Path,
    args: &CheckArgs,
) -> Result<Output, Problem> {
    let joined = env::join_paths(paths)
        .map_err(|error| Problem::usage(format!("a path cannot be passed on: {error}")))?;
    let mut command = Command::new(build);
    command
        .env(CHECK, joined)
        .env(REPORT, report)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if args.allow_missing {
        command.env(ALLOW_MISSING, "1");
    }
    let cannot_run = |error: io::Error| {
        let build = args.build.display();
        Problem::usage(format!("--build {build} cannot be run: {error}"))
    };
    match tokio::time::timeout(args.timeout, command.output()).await {
        Ok(output) => output.map_err(cannot_run),
        Err(_) => Err(Problem::new(
            Exit::Usage,
            "no_check",
            format!(
                "{} has not answered within {:?} and was ended; {MEND}, or give it more --timeout",
                args.build.display(),
                args.timeout
            ),
        )),
    }
}

/// What a build has to be.
const MEND: &str = "it has to be a processor, built with this version of Headwater, that calls Processor::connect and then run or start";

fn no_answer(build: &Path, output: &Output) -> Problem {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
    let message = format!(
        "{} ended ({}) without checking anything; {MEND}\n{last}",
        build.display(),
        output.status,
    );
    Problem::new(Exit::Usage, "no_check", message.trim_end())
}

fn conclude(report: &Report, args: &CheckArgs) -> Result<(), Problem> {
    match report.conclusion(args.allow_missing) {
        Conclusion::Agrees => Ok(()),
        Conclusion::Differs => Err(Problem::new(
            Exit::WorkflowFailed,
            "nondeterminism",
            "the build does not pass: an engine of it would park what differs, and what is missing would wait; keep the old decisions, or give the changed workflow a new version beside the old one",
        )),
        Conclusion::Nothing => Err(Problem::new(
            Exit::Usage,
            "no_check",
            "there was nothing to check",
        )),
    }
}

fn unwritable(error: io::Error) -> Problem {
    Problem::other(
        "folder",
        format!("a folder for the journals cannot be written: {error}"),
    )
}
