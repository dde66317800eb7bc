//! Registering with handles that know the types.

use std::future::Future;

use headwater_core::{ActivityType, Context, Error, WorkflowType};
use headwater_worker::ActivityContext;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Processor, ProcessorError};

impl Processor {
    /// [`Processor::workflow`] or [`Processor::workflow_version`], checked by the compiler.
    pub fn workflow_of<F, Fut, In, Out, E>(
        self,
        workflow: &WorkflowType<In, Out>,
        function: F,
    ) -> Result<Self, ProcessorError>
    where
        F: Fn(Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        match workflow.exact_version() {
            Some(version) => self.workflow_version(workflow.name(), version, function),
            None => self.workflow(workflow.name(), function),
        }
    }

    /// [`Processor::activity_on`] the topic of this activity, checked by the compiler.
    pub fn activity_of<F, Fut, In, Out, E>(
        self,
        activity: &ActivityType<In, Out>,
        function: F,
    ) -> Result<Self, ProcessorError>
    where
        F: Fn(ActivityContext, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, E>> + Send + 'static,
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + 'static,
        E: Into<Error> + 'static,
    {
        self.activity_on(activity.topic(), activity.name(), function)
    }
}
