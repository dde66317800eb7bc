//! Starting an invocation.

use std::{collections::BTreeMap, time::Duration};

use headwater_store::{Bucket, Message, Read};
use headwater_wire::{
    Command, InvocationId, Key, Payload,
    command::{Asker, Retention, Start, Submit},
    limits,
    names::{DEFAULT_QUEUE, check_name},
    payload::PayloadError,
    task::Reply,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::{Client, ClientError, Ended};

/// What to do when the id is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Attach to the invocation that has it; the handle says so.
    #[default]
    Attach,
    /// Fail with [`ClientError::Exists`].
    Reject,
}

/// A start with its options; [`StartCall::send`] submits it.
#[must_use = "a start does nothing until it is sent"]
pub struct StartCall {
    client: Client,
    workflow: String,
    version: Option<String>,
    queue: String,
    input: Result<Payload, PayloadError>,
    id: Option<String>,
    partition_key: Option<String>,
    request: Option<String>,
    if_exists: IfExists,
    retention: Option<Retention>,
    search: Vec<(String, Result<Payload, PayloadError>)>,
    wait: bool,
}

impl StartCall {
    pub(crate) fn new(client: Client, workflow: String) -> Self {
        Self {
            client,
            workflow,
            version: None,
            queue: DEFAULT_QUEUE.to_owned(),
            input: Ok(Payload::null()),
            id: None,
            partition_key: None,
            request: None,
            if_exists: IfExists::default(),
            retention: None,
            search: Vec::new(),
            wait: false,
        }
    }

    /// Its input, as JSON. Without one it is `null`.
    pub fn input<T: Serialize + ?Sized>(mut self, input: &T) -> Self {
        self.input = Payload::encode(input);
        self
    }

    /// Its input, already encoded.
    pub fn payload(mut self, input: Payload) -> Self {
        self.input = input.checked();
        self
    }

    /// Id of the invocation; without one a random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Partition key: invocations of one key run one at a time, in the order of submission.
    pub fn key(mut self, partition_key: impl Into<String>) -> Self {
        self.partition_key = Some(partition_key.into());
        self
    }

    /// Task queue of the engines that have the workflow.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Exact version of the workflow; without one the latest that the engine has.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// What to do when the id is in use.
    pub fn if_exists(mut self, if_exists: IfExists) -> Self {
        self.if_exists = if_exists;
        self
    }

    /// How long the ended invocation is kept; at least `RETENTION_MIN`.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Id of this request: the same request again attaches to what it started.
    pub fn request(mut self, request: impl Into<String>) -> Self {
        self.request = Some(request.into());
        self
    }

    /// A search attribute to begin with: what it is found by, and what lists show. The workflow
    /// can change it.
    pub fn search<T: Serialize + ?Sized>(mut self, key: impl Into<String>, value: &T) -> Self {
        self.search.push((key.into(), Payload::encode(value)));
        self
    }

    /// [`StartCall::search`] with an encoded value.
    pub fn search_payload(mut self, key: impl Into<String>, value: Payload) -> Self {
        self.search.push((key.into(), value.checked()));
        self
    }

    /// Have the outcome sent here, for [`Handle::wait`]: faster than listening for it later.
    pub fn expect_outcome(mut self) -> Self {
        self.wait = true;
        self
    }

    /// Submit it. Returns once the command is stored; no engine has to run.
    pub async fn send(self) -> Result<Handle, ClientError> {
        check_name("workflow", &self.workflow)?;
        check_name("task queue", &self.queue)?;
        let inner = &self.client.inner;
        let new_id = self.id.is_none();
        let id = InvocationId::new(self.id.unwrap_or_else(|| inner.new_id()))?;
        let input = self.input?;
        let search = attributes(self.search)?;
        if let Some(Retention::Seconds(seconds)) = self.retention
            && Duration::from_secs(seconds) < limits::RETENTION_MIN
        {
            return Err(ClientError::Retention(seconds));
        }
        let mut handle = Handle {
            client: self.client.clone(),
            id: id.clone(),
            existing: false,
            reply: None,
            if_exists: self.if_exists,
        };
        if !new_id && handle.is_in_use(&self.queue).await? {
            handle.existing = true;
            return match self.if_exists {
                IfExists::Attach => Ok(handle),
                IfExists::Reject => Err(ClientError::Exists(id)),
            };
        }
        let mut reply_to = None;
        if self.wait {
            let (inbox, reply) = inner.replies.expect(&inner.store, &inner.env, &id).await?;
            reply_to = Some(inbox);
            handle.reply = Some(reply);
        }
        let asker = Asker::Request(self.request.unwrap_or_else(|| inner.new_id()));
        let start = Start {
            version: self.version,
            reply_to,
            retention: self.retention,
            search,
            new_id,
            ..Start::new(self.workflow, input, asker)
        };
        let (to, command) = match self.partition_key {
            None => {
                let to = inner
                    .new_address(&self.queue, id.as_str(), id.key())
                    .await?;
                (to, Command::Start(start))
            }
            Some(partition_key) => {
                let key = Key::of_key_queue(&self.queue, &partition_key)?;
                let to = inner.new_address(&self.queue, &partition_key, key).await?;
                let invocation = id.clone();
                (to, Command::Submit(Submit { invocation, start }))
            }
        };
        let body = command.encode();
        inner.publish(Message::Command { to, body }).await?;
        Ok(handle)
    }
}

/// What a start brings, within the limits.
fn attributes(
    search: Vec<(String, Result<Payload, PayloadError>)>,
) -> Result<BTreeMap<String, Payload>, ClientError> {
    let mut attributes = BTreeMap::new();
    for (key, value) in search {
        check_name("search attribute", &key)?;
        attributes.insert(key, value?);
    }
    let bytes = |(key, value): (&String, &Payload)| key.len() + value.bytes().len();
    let bytes = attributes.iter().map(bytes).sum::<usize>();
    match attributes.len() > limits::SEARCH_KEYS_MAX || bytes > limits::SEARCH_BYTES_MAX {
        true => Err(ClientError::Search {
            keys: attributes.len(),
            bytes,
        }),
        false => Ok(attributes),
    }
}

/// An invocation that was started or attached to.
pub struct Handle {
    pub(crate) client: Client,
    pub(crate) id: InvocationId,
    pub(crate) existing: bool,
    pub(crate) reply: Option<oneshot::Receiver<Reply>>,
    pub(crate) if_exists: IfExists,
}

impl Handle {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &InvocationId {
        &self.id
    }

    /// Whether it existed before this start.
    #[must_use]
    pub fn existing(&self) -> bool {
        self.existing
    }

    /// Wait for its end.
    pub async fn wait(&mut self, timeout: Duration) -> Result<Ended, ClientError> {
        let deadline = self.client.inner.env.elapsed() + timeout;
        if let Some(reply) = self.reply.take() {
            let answer = self.client.await_reply(&self.id, reply, deadline).await?;
            if let Some((ended, exists)) = answer {
                self.existing |= exists;
                if exists && self.if_exists == IfExists::Reject {
                    return Err(ClientError::Exists(self.id.clone()));
                }
                if let Some(ended) = ended {
                    return Ok(ended);
                }
            }
        }
        let left = deadline.saturating_sub(self.client.inner.env.elapsed());
        let waited = self.client.wait_started(&self.id, left).await;
        waited.map_err(|error| match error {
            ClientError::Timeout { id, .. } => ClientError::Timeout { id, timeout },
            error => error,
        })
    }

    /// Wait for its end and decode its output; anything but `completed` is an error.
    pub async fn result<T: DeserializeOwned>(
        &mut self,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        self.wait(timeout).await?.output()
    }

    /// Whether the id has a value, or a start in COMMANDS that nobody has taken yet.
    async fn is_in_use(&self, queue: &str) -> Result<bool, ClientError> {
        let (key, inner) = (self.id.key(), &self.client.inner);
        let record = inner
            .store
            .get(Bucket::State, key.as_str(), Read::Leader)
            .await?;
        if record.is_some() {
            return Ok(true);
        }
        let first = inner.store.first_command(queue, &key, 0).await?;
        Ok(first.is_some_and(|(_, body)| matches!(Command::decode(&body), Ok(Command::Start(_)))))
    }
}
