//! Headwater: a NATS server, an engine process and a worker process.

use std::path::{Path, PathBuf};

use ::headwater::{
    ActivityContext, Client, Config, Context, Error, Processor, Result as StepResult, SyncInterval,
    wire::Status,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    child::{Child, PATIENCE},
    cli::Options,
    error::{Doing as _, PeersError, check},
    role::{Servers, log, ready},
    system::Sync,
    workload::{LOCAL, NOOP, REMOTE, Workload},
};

pub(crate) struct Installation {
    pub(crate) client: Client,
    // In the order in which they are ended.
    worker: Child,
    engine: Child,
    server: Child,
}

/// The version that is measured, or why it is not.
pub(crate) fn version(options: &Options) -> Result<String, String> {
    let binary = binary(options).map_err(|error| error.to_string())?;
    let nats = crate::system::version_of(binary)?;
    Ok(format!("{} on {nats}", env!("CARGO_PKG_VERSION")))
}

fn binary(options: &Options) -> Result<&PathBuf, PeersError> {
    let found = options.nats_server.as_ref();
    found.ok_or("it is not set").doing("HEADWATER_NATS_SERVER")
}

impl Installation {
    pub(crate) async fn start(
        options: &Options,
        sync: Sync,
        folder: &Path,
    ) -> Result<Self, PeersError> {
        let (server, url) = start_server(binary(options)?, sync, folder).await?;
        let sync_always = sync == Sync::Fsync;
        let mut args = vec!["--url", &url];
        if sync_always {
            args.push("--sync-always");
        }
        let mut engine = Child::role("engine", &args, folder)?;
        engine.await_ready().await?;
        let mut worker = Child::role("worker", &args, folder)?;
        worker.await_ready().await?;
        let client = config(Servers { url, sync_always })
            .client()
            .await
            .doing("connecting to the NATS server")?;
        Ok(Self {
            client,
            worker,
            engine,
            server,
        })
    }

    pub(crate) fn show_logs(&self) {
        for child in [&self.server, &self.engine, &self.worker] {
            child.show_log();
        }
    }
}

/// One workflow, from its start until its answer is here.
pub(crate) async fn call(client: &Client, workload: Workload) -> Result<(), PeersError> {
    let start = client.start(workload.workflow()).input(&workload.steps);
    let mut handle = start
        .expect_outcome()
        .send()
        .await
        .doing("starting a workflow")?;
    let ended = handle
        .wait(PATIENCE)
        .await
        .doing("waiting for a workflow")?;
    let answer: u32 = match ended.status {
        Status::Completed => ended.output().doing("reading an answer")?,
        status => return Err(format!("{status:?}")).doing("a workflow"),
    };
    check(&answer.to_string(), workload.steps)
}

async fn start_server(
    binary: &Path,
    sync: Sync,
    folder: &Path,
) -> Result<(Child, String), PeersError> {
    let config = folder.join("nats.conf");
    let (store, log) = (folder.join("store"), folder.join("nats.log"));
    let sync = match sync {
        Sync::Process => "",
        Sync::Fsync => " sync_interval: always\n",
    };
    // Port -1: the system chooses, so that nobody can take the port meanwhile.
    let text = format!(
        "server_name: bench\nlisten: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n\
         ports_file_dir: {folder:?}\nlog_file: {log:?}\njetstream {{\n store_dir: {store:?}\n{sync}}}\n"
    );
    std::fs::write(&config, text).map_err(PeersError::io(format!("writing {config:?}")))?;
    let args = ["-c".as_ref(), config.as_os_str()];
    let mut server = Child::server("nats-server", binary, &args, folder)?;
    let url = server
        .await_found(async || {
            let ports = ports(folder)?;
            let monitor = ports.monitoring.first()?.strip_prefix("http://")?;
            let page = page(monitor, "/healthz").await?;
            page.contains("\"ok\"")
                .then(|| ports.nats.first().cloned())?
        })
        .await?;
    Ok((server, url))
}

/// The file in which the server tells the ports that it was given.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

fn ports(folder: &Path) -> Option<Ports> {
    let file = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|kind| kind == "ports"))?;
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// A monitoring page, if it comes.
async fn page(monitor: &str, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect(monitor).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

/// The defaults, and nothing from the environment.
fn config(servers: Servers) -> Config {
    let mut config = Config::default();
    config.nats.url = servers.url;
    config.nats.sync_interval = servers.sync_always.then_some(SyncInterval::Always);
    config
}

pub(crate) async fn serve_engine(servers: Servers) -> Result<(), PeersError> {
    let mut config = config(servers);
    config.worker.enabled = false;
    serve(config, |processor| {
        processor.workflow(LOCAL, local)?.workflow(REMOTE, remote)
    })
    .await
}

pub(crate) async fn serve_worker(servers: Servers) -> Result<(), PeersError> {
    let mut config = config(servers);
    config.engine.enabled = false;
    serve(config, |processor| processor.activity(NOOP, noop)).await
}

async fn serve(
    config: Config,
    register: impl FnOnce(Processor) -> Result<Processor, ::headwater::ProcessorError>,
) -> Result<(), PeersError> {
    log("warn");
    let processor = Processor::connect(config).await.doing("connecting")?;
    let processor = register(processor).doing("registering")?;
    let _running = processor.start().await.doing("starting")?;
    ready("").await;
    Ok(())
}

async fn local(ctx: Context, steps: u32) -> StepResult<u32> {
    for step in 0..steps {
        ctx.run("step", || async move { Ok::<_, Error>(step) })
            .await?;
    }
    Ok(steps)
}

async fn remote(ctx: Context, steps: u32) -> StepResult<u32> {
    for step in 0..steps {
        let _: u32 = ctx.activity(NOOP, step).await?;
    }
    Ok(steps)
}

async fn noop(_: ActivityContext, input: u32) -> StepResult<u32> {
    Ok(input)
}
