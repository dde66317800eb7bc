//! Several servers that are one.

use tempfile::TempDir;

use crate::{
    process::{Process, eventually, free_ports, http_get},
    server::ServerOptions,
};

/// A cluster on this machine. Dropped, its servers are killed and their folders removed.
pub struct NatsCluster {
    nodes: Vec<Node>,
    _folder: TempDir,
}

struct Node {
    process: Process,
    port: u16,
    monitor: u16,
}

impl NatsCluster {
    /// A cluster of `size` servers that has a leader and is ready to be used.
    pub async fn start(size: usize) -> Self {
        Self::start_with(size, &ServerOptions::default()).await
    }

    /// A cluster of servers run otherwise.
    pub async fn start_with(size: usize, options: &ServerOptions) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("headwater-cluster-")
            .tempdir()
            .unwrap();
        let ports: Vec<[u16; 3]> = (0..size).map(|_| free_ports()).collect();
        let routes: Vec<String> = ports
            .iter()
            .map(|[_, _, route]| format!("\"nats://127.0.0.1:{route}\""))
            .collect();
        let routes = routes.join(", ");
        let node = |(index, [port, monitor, route]): (usize, &[u16; 3])| {
            let name = format!("n{index}");
            let own = folder.path().join(&name);
            std::fs::create_dir(&own).unwrap();
            let config = options.config(&name, &own, *port, *monitor);
            let config = format!(
                "{config}\ncluster {{\n name: test\n listen: \"127.0.0.1:{route}\"\n routes: [{routes}]\n}}\n"
            );
            let file = own.join("nats.conf");
            std::fs::write(&file, config).unwrap();
            Node {
                process: Process::new(file),
                port: *port,
                monitor: *monitor,
            }
        };
        let nodes: Vec<Node> = ports.iter().enumerate().map(node).collect();
        for node in &nodes {
            node.process.spawn();
        }
        let cluster = Self {
            nodes,
            _folder: folder,
        };
        for index in 0..size {
            cluster.await_ready(index).await;
        }
        cluster
    }

    /// Where clients connect: all servers.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        (0..self.nodes.len()).map(|index| self.url(index)).collect()
    }

    /// Where clients connect to one server.
    #[must_use]
    pub fn url(&self, index: usize) -> String {
        format!("nats://127.0.0.1:{}", self.nodes[index].port)
    }

    /// Where one server's monitoring pages are.
    #[must_use]
    pub fn monitor_url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.nodes[index].monitor)
    }

    /// End one server without warning.
    pub fn kill9(&self, index: usize) {
        self.nodes[index].process.kill9();
    }

    /// End one server in peace.
    pub async fn stop(&self, index: usize) {
        self.nodes[index].process.stop().await;
    }

    /// Run one server on the same ports and folder, until it is back in the cluster.
    pub async fn restart(&self, index: usize) {
        let node = &self.nodes[index];
        node.process.kill9();
        node.process.spawn();
        self.await_ready(index).await;
    }

    /// The server is healthy, and knows a leader and every peer.
    async fn await_ready(&self, index: usize) {
        let node = &self.nodes[index];
        node.process.await_healthy(node.monitor).await;
        let size = format!("\"cluster_size\": {}", self.nodes.len());
        let led = || async {
            let page = http_get(node.monitor, "/jsz").await.unwrap_or_default();
            page.contains("\"leader\": \"n") && page.contains(&size)
        };
        eventually("the cluster has a leader and all its servers", led).await;
    }
}
