//! The NATS server or cluster, and what is done to it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use headwater::wire::Namespace;
use headwater_testkit::{NatsCluster, NatsServer, ServerOptions};
use serde::Deserialize;

use crate::{
    faults::{Kind, Log},
    schedule::{At, Hit, ServerFault},
};

/// A fault that comes so late is left out: the servers were still coming up.
const LATE: Duration = Duration::from_secs(4);

/// What the run works on.
pub(crate) enum Servers {
    One(Box<NatsServer>),
    Cluster(NatsCluster, usize),
}

impl Servers {
    pub(crate) async fn start(count: usize, folder: &Path) -> Self {
        let options = ServerOptions {
            folder: Some(folder.join("nats")),
            ..ServerOptions::default()
        };
        match count {
            1 => Self::One(Box::new(NatsServer::start_with(options).await)),
            _ => Self::Cluster(NatsCluster::start_cuttable(count, &options).await, count),
        }
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::One(server) => server.url(),
            Self::Cluster(cluster, _) => cluster.urls().join(","),
        }
    }

    /// Do what the schedule has for the servers.
    pub(crate) async fn run(&self, faults: Vec<ServerFault>, log: &Log) {
        for At { at, what } in faults {
            let (hit, lasts) = what;
            log.clock.until(at).await;
            if log.clock.elapsed() > at + LATE {
                log.clock.say("the servers are still coming up: spared");
                continue;
            }
            match self {
                Self::One(server) => kill_one(server, lasts, log).await,
                Self::Cluster(cluster, _) => match hit {
                    Hit::Cut(node) => cut(cluster, node, lasts, log).await,
                    hit => self.kill_node(cluster, hit, lasts, log).await,
                },
            }
        }
    }

    async fn kill_node(&self, cluster: &NatsCluster, hit: Hit, down: Duration, log: &Log) {
        let names = Namespace::default();
        let (node, leads) = match hit {
            Hit::Node(node) | Hit::Cut(node) => (Some(node), String::new()),
            Hit::CommandsLeader => {
                let stream = names.commands_stream();
                (self.leader(&stream).await, format!(", leader of {stream}"))
            }
            Hit::StateLeader => {
                let bucket = names.state_bucket();
                let leader = self.leader(&format!("KV_{bucket}")).await;
                (leader, format!(", leader of {bucket}"))
            }
        };
        let Some(node) = node else {
            log.clock.say(&format!("nobody to kill{leads}"));
            return;
        };
        log.clock.say(&format!("kill -9 nats n{node}{leads}"));
        let fault = log.begins(Kind::ServerKilled, &format!("n{node}"));
        cluster.kill9(node);
        tokio::time::sleep(down).await;
        cluster.restart(node).await;
        log.over(fault);
        log.clock.say(&format!("nats n{node} is back"));
    }

    /// The node that leads a stream.
    async fn leader(&self, stream: &str) -> Option<usize> {
        let (_, leader) = self.streams().await.remove(stream)?;
        leader?.strip_prefix('n')?.parse().ok()
    }

    /// Messages in a stream, as its leader has it.
    pub(crate) async fn messages(&self, stream: &str) -> Option<u64> {
        let (messages, _) = self.streams().await.remove(stream)?;
        Some(messages)
    }

    /// Messages and leader of each stream, as the leaders tell it.
    async fn streams(&self) -> BTreeMap<String, (u64, Option<String>)> {
        let mut found = BTreeMap::new();
        let nodes = match self {
            Self::One(_) => 1,
            Self::Cluster(_, count) => *count,
        };
        for node in 0..nodes {
            let path = "/jsz?accounts=true&streams=true";
            let page = match self {
                Self::One(server) => server.monitor_page(path).await,
                Self::Cluster(cluster, _) => cluster.monitor_page(node, path).await,
            };
            let page = page.and_then(|page| serde_json::from_str::<Jsz>(&page).ok());
            let own = format!("n{node}");
            for stream in page.into_iter().flat_map(Jsz::streams) {
                let leader = stream.cluster.and_then(|cluster| cluster.leader);
                if nodes == 1 || leader.as_ref() == Some(&own) {
                    found.insert(stream.name, (stream.state.messages, leader));
                }
            }
        }
        found
    }
}

async fn kill_one(server: &NatsServer, down: Duration, log: &Log) {
    log.clock.say("kill -9 nats");
    let fault = log.begins(Kind::ServerKilled, "nats");
    server.kill9();
    tokio::time::sleep(down).await;
    server.restart().await;
    log.over(fault);
    log.clock.say("nats is back, with the same store");
}

async fn cut(cluster: &NatsCluster, node: usize, lasts: Duration, log: &Log) {
    let seconds = lasts.as_secs_f64();
    log.clock
        .say(&format!("cut nats n{node} off for {seconds:.1} s"));
    let fault = log.begins(Kind::ServerCut, &format!("n{node}"));
    cluster.cut(node);
    tokio::time::sleep(lasts).await;
    cluster.heal(node).await;
    log.over(fault);
    log.clock.say(&format!("nats n{node} is connected again"));
}

/// The part of the monitoring page that is read here.
#[derive(Deserialize)]
struct Jsz {
    #[serde(default)]
    account_details: Vec<Account>,
}

impl Jsz {
    fn streams(self) -> impl Iterator<Item = Stream> {
        self.account_details
            .into_iter()
            .flat_map(|account| account.stream_detail)
    }
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    stream_detail: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    cluster: Option<Group>,
    state: State,
}

#[derive(Deserialize)]
struct Group {
    leader: Option<String>,
}

#[derive(Deserialize)]
struct State {
    messages: u64,
}
