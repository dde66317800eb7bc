//! Handles that know the types of an activity, a workflow or a signal, so that who calls it and
//! who is it cannot disagree: a constant that both sides share.
//!
//! ```
//! use headwater_core::{ActivityType, Context, Result, SignalType};
//!
//! const PRICE: ActivityType<String, u32> = ActivityType::new("price");
//! const APPROVED: SignalType<bool> = SignalType::new("approved");
//!
//! async fn order(ctx: Context, item: String) -> Result<Option<u32>> {
//!     let price = ctx.activity_of(&PRICE, &item).await?;
//!     let approved = ctx.signal_of(&APPROVED).timeout("2 days").await?;
//!     Ok(approved.then_some(price))
//! }
//! ```

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Context,
    workflow::{ActivityCall, SignalWait},
};

/// An activity by its name, with the types of its input and its result.
pub struct ActivityType<In, Out> {
    name: &'static str,
    topic: &'static str,
    types: PhantomData<fn(In) -> Out>,
}

impl<In, Out> ActivityType<In, Out> {
    /// The activity of this name, on the topic of its name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            topic: name,
            types: PhantomData,
        }
    }

    /// On a topic that others share.
    #[must_use]
    pub const fn on(mut self, topic: &'static str) -> Self {
        self.topic = topic;
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Topic of its workers.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        self.topic
    }
}

/// A workflow by its name, with the types of its input and its output.
pub struct WorkflowType<In, Out> {
    name: &'static str,
    version: Option<&'static str>,
    types: PhantomData<fn(In) -> Out>,
}

impl<In, Out> WorkflowType<In, Out> {
    /// The workflow of this name: registered as 1.0.0, started in the latest version.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            version: None,
            types: PhantomData,
        }
    }

    /// The workflow in exactly this semantic version.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its version, if it is of an exact one.
    #[must_use]
    pub const fn exact_version(&self) -> Option<&'static str> {
        self.version
    }
}

/// A signal by its name, with the type of its data.
pub struct SignalType<T> {
    name: &'static str,
    data: PhantomData<fn(T) -> T>,
}

impl<T> SignalType<T> {
    /// The signal of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            data: PhantomData,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<In, Out> fmt::Debug for ActivityType<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "activity {:?} on topic {:?}", self.name, self.topic)
    }
}

impl<In, Out> fmt::Debug for WorkflowType<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workflow {:?}", self.name)
    }
}

impl<T> fmt::Debug for SignalType<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {:?}", self.name)
    }
}

impl Context {
    /// [`Context::activity`], checked by the compiler.
    pub fn activity_of<In, Out>(
        &self,
        activity: &ActivityType<In, Out>,
        input: &In,
    ) -> ActivityCall<Out>
    where
        In: Serialize,
        Out: DeserializeOwned,
    {
        self.activity(activity.name, input).topic(activity.topic)
    }

    /// [`Context::signal`], checked by the compiler.
    pub fn signal_of<T: DeserializeOwned>(&self, signal: &SignalType<T>) -> SignalWait<T> {
        self.signal(signal.name)
    }
}
