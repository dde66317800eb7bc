//! Activities: plain async functions of a context and an input.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use headwater_core::Error;
use headwater_wire::{
    Code, Failure, Payload,
    names::{NameError, check_name},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::ActivityContext;

/// An activity that cannot be registered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ActivityError {
    /// Its name or topic.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The same name twice.
    #[error("activity {0:?} is registered twice")]
    Twice(String),
}

type Function = Arc<
    dyn Fn(ActivityContext, Payload) -> BoxFuture<'static, Result<Payload, Failure>> + Send + Sync,
>;

/// The activities that a worker can run.
#[derive(Clone, Default)]
pub struct Activities {
    functions: BTreeMap<String, Function>,
    topics: BTreeSet<String>,
}

impl Activities {
    /// Add an activity on the topic of its own name.
    pub fn add<F, Fut, In, Out, E>(&mut self, name: &str, function: F) -> Result<(), ActivityError>
    where
        F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        self.add_on(name, name, function)
    }

    /// Add an activity on a topic.
    pub fn add_on<F, Fut, In, Out, E>(
        &mut self,
        topic: &str,
        name: &str,
        function: F,
    ) -> Result<(), ActivityError>
    where
        F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        check_name("activity", name)?;
        check_name("topic", topic)?;
        let replaced = self.functions.insert(name.to_owned(), erased(function));
        if replaced.is_some() {
            return Err(ActivityError::Twice(name.to_owned()));
        }
        self.topics.insert(topic.to_owned());
        Ok(())
    }

    /// Take in all that another has; the same activity in both is an error.
    pub fn merge(&mut self, other: Self) -> Result<(), ActivityError> {
        for (name, function) in other.functions {
            if self.functions.insert(name.clone(), function).is_some() {
                return Err(ActivityError::Twice(name));
            }
        }
        self.topics.extend(other.topics);
        Ok(())
    }

    /// Put a function in the place of an activity, on the topic that it has; one that is not there
    /// yet is added on the topic of its name. For tests.
    pub fn replace<F, Fut, In, Out, E>(
        &mut self,
        name: &str,
        function: F,
    ) -> Result<(), ActivityError>
    where
        F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        match self.functions.get_mut(name) {
            None => self.add(name, function),
            Some(replaced) => {
                *replaced = erased(function);
                Ok(())
            }
        }
    }

    /// Ask before each attempt at any of these activities: a failure is the attempt's, which then
    /// is not made. For tests.
    pub fn intercept(
        &mut self,
        before: impl Fn(&ActivityContext) -> Result<(), Failure> + Send + Sync + 'static,
    ) {
        let before = Arc::new(before);
        for function in self.functions.values_mut() {
            let (inner, before) = (Arc::clone(function), Arc::clone(&before));
            *function = Arc::new(move |context, input| match before(&context) {
                Ok(()) => inner(context, input),
                Err(failure) => Box::pin(std::future::ready(Err(failure))),
            });
        }
    }

    /// Topics to take tasks from.
    #[must_use]
    pub fn topics(&self) -> &BTreeSet<String> {
        &self.topics
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// Whether this activity is registered.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// Run one attempt; none if the activity is not registered. A panic is a failure.
    pub(crate) fn run(
        &self,
        context: ActivityContext,
        input: Payload,
    ) -> Option<BoxFuture<'static, Result<Payload, Failure>>> {
        let function = Arc::clone(self.functions.get(&context.activity)?);
        Some(Box::pin(async move {
            AssertUnwindSafe(async move { function(context, input).await })
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
        }))
    }
}

fn erased<F, Fut, In, Out, E>(function: F) -> Function
where
    F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out, E>> + Send + 'static,
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + 'static,
    E: Into<Error> + 'static,
{
    let function = Arc::new(function);
    Arc::new(move |context, input| {
        let function = Arc::clone(&function);
        Box::pin(async move { call(function.as_ref(), context, input).await })
    })
}

async fn call<F, Fut, In, Out, E>(
    function: &F,
    context: ActivityContext,
    input: Payload,
) -> Result<Payload, Failure>
where
    F: Fn(ActivityContext, In) -> Fut,
    Fut: Future<Output = Result<Out, E>>,
    In: DeserializeOwned,
    Out: Serialize,
    E: Into<Error>,
{
    let name = context.activity.clone();
    let about = |what: &str, error| {
        let mut failure = Failure::from(error);
        failure.message = format!("{what} of activity {name:?}: {}", failure.message);
        failure
    };
    let input = input.decode().map_err(|error| about("input", error))?;
    let output = function(context, input)
        .await
        .map_err(|error| error.into().into_failure())?;
    Payload::encode(&output).map_err(|error| about("result", error))
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    Failure::new(
        Code::PANICKED,
        format!("panicked: {}", headwater_core::error::panic_message(panic)),
    )
}
