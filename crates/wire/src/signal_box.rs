//! Commands to a signal box: the built-in program that keeps signals addressed by a name alone
//! until somebody waits for one. Written by engines, read by engines. Protobuf, as all commands.

use serde::{Deserialize, Serialize};

use crate::{InvocationId, Partition, Run};

/// A step waits for the next signal of the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Await {
    /// Whose step.
    pub invocation: InvocationId,
    /// Its task queue: where the outcome goes.
    pub queue: String,
    /// Its partition.
    pub partition: Partition,
    /// Its run.
    pub run: Run,
    /// The step, from 1.
    pub step: u32,
}

/// A step no longer waits. Sent only by a value in which it has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unawait {
    /// Whose step.
    pub invocation: InvocationId,
    /// Its run.
    pub run: Run,
    /// The step, from 1.
    pub step: u32,
}
