//! Configuration: defaults, then `headwater.toml`, then the environment (`NATS_URL`,
//! `HEADWATER_*`), then flags, each stronger than the one before.
//!
//! In the environment a `__` goes one level down: `HEADWATER_NATS__USER`, `HEADWATER_ENGINE__PARTITIONS`.
//! An unknown key or a bad value is refused with its name.

use std::{path::PathBuf, sync::Arc, time::Duration};

use headwater_client::Client;
use headwater_engine::EngineConfig;
use headwater_nats::{
    Api, Auth, ConnectError, Initial, MaxBytes, MonitorUrl, NatsStore, Options, SyncInterval, Tls,
};
use headwater_store::{Env, Store, TokioEnv};
use headwater_wire::{
    Namespace, limits,
    names::{DEFAULT_QUEUE, NameError},
};
use headwater_worker::{TagFilter, WorkerConfig};
use serde::Deserialize;

/// File that is read if it is there.
pub const FILE: &str = "headwater.toml";

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Prefix of streams, buckets and subjects: installations that see nothing of each other.
    pub namespace: String,
    /// Address of the metrics and health server, for example `127.0.0.1:9400`; none: off.
    pub metrics_addr: Option<String>,
    /// What a processor makes of the durability that it finds.
    pub durability: DurabilityRule,
    /// The servers.
    pub nats: NatsSection,
    /// The engine role.
    pub engine: EngineSection,
    /// The worker role.
    pub worker: WorkerSection,
}

/// What a processor makes of the durability that it finds at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DurabilityRule {
    /// Log it.
    #[default]
    Report,
    /// Log it, and run only if what is acknowledged survives a power cut: three replicas or
    /// more, or a server that syncs always.
    Required,
}

impl TryFrom<String> for DurabilityRule {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "report" => Ok(Self::Report),
            "required" => Ok(Self::Required),
            _ => Err(format!(
                "durability is {text:?}, use \"report\" or \"required\""
            )),
        }
    }
}

/// How to reach the servers, and how to lay out what is stored there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsSection {
    /// Servers, separated by commas.
    pub url: String,
    /// A `.creds` file.
    pub credentials: Option<PathBuf>,
    /// User, with `password`.
    pub user: Option<String>,
    /// Password of `user`.
    pub password: Option<String>,
    /// Token.
    pub token: Option<String>,
    /// Refuse a connection without TLS.
    pub tls: bool,
    /// Certificates to trust, PEM.
    pub tls_ca: Option<PathBuf>,
    /// Own certificate, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Key of the own certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// JetStream domain.
    pub domain: Option<String>,
    /// Prefix of an imported JetStream API; not together with `domain`.
    pub api_prefix: Option<String>,
    /// Copies of each stream; none: three in a cluster of three or more, else one.
    pub replicas: Option<usize>,
    /// Tags that the servers of new streams must have; in the environment separated by commas.
    #[serde(deserialize_with = "tags")]
    pub placement_tags: Vec<String>,
    /// Most bytes of each stream.
    pub max_bytes: MaxBytesSection,
    /// Answer awaited for one request, in milliseconds.
    pub request_timeout_ms: u64,
    /// Where a server tells how often it syncs to the disk, for example `http://127.0.0.1:8222`.
    pub monitor_url: Option<MonitorUrl>,
    /// How often the server syncs to the disk, where it cannot be asked.
    pub sync_interval: Option<SyncInterval>,
}

/// Most bytes of each stream; none: what the account allows.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaxBytesSection {
    /// COMMANDS; full, the server drops its oldest, so set it high or not at all.
    pub commands: Option<u64>,
    /// TASKS.
    pub tasks: Option<u64>,
    /// EXECUTION_STATE.
    pub state: Option<u64>,
    /// JOURNAL.
    pub journal: Option<u64>,
    /// MEMBERS.
    pub members: Option<u64>,
    /// CONFIG.
    pub config: Option<u64>,
    /// DEAD_LETTERS.
    pub dead_letters: Option<u64>,
}

/// The engine role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSection {
    /// Whether this process takes commands.
    pub enabled: bool,
    /// Task queue.
    pub queue: String,
    /// Partitions of the queue; none: as they are, or 8 for a new queue.
    pub partitions: Option<u16>,
    /// Time after which an unanswered delivery comes again, in milliseconds. Also for workers.
    pub ack_wait_ms: u64,
    /// How long an ended invocation is kept, in seconds; at least an hour.
    pub retention_seconds: u64,
    /// How long a start waits for an engine that has its workflow, in milliseconds.
    pub unregistered_grace_ms: u64,
    /// How long a signal for an unknown id is held, in milliseconds.
    pub absent_grace_ms: u64,
    /// Invocations kept in memory.
    pub cache_max: usize,
    /// Commands under way at the most.
    pub commands_max: usize,
    /// How long local steps may go on when the process is asked to stop, in milliseconds.
    pub stop_grace_ms: u64,
}

/// The worker role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSection {
    /// Whether this process runs activities.
    pub enabled: bool,
    /// Attempts under way at the most, for each topic.
    pub concurrency: usize,
    /// Which tasks it takes: tags, and `default` for those without one; or `any`, or `none`. In the
    /// environment separated by commas.
    #[serde(deserialize_with = "tag_filter")]
    pub tags: TagFilter,
    /// How long an attempt may go on once nobody wants its outcome, in milliseconds.
    pub cancel_grace_ms: u64,
    /// How often a long attempt looks whether its outcome is still wanted, in milliseconds.
    pub cancel_check_ms: u64,
}

impl Default for NatsSection {
    fn default() -> Self {
        Self {
            url: "nats://localhost:4222".to_owned(),
            credentials: None,
            user: None,
            password: None,
            token: None,
            tls: false,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            domain: None,
            api_prefix: None,
            replicas: None,
            placement_tags: Vec::new(),
            max_bytes: MaxBytesSection::default(),
            request_timeout_ms: millis(limits::REQUEST_TIMEOUT),
            monitor_url: None,
            sync_interval: None,
        }
    }
}

impl Default for EngineSection {
    fn default() -> Self {
        let engine = EngineConfig::default();
        Self {
            enabled: true,
            queue: DEFAULT_QUEUE.to_owned(),
            partitions: None,
            ack_wait_ms: millis(engine.ack_wait),
            retention_seconds: engine.retention.as_secs(),
            unregistered_grace_ms: millis(engine.unregistered_grace),
            absent_grace_ms: millis(engine.absent_grace),
            cache_max: engine.cache_max,
            commands_max: engine.commands_max,
            stop_grace_ms: millis(engine.stop_grace),
        }
    }
}

impl Default for WorkerSection {
    fn default() -> Self {
        let worker = WorkerConfig::default();
        Self {
            enabled: true,
            concurrency: worker.concurrency,
            tags: worker.tags,
            cancel_grace_ms: millis(worker.cancel_grace),
            cancel_check_ms: millis(worker.cancel_check),
        }
    }
}

/// A list, or a text with commas as the environment has it.
fn tags<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tags {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Tags::deserialize(deserializer)? {
        Tags::List(tags) => tags,
        Tags::Text(text) => text
            .split(',')
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect(),
    })
}

fn tag_filter<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<TagFilter, D::Error> {
    let words = tags(deserializer)?;
    TagFilter::of_words(words.iter().map(String::as_str)).map_err(serde::de::Error::custom)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that is not there or not readable, an unknown key, a bad value.
    #[error("the configuration cannot be used: {0}")]
    Read(#[from] ::config::ConfigError),
    /// Two settings that exclude each other, or one that lacks another.
    #[error("the configuration cannot be used: {0}")]
    Contradiction(&'static str),
    /// The namespace.
    #[error(transparent)]
    Namespace(#[from] NameError),
    /// A value out of range.
    #[error("the configuration cannot be used: {key} is {value}, use {range}")]
    Range {
        /// Key.
        key: &'static str,
        /// What it is.
        value: u64,
        /// What it can be.
        range: &'static str,
    },
}

impl Config {
    /// Defaults, then the file (or `headwater.toml` if it is there), then the environment.
    pub fn load(file: Option<&str>) -> Result<Self, ConfigError> {
        Self::load_with(file, &[])
    }

    /// [`Config::load`], then overrides: keys like `nats.url` with their values.
    pub fn load_with(
        file: Option<&str>,
        overrides: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        Self::load_from(file, overrides, None)
    }

    /// [`Config::load_with`] under another environment than the process's own.
    fn load_from(
        file: Option<&str>,
        overrides: &[(&str, String)],
        vars: Option<std::collections::HashMap<String, String>>,
    ) -> Result<Self, ConfigError> {
        use ::config::{Environment, File, FileFormat};
        let file = match file {
            Some(file) => File::new(file, FileFormat::Toml).required(true),
            None => File::new(FILE, FileFormat::Toml).required(false),
        };
        let url = Environment::default()
            .source(Some(nats_url(vars.as_ref())))
            .try_parsing(false)
            .separator("__");
        let own = Environment::with_prefix("HEADWATER")
            .prefix_separator("_")
            .separator("__")
            .try_parsing(false)
            .source(Some(own_vars(vars)));
        let mut builder = ::config::Config::builder()
            .add_source(file)
            .add_source(url)
            .add_source(own);
        for (key, value) in overrides {
            builder = builder.set_override(*key, value.clone())?;
        }
        let config: Self = builder.build()?.try_deserialize()?;
        config.options()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let out_of_range = |key, value, range| Err(ConfigError::Range { key, value, range });
        let engine = &self.engine;
        if engine.retention_seconds < limits::RETENTION_MIN.as_secs() {
            return out_of_range(
                "engine.retention_seconds",
                engine.retention_seconds,
                "3600 or more",
            );
        }
        if engine.ack_wait_ms < 500 {
            return out_of_range("engine.ack_wait_ms", engine.ack_wait_ms, "500 or more");
        }
        if let Some(partitions) = engine.partitions
            && !(1..=limits::PARTITIONS_MAX).contains(&partitions)
        {
            return out_of_range("engine.partitions", u64::from(partitions), "1 to 1024");
        }
        if self.worker.concurrency == 0 {
            return out_of_range("worker.concurrency", 0, "1 or more");
        }
        if self.worker.cancel_check_ms < 100 {
            let set = self.worker.cancel_check_ms;
            return out_of_range("worker.cancel_check_ms", set, "100 or more");
        }
        if engine.commands_max == 0 {
            return out_of_range("engine.commands_max", 0, "1 or more");
        }
        Ok(())
    }

    /// How to connect. Errors name settings that exclude each other.
    pub fn options(&self) -> Result<Options, ConfigError> {
        let nats = &self.nats;
        let max = nats.max_bytes;
        Ok(Options {
            urls: nats
                .url
                .split(',')
                .map(|url| url.trim().to_owned())
                .collect(),
            name: "headwater".to_owned(),
            auth: nats.auth()?,
            tls: nats.tls()?,
            api: match (&nats.domain, &nats.api_prefix) {
                (None, None) => Api::Default,
                (Some(domain), None) => Api::Domain(domain.clone()),
                (None, Some(prefix)) => Api::Prefix(prefix.clone()),
                _ => {
                    let text = "nats.domain and nats.api_prefix exclude each other";
                    return Err(ConfigError::Contradiction(text));
                }
            },
            namespace: Namespace::new(&self.namespace)?,
            initial: Initial::Fail,
            request_timeout: Duration::from_millis(nats.request_timeout_ms.max(1)),
            ack_wait: Duration::from_millis(self.engine.ack_wait_ms),
            replicas: nats.replicas,
            placement_tags: nats.placement_tags.clone(),
            max_bytes: MaxBytes {
                commands: max.commands,
                tasks: max.tasks,
                state: max.state,
                journal: max.journal,
                members: max.members,
                config: max.config,
                dead_letters: max.dead_letters,
            },
            monitor_url: nats.monitor_url.clone(),
            sync_interval: nats.sync_interval,
        })
    }

    /// How the engine role behaves.
    #[must_use]
    pub fn engine(&self) -> EngineConfig {
        let engine = &self.engine;
        EngineConfig {
            queue: engine.queue.clone(),
            partitions: engine.partitions,
            ack_wait: Duration::from_millis(engine.ack_wait_ms),
            retention: Duration::from_secs(engine.retention_seconds),
            unregistered_grace: Duration::from_millis(engine.unregistered_grace_ms),
            absent_grace: Duration::from_millis(engine.absent_grace_ms),
            cache_max: engine.cache_max,
            commands_max: engine.commands_max,
            stop_grace: Duration::from_millis(engine.stop_grace_ms),
            ..EngineConfig::default()
        }
    }

    /// How the worker role behaves.
    #[must_use]
    pub fn worker(&self) -> WorkerConfig {
        WorkerConfig {
            concurrency: self.worker.concurrency,
            ack_wait: Duration::from_millis(self.engine.ack_wait_ms),
            stop_grace: Duration::from_millis(self.engine.stop_grace_ms),
            tags: self.worker.tags.clone(),
            cancel_grace: Duration::from_millis(self.worker.cancel_grace_ms),
            cancel_check: Duration::from_millis(self.worker.cancel_check_ms),
            ..WorkerConfig::default()
        }
    }

    /// A client of the installation. Makes the streams if they are not there yet.
    pub async fn client(&self) -> Result<Client, crate::ProcessorError> {
        let env = TokioEnv::shared();
        let store = self.connect(&env).await?;
        Ok(Client::new(store, env))
    }

    async fn connect(&self, env: &Arc<dyn Env>) -> Result<Arc<dyn Store>, crate::ProcessorError> {
        let options = self.options().map_err(Box::new)?;
        let store = NatsStore::connect(options, Arc::clone(env)).await?;
        store.setup().await?;
        Ok(store)
    }

    /// Whether an error says that no server was reached.
    #[must_use]
    pub fn is_unreachable(error: &crate::ProcessorError) -> bool {
        matches!(
            error,
            crate::ProcessorError::Connect(
                ConnectError::Unreachable { .. } | ConnectError::Unauthorized { .. }
            )
        )
    }
}

impl NatsSection {
    fn auth(&self) -> Result<Auth, ConfigError> {
        let given = [
            self.credentials.is_some(),
            self.user.is_some(),
            self.token.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let text = "of nats.credentials, nats.user and nats.token only one can be used";
            return Err(ConfigError::Contradiction(text));
        }
        Ok(match (&self.credentials, &self.user, &self.token) {
            (Some(file), _, _) => Auth::CredentialsFile(file.clone()),
            (_, Some(user), _) => Auth::User {
                user: user.clone(),
                password: self.password.clone().unwrap_or_default(),
            },
            (_, _, Some(token)) => Auth::Token(token.clone()),
            _ => Auth::None,
        })
    }

    fn tls(&self) -> Result<Tls, ConfigError> {
        let client = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => {
                let text = "nats.tls_cert and nats.tls_key belong together";
                return Err(ConfigError::Contradiction(text));
            }
        };
        Ok(Tls {
            required: self.tls,
            ca_file: self.tls_ca.clone(),
            client,
        })
    }
}

type Vars = std::collections::HashMap<String, String>;

/// `NATS_URL`, as the key that it sets.
fn nats_url(vars: Option<&Vars>) -> Vars {
    let url = match vars {
        Some(vars) => vars.get("NATS_URL").cloned(),
        None => std::env::var("NATS_URL").ok(),
    };
    url.map(|url| ("nats__url".to_owned(), url))
        .into_iter()
        .collect()
}

/// The `HEADWATER_*` variables, less those that are not configuration of the product.
fn own_vars(vars: Option<Vars>) -> Vars {
    let vars = vars.unwrap_or_else(|| std::env::vars().collect());
    let is_other = |name: &str| {
        name == "HEADWATER_NATS_SERVER"
            || name == "HEADWATER_CONFIG"
            || name.starts_with("HEADWATER_CHECK")
    };
    vars.into_iter()
        .filter(|(name, _)| !is_other(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        toml: &str,
        vars: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headwater.toml");
        std::fs::write(&file, toml).unwrap();
        let vars = vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let flags: Vec<_> = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        Config::load_from(file.to_str(), &flags, Some(vars))
    }

    #[test]
    fn each_source_is_stronger_than_the_one_before() {
        let toml = "[nats]\nurl = 'nats://file'\nuser = 'u'\n[engine]\npartitions = 4";
        let config = load(toml, &[], &[]).unwrap();
        assert_eq!(
            (config.nats.url.as_str(), config.engine.partitions),
            ("nats://file", Some(4))
        );
        assert_eq!(config.engine.ack_wait_ms, 5000);
        let vars = [
            ("NATS_URL", "nats://env"),
            ("HEADWATER_ENGINE__PARTITIONS", "16"),
            ("HEADWATER_NAMESPACE", "a"),
            ("HEADWATER_NATS__PASSWORD", "0123"),
            ("HEADWATER_NATS__TLS", "true"),
            ("HEADWATER_NATS__PLACEMENT_TAGS", "ssd, eu"),
        ];
        let config = load(toml, &vars, &[]).unwrap();
        assert_eq!(
            (config.nats.url.as_str(), config.engine.partitions),
            ("nats://env", Some(16))
        );
        assert_eq!(config.namespace, "a");
        assert_eq!(
            config.nats.password.as_deref(),
            Some("0123"),
            "as it was written"
        );
        assert_eq!(
            (config.nats.tls, config.nats.placement_tags.join("+")),
            (true, "ssd+eu".to_owned())
        );
        let config = load(toml, &vars, &[("nats.url", "nats://flag")]).unwrap();
        assert_eq!(config.nats.url, "nats://flag");
    }

    #[test]
    fn durability_is_configured_in_the_file_and_in_the_environment() {
        let config = load("", &[], &[]).unwrap();
        assert_eq!(config.durability, DurabilityRule::Report);
        assert_eq!(
            (config.nats.monitor_url, config.nats.sync_interval),
            (None, None)
        );
        let toml =
            "durability = 'required'\n[nats]\nmonitor_url = 'http://a:8222'\nsync_interval = '10s'";
        let config = load(toml, &[], &[]).unwrap();
        assert_eq!(config.durability, DurabilityRule::Required);
        let options = config.options().unwrap();
        assert_eq!(options.monitor_url.unwrap().to_string(), "http://a:8222");
        assert_eq!(options.sync_interval.unwrap().to_string(), "every 10s");
        let vars = [
            ("HEADWATER_DURABILITY", "report"),
            ("HEADWATER_NATS__MONITOR_URL", "http://b:8222"),
            ("HEADWATER_NATS__SYNC_INTERVAL", "always"),
        ];
        let config = load(toml, &vars, &[]).unwrap();
        assert_eq!(config.durability, DurabilityRule::Report);
        let options = config.options().unwrap();
        assert_eq!(options.monitor_url.unwrap().to_string(), "http://b:8222");
        assert_eq!(options.sync_interval, Some(SyncInterval::Always));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let says =
            |toml: &str, vars: &[(&str, &str)]| load(toml, vars, &[]).unwrap_err().to_string();
        assert!(says("[engine]\npartitons = 4", &[]).contains("partitons"));
        assert!(says("", &[("HEADWATER_NATS__URI", "x")]).contains("uri"));
        assert!(says("[engine]\npartitions = 'many'", &[]).contains("partitions"));
        assert!(
            says("[engine]\npartitions = 0", &[]).contains("engine.partitions is 0, use 1 to 1024")
        );
        assert!(says("[engine]\nretention_seconds = 60", &[]).contains("3600 or more"));
        assert!(says("namespace = 'a b'", &[]).contains("letters, digits"));
        assert!(says("[nats]\nuser='a'\ntoken='b'", &[]).contains("only one"));
        assert!(says("[nats]\ntls_cert='a'", &[]).contains("belong together"));
        let vars = [("HEADWATER_DURABILITY", "strict")];
        for (error, parts) in [
            (
                says("durability = 'yes'", &[]),
                ["durability", "\"report\" or \"required\""],
            ),
            (
                says("", &vars),
                ["durability is \"strict\"", "\"report\" or \"required\""],
            ),
            (
                says("durability = true", &[]),
                ["durability", "\"report\" or \"required\""],
            ),
            (
                says("[nats]\nsync_interval = 120", &[]),
                ["nats.sync_interval", "for example \"2m\""],
            ),
            (
                says("[nats]\nmonitor_url = 'nats:8222'", &[]),
                ["nats.monitor_url", "for example http://127.0.0.1:8222"],
            ),
        ] {
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        }
    }
}
