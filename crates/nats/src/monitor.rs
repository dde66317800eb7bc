//! The server's monitoring address: the one place that tells how often it syncs to the disk.
//! Plain HTTP, asked once at the start of a process.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use headwater_store::Env;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, Uri, header::HOST};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::durability::SyncInterval;

/// The page that tells, below the monitoring address.
const PAGE: &str = "/jsz?config=true";

/// Time for the whole answer: a start must not hang on an address that swallows requests.
const PATIENCE: Duration = Duration::from_secs(3);

/// Largest answer that is read, in bytes; the page has about one thousand.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where a server's monitoring pages are, for example `http://127.0.0.1:8222`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MonitorUrl {
    text: String,
    authority: String,
    host: String,
    port: u16,
    path: String,
}

/// A text that is no monitoring address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a monitoring address that can be asked: use plain HTTP without user or query, for example http://127.0.0.1:8222"
)]
pub struct MonitorUrlError(String);

impl FromStr for MonitorUrl {
    type Err = MonitorUrlError;
    fn from_str(text: &str) -> Result<Self, MonitorUrlError> {
        let refuse = || MonitorUrlError(text.to_owned());
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| refuse())?;
        let authority = uri.authority().ok_or_else(refuse)?;
        let plain = uri.scheme_str() == Some("http") && uri.query().is_none();
        if !plain || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(refuse());
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            None if has_port => return Err(refuse()),
            port => port.unwrap_or(80),
        };
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl TryFrom<String> for MonitorUrl {
    type Error = MonitorUrlError;
    fn try_from(text: String) -> Result<Self, MonitorUrlError> {
        text.parse()
    }
}

impl fmt::Display for MonitorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why the sync interval was not found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MonitorError {
    #[error("no connection: {0}")]
    Unreachable(std::io::Error),
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    #[error("no such request: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer broke off: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("{PAGE} answers with status {0}")]
    Status(u16),
    #[error("{PAGE} does not answer as a NATS server does: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("JetStream is off there")]
    Disabled,
    #[error("{PAGE} does not tell the sync interval")]
    NoInterval,
    #[error("another server answers there ({asked}) than the one we are connected to ({ours})")]
    OtherServer { asked: String, ours: String },
}

/// Whom the answer must come from.
pub(crate) struct Connected<'a> {
    pub(crate) server_id: &'a str,
    pub(crate) cluster: Option<&'a str>,
}

/// What is used of `/jsz?config=true`. Intervals are in nanoseconds; with `sync_interval: always`
/// there is `sync_always` and the interval keeps its default.
#[derive(Deserialize)]
struct Page {
    server_id: String,
    #[serde(default)]
    disabled: bool,
    config: PageConfig,
    meta_cluster: Option<MetaCluster>,
}

#[derive(Deserialize)]
struct PageConfig {
    #[serde(default)]
    sync_interval: u64,
    #[serde(default)]
    sync_always: bool,
}

#[derive(Deserialize)]
struct MetaCluster {
    #[serde(default)]
    name: String,
}

/// Ask the server at the address how often it syncs.
pub(crate) async fn sync_interval(
    url: &MonitorUrl,
    connected: &Connected<'_>,
    env: &dyn Env,
) -> Result<SyncInterval, MonitorError> {
    let answer = tokio::select! {
        biased;
        answer = get(url) => answer?,
        () = env.sleep(PATIENCE) => return Err(MonitorError::Silent),
    };
    read(&answer, connected)
}

async fn get(url: &MonitorUrl) -> Result<Bytes, MonitorError> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await;
    let io = TokioIo::new(stream.map_err(MonitorError::Unreachable)?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    let request = Request::get(format!("{}{PAGE}", url.path))
        .header(HOST, &url.authority)
        .body(Empty::<Bytes>::new())?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(MonitorError::Status(status));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(MonitorError::Body)?;
        Ok(body.to_bytes())
    };
    // The connection ends once the exchange has dropped its sender.
    let (answer, _) = futures::join!(exchange, connection);
    answer
}

fn read(answer: &[u8], connected: &Connected<'_>) -> Result<SyncInterval, MonitorError> {
    let page: Page = serde_json::from_slice(answer)?;
    if page.disabled {
        return Err(MonitorError::Disabled);
    }
    let cluster = page.meta_cluster.map(|meta| meta.name);
    let same_cluster = connected.cluster.is_some() && cluster.as_deref() == connected.cluster;
    if page.server_id != connected.server_id && !same_cluster {
        return Err(MonitorError::OtherServer {
            asked: page.server_id,
            ours: connected.server_id.to_owned(),
        });
    }
    match page.config {
        PageConfig {
            sync_always: true, ..
        } => Ok(SyncInterval::Always),
        PageConfig {
            sync_interval: 0, ..
        } => Err(MonitorError::NoInterval),
        PageConfig { sync_interval, .. } => {
            Ok(SyncInterval::Every(Duration::from_nanos(sync_interval)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_http() {
        for (text, host, port, path) in [
            ("http://127.0.0.1:8222", "127.0.0.1", 8222, ""),
            ("http://nats-1:8222/", "nats-1", 8222, ""),
            ("http://[::1]:8222", "::1", 8222, ""),
            ("http://nats/monitor/", "nats", 80, "/monitor"),
        ] {
            let url: MonitorUrl = text.parse().unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.path.as_str()),
                (host, port, path)
            );
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
        for text in [
            "",
            "nats:8222",
            "127.0.0.1:8222",
            "https://nats:8222",
            "nats://nats:4222",
            "http://",
            "http://a:b@nats:8222",
            "http://nats:8222?x=1",
            "http://nats:99999",
            "http://nats:",
        ] {
            let error = text.parse::<MonitorUrl>().unwrap_err().to_string();
            assert!(error.contains("for example http://"), "{error}");
        }
    }

    /// As nats-server 2.15.1 answers, shortened.
    fn page(config: &str, more: &str) -> String {
        format!(
            "{{\"accounts\":1,\"server_id\":\"A\",\"config\":{{\"max_memory\":1,\"strict\":true{config}}},\"total\":1{more}}}"
        )
    }

    #[test]
    fn the_page_is_read_or_refused_with_the_reason() {
        let alone = |server_id| Connected {
            server_id,
            cluster: None,
        };
        let member = |cluster| Connected {
            server_id: "B",
            cluster: Some(cluster),
        };
        let every = |seconds| format!("every {seconds}");
        let meta = ",\"meta_cluster\":{\"name\":\"c\",\"cluster_size\":3}";
        let two_minutes = ",\"sync_interval\":120000000000";
        let always = ",\"sync_interval\":120000000000,\"sync_always\":true";
        for (text, connected, expected) in [
            (page(two_minutes, ""), alone("A"), every("2m")),
            (
                page(",\"sync_interval\":10000000000", ""),
                alone("A"),
                every("10s"),
            ),
            (page(always, ""), alone("A"), "always".to_owned()),
            (page(always, meta), member("c"), "always".to_owned()),
            (
                page(always, ""),
                alone("B"),
                "another server answers there (A) than the one we are connected to (B)".to_owned(),
            ),
            (
                page(always, meta),
                member("d"),
                "another server answers there (A) than the one we are connected to (B)".to_owned(),
            ),
            (
                page("", ",\"disabled\":true"),
                alone("A"),
                "JetStream is off there".to_owned(),
            ),
            (
                page("", ""),
                alone("A"),
                "/jsz?config=true does not tell the sync interval".to_owned(),
            ),
        ] {
            let said = match read(text.as_bytes(), &connected) {
                Ok(interval) => interval.to_string(),
                Err(error) => error.to_string(),
            };
            assert_eq!(said, expected, "{text}");
        }
        for text in ["", "ok", "{}", "[]", "{\"server_id\":\"A\"}"] {
            let error = read(text.as_bytes(), &alone("A")).unwrap_err().to_string();
            assert!(
                error.contains("does not answer as a NATS server"),
                "{error}"
            );
        }
    }
}
