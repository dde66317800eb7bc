//! Several servers that are one.

use crate::{
    process::{Process, eventually, free_ports, http_get},
    server::{Home, ServerOptions},
    wiring::Wiring,
};

/// A cluster on this machine. Dropped, its servers are killed and their folders removed.
pub struct NatsCluster {
    nodes: Vec<Node>,
    wiring: Wiring,
    _home: Home,
}

struct Node {
    process: Process,
    monitor: u16,
}

impl NatsCluster {
    /// A cluster of `size` servers that has a leader and is ready to be used.
    pub async fn start(size: usize) -> Self {
        Self::start_with(size, &ServerOptions::default()).await
    }

    /// A cluster of servers run otherwise.
    pub async fn start_with(size: usize, options: &ServerOptions) -> Self {
        Self::start_wired(Wiring::direct(size), options).await
    }

    /// A cluster whose nodes can be cut off: all that they say to each other and to clients
    /// goes through proxies.
    pub async fn start_cuttable(size: usize, options: &ServerOptions) -> Self {
        Self::start_wired(Wiring::cuttable(size).await, options).await
    }

    async fn start_wired(wiring: Wiring, options: &ServerOptions) -> Self {
        let home = Home::make(options, "headwater-cluster-");
        let node = |index: usize| {
            let name = format!("n{index}");
            let own = home.path().join(&name);
            std::fs::create_dir(&own).unwrap();
            let [monitor] = free_ports();
            let config = options.config(&name, &own, wiring.client_port(index), monitor);
            let file = own.join("nats.conf");
            std::fs::write(&file, format!("{config}\n{}", wiring.config(index))).unwrap();
            Node {
                process: Process::new(file),
                monitor,
            }
        };
        let nodes: Vec<Node> = (0..wiring.size()).map(node).collect();
        for node in &nodes {
            node.process.spawn();
        }
        let cluster = Self {
            nodes,
            wiring,
            _home: home,
        };
        for index in 0..cluster.nodes.len() {
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
        self.wiring.url(index)
    }

    /// Where one server's monitoring pages are.
    #[must_use]
    pub fn monitor_url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.nodes[index].monitor)
    }

    /// The body of one of these pages, if it answers. A cut does not keep it from answering.
    pub async fn monitor_page(&self, index: usize, path: &str) -> Option<String> {
        http_get(self.nodes[index].monitor, path).await
    }

    /// Cut one server of a cuttable cluster off from the others and from its clients.
    pub fn cut(&self, index: usize) {
        self.wiring.cut(index);
    }

    /// Connect it again, until it is back in the cluster.
    pub async fn heal(&self, index: usize) {
        self.wiring.heal(index);
        self.await_ready(index).await;
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
