//! The server of the bench, or several that are one.

use std::{net::TcpListener, path::Path};

use async_nats::{Client, ConnectOptions};
use serde::Deserialize;

use crate::{
    error::{BenchError, Doing as _},
    http,
    node::Node,
    role,
    setting::Setting,
};

pub(crate) struct Server {
    pub(crate) setting: Setting,
    pub(crate) nodes: Vec<Node>,
    /// Where clients connect: all nodes, separated by commas.
    pub(crate) url: String,
    /// Copies of each stream.
    pub(crate) replicas: usize,
}

/// Of the page `/varz`: all that went in since the start.
#[derive(Deserialize)]
struct Received {
    in_msgs: u64,
}

impl Server {
    pub(crate) async fn start(setting: Setting, folder: &Path) -> Result<Self, BenchError> {
        let replicas = setting.servers();
        let routes = match replicas {
            1 => Vec::new(),
            count => free_ports(count).map_err(BenchError::io("looking for free ports"))?,
        };
        let mut nodes = Vec::new();
        for index in 0..replicas {
            nodes.push(Node::start(setting, folder, index, &routes)?);
        }
        for node in &mut nodes {
            node.await_ready(setting).await?;
        }
        let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
        let url = urls.join(",");
        Ok(Self {
            setting,
            nodes,
            url,
            replicas,
        })
    }

    /// Configuration of what uses it.
    pub(crate) fn config(&self) -> headwater::Config {
        role::config(self.url.clone(), self.setting == Setting::GroupCommit)
    }

    /// A bare client of it.
    pub(crate) async fn connect(&self) -> Result<Client, BenchError> {
        self.connect_with(ConnectOptions::new()).await
    }

    pub(crate) async fn connect_with(&self, options: ConnectOptions) -> Result<Client, BenchError> {
        let urls: Vec<&str> = self.url.split(',').collect();
        options
            .connect(urls)
            .await
            .doing("connecting to the server")
    }

    /// Messages that it has received so far, acknowledgements and requests too; of a cluster,
    /// also what its servers say to each other.
    pub(crate) async fn received(&self) -> Result<u64, BenchError> {
        let mut total = 0;
        for node in &self.nodes {
            let page = http::page(&node.monitor, "/varz").await.unwrap_or_default();
            let received: Received = serde_json::from_str(&page).doing("reading /varz")?;
            total += received.in_msgs;
        }
        Ok(total)
    }
}

/// Ports that nobody listens on. All are held until the last is found, so that they differ.
fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<std::io::Result<_>>()?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}
