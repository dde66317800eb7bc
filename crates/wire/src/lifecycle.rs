//! Commands by which people rule the life of an invocation. Written by clients and by
//! workflows for others, read by engines. Protobuf, as all commands.

use serde::{Deserialize, Serialize};

use crate::Code;

/// End an invocation at once, whatever its program does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminate {
    /// Chosen by the sender.
    pub id: String,
    /// Why, for people.
    pub reason: String,
    /// Code of its error, not empty; none: [`Code::INTERRUPTED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// Take commands and act on none until it is resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Chosen by the sender.
    pub id: String,
    /// Why, for people.
    pub reason: String,
}

/// Forget what an ended invocation held. Its id stays in use until its retention is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Chosen by the sender.
    pub id: String,
    /// End it first if it has not ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}
