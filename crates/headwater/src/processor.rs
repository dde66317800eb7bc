//! A process of engine and worker roles.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use futures::future::OptionFuture;
use headwater_client::Client;
use headwater_core::{Context, Error, workflow::async_workflow};
use headwater_engine::{
    Engine, EngineConfig, EngineCounts, EngineError, EngineHandle, EngineMetrics, Registry,
    RegistryError,
};
use headwater_nats::{ConnectError, Durability, NatsStore, SetupError};
use headwater_store::{Env, Store, TokioEnv, memory::MemoryStore};
use headwater_wire::Namespace;
use headwater_worker::{
    Activities, ActivityContext, ActivityError, TagError, Worker, WorkerConfig, WorkerCounts,
    WorkerHandle, WorkerMetrics,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    admin::{self, Admin},
    check::Request,
    config::{Config, ConfigError, DurabilityRule},
};

/// Version of workflows that name none.
const VERSION: &str = "1.0.0";

/// A process of engine and worker roles, about to run.
pub struct Processor {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    pub(crate) engine: Option<EngineConfig>,
    pub(crate) worker: Option<WorkerConfig>,
    metrics_addr: Option<String>,
    durability: Option<Durability>,
    pub(crate) registry: Registry,
    pub(crate) activities: Activities,
    /// What it was asked to check, instead of running.
    check: Option<Request>,
}

/// Why a processor does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// Configuration.
    #[error(transparent)]
    Config(#[from] Box<ConfigError>),
    /// Connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Streams and buckets.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// What the server acknowledges can be lost in a power cut, and that is not allowed.
    #[error(
        "durability = \"required\", but this was found: {}; use three or more NATS servers as one cluster, so that streams have three replicas, or set sync_interval: always in the jetstream block of the server and let it be seen (nats.monitor_url) or declare it (nats.sync_interval = \"always\")",
        .0.facts()
    )]
    NotDurable(Box<Durability>),
    /// A workflow.
    #[error(transparent)]
    Workflow(#[from] RegistryError),
    /// An activity.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// Tags of the worker role.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// The engine role.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The metrics server.
    #[error("the metrics server cannot listen on {address}: {source}")]
    Metrics {
        /// Address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

impl From<ConfigError> for ProcessorError {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl Processor {
    /// Connect, and make the streams and buckets if they are not there yet. Logs the durability
    /// that is found, and refuses one that is too low if the configuration says so.
    ///
    /// With `HEADWATER_CHECK` in the environment it connects to nothing: see [`crate::check`].
    pub async fn connect(config: Config) -> Result<Self, ProcessorError> {
        let env = TokioEnv::shared();
        if let Some(request) = Request::from_env() {
            let store = MemoryStore::new(Arc::clone(&env), Namespace::default());
            let mut processor = Self::on(store, env);
            processor.check = Some(request);
            return Ok(processor);
        }
        tracing::info!("Setting up JetStream streams...");
        let store = NatsStore::connect(config.options()?, Arc::clone(&env)).await?;
        tracing::info!("Setting up KV buckets...");
        let durability = store.setup().await?;
        let durability = store.ask_monitor(durability).await;
        let server = match &durability.cluster {
            Some(cluster) => format!("cluster {cluster}"),
            None => "one server".to_owned(),
        };
        tracing::info!("NATS: {}, {server}", durability.server_version);
        tracing::info!("Durability: {durability}");
        if config.durability == DurabilityRule::Required && !durability.survives_power_cut() {
            return Err(ProcessorError::NotDurable(Box::new(durability)));
        }
        let mut processor = Self::on(store, env);
        processor.engine = config.engine.enabled.then(|| config.engine());
        processor.worker = config.worker.enabled.then(|| config.worker());
        processor.metrics_addr = config.metrics_addr;
        processor.durability = Some(durability);
        Ok(processor)
    }

    /// A processor on any store.
    #[must_use]
    pub fn on(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Self {
        Self {
            store,
            env,
            engine: Some(EngineConfig::default()),
            worker: Some(WorkerConfig::default()),
            metrics_addr: None,
            durability: None,
            registry: Registry::default(),
            activities: Activities::default(),
            check: None,
        }
    }

    /// Behave so as an engine; none: don't be one.
    #[must_use]
    pub fn engine(mut self, config: Option<EngineConfig>) -> Self {
        self.engine = config;
        self
    }

    /// Behave so as a worker; none: don't be one.
    #[must_use]
    pub fn worker(mut self, config: Option<WorkerConfig>) -> Self {
        self.worker = config;
        self
    }

    /// What the server's acknowledgements are worth, if connected to one.
    #[must_use]
    pub fn durability(&self) -> Option<&Durability> {
        self.durability.as_ref()
    }

    /// Register a workflow, version 1.0.0.
    pub fn workflow<F, Fut, In, Out, E>(
        self,
        name: &str,
        function: F,
    ) -> Result<Self, ProcessorError>
    where
        F: Fn(Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        self.workflow_version(name, VERSION, function)
    }

    /// Register a workflow under a semantic version. Running invocations stay on theirs; new
    /// ones take the latest unless their start says otherwise.
    pub fn workflow_version<F, Fut, In, Out, E>(
        mut self,
        name: &str,
        version: &str,
        function: F,
    ) -> Result<Self, ProcessorError>
    where
        F: Fn(Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        self.registry.add(name, version, async_workflow(function))?;
        Ok(self)
    }

    /// Take in the workflows and activities that a library brings. What is in both is an error; so
    /// is a name that begins with `headwater.`, as everywhere. A library may as well have a function
    /// from a processor to a processor.
    pub fn merge(
        mut self,
        workflows: Registry,
        activities: Activities,
    ) -> Result<Self, ProcessorError> {
        self.registry.merge(workflows)?;
        self.activities.merge(activities)?;
        Ok(self)
    }

    /// Register an activity, on the topic of its name.
    pub fn activity<F, Fut, In, Out, E>(
        self,
        name: &str,
        function: F,
    ) -> Result<Self, ProcessorError>
    where
        F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        self.activity_on(name, name, function)
    }

    /// Register an activity on a topic that others share.
    pub fn activity_on<F, Fut, In, Out, E>(
        mut self,
        topic: &str,
        name: &str,
        function: F,
    ) -> Result<Self, ProcessorError>
    where
        F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        self.activities.add_on(topic, name, function)?;
        Ok(self)
    }

    /// Start the roles; they run until [`RunningProcessor::stop`].
    pub async fn start(mut self) -> Result<RunningProcessor, ProcessorError> {
        if let Some(request) = self.check.take() {
            request.answer(&self);
        }
        let Self {
            store,
            env,
            engine,
            worker,
            metrics_addr,
            registry,
            activities,
            ..
        } = self;
        if let Some(worker) = &worker {
            worker.tags.check()?;
        }
        let (host, pid) = (host(), std::process::id());
        let (engine_metrics, worker_metrics) = (EngineMetrics::default(), WorkerMetrics::default());
        let mut metrics = prometheus_client::registry::Registry::default();
        engine_metrics.register(&mut metrics);
        worker_metrics.register(&mut metrics);
        let worker = worker.filter(|_| !activities.is_empty()).map(|config| {
            Worker {
                store: Arc::clone(&store),
                env: Arc::clone(&env),
                config,
                activities,
                metrics: worker_metrics,
                host: host.clone(),
                pid,
            }
            .start()
        });
        let engine = match engine {
            Some(config) => Some(
                Engine {
                    store: Arc::clone(&store),
                    env: Arc::clone(&env),
                    config,
                    registry,
                    metrics: engine_metrics,
                    host,
                    pid,
                }
                .start()
                .await?,
            ),
            None => None,
        };
        let metrics_addr = match metrics_addr {
            Some(address) => {
                let admin = Admin {
                    registry: metrics,
                    store: Arc::clone(&store),
                };
                let bound = admin::serve(&address, admin, &env)
                    .await
                    .map_err(|source| ProcessorError::Metrics { address, source })?;
                tracing::info!("metrics on http://{bound}/metrics");
                Some(bound)
            }
            None => None,
        };
        Ok(RunningProcessor {
            store,
            env,
            engine,
            worker,
            metrics_addr,
        })
    }

    /// Run until Ctrl-C or SIGTERM, then stop gracefully.
    pub async fn run(self) -> Result<(), ProcessorError> {
        let running = self.start().await?;
        asked_to_stop().await;
        tracing::info!("Stopping: taking nothing new, finishing or handing back what is under way");
        running.stop().await;
        tracing::info!("Stopped");
        Ok(())
    }
}

/// A processor at work.
pub struct RunningProcessor {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    engine: Option<EngineHandle>,
    worker: Option<WorkerHandle>,
    metrics_addr: Option<SocketAddr>,
}

impl RunningProcessor {
    /// A client on the same store.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.store), Arc::clone(&self.env))
    }

    /// The engine role.
    #[must_use]
    pub fn engine(&self) -> Option<&EngineHandle> {
        self.engine.as_ref()
    }

    /// The worker role.
    #[must_use]
    pub fn worker(&self) -> Option<&WorkerHandle> {
        self.worker.as_ref()
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Take nothing new, finish or hand back what is under way, leave.
    pub async fn stop(self) {
        let engine = OptionFuture::from(self.engine.map(EngineHandle::stop));
        let worker = OptionFuture::from(self.worker.map(WorkerHandle::stop));
        futures::join!(engine, worker);
    }

    /// [`RunningProcessor::stop`] with another grace than that of the configuration. What is not
    /// finished by then is left as a crash would leave it: others go on with it. Zero: at once.
    pub async fn stop_within(self, grace: Duration) {
        let engine = self.engine.map(|engine| engine.stop_within(grace));
        let worker = self.worker.map(|worker| worker.stop_within(grace));
        futures::join!(OptionFuture::from(engine), OptionFuture::from(worker));
    }

    /// What its roles have counted since they began, as `/metrics` tells it; none: it is not in
    /// that role. What waits in the queues: [`Client::queue_depths`].
    #[must_use]
    pub fn counts(&self) -> (Option<EngineCounts>, Option<WorkerCounts>) {
        let engine = self.engine.as_ref().map(|engine| engine.metrics().counts());
        let worker = self.worker.as_ref().map(|worker| worker.metrics().counts());
        (engine, worker)
    }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(unix)]
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return ctrl_c().await;
    };
    tokio::select! {
        biased;
        () = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() {
    ctrl_c().await;
}

async fn ctrl_c() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "cannot listen for Ctrl-C; end the process by SIGTERM");
        std::future::pending::<()>().await;
    }
}
