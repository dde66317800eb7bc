//! One nats-server process, with its own folder and ports.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::{
    child::{Child, LOOK_PAUSE, PATIENCE},
    error::BenchError,
    http,
    setting::Setting,
};

pub(crate) struct Node {
    pub(crate) child: Child,
    /// Where clients connect.
    pub(crate) url: String,
    /// Host and port of the monitoring pages.
    pub(crate) monitor: String,
    folder: PathBuf,
}

/// The file in which the server tells the ports that it was given.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

/// Of the page `/jsz`: whom the cluster has.
#[derive(Deserialize)]
struct JetStreamPage {
    meta_cluster: Option<MetaCluster>,
}

#[derive(Deserialize)]
struct MetaCluster {
    #[serde(default)]
    leader: String,
    cluster_size: usize,
}

impl Node {
    /// Start the server of this index; `routes`: the ports on which the servers of a cluster
    /// talk to each other.
    pub(crate) fn start(
        setting: Setting,
        folder: &Path,
        index: usize,
        routes: &[u16],
    ) -> Result<Self, BenchError> {
        let folder = folder.join(format!("n{index}"));
        let config = folder.join("nats.conf");
        let text = configuration(setting, &folder, index, routes);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&config, text))
            .map_err(BenchError::io(format!("writing {config:?}")))?;
        let (binary, parent) = (binary()?, std::process::id().to_string());
        let args = [
            "--binary".as_ref(),
            binary.as_os_str(),
            "--config".as_ref(),
            config.as_os_str(),
            "--parent".as_ref(),
            parent.as_ref(),
        ];
        Ok(Self {
            child: Child::spawn("server", &args, &folder)?,
            url: String::new(),
            monitor: String::new(),
            folder,
        })
    }

    /// Wait until it takes requests; of a cluster, until it knows a leader and all servers.
    pub(crate) async fn await_ready(&mut self, setting: Setting) -> Result<(), BenchError> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some((url, monitor)) = ports(&self.folder) {
                (self.url, self.monitor) = (url, monitor);
                if self.is_ready(setting).await {
                    return Ok(());
                }
            }
            if self.child.has_ended() {
                return Err(BenchError::Ended("server"));
            }
            sleep(LOOK_PAUSE).await;
        }
        Err(BenchError::NotReady {
            name: "server",
            patience: PATIENCE,
        })
    }

    async fn is_ready(&self, setting: Setting) -> bool {
        let page = http::page(&self.monitor, "/healthz").await;
        if !page.is_some_and(|page| page.contains("\"ok\"")) {
            return false;
        }
        let servers = setting.servers();
        let page = http::page(&self.monitor, "/jsz").await.unwrap_or_default();
        servers == 1 || is_complete(&page, servers)
    }
}

fn is_complete(jetstream_page: &str, servers: usize) -> bool {
    let page: Result<JetStreamPage, _> = serde_json::from_str(jetstream_page);
    let meta = page.ok().and_then(|page| page.meta_cluster);
    meta.is_some_and(|meta| !meta.leader.is_empty() && meta.cluster_size == servers)
}

/// Port -1: the system chooses, so that nobody can take the port meanwhile.
fn configuration(setting: Setting, folder: &Path, index: usize, routes: &[u16]) -> String {
    let (store, log) = (folder.join("store"), folder.join("nats.log"));
    let sync = match setting.syncs_always() {
        true => " sync_interval: always\n",
        false => "",
    };
    let cluster = routes.get(index).map_or_else(String::new, |own| {
        let all: Vec<String> = routes
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{port}\""))
            .collect();
        format!(
            "cluster {{\n name: bench\n listen: \"127.0.0.1:{own}\"\n routes: [{}]\n}}\n",
            all.join(", ")
        )
    });
    format!(
        "server_name: bench-{index}\nlisten: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n\
         ports_file_dir: {folder:?}\nlog_file: {log:?}\n\
         jetstream {{\n store_dir: {store:?}\n{sync}}}\n{cluster}"
    )
}

/// The client's URL and the monitoring address, once the server has written them.
fn ports(folder: &Path) -> Option<(String, String)> {
    let file = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "ports")
        })?;
    let ports: Ports = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let monitor = ports
        .monitoring
        .first()?
        .strip_prefix("http://")?
        .to_owned();
    Some((ports.nats.first()?.clone(), monitor))
}

/// The binary to run.
fn binary() -> Result<PathBuf, BenchError> {
    if let Some(named) = std::env::var_os("HEADWATER_NATS_SERVER").map(PathBuf::from) {
        return match named.is_file() {
            true => Ok(named),
            false => Err(BenchError::BadServer(named)),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("nats-server"))
        .find(|file| file.is_file())
        .ok_or(BenchError::NoServer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_configuration() {
        let of = |setting, routes: &[u16]| configuration(setting, Path::new("/x"), 0, routes);
        let one = of(Setting::One, &[]);
        assert!(
            !one.contains("sync_interval") && !one.contains("cluster"),
            "{one}"
        );
        assert!(of(Setting::SyncAlways, &[]).contains("sync_interval: always"));
        let cluster = of(Setting::Cluster, &[1, 2, 3]);
        assert!(cluster.contains("listen: \"127.0.0.1:1\""), "{cluster}");
        assert!(cluster.contains("nats://127.0.0.1:3"), "{cluster}");
    }

    #[test]
    fn a_cluster_is_complete_with_a_leader_and_all_its_servers() {
        let page = |leader, size| {
            format!(r#"{{"meta_cluster": {{"leader": "{leader}", "cluster_size": {size}}}}}"#)
        };
        assert!(is_complete(&page("bench-1", 3), 3));
        assert!(!is_complete(&page("", 3), 3));
        assert!(!is_complete(&page("bench-1", 2), 3));
        assert!(!is_complete("{}", 3));
    }
}
