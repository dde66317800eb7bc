//! Restate: its server, a service process with the workflows and one with the steps.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Uri, header::CONTENT_TYPE};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use restate_sdk::prelude::*;
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{
    child::Child,
    cli::Options,
    error::{Doing as _, PeersError, check},
    role::{log, ready},
    system::Sync,
    workload::Workload,
};

pub(crate) struct Installation {
    pub(crate) client: Arc<Client>,
    // In the order in which they are ended.
    steps: Child,
    workflows: Child,
    server: Child,
}

/// The version that is measured, or why it is not.
pub(crate) fn version(options: &Options) -> Result<String, String> {
    let binary = binary(options).map_err(|error| error.to_string())?;
    crate::system::version_of(binary)
}

fn binary(options: &Options) -> Result<&PathBuf, PeersError> {
    let found = options.restate_server.as_ref();
    found
        .ok_or("it is not set")
        .doing("HEADWATER_RESTATE_SERVER")
}

impl Installation {
    pub(crate) async fn start(
        options: &Options,
        sync: Sync,
        folder: &Path,
    ) -> Result<Self, PeersError> {
        let (server, ports) = start_server(binary(options)?, sync, folder).await?;
        let client = Arc::new(Client {
            http: http_client(),
            ingress: format!("http://127.0.0.1:{}", ports.ingress),
        });
        let mut workflows = Child::role("workflows", &[], folder)?;
        let workflows_at = workflows.await_ready().await?;
        let mut steps = Child::role("steps", &[], folder)?;
        let steps_at = steps.await_ready().await?;
        for address in [workflows_at, steps_at] {
            let deployments = format!("http://127.0.0.1:{}/deployments", ports.admin);
            let body = serde_json::json!({ "uri": format!("http://{address}") });
            client.post(&deployments, body.to_string()).await?;
        }
        Ok(Self {
            client,
            steps,
            workflows,
            server,
        })
    }

    pub(crate) fn show_logs(&self) {
        for child in [&self.server, &self.workflows, &self.steps] {
            child.show_log();
        }
    }
}

/// Calls handlers through the ingress: HTTP/1.1, with connections that are kept.
pub(crate) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    ingress: String,
}

fn http_client() -> Http<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Http::builder(TokioExecutor::new()).build(connector)
}

impl Client {
    pub(crate) async fn call(&self, workload: Workload) -> Result<(), PeersError> {
        let (ingress, handler) = (&self.ingress, workload.workflow());
        let uri = format!("{ingress}/Workflows/{handler}");
        let answer = self.post(&uri, workload.steps.to_string()).await?;
        check(&answer, workload.steps)
    }

    async fn post(&self, uri: &str, body: String) -> Result<String, PeersError> {
        let uri: Uri = uri.parse().doing("making an address")?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .doing("making a request")?;
        let answer = self.http.request(request).await.doing("a request")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.doing("an answer")?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            return Ok(body);
        }
        Err(format!("{status} {body}")).doing("a request")
    }
}

/// Where the server listens.
struct Ports {
    ingress: u16,
    admin: u16,
}

async fn start_server(
    binary: &Path,
    sync: Sync,
    folder: &Path,
) -> Result<(Child, Ports), PeersError> {
    let (config, data) = (folder.join("restate.toml"), folder.join("data"));
    let log_server = match sync {
        Sync::Process => "[log-server]\nrocksdb-disable-wal-fsync = true\n",
        Sync::Fsync => "",
    };
    // Random ports, so that nobody can take them meanwhile; it logs which.
    let text = format!(
        "base-dir = {data:?}\nnode-name = \"bench\"\nlisten-mode = \"tcp\"\n\
         bind-ip = \"127.0.0.1\"\nuse-random-ports = true\ndisable-telemetry = true\n\
         log-format = \"json\"\n\
         log-filter = \"warn,restate_core::network::net_util=info,restate_ingress_http::server=info\"\n\
         {log_server}"
    );
    std::fs::write(&config, text).map_err(PeersError::io(format!("writing {config:?}")))?;
    let args = [
        "--no-logo".as_ref(),
        "--config-file".as_ref(),
        config.as_os_str(),
    ];
    let mut server = Child::server("restate-server", binary, &args, folder)?;
    let log = folder.join("restate-server.out");
    let ports = server.await_found(async || ports(&log)).await?;
    Ok((server, ports))
}

/// A line of the server's log, as far as it tells where a server of it listens.
#[derive(Deserialize)]
struct Line {
    span: Listener,
}

#[derive(Deserialize)]
struct Listener {
    server_name: String,
    #[serde(rename = "server.port")]
    port: u16,
}

fn ports(log: &Path) -> Option<Ports> {
    let log = std::fs::read_to_string(log).ok()?;
    let listeners: Vec<Listener> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .map(|line: Line| line.span)
        .collect();
    let port = |name: &str| {
        let listener = listeners.iter().find(|at| at.server_name == name)?;
        Some(listener.port)
    };
    Some(Ports {
        ingress: port("http-ingress-server")?,
        admin: port("admin-api-server")?,
    })
}

struct Workflows;

#[service]
impl Workflows {
    #[handler]
    async fn local(&self, ctx: Context<'_>, steps: u32) -> HandlerResult<u32> {
        for step in 0..steps {
            let _: u32 = ctx.run(|| async move { Ok(step) }).name("step").await?;
        }
        Ok(steps)
    }

    #[handler]
    async fn remote(&self, ctx: Context<'_>, steps: u32) -> HandlerResult<u32> {
        for step in 0..steps {
            let _: u32 = ctx
                .service_client::<StepsClient>()
                .noop(step)
                .call()
                .await?;
        }
        Ok(steps)
    }
}

struct Steps;

#[service]
impl Steps {
    #[handler]
    async fn noop(&self, _ctx: Context<'_>, input: u32) -> HandlerResult<u32> {
        Ok(input)
    }
}

pub(crate) async fn serve_workflows() -> Result<(), PeersError> {
    serve(Endpoint::builder().bind(Workflows).build()).await
}

pub(crate) async fn serve_steps() -> Result<(), PeersError> {
    serve(Endpoint::builder().bind(Steps).build()).await
}

async fn serve(endpoint: Endpoint) -> Result<(), PeersError> {
    log("warn");
    let listen = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = listen.await.map_err(PeersError::io("listening"))?;
    let bench_is_gone = async move { ready(&address.to_string()).await };
    HttpServer::new(endpoint)
        .serve_with_cancel(listener, bench_is_gone)
        .await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let line = |name: &str, port: u16| {
            format!(
                r#"{{"level":"INFO","fields":{{"message":"on"}},"span":{{"server.address":"127.0.0.1","server.port":{port},"server_name":"{name}","name":"server"}}}}"#
            )
        };
        let half = format!("no JSON\n{}\n", line("http-ingress-server", 5));
        std::fs::write(&log, &half).unwrap();
        assert!(ports(&log).is_none());
        std::fs::write(&log, half + &line("admin-api-server", 6)).unwrap();
        let ports = ports(&log).unwrap();
        assert_eq!((ports.ingress, ports.admin), (5, 6));
    }
}
