//! The place that pull requests have deliveries sent to, and the consumer behind them.

use std::{sync::Arc, time::Duration};

use async_nats::{PublishError, Subscriber, jetstream::consumer::Config};
use headwater_store::StoreError;
use serde::Serialize;

use crate::link::{ADMIN_TIMEOUT, Ignored, Link};

/// Life of a pull request; then it is renewed.
const PULL_EXPIRES: Duration = Duration::from_secs(60);

/// The server says this often that it still holds a pull request.
const PULL_HEARTBEAT: Duration = Duration::from_secs(15);

/// Pause before asking again for a consumer that the server refuses.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// A subscription of its own for each beginning: what the server still sends for earlier pull
/// requests has nowhere to go.
pub(crate) struct Inbox {
    pub(crate) subject: String,
    pub(crate) messages: Subscriber,
}

impl Inbox {
    /// Ask for deliveries. Dropped before its end, nothing was sent.
    pub(crate) async fn pull(
        &self,
        link: &Link,
        stream: &str,
        consumer: &str,
        batch: usize,
    ) -> Result<(), PublishError> {
        #[derive(Serialize)]
        struct Pull {
            batch: usize,
            expires: u128,
            idle_heartbeat: u128,
        }
        let body = Pull {
            batch,
            expires: PULL_EXPIRES.as_nanos(),
            idle_heartbeat: PULL_HEARTBEAT.as_nanos(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let subject = format!("{}.CONSUMER.MSG.NEXT.{stream}.{consumer}", link.api);
        let reply = self.subject.clone();
        link.client
            .publish_with_reply(subject, reply, body.into())
            .await
    }
}

/// How to begin again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// The consumer exists as far as we know: pull.
    Pull,
    /// Make sure that it does.
    Ensure,
}

/// What the making of an inbox needs.
pub(crate) struct Opening {
    pub(crate) link: Arc<Link>,
    pub(crate) stream: String,
    pub(crate) config: Arc<Config>,
}

impl Opening {
    pub(crate) async fn open(self, pause: Duration, recovery: Recovery) -> Inbox {
        let Self {
            link,
            stream,
            config,
        } = self;
        if !pause.is_zero() {
            link.env.sleep(pause).await;
        }
        if recovery == Recovery::Ensure {
            // No answer says nothing: pulling tells more.
            while let Err(StoreError::Refused(reason)) =
                ensure(&link, &stream, &config, link.timeout).await
            {
                tracing::warn!(stream, consumer = config.name, reason, "consumer refused");
                link.env.sleep(REFUSED_PAUSE).await;
            }
        }
        loop {
            let subject = link.client.new_inbox();
            match link.subscribe(&subject).await {
                Ok(messages) => return Inbox { subject, messages },
                Err(error) => tracing::debug!(stream, %error, "can't subscribe"),
            }
            link.env.sleep(REFUSED_PAUSE).await;
        }
    }
}

/// Make a durable consumer, or bring its settings up to date.
pub(crate) async fn make(link: &Link, stream: &str, config: &Config) -> Result<(), StoreError> {
    ensure(link, stream, config, ADMIN_TIMEOUT).await
}

async fn ensure(
    link: &Link,
    stream: &str,
    config: &Config,
    timeout: Duration,
) -> Result<(), StoreError> {
    #[derive(Serialize)]
    struct Create<'a> {
        stream_name: &'a str,
        config: &'a Config,
    }
    let name = config.name.as_deref().unwrap_or_default();
    let verb = format!("CONSUMER.CREATE.{stream}.{name}.{}", config.filter_subject);
    let body = Create {
        stream_name: stream,
        config,
    };
    link.api::<Ignored>(&verb, &body, timeout).await??;
    Ok(())
}
