//! Who listens where in a cluster, and which cables lie between.

use std::net::SocketAddr;

use crate::{
    process::free_ports,
    proxy::{Cable, Proxy},
};

/// An address that servers tell each other and where nobody listens: so they keep to the
/// routes that their configuration names, and with them to the proxies.
const NOWHERE: &str = "127.0.0.1:1";

/// Ports and cables of a cluster.
pub(crate) struct Wiring {
    nodes: Vec<Ports>,
    /// Empty if the servers talk to each other directly.
    cables: Vec<Cable>,
    _proxies: Vec<Proxy>,
}

struct Ports {
    /// Where the server listens for clients.
    client: u16,
    /// Where clients connect.
    public: u16,
    /// Where it listens for other servers.
    route: u16,
    /// Where it connects to each server; its own place is not used.
    peers: Vec<u16>,
}

impl Wiring {
    /// Servers that talk to each other directly.
    pub(crate) fn direct(size: usize) -> Self {
        let ports: Vec<[u16; 2]> = (0..size).map(|_| free_ports()).collect();
        let routes: Vec<u16> = ports.iter().map(|[_, route]| *route).collect();
        let node = |[client, route]: &[u16; 2]| Ports {
            client: *client,
            public: *client,
            route: *route,
            peers: routes.clone(),
        };
        Self {
            nodes: ports.iter().map(node).collect(),
            cables: Vec::new(),
            _proxies: Vec::new(),
        }
    }

    /// A proxy before the clients' port of each server, and one for each pair of servers and
    /// direction.
    pub(crate) async fn cuttable(size: usize) -> Self {
        let mut wiring = Self::direct(size);
        let cables: Vec<Cable> = (0..size).map(|_| Cable::plugged()).collect();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let routes: Vec<u16> = wiring.nodes.iter().map(|node| node.route).collect();
        for (index, node) in wiring.nodes.iter_mut().enumerate() {
            let own = &cables[index];
            let [public] = free_ports();
            let clients = Proxy::listen(public, local(node.client), vec![own.clone()]).await;
            wiring._proxies.push(clients);
            node.public = public;
            for (peer, route) in routes.iter().enumerate().filter(|(peer, _)| *peer != index) {
                let [port] = free_ports();
                let between = vec![own.clone(), cables[peer].clone()];
                let to_peer = Proxy::listen(port, local(*route), between).await;
                wiring._proxies.push(to_peer);
                node.peers[peer] = port;
            }
        }
        wiring.cables = cables;
        wiring
    }

    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The port on which a server listens for clients.
    pub(crate) fn client_port(&self, index: usize) -> u16 {
        self.nodes[index].client
    }

    /// Where clients connect.
    pub(crate) fn url(&self, index: usize) -> String {
        format!("nats://127.0.0.1:{}", self.nodes[index].public)
    }

    /// The cluster's part of a server's configuration.
    pub(crate) fn config(&self, index: usize) -> String {
        let node = &self.nodes[index];
        let is_direct = self.cables.is_empty();
        let routes: Vec<String> = node
            .peers
            .iter()
            .enumerate()
            .filter(|(peer, _)| is_direct || *peer != index)
            .map(|(_, port)| format!("\"nats://127.0.0.1:{port}\""))
            .collect();
        let (routes, route) = (routes.join(", "), node.route);
        let (public, advertise) = match is_direct {
            true => (String::new(), String::new()),
            false => (
                format!("client_advertise: \"127.0.0.1:{}\"\n", node.public),
                format!(" advertise: \"{NOWHERE}\"\n"),
            ),
        };
        format!(
            "{public}cluster {{\n name: test\n listen: \"127.0.0.1:{route}\"\n{advertise} routes: [{routes}]\n}}\n"
        )
    }

    pub(crate) fn cut(&self, index: usize) {
        self.cables[index].pull();
    }

    pub(crate) fn heal(&self, index: usize) {
        self.cables[index].plug();
    }
}
