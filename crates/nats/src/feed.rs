//! The last value of each subject, then what follows: an ephemeral push consumer that
//! acknowledges nothing. It breaks rather than leave anything out; its reader then opens
//! another and compares.

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap, Message, Subscriber,
    jetstream::consumer::{AckPolicy, Config, DeliverPolicy},
};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use headwater_store::StoreError;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    ack::Ack,
    link::{ADMIN_TIMEOUT, Link, State},
};

/// The server says this often that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Silence after which it is not.
const SILENCE_MAX: Duration = Duration::from_secs(35);

/// Time after which the server forgets the consumer of a reader that has vanished.
const INACTIVE_MAX: Duration = Duration::from_secs(60);

const LAST_CONSUMER_SEQ: &str = "Nats-Last-Consumer";
const CONSUMER_STALLED: &str = "Nats-Consumer-Stalled";

/// What a feed has to tell.
pub(crate) enum Told {
    /// A message of the stream.
    Message(FedMessage),
    /// Something is missing, or may be.
    Broken(&'static str),
}

/// A message of the stream.
pub(crate) struct FedMessage {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) data: Bytes,
    pub(crate) ack: Ack,
}

/// See the module.
pub(crate) struct Feed {
    link: Arc<Link>,
    delete_verb: String,
    messages: Subscriber,
    consumer_seq: u64,
    last_heard: Duration,
    alarm: BoxFuture<'static, ()>,
    state: watch::Receiver<State>,
}

#[derive(Serialize)]
struct Create<'a> {
    stream_name: &'a str,
    config: &'a Config,
}

#[derive(Deserialize)]
struct Created {
    #[serde(default)]
    num_pending: u64,
}

impl Feed {
    /// Open a feed; answers how many values there are.
    pub(crate) async fn open(
        link: &Arc<Link>,
        stream: &str,
        filter: &str,
    ) -> Result<(Self, u64), StoreError> {
        link.connected(link.timeout).await?;
        let mut state = link.state.clone();
        state.mark_unchanged();
        let inbox = link.client.new_inbox();
        let messages = link.subscribe(&inbox).await?;
        let name = format!("watch-{:032x}", link.env.random());
        let config = Config {
            name: Some(name.clone()),
            deliver_subject: Some(inbox),
            deliver_policy: DeliverPolicy::LastPerSubject,
            ack_policy: AckPolicy::None,
            filter_subject: filter.to_owned(),
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            inactive_threshold: INACTIVE_MAX,
            memory_storage: true,
            num_replicas: 1,
            ..Config::default()
        };
        let verb = format!("CONSUMER.CREATE.{stream}.{name}.{filter}");
        let create = Create {
            stream_name: stream,
            config: &config,
        };
        let created: Created = link.api(&verb, &create, ADMIN_TIMEOUT).await??;
        let feed = Self {
            delete_verb: format!("{}.CONSUMER.DELETE.{stream}.{name}", link.api),
            messages,
            consumer_seq: 0,
            last_heard: link.env.elapsed(),
            alarm: link.env.sleep(SILENCE_MAX),
            state,
            link: Arc::clone(link),
        };
        Ok((feed, created.num_pending))
    }

    /// What comes next. May be dropped at any await.
    pub(crate) async fn next(&mut self) -> Told {
        loop {
            let message = tokio::select! { biased;
                message = self.messages.next() => message,
                _ = self.state.changed() => return Told::Broken("the connection was lost"),
                () = &mut self.alarm => {
                    let silent = self.link.env.elapsed().saturating_sub(self.last_heard);
                    if silent >= SILENCE_MAX {
                        return Told::Broken("the server is silent");
                    }
                    self.alarm = self.link.env.sleep(SILENCE_MAX - silent);
                    continue;
                }
            };
            let Some(message) = message else {
                return Told::Broken("the subscription has ended");
            };
            self.last_heard = self.link.env.elapsed();
            let told = match message.status {
                Some(_) => self.status(message).await,
                None => self.message(message),
            };
            if let Some(told) = told {
                return told;
            }
        }
    }

    fn message(&mut self, message: Message) -> Option<Told> {
        let ack = Ack::parse(message.reply.as_deref()?)?;
        if ack.consumer_seq != self.consumer_seq + 1 {
            return Some(Told::Broken("messages are missing"));
        }
        self.consumer_seq = ack.consumer_seq;
        Some(Told::Message(FedMessage {
            subject: message.subject.as_str().to_owned(),
            headers: message.headers.unwrap_or_default(),
            data: message.payload,
            ack,
        }))
    }

    /// A heartbeat, or a question whether we keep up.
    async fn status(&mut self, message: Message) -> Option<Told> {
        if message.status.is_some_and(|status| status.as_u16() != 100) {
            return Some(Told::Broken("the consumer has ended"));
        }
        let headers = message.headers.unwrap_or_default();
        let header = |name| headers.get(name).map(async_nats::HeaderValue::as_str);
        let stalled = header(CONSUMER_STALLED).map(str::to_owned);
        let question = message.reply.map(|reply| reply.as_str().to_owned());
        if let Some(reply) = question.or(stalled) {
            // Not sent, the server asks again with a heartbeat.
            let _ = self.link.send(reply, None, Bytes::new()).await;
            return None;
        }
        let delivered = header(LAST_CONSUMER_SEQ).and_then(|seq| seq.parse::<u64>().ok());
        if delivered.is_some_and(|seq| seq > self.consumer_seq) {
            return Some(Told::Broken("messages are missing"));
        }
        None
    }
}

impl Drop for Feed {
    /// Remove the consumer; where that fails the server does it by itself, later.
    fn drop(&mut self) {
        let (verb, inbox) = (self.delete_verb.clone(), self.link.client.new_inbox());
        let sent = self
            .link
            .client
            .publish_with_reply(verb, inbox, Bytes::new());
        let _ = sent.now_or_never();
    }
}
