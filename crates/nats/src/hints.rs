//! Core NATS: messages that are stored nowhere.

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use headwater_store::{StoreError, Verdict};

use crate::link::Link;

impl Link {
    /// Hand a message to the connection. It goes out with the next write to the socket.
    pub(crate) async fn send(
        &self,
        subject: String,
        reply: Option<String>,
        body: Bytes,
    ) -> Result<(), StoreError> {
        let sent = async {
            match reply {
                Some(reply) => self.client.publish_with_reply(subject, reply, body).await,
                None => self.client.publish(subject, body).await,
            }
        };
        tokio::select! { biased;
            sent = sent => sent.map_err(|error| StoreError::Refused(error.to_string())),
            // Without a connection the queue to the socket fills up and stays so.
            () = self.env.sleep(self.timeout) => {
                Err(StoreError::Unavailable("the connection takes no more messages".to_owned()))
            }
        }
    }

    /// Tell whoever listens.
    pub(crate) async fn hint(&self, subject: &str, body: Bytes) {
        if let Err(error) = self.send(subject.to_owned(), None, body).await {
            tracing::debug!(subject, %error, "hint not sent");
        }
    }

    /// Listen; the server knows of it when this returns.
    pub(crate) async fn listen(
        &self,
        subject: &str,
    ) -> Result<BoxStream<'static, Bytes>, StoreError> {
        let subscription = self.subscribe(subject).await?;
        self.round_trip().await?;
        Ok(subscription.map(|message| message.payload).boxed())
    }

    /// Answer a delivery.
    pub(crate) async fn answer(&self, token: &str, verdict: Verdict) {
        let sent = self.send(token.to_owned(), None, verdict_body(verdict));
        if let Err(error) = sent.await {
            tracing::debug!(token, %error, "answer not sent, the message will come again");
        }
    }
}

/// A verdict in the server's words.
pub(crate) fn verdict_body(verdict: Verdict) -> Bytes {
    match verdict {
        Verdict::Ack => Bytes::from_static(b"+ACK"),
        Verdict::Progress => Bytes::from_static(b"+WPI"),
        Verdict::Nak(delay) if delay.is_zero() => Bytes::from_static(b"-NAK"),
        Verdict::Nak(delay) => format!("-NAK {{\"delay\":{}}}", delay.as_nanos()).into(),
    }
}
