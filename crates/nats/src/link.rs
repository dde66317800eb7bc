//! The connection with its requests. Every request is bounded in time by the store's `Env`,
//! and every failure becomes a [`StoreError`] that tells whether anything was stored.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_nats::{Client, HeaderMap, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use headwater_store::{Env, StoreError};
use headwater_wire::{Namespace, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{
    errors::{ApiError, nobody_serves, of_publish},
    group::Groups,
    requests::Requests,
    streams::Buckets,
};

/// Time for requests that make or change something on the server: in a cluster they wait for
/// an election.
pub(crate) const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether there is a connection, and how many have been lost so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) connected: bool,
    pub(crate) lost: u64,
}

/// The connection, shared by all that the store does.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) requests: Requests,
    /// Where group commit pays.
    pub(crate) groups: OnceLock<Groups>,
    pub(crate) buckets: Buckets,
    pub(crate) env: Arc<dyn Env>,
    pub(crate) namespace: Namespace,
    pub(crate) api: String,
    pub(crate) timeout: Duration,
    pub(crate) state: watch::Receiver<State>,
}

/// A message as the server's leader reads it out.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    pub(crate) headers: String,
    pub(crate) data: Bytes,
    pub(crate) time: Timestamp,
}

impl Stored {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key == name).then(|| value.trim())
        })
    }
}

/// What to read, of `STREAM.MSG.GET` and `DIRECT.GET`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct MessageQuery<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    #[serde(rename = "last_by_subj", skip_serializing_if = "Option::is_none")]
    pub(crate) last_of: Option<&'a str>,
    #[serde(rename = "next_by_subj", skip_serializing_if = "Option::is_none")]
    pub(crate) next_of: Option<&'a str>,
    #[serde(rename = "multi_last", skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) last_of_each: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<usize>,
}

impl Link {
    /// Write in groups from now on: the server syncs its disk before each acknowledgement.
    pub(crate) fn group_commits(self: &Arc<Self>) {
        self.groups.get_or_init(|| Groups::start(self));
    }

    /// Send a request and await its answer.
    pub(crate) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Message, StoreError> {
        self.connected(timeout).await?;
        let subject = Subject::from(subject);
        let overdue = || StoreError::Unknown(format!("{subject}: no answer within {timeout:?}"));
        let (reply, mut answer) = self.requests.begin(self.env.elapsed() + timeout);
        let send = async {
            let subject = subject.clone();
            match headers {
                Some(headers) => {
                    let client = &self.client;
                    client
                        .publish_with_reply_and_headers(subject, reply, headers, payload)
                        .await
                }
                None => {
                    self.client
                        .publish_with_reply(subject, reply, payload)
                        .await
                }
            }
        };
        tokio::select! { biased;
            sent = send => sent.map_err(|error| of_publish(&subject, &error))?,
            // Without a connection the queue to the socket fills up and stays so.
            _ = &mut answer => return Err(overdue()),
        }
        let answer = answer.await.map_err(|_| overdue())?;
        match answer.status {
            Some(StatusCode::NO_RESPONDERS) => Err(nobody_serves(&subject)),
            _ => Ok(answer),
        }
    }

    /// Wait for a connection: what is sent without one would go out later, when its sender has
    /// given up on it.
    pub(crate) async fn connected(&self, timeout: Duration) -> Result<(), StoreError> {
        if self.state.borrow().connected {
            return Ok(());
        }
        let mut state = self.state.clone();
        let connected = async {
            // The sender lives as long as the client.
            let _ = state.wait_for(|state| state.connected).await;
        };
        tokio::select! { biased;
            () = connected => Ok(()),
            () = self.env.sleep(timeout) => {
                Err(StoreError::Unavailable("not connected to any NATS server".to_owned()))
            }
        }
    }

    /// Ask the JetStream API. The outer error: no answer; the inner: the server's refusal.
    pub(crate) async fn api<T: DeserializeOwned>(
        &self,
        verb: &str,
        body: &(impl Serialize + Sync + ?Sized),
        timeout: Duration,
    ) -> Result<Result<T, ApiError>, StoreError> {
        let subject = format!("{}.{verb}", self.api);
        let body = encode(body)?;
        let answer = self.request(subject, None, body, timeout).await?;
        decode_answer(&answer.payload)
    }

    /// Read one message at the stream's leader.
    pub(crate) async fn leader_get(
        &self,
        stream: &str,
        query: &MessageQuery<'_>,
    ) -> Result<Option<Stored>, StoreError> {
        let subject = format!("{}.STREAM.MSG.GET.{stream}", self.api);
        let body = encode(query)?;
        let answer = self.request(subject, None, body, self.timeout).await?;
        match decode_answer::<RawMessage<'_>>(&answer.payload)? {
            Ok(raw) => Ok(Some(raw.message.decode()?)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Remove every message of a subject, up to what is there when the server does it.
    pub(crate) async fn purge(&self, stream: &str, subject: &str) -> Result<(), StoreError> {
        #[derive(Serialize)]
        struct Purge<'a> {
            filter: &'a str,
        }
        let verb = format!("STREAM.PURGE.{stream}");
        let body = Purge { filter: subject };
        self.api::<Ignored>(&verb, &body, self.timeout).await??;
        Ok(())
    }

    /// Subscribe on core NATS.
    pub(crate) async fn subscribe(&self, subject: &str) -> Result<Subscriber, StoreError> {
        let subscription = self.client.subscribe(subject.to_owned()).await;
        subscription.map_err(|error| StoreError::Refused(error.to_string()))
    }

    /// Wait until the server has processed all that was sent so far. async-nats' `flush` only
    /// awaits the socket, so this asks what everybody may ask.
    pub(crate) async fn round_trip(&self) -> Result<(), StoreError> {
        let asked = self.api::<Ignored>("INFO", &Ignored {}, self.timeout);
        asked.await?.map(|_| ()).map_err(StoreError::from)
    }
}

/// A request that says nothing, or an answer of which only the absence of an error matters.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ignored {}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    message: RawStored<'a>,
}

#[derive(Deserialize)]
struct RawStored<'a> {
    subject: String,
    seq: u64,
    #[serde(borrow, default)]
    hdrs: Option<&'a str>,
    #[serde(borrow, default)]
    data: Option<&'a str>,
    time: String,
}

impl RawStored<'_> {
    fn decode(self) -> Result<Stored, StoreError> {
        use base64::Engine as _;
        let decode = |text: Option<&str>| {
            base64::engine::general_purpose::STANDARD
                .decode(text.unwrap_or_default())
                .map_err(|error| unreadable(&error))
        };
        let headers = decode(self.hdrs)?;
        Ok(Stored {
            headers: String::from_utf8_lossy(&headers).into_owned(),
            data: decode(self.data)?.into(),
            time: parse_time(&self.time)?,
            subject: self.subject,
            seq: self.seq,
        })
    }
}

/// Read a time of the server.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|error| unreadable(&error))
}

/// The server said something that we do not understand. It stands for "outcome unknown",
/// since the request may well have been fulfilled.
pub(crate) fn unreadable(what: &impl std::fmt::Display) -> StoreError {
    StoreError::Unknown(format!("the server's answer can't be read: {what}"))
}

fn encode(body: &(impl Serialize + ?Sized)) -> Result<Bytes, StoreError> {
    let bytes = serde_json::to_vec(body).map_err(|e| StoreError::Refused(e.to_string()))?;
    Ok(bytes.into())
}

/// Read an answer of the JetStream API.
pub(crate) fn decode_answer<'a, T: Deserialize<'a>>(
    payload: &'a [u8],
) -> Result<Result<T, ApiError>, StoreError> {
    #[derive(Deserialize)]
    struct Envelope {
        error: Option<ApiError>,
    }
    let envelope: Envelope = serde_json::from_slice(payload).map_err(|e| unreadable(&e))?;
    match envelope.error {
        Some(error) => Ok(Err(error)),
        None => serde_json::from_slice(payload)
            .map(Ok)
            .map_err(|e| unreadable(&e)),
    }
}

/// The error that a status message stands for, if it is one.
pub(crate) fn status_error(message: &Message) -> Option<StoreError> {
    let status = message.status?;
    let text = || {
        let description = message.description.as_deref().unwrap_or_default();
        format!("{} {description}", status.as_u16())
    };
    match status {
        StatusCode::OK => None,
        StatusCode::NO_RESPONDERS => Some(StoreError::Unavailable(text())),
        _ if status.as_u16() == 429 || status.is_server_error() => {
            Some(StoreError::Unavailable(text()))
        }
        _ => Some(StoreError::Refused(text())),
    }
}
