//! A server, processors as real processes, and a client.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    missing_docs,
    dead_code
)]

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use headwater::{Client, Config, wire::InvocationId};
use headwater_testkit::NatsServer;

/// What the issue of recovery may take at the most.
pub const RECOVERY: Duration = Duration::from_secs(15);

pub struct World {
    pub nats: NatsServer,
    pub folder: tempfile::TempDir,
    pub client: Client,
}

impl World {
    pub async fn start() -> Self {
        let nats = NatsServer::start().await;
        let config = Config::load_with(None, &[("nats.url", nats.url())]).unwrap();
        let client = config.client().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            nats,
            folder,
            client,
        }
    }

    /// A processor process; its log goes to the test's output.
    pub fn processor(&self, args: &[&str]) -> Processor {
        self.processor_with(args, &[])
    }

    pub fn processor_with(&self, args: &[&str], vars: &[(&str, &str)]) -> Processor {
        let child = Command::new(env!("CARGO_BIN_EXE_headwater-processor"))
            .args(args)
            .envs(vars.iter().copied())
            .env("NATS_URL", self.nats.url())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("the processor starts");
        Processor(child)
    }

    /// Wait until an invocation has decided a step: then the outcomes of all before are recorded.
    pub async fn wait_for_step(&self, text: &str, step: u32) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let state = self.client.state(&id(text)).await;
            if state.is_ok_and(|state| state.journal.steps >= step) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{text} has not come to step {step}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn ledger(&self) -> Ledger {
        Ledger(self.folder.path().join("ledger"))
    }

    pub async fn connection(&self) -> async_nats::Client {
        async_nats::connect(self.nats.url()).await.unwrap()
    }

    /// The value as any KV client reads it.
    pub async fn kv_get(&self, key: &str) -> Option<serde_json::Value> {
        let context = async_nats::jetstream::new(self.connection().await);
        let bucket = context.get_key_value("EXECUTION_STATE").await.unwrap();
        let bytes = bucket.get(key).await.unwrap()?;
        Some(serde_json::from_slice(&bytes).expect("the value is JSON"))
    }
}

pub fn id(text: &str) -> InvocationId {
    InvocationId::new(text).unwrap()
}

/// A process that is killed when it is dropped.
pub struct Processor(Child);

impl Processor {
    pub fn kill9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, then its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The file that steps write to when they run.
pub struct Ledger(PathBuf);

impl Ledger {
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|other| *other == line).count()
    }

    /// Wait until a line is there.
    pub async fn wait_for(&self, line: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.count(line) == 0 {
            assert!(
                Instant::now() < deadline,
                "no line {line:?} in {:?}",
                self.lines()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
