//! `headwater-processor`: engine and worker roles in one process, with the example workflows.

// A process of the outside world: the simulation never runs it.
#![allow(clippy::disallowed_methods)]

mod workflows;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use headwater::{Config, Processor, ProcessorError};
use tracing_subscriber::{EnvFilter, fmt::format::Writer, fmt::time::FormatTime};

/// Takes commands from COMMANDS and tasks from TASKS, runs workflows and activities, keeps
/// their state in EXECUTION_STATE. Start as many as you like; kill any at any moment.
#[derive(Parser)]
#[command(
    version,
    after_help = "\
Configuration, each stronger than the one before: defaults, headwater.toml, the environment
(NATS_URL, HEADWATER_NATS__USER, HEADWATER_ENGINE__PARTITIONS, …), flags.

Examples:
  headwater-processor                                 both roles, nats://localhost:4222
  headwater-processor --role engine                   commands only
  headwater-processor --role worker                   activities only
  HELLO_SERVICE_ADDR=http://10.0.0.7:9090 headwater-processor
  RUST_LOG=headwater=debug headwater-processor"
)]
struct Args {
    /// Configuration file; by default headwater.toml, if it is there.
    #[arg(long, env = "HEADWATER_CONFIG")]
    config: Option<String>,
    /// NATS servers, separated by commas.
    #[arg(long)]
    nats_url: Option<String>,
    /// Namespace of this installation.
    #[arg(long)]
    namespace: Option<String>,
    /// Task queue to serve.
    #[arg(long)]
    queue: Option<String>,
    /// What this process does.
    #[arg(long, value_enum, default_value_t = Role::Both)]
    role: Role,
    /// Serve Prometheus metrics and /healthz here, for example 127.0.0.1:9400.
    #[arg(long)]
    metrics_addr: Option<String>,
    /// Address of the gRPC HelloService that hello_workflow calls.
    #[arg(
        long,
        env = "HELLO_SERVICE_ADDR",
        default_value = "http://localhost:9090"
    )]
    hello_service_addr: String,
    /// Threads that engine and worker run on [default: half of the cores].
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: Option<usize>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Both,
    Engine,
    Worker,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// What a turn allocates it frees soon, and often on another thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    log(args.log_format);
    let runtime = match headwater::runtime(args.threads) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("the runtime cannot be started: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(if Config::is_unreachable(&error) { 5 } else { 2 })
        }
    }
}

async fn run(args: Args) -> Result<(), ProcessorError> {
    tracing::info!("Starting Durable Execution Processor...");
    let mut config = Config::load_with(args.config.as_deref(), &overrides(&args))?;
    match args.role {
        Role::Both => {}
        Role::Engine => config.worker.enabled = false,
        Role::Worker => config.engine.enabled = false,
    }
    let engine = config.engine.enabled;
    let processor = Processor::connect(config).await?;
    let processor = workflows::register(processor, &args.hello_service_addr)?;
    if !engine {
        tracing::info!("Processor started, running activities only");
    }
    processor.run().await
}

/// Flags, as the keys that they set.
fn overrides(args: &Args) -> Vec<(&'static str, String)> {
    let flags = [
        ("nats.url", &args.nats_url),
        ("namespace", &args.namespace),
        ("engine.queue", &args.queue),
        ("metrics_addr", &args.metrics_addr),
    ];
    let set = |(key, value): (&'static str, &Option<String>)| Some((key, value.clone()?));
    flags.into_iter().filter_map(set).collect()
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder
            .with_timer(Clock)
            .with_target(false)
            .with_ansi(false)
            .init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// `2026/11/10 22:00:00`, in UTC.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = headwater_hello_service::log::timestamp();
        write!(writer, "{now}")
    }
}
