//! Starting, signalling and waiting with handles that know the types.

use std::time::Duration;

use headwater_core::{SignalType, WorkflowType};
use headwater_wire::InvocationId;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Client, ClientError, Handle, StartCall};

impl Client {
    /// [`Client::start`] of a workflow whose input is checked by the compiler; its output by
    /// [`Handle::result_of`].
    pub fn start_of<In: Serialize, Out>(
        &self,
        workflow: &WorkflowType<In, Out>,
        input: &In,
    ) -> StartCall {
        let call = self.start(workflow.name()).input(input);
        match workflow.exact_version() {
            Some(version) => call.version(version),
            None => call,
        }
    }

    /// [`Client::signal`], checked by the compiler.
    pub async fn signal_of<T: Serialize>(
        &self,
        id: &InvocationId,
        signal: &SignalType<T>,
        data: &T,
    ) -> Result<String, ClientError> {
        self.signal(id, signal.name(), data).await
    }
}

impl Handle {
    /// [`Handle::signal`], checked by the compiler.
    pub async fn signal_of<T: Serialize>(
        &self,
        signal: &SignalType<T>,
        data: &T,
    ) -> Result<String, ClientError> {
        self.signal(signal.name(), data).await
    }

    /// [`Handle::result`] of an invocation of this workflow.
    pub async fn result_of<In, Out: DeserializeOwned>(
        &mut self,
        _: &WorkflowType<In, Out>,
        timeout: Duration,
    ) -> Result<Out, ClientError> {
        self.result(timeout).await
    }
}
