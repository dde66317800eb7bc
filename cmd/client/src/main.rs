//! `headwater`: starts workflows, waits for them, signals and cancels them, looks at them.
//! Results go to stdout, errors to stderr; see [`exit`] for the exit codes.

// A process of its own: it runs on the real runtime and the real clock, outside the simulation.
#![allow(clippy::disallowed_methods)]

mod args;
mod commands;
mod exit;
mod help;
mod input;
mod journal;
mod output;
mod session;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{
    args::Cli,
    exit::{Exit, Problem},
    output::Format,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let format = cli.globals.output;
    log_to_stderr(format);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)),
        Err(error) => Err(Problem::other(
            "runtime",
            format!("the runtime does not start: {error}"),
        )),
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err(problem) => {
            output::complain(format, &problem);
            problem.exit().into()
        }
    }
}

/// Help and version go to stdout; anything else is a usage error, in the form that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let wants_json = || {
        let args: Vec<String> = std::env::args().collect();
        args.iter().any(|arg| arg == "--output=json")
            || args.windows(2).any(|pair| pair == ["--output", "json"])
    };
    if error.use_stderr() && wants_json() {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        output::complain(Format::Json, &Problem::usage(text));
        return Exit::Usage.into();
    }
    // Whoever does not read the text any more does not need it.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}

/// What the libraries have to say while they work: warnings, unless `RUST_LOG` says otherwise.
/// Silent with JSON, so that stderr holds nothing but the error.
fn log_to_stderr(format: Format) {
    let default = match format {
        Format::Text => "off,headwater=warn",
        Format::Json => "off",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
