//! Starting an invocation.

use std::{collections::BTreeMap, time::Duration};

use headwater_store::Message;
use headwater_wire::{
    Command, IntoDuration, InvocationId, Key, Payload,
    command::{Asker, Retention, Signal, Start, Submit},
    duration::DurationError,
    fork::Fork,
    limits,
    names::{DEFAULT_QUEUE, check_name},
    payload::PayloadError,
};
use serde::Serialize;

use crate::{Client, ClientError, Handle, handle::Started, holder::Holder};

/// What to do when the id is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfExists {
    /// Attach to the invocation that has it; the handle says so.
    #[default]
    Attach,
    /// Fail with [`ClientError::Exists`].
    Reject,
    /// End the invocation that has it, as [`Client::terminate`] does, wait for its end, and start
    /// this one in its place. Not one step: somebody else may be faster, which [`Handle::wait`]
    /// tells as [`ClientError::Exists`].
    Replace,
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
    result_ttl: Option<Result<Duration, DurationError>>,
    paused: bool,
    signal: Option<(String, Result<Payload, PayloadError>)>,
    search: Vec<(String, Result<Payload, PayloadError>)>,
    wait: bool,
    fork: Option<Fork>,
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
            result_ttl: None,
            paused: false,
            signal: None,
            search: Vec::new(),
            wait: false,
            fork: None,
        }
    }

    pub(crate) fn fork_of(mut self, fork: Fork) -> Self {
        self.fork = Some(fork);
        self
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

    /// How long its result answers for it, counted from its end: after that, another start of the
    /// id runs anew. Without it, for as long as it is kept ([`StartCall::retention`]).
    pub fn result_ttl(mut self, ttl: impl IntoDuration) -> Self {
        self.result_ttl = Some(ttl.into_duration());
        self
    }

    /// Begin only once somebody resumes it ([`Client::resume`]).
    pub fn paused(mut self) -> Self {
        self.paused = true;
        self
    }

    /// Send it a signal along with the start, whether the start begins it or finds it going on.
    /// One that has ended is sent none.
    pub fn with_signal<T: Serialize + ?Sized>(mut self, name: impl Into<String>, data: &T) -> Self {
        self.signal = Some((name.into(), Payload::encode(data)));
        self
    }

    /// [`StartCall::with_signal`] with encoded data.
    pub fn with_signal_payload(mut self, name: impl Into<String>, data: Payload) -> Self {
        self.signal = Some((name.into(), data.checked()));
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
        if self.fork.is_some() && (self.partition_key.is_some() || self.paused) {
            let message = "a fork begins at once, and has no partition key";
            return Err(ClientError::Fork(message.to_owned()));
        }
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
        let mut signal = None;
        if let Some((name, data)) = self.signal {
            check_name("signal", &name)?;
            signal = Some(Box::new(Signal::new(inner.new_id(), name, data?)));
        }
        let mut started = Started::new(self.if_exists);
        let holder = match (new_id, self.if_exists) {
            (true, _) => Holder::Nobody,
            (_, IfExists::Replace) => self.client.make_way(&id, &self.queue).await?,
            _ => self.client.holder(&id, &self.queue).await?,
        };
        match (holder, self.if_exists) {
            (Holder::Nobody, _) => {}
            (Holder::Free(run), _) | (Holder::Ended(run), IfExists::Replace) => {
                started.replaces = Some(run);
            }
            (_, IfExists::Reject) => return Err(ClientError::Exists(id)),
            // The start takes the signal there.
            (Holder::GoesOn, _) if signal.is_some() => started.existing = true,
            _ => {
                started.existing = true;
                return Ok(Handle::started(self.client, id, started));
            }
        }
        let mut reply_to = None;
        if self.wait {
            let (inbox, reply) = inner.replies.expect(&inner.store, &inner.env, &id).await?;
            reply_to = Some(inbox);
            started.reply = Some(reply);
        }
        let asker = Asker::Request(self.request.unwrap_or_else(|| inner.new_id()));
        let start = Start {
            version: self.version,
            reply_to,
            retention: self.retention,
            result_ttl_ms: self.result_ttl.transpose()?.map(result_ttl_ms),
            signal,
            fork: self.fork.map(Box::new),
            paused: self.paused,
            replace: self.if_exists == IfExists::Replace,
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
        Ok(Handle::started(self.client, id, started))
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

/// At least one: none is what an old start says.
fn result_ttl_ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
