//! What an activity acts through.

use std::{
    fmt::{self, Display},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use headwater_core::{Error, Result};
use headwater_store::{Env, Store};
use headwater_wire::{
    Code, Failure, InvocationId, Payload, Run, Task, ask::Progress, id::started_id, limits,
    names::Hint, topic::tag_of,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

/// What an activity is told about the attempt, and what it tells while it runs.
#[derive(Clone, Debug)]
pub struct ActivityContext {
    /// Invocation that waits for it.
    pub invocation: InvocationId,
    /// Workflow of the invocation.
    pub workflow: String,
    /// Run of the invocation.
    pub run: Run,
    /// The activity's name.
    pub activity: String,
    /// Number of the step in the invocation.
    pub step: u32,
    /// Attempt, from 1.
    pub attempt: u32,
    /// The same for every attempt at this step: `<invocation>/<run>/<step>`. Hand it to
    /// whoever has to recognise a repeat.
    pub idempotency_key: String,
    /// The tag that its workers have, if it was asked for by one.
    pub tag: Option<String>,
    /// The session that it is part of: as a rule, one worker runs all that is of it.
    pub session: Option<String>,
    /// Id of the worker, as members show it.
    pub worker: String,
    /// Details of the last heartbeat of the attempts before.
    heartbeat: Option<Payload>,
    link: Arc<Link>,
}

/// What an attempt and who looks after it share.
pub(crate) struct Link {
    store: Arc<dyn Store>,
    env: Arc<dyn Env>,
    /// Why nobody wants its outcome any more.
    stopped: watch::Sender<Option<String>>,
    /// Details of its last heartbeat.
    beat: watch::Sender<Option<Payload>>,
    /// What it has started.
    started: AtomicU32,
}

impl Link {
    pub(crate) fn new(store: Arc<dyn Store>, env: Arc<dyn Env>) -> Arc<Self> {
        Arc::new(Self {
            store,
            env,
            stopped: watch::Sender::default(),
            beat: watch::Sender::default(),
            started: AtomicU32::new(0),
        })
    }

    /// Nobody wants its outcome any more. The first reason stays.
    pub(crate) fn stop(&self, reason: &str) {
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| reason.to_owned());
            is_first
        });
    }

    pub(crate) fn stopped(&self) -> watch::Receiver<Option<String>> {
        self.stopped.subscribe()
    }

    pub(crate) fn beats(&self) -> watch::Receiver<Option<Payload>> {
        self.beat.subscribe()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Log with what says where it comes from.
macro_rules! log {
    ($level:ident, $context:expr, $message:expr) => {{
        let context = $context;
        tracing::$level!(
            target: "headwater::activity",
            invocation_id = %context.invocation, workflow = %context.workflow, run = %context.run,
            step = context.step, attempt = context.attempt, worker = %context.worker,
            activity = %context.activity, "{}", $message
        );
    }};
}

impl ActivityContext {
    pub(crate) fn of(task: &Task, topic: &str, worker: &str, link: &Arc<Link>) -> Self {
        Self {
            invocation: task.invocation.clone(),
            workflow: task.workflow.clone(),
            run: task.run,
            activity: task.activity.clone(),
            step: task.step,
            attempt: task.attempt,
            idempotency_key: task.idempotency_key(),
            tag: tag_of(topic).map(str::to_owned),
            session: task.options.session.clone(),
            worker: worker.to_owned(),
            heartbeat: task.heartbeat.clone(),
            link: Arc::clone(link),
        }
    }

    /// Say that the attempt is alive, and how far it is: the next attempt is told these details
    /// ([`ActivityContext::heartbeat_details`]). Costs nothing: the last one of each second is
    /// sent, and the last before an error.
    ///
    /// # Errors
    /// Details over `HEARTBEAT_DETAILS_BYTES_MAX`, or that cannot be encoded.
    pub fn heartbeat(&self, details: impl Serialize) -> Result<()> {
        let details = encode(details)?;
        let bytes = details.bytes().len();
        if bytes > limits::HEARTBEAT_DETAILS_BYTES_MAX {
            let message = format!(
                "details of a heartbeat have {bytes} bytes, the limit is {}",
                limits::HEARTBEAT_DETAILS_BYTES_MAX
            );
            return Err(Error::from_failure(Failure::fatal(
                Code::TOO_LARGE,
                message,
            )));
        }
        self.link.beat.send_replace(Some(details));
        Ok(())
    }

    /// What the last heartbeat before this attempt told; none: there was none. The last before a
    /// worker died may be lost.
    ///
    /// # Errors
    /// They are not of this type.
    pub fn heartbeat_details<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let details = self.heartbeat.as_ref().map(Payload::decode).transpose();
        details.map_err(|error| Error::from_failure(error.into()))
    }

    /// Tell whoever listens to the invocation (`Client::progress`). It is stored nowhere, and
    /// lost if nobody listens.
    ///
    /// # Errors
    /// Data over the limit of a payload, or that cannot be encoded.
    pub async fn progress(&self, data: impl Serialize) -> Result<()> {
        let progress = Progress {
            invocation: self.invocation.clone(),
            run: self.run,
            step: self.step,
            attempt: self.attempt,
            activity: self.activity.clone(),
            data: encode(data)?,
        };
        let store = &self.link.store;
        let subject = store.hint_subject(Hint::Progress(&self.invocation.key()));
        let body: Bytes = progress.encode();
        store.hint(&subject, body).await;
        Ok(())
    }

    /// Whether nobody wants its outcome any more: the invocation was cancelled or has ended, or
    /// goes on without it. It has the grace of its worker (10 s unless configured) to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.link.stopped.borrow().is_some()
    }

    /// Ready once nobody wants its outcome any more, with the reason; else never.
    pub async fn cancelled(&self) -> String {
        let mut stopped = self.link.stopped();
        // The sender is in this context.
        let Ok(reason) = stopped.wait_for(Option::is_some).await else {
            return std::future::pending().await;
        };
        reason.clone().unwrap_or_default()
    }

    /// Id for what it starts next and gives none. It counts: an attempt that starts the same in the
    /// same order as the one before attaches to what that has started.
    #[must_use]
    pub fn next_started_id(&self) -> InvocationId {
        let n = self.link.started.fetch_add(1, Relaxed) + 1;
        started_id(&self.invocation, self.run, self.step, n)
    }

    /// The store that its worker is on.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.link.store
    }

    /// Clock and randomness of its worker.
    #[must_use]
    pub fn env(&self) -> &Arc<dyn Env> {
        &self.link.env
    }

    /// Log for developers.
    pub fn debug(&self, message: impl Display) {
        log!(debug, self, message);
    }

    /// Log for operators.
    pub fn info(&self, message: impl Display) {
        log!(info, self, message);
    }

    /// Log something to look at.
    pub fn warn(&self, message: impl Display) {
        log!(warn, self, message);
    }

    /// Log that something is wrong.
    pub fn error(&self, message: impl Display) {
        log!(error, self, message);
    }
}

fn encode(data: impl Serialize) -> Result<Payload> {
    Payload::encode(&data).map_err(|error| Error::from_failure(error.into()))
}
