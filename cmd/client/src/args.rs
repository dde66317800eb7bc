//! The arguments. What each command does stands here, examples in [`crate::help`].

pub(crate) mod bulk;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use headwater::{
    client::{Cursor, Filter},
    wire::{InvocationId, Payload, Status},
};

use crate::{
    args::bulk::{Pace, Whom},
    help,
    output::Format,
};

/// Longest `--timeout`.
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Start durable workflows on NATS JetStream, wait for them, signal and cancel them, look at them
#[derive(Debug, Parser)]
#[command(name = "headwater", version, after_help = help::ROOT)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Form of the results on stdout and of the error on stderr
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// NATS servers, separated by commas; else NATS_URL, the file, or nats://localhost:4222
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) nats_url: Option<String>,
    /// Configuration file; else headwater.toml if it is there
    #[arg(long, global = true, value_name = "FILE", env = "HEADWATER_CONFIG")]
    pub(crate) config: Option<String>,
    /// Prefix of streams, buckets and subjects; else HEADWATER_NAMESPACE, the file, or none
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a workflow, and wait for its result if asked to; no processor has to run
    #[command(after_help = help::START)]
    Start(StartArgs),
    /// Show where an invocation stands
    #[command(after_help = help::STATUS)]
    Status(IdArg),
    /// Wait until an invocation has ended, and show its result
    #[command(after_help = help::WAIT)]
    Wait(WaitArgs),
    /// Show the state and every step of the journal, with errors and retries
    #[command(after_help = help::INSPECT)]
    Inspect(IdArg),
    /// Show every entry of the journal in the order in which it was recorded
    #[command(after_help = help::HISTORY)]
    History(HistoryArgs),
    /// List the runs of an invocation: each time that it continues as new another begins
    #[command(after_help = help::RUNS)]
    Runs(IdArg),
    /// Forget runs that are over, with their journals; the last one never goes
    #[command(after_help = help::PRUNE)]
    Prune(PruneArgs),
    /// Write an invocation with its whole journal as one JSON file, to keep, replay or check
    #[command(after_help = help::EXPORT)]
    Export(IdArg),
    /// Tell whether a build decides as journals say, before it is deployed
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Send a signal; it is kept until the workflow waits for it, or for a while by its name alone
    #[command(after_help = help::SIGNAL)]
    Signal(SignalArgs),
    /// Put an item into a queue of an invocation; it is kept until the workflow takes it
    #[command(after_help = help::ENQUEUE)]
    Enqueue(AskArgs),
    /// Raise an event for an invocation; it is dropped unless the workflow waits for it
    #[command(after_help = help::RAISE)]
    Raise(AskArgs),
    /// Ask a workflow to do something, and show its answer
    #[command(after_help = help::UPDATE)]
    Update(UpdateArgs),
    /// Ask a workflow about itself; nothing is done, and it may have ended
    #[command(after_help = help::QUERY)]
    Query(AskArgs),
    /// Ask an invocation to end: what it waits for fails as `cancelled`
    #[command(after_help = help::CANCEL)]
    Cancel(CancelArgs),
    /// End an invocation at once: its workflow is not asked, and cleans up nothing
    #[command(after_help = help::TERMINATE)]
    Terminate(TerminateArgs),
    /// Let an invocation act on nothing until it is resumed; what comes meanwhile is kept
    #[command(after_help = help::PAUSE)]
    Pause(PauseArgs),
    /// Forget an ended invocation: input, result, journal, all that it held
    #[command(after_help = help::DELETE)]
    Delete(DeleteArgs),
    /// Let a paused invocation go on, or a parked one try again after a fixed build was deployed
    #[command(after_help = help::RESUME)]
    Resume(ResumeArgs),
    /// List invocations, the newest first
    #[command(after_help = help::LIST)]
    List(ListArgs),
    /// Show an invocation with its children, and theirs
    #[command(after_help = help::TREE)]
    Tree(IdArg),
    /// Count the invocations by status
    #[command(after_help = help::METRICS)]
    Metrics,
    /// Count what waits in the work queues: commands and timers by task queue, tasks by topic
    #[command(after_help = help::DEPTHS)]
    Depths,
    /// Follow changes live, of all invocations or of one until it has ended
    #[command(after_help = help::WATCH)]
    Watch(WatchArgs),
    /// Tell why an invocation stands where it stands, and what is missing for it to go on
    #[command(after_help = help::WHY)]
    Why(IdArg),
    /// List the engines and workers that are alive
    #[command(after_help = help::MEMBERS)]
    Members,
    /// Look at messages that could not be used, and give them another chance
    #[command(subcommand, after_help = help::DEAD_LETTERS)]
    DeadLetters(DeadLetters),
}

#[derive(Debug, Args)]
pub(crate) struct IdArg {
    /// Invocation id, as it was given or printed by `start`
    pub(crate) id: InvocationId,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Invocation id, as it was given or printed by `start`
    pub(crate) id: InvocationId,
    /// Of the run with this number, as `runs` shows it [default: the last]
    #[arg(long, value_name = "N")]
    pub(crate) run: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// The last ones that stay, the current one counted
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) keep_last: u32,
    /// Only those that ended longer ago than this: 500ms, 30s, 2m, 1h 30m
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) older_than: Option<Duration>,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The processor that is to be deployed: a binary that calls Processor::connect and run
    #[arg(long, value_name = "PATH")]
    pub(crate) build: PathBuf,
    /// Exported invocations, or folders of them
    #[arg(required_unless_present = "live")]
    pub(crate) files: Vec<PathBuf>,
    /// The invocations that have not ended, as they stand now
    #[arg(long)]
    pub(crate) live: bool,
    /// Only live ones of this workflow
    #[arg(long, requires = "live", value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only live ones that fit, for example "version=1.2.0 and created<2h ago"
    #[arg(long = "where", requires = "live", value_name = "FILTER", value_parser = bulk::filter)]
    pub(crate) filter: Option<Filter>,
    /// Accept that the build lacks a workflow or version: such invocations would wait
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// How long the build may take: 500ms, 30s, 2m
    #[arg(long, default_value = "2m", value_parser = timeout)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Workflow; without it HANDLER and PARTITION_KEY are taken from the environment [default: hello_workflow]
    pub(crate) workflow: Option<String>,
    /// Input: JSON, @file, or - for stdin [default: "World" for hello_workflow, else null]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
    /// Id of the invocation: starting it again runs nothing twice [default: a new UUID]
    #[arg(long)]
    pub(crate) id: Option<InvocationId>,
    /// Partition key: one invocation of a key runs at a time, in order; `default` means none
    #[arg(long, value_parser = partition_key)]
    pub(crate) key: Option<String>,
    /// Task queue of the engines that have the workflow
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    /// Exact version of the workflow [default: the latest that the engines have]
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// What to do when the id exists: attach to it, refuse with exit code 6, or end it and replace it
    #[arg(long, value_enum, default_value_t = IfExists::Attach, value_name = "WHAT")]
    pub(crate) if_exists: IfExists,
    /// How long after its end its result answers for the id; then a start runs anew [default: for good]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    pub(crate) ttl: Option<Duration>,
    /// Begin only once it is resumed
    #[arg(long)]
    pub(crate) paused: bool,
    /// Send it a signal as well, whether it is started or goes on: NAME, or NAME=JSON
    #[arg(long, value_name = "NAME=JSON")]
    pub(crate) signal: Option<String>,
    /// Search attribute to begin with, as often as needed: VALUE is JSON, or else a text
    #[arg(long, value_name = "KEY=VALUE", value_parser = attribute)]
    pub(crate) search: Vec<(String, Payload)>,
    /// Wait until it has ended, and show its result
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait: 500ms, 30s, 2m, 1h 30m
    #[arg(long, requires = "wait", default_value = "30s", value_parser = timeout)]
    pub(crate) timeout: Duration,
}

/// What `start` does when the id exists.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum IfExists {
    Attach,
    Reject,
    Replace,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Invocation id
    pub(crate) id: InvocationId,
    /// How long to wait: 500ms, 30s, 2m, 1h 30m
    #[arg(long, default_value = "30s", value_parser = timeout)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct SignalArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Name of the signal, as the workflow waits for it
    pub(crate) name: String,
    /// Data: JSON, @file, or - for stdin [default: null]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// To no invocation, but to whichever waits for this name, or will
    #[arg(long, group = "whom")]
    pub(crate) by_name: bool,
    /// How long it is kept while nobody waits for its name [default: 10m]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["id", "filter"], value_parser = timeout)]
    pub(crate) keep: Option<Duration>,
    /// Task queue of the workflows that wait for its name [default: default]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["id", "filter"])]
    pub(crate) queue: Option<String>,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// Invocation id
    pub(crate) id: InvocationId,
    /// Name of the queue, event, update or query, as the workflow has it
    pub(crate) name: String,
    /// JSON, @file, or - for stdin [default: null]
    #[arg(allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// How long to wait for the answer: 500ms, 30s, 2m, 1h 30m
    #[arg(long, default_value = "30s", value_parser = timeout)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT", default_value = "cancelled by an operator")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct TerminateArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT", default_value = "terminated by an operator")]
    pub(crate) reason: String,
    /// Code of its error [default: interrupted]
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// End it first if it goes on
    #[arg(long)]
    pub(crate) force: bool,
    /// With its children, and theirs
    #[arg(long, conflicts_with = "filter")]
    pub(crate) tree: bool,
    /// With --tree and --force, how long to wait until those that go on are ended
    #[arg(long, requires = "tree", default_value = "30s", value_parser = timeout)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT", default_value = "paused by an operator")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this status: queued, running, waiting, paused, parked, completed, failed, cancelled, terminated
    #[arg(long, value_parser = status)]
    pub(crate) status: Option<Status>,
    /// Only of this workflow
    #[arg(long, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// Only what fits, for example "search.total>=10 and created<2h ago"
    #[arg(long = "where", value_name = "FILTER", value_parser = bulk::filter)]
    pub(crate) filter: Option<Filter>,
    /// Only what comes after this place, as the page before has told it
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<Cursor>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only this invocation, until it has ended
    pub(crate) id: Option<InvocationId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List them, the oldest first
    #[command(after_help = help::DEAD_LETTERS)]
    List {
        /// From this number on
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    /// Show one whole, with its payload
    #[command(after_help = help::DEAD_LETTERS)]
    Show {
        /// Its number, as `list` shows it
        seq: u64,
    },
    /// Publish the message of a dead letter again where it came from, and remove the letter
    #[command(after_help = help::DEAD_LETTERS)]
    Redrive(Redrive),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Redrive {
    /// Its number, as `list` shows it
    pub(crate) seq: Option<u64>,
    /// Every letter that is there now
    #[arg(long)]
    pub(crate) all: bool,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; use for example 500ms, 30s, 2m or \"1h 30m\""))?;
    if timeout > TIMEOUT_MAX {
        return Err("use a year at the most".to_owned());
    }
    Ok(timeout)
}

fn partition_key(text: &str) -> Result<String, String> {
    let checked = InvocationId::new(text).map_err(|error| error.to_string());
    checked.map(|key| key.as_str().to_owned())
}

fn attribute(text: &str) -> Result<(String, Payload), String> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err("use KEY=VALUE, for example customer=ada or total=12.5".to_owned());
    };
    let value = Payload::from_json_text(value).or_else(|_| Payload::encode(value));
    let value = value.map_err(|error| error.to_string())?;
    Ok((key.to_owned(), value))
}

fn status(text: &str) -> Result<Status, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn timeouts_are_read_as_people_write_them() {
        assert_eq!(timeout("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(timeout("1h 30m"), Ok(Duration::from_secs(5400)));
        for text in ["30", "soon", "", "-1s", "500 years"] {
            assert!(timeout(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn search_attributes_are_json_or_a_text() {
        let cases = [
            ("customer=ada", Some(("customer", "\"ada\""))),
            ("total=12.5", Some(("total", "12.5"))),
            ("a=b=c", Some(("a", "\"b=c\""))),
            ("empty=", Some(("empty", "\"\""))),
            ("=1", None),
            ("word", None),
        ];
        for (text, expected) in cases {
            let parsed = attribute(text).ok();
            let parsed = parsed.map(|(key, value)| (key, value.bytes().to_vec()));
            let expected = expected.map(|(k, v)| (k.to_owned(), v.as_bytes().to_vec()));
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn every_command_teaches_by_examples() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.contains(&format!("headwater {name}")), "{name}");
        }
    }
}
