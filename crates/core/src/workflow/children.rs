//! Children: other invocations that a workflow starts, awaits, or lets go its own way.

use std::{
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use headwater_wire::{
    Entry, InvocationId, Key, Payload,
    command::Retention,
    id::child_id,
    journal::{ChildSpec, ParentClose},
    limits::RETENTION_MIN,
    names::{DEFAULT_QUEUE, check_name},
    payload::PayloadError,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    calls::{Step, decode},
    context::Context,
    send::{Other, refused},
    shared::Shared,
};
use crate::{
    Error, Result,
    error::payload_error,
    program::{Decision, ProgramInfo},
};

impl Context {
    /// Start another workflow as a child and await its output: it is started once, also over
    /// crashes and replays. [`ChildCall::begin`] starts it without waiting,
    /// [`ChildCall::detach`] without ever coming back to it.
    ///
    /// A child that fails fails the call, with its code and message and `{"child": <id>}` as
    /// details. When nobody waits for it any more, it is cancelled: see [`ChildCall::on_close`].
    ///
    /// ```
    /// # use headwater_core::{Context, Result};
    /// async fn parent(ctx: Context, order: u64) -> Result<String> {
    ///     let parcel = ctx.child::<String>("ship", order).id(format!("ship-{order}")).begin()?;
    ///     let receipt: String = ctx.child("pay", order).await?;
    ///     Ok(format!("{receipt}, {}", parcel.await?))
    /// }
    /// ```
    pub fn child<T>(&self, workflow: impl Into<String>, input: impl Serialize) -> ChildCall<T> {
        ChildCall {
            shared: Arc::clone(&self.shared),
            id: None,
            workflow: workflow.into(),
            version: None,
            queue: None,
            key: None,
            input: Payload::encode(&input),
            on_close: ParentClose::default(),
            retention: None,
            output: PhantomData,
        }
    }
}

/// A child to start; await it. Made by [`Context::child`].
#[must_use = "a call does nothing until it is awaited"]
pub struct ChildCall<T> {
    shared: Arc<Shared>,
    id: Option<String>,
    workflow: String,
    version: Option<String>,
    queue: Option<String>,
    key: Option<String>,
    input: std::result::Result<Payload, PayloadError>,
    on_close: ParentClose,
    retention: Option<Retention>,
    output: PhantomData<fn() -> T>,
}

impl<T> ChildCall<T> {
    /// Its id, used as it is given. If another invocation has it, the call fails with the code
    /// `exists`. Default: `<id of the parent>/<run>/<step>`, which nobody else has.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Version of its workflow; by default the latest that its engine has.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Its task queue; by default that of the parent.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Its partition key: one invocation of a key runs at a time. Not that of the parent in the
    /// same task queue, for which it would wait for ever.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// How long it is kept after its end; at least `RETENTION_MIN`.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// What becomes of it when its parent no longer waits for it: has lost interest (the loser of
    /// a race), was cancelled, has ended, or goes on as new. By default it is cancelled. A parent
    /// that is terminated takes what it would have cancelled with it. Nothing ever becomes of a
    /// detached one.
    pub fn on_close(mut self, on_close: ParentClose) -> Self {
        self.on_close = on_close;
        self
    }

    /// Start it now and wait for it later. To drop what this answers is to lose interest.
    ///
    /// # Errors
    /// Something about the call that cannot be, or the workflow was cancelled. Nothing is started
    /// then.
    pub fn begin(self) -> Result<Child<T>> {
        let shared = Arc::clone(&self.shared);
        let (id, queue) = (self.id.clone(), self.queue.clone());
        let mut step = self.into_step()?;
        // A step decides at its first poll; whoever awaits it later leaves another waker.
        let mut cx = TaskContext::from_waker(Waker::noop());
        let number = match step.poll(&mut cx) {
            Poll::Ready(Err(failure)) => return Err(Error::from_failure(failure)),
            Poll::Ready(Ok(_)) | Poll::Pending => step.number(),
        };
        let Some(number) = number else {
            return Err(refused("the workflow has ended".to_owned()));
        };
        let id = match id {
            Some(id) => InvocationId::new(id).map_err(|error| refused(error.to_string()))?,
            None => child_id(&shared.info.id, shared.info.run, number),
        };
        Ok(Child {
            shared,
            step,
            id,
            queue,
            output: PhantomData,
        })
    }

    /// Start it and let it go its own way: answers its id at once, and no outcome ever comes
    /// back. It goes on when its parent has ended.
    ///
    /// # Errors
    /// Something about the call that cannot be. Nothing is started then.
    pub fn detach(self) -> Result<InvocationId> {
        let shared = Arc::clone(&self.shared);
        let spec = self.checked()?;
        let mut state = shared.state();
        let mut id = None;
        state.note_numbered(|step| {
            let mut child = spec.at(step, &shared.info);
            child.detached = true;
            id = Some(child.id.clone());
            Entry::Child(Box::new(child))
        });
        id.ok_or_else(|| refused("the workflow has ended".to_owned()))
    }

    fn into_step(self) -> Result<Step> {
        let shared = Arc::clone(&self.shared);
        let spec = self.checked()?;
        let info = Arc::clone(&shared.info);
        Ok(Step::new(&shared, move |step, _| {
            Decision::Child(Box::new(spec.at(step, &info)))
        }))
    }

    fn checked(self) -> Result<Spec> {
        let Self {
            id,
            workflow,
            version,
            queue,
            key,
            input,
            on_close,
            retention,
            ..
        } = self;
        check_name("workflow", &workflow).map_err(|error| refused(error.to_string()))?;
        let id = id.map(InvocationId::new).transpose();
        let id = id.map_err(|error| refused(error.to_string()))?;
        if let Some(queue) = &queue {
            check_name("task queue", queue).map_err(|error| refused(error.to_string()))?;
        }
        if let Some(key) = &key {
            Key::of_key_queue(queue.as_deref().unwrap_or(DEFAULT_QUEUE), key)
                .map_err(|error| refused(format!("the partition key of the child: {error}")))?;
        }
        if let Some(Retention::Seconds(seconds)) = retention
            && seconds < RETENTION_MIN.as_secs()
        {
            return Err(refused(format!(
                "a retention of {seconds} s is too short: use {} s or more",
                RETENTION_MIN.as_secs()
            )));
        }
        let what = || format!("input of child workflow {workflow:?}");
        let input = input.map_err(|error| Error::from_failure(payload_error(&what(), error)))?;
        Ok(Spec {
            id,
            workflow,
            version,
            queue,
            key,
            input,
            on_close,
            retention,
        })
    }
}

/// A child that can be started, once its step has a number.
struct Spec {
    id: Option<InvocationId>,
    workflow: String,
    version: Option<String>,
    queue: Option<String>,
    key: Option<String>,
    input: Payload,
    on_close: ParentClose,
    retention: Option<Retention>,
}

impl Spec {
    fn at(self, step: u32, parent: &ProgramInfo) -> ChildSpec {
        let made = || child_id(&parent.id, parent.run, step);
        ChildSpec {
            step,
            id: self.id.unwrap_or_else(made),
            workflow: self.workflow,
            version: self.version,
            queue: self.queue,
            key: self.key,
            input: self.input,
            detached: false,
            on_close: self.on_close,
            retention: self.retention,
        }
    }
}

impl<T: DeserializeOwned> IntoFuture for ChildCall<T> {
    type Output = Result<T>;
    type IntoFuture = ChildFuture<T>;

    fn into_future(self) -> ChildFuture<T> {
        ChildFuture {
            workflow: self.workflow.clone(),
            step: self.into_step().map_err(Some),
            output: PhantomData,
        }
    }
}

/// The future of a child that is started when it is first polled.
#[must_use = "futures do nothing until they are awaited"]
pub struct ChildFuture<T> {
    step: std::result::Result<Step, Option<Error>>,
    workflow: String,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for ChildFuture<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        match &mut this.step {
            Ok(step) => step
                .poll(cx)
                .map(|outcome| decode(|| format!("output of child {:?}", this.workflow), outcome)),
            Err(error) => error
                .take()
                .map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

/// A child that was started; await it for its output. Made by [`ChildCall::begin`].
#[must_use = "a child that nobody waits for is cancelled, unless its call says otherwise"]
pub struct Child<T> {
    shared: Arc<Shared>,
    step: Step,
    id: InvocationId,
    queue: Option<String>,
    output: PhantomData<fn() -> T>,
}

impl<T> Child<T> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &InvocationId {
        &self.id
    }

    /// Send it a signal.
    ///
    /// # Errors
    /// A name that cannot be one, or data that cannot be encoded.
    pub fn signal(&self, name: impl Into<String>, data: impl Serialize) -> Result<()> {
        self.other().signal(name, data)
    }

    /// Ask it to end, and go on waiting for it.
    ///
    /// # Errors
    /// None today.
    pub fn cancel(&self, reason: impl Into<String>) -> Result<()> {
        self.other().cancel(reason)
    }

    fn other(&self) -> Other {
        Other::new(&self.shared, self.id.as_str(), self.queue.clone())
    }
}

impl<T: DeserializeOwned> Future for Child<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        this.step
            .poll(cx)
            .map(|outcome| decode(|| format!("output of child {}", this.id), outcome))
    }
}
