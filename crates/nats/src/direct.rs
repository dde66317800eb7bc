//! Direct reads: from any replica, one message or many in one request (ADR-31).

use async_nats::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use futures::StreamExt as _;
use headwater_store::StoreError;
use headwater_wire::Timestamp;

use crate::link::{Link, MessageQuery, parse_time, status_error, unreadable};

/// Values that one request may ask for by `multi_last`, by the server's limit.
pub(crate) const SUBJECTS_MAX: usize = 1_024;

const NO_CONTENT: u16 = 204;
const TOO_MANY_RESULTS: u16 = 413;

/// A message as a replica reads it out.
#[derive(Debug)]
pub(crate) struct DirectMessage {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
    pub(crate) headers: HeaderMap,
    pub(crate) data: Bytes,
}

impl DirectMessage {
    fn read(message: async_nats::Message) -> Result<Self, StoreError> {
        let headers = message.headers.unwrap_or_default();
        let need = |name: async_nats::HeaderName| {
            let text = name.to_string();
            headers
                .get(name)
                .map(async_nats::HeaderValue::as_str)
                .ok_or_else(|| unreadable(&format!("the header {text} is missing")))
        };
        Ok(Self {
            subject: need(header::NATS_SUBJECT)?.to_owned(),
            seq: need(header::NATS_SEQUENCE)?
                .parse()
                .map_err(|error| unreadable(&error))?,
            time: parse_time(need(header::NATS_TIME_STAMP)?)?,
            data: message.payload,
            headers,
        })
    }
}

impl Link {
    /// The last message of a subject.
    pub(crate) async fn direct_get(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<DirectMessage>, StoreError> {
        let request = format!("{}.DIRECT.GET.{stream}.{subject}", self.api);
        let answer = self.request(request, None, Bytes::new(), self.timeout);
        let answer = answer.await?;
        if answer.status == Some(StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        match status_error(&answer) {
            Some(error) => Err(error),
            None => DirectMessage::read(answer).map(Some),
        }
    }

    /// Many messages by one request. The server may stop early (its limit of bytes), so fewer
    /// can come than exist.
    pub(crate) async fn direct_batch(
        &self,
        stream: &str,
        query: &MessageQuery<'_>,
    ) -> Result<Vec<DirectMessage>, StoreError> {
        self.connected(self.timeout).await?;
        let inbox = self.client.new_inbox();
        let mut answers = self.subscribe(&inbox).await?;
        let body = serde_json::to_vec(query).map_err(|e| StoreError::Refused(e.to_string()))?;
        let subject = format!("{}.DIRECT.GET.{stream}", self.api);
        self.send(subject, Some(inbox), body.into()).await?;
        let mut messages = Vec::new();
        loop {
            let answer = tokio::select! { biased;
                answer = answers.next() => answer,
                () = self.env.sleep(self.timeout) => None,
            };
            let Some(answer) = answer else {
                return Err(StoreError::Unknown(format!(
                    "{stream}: the read has stalled"
                )));
            };
            match answer.status.map(|status| status.as_u16()) {
                None | Some(200) => messages.push(DirectMessage::read(answer)?),
                Some(NO_CONTENT | 404) => return Ok(messages),
                Some(TOO_MANY_RESULTS) => {
                    return Err(StoreError::Refused(
                        "more results than one read allows".into(),
                    ));
                }
                Some(status) => {
                    return Err(status_error(&answer)
                        .unwrap_or_else(|| StoreError::Unknown(format!("status {status}"))));
                }
            }
        }
    }
}
