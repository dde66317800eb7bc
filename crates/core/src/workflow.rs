//! Workflows as async functions: the context that they act through, and the executor that
//! polls them.
//!
//! Every await of a workflow goes through its [`Context`]. A future of the context decides
//! something when it is first polled, in the order of polling, and is ready once the journal
//! has an outcome for it. Outcomes are delivered one at a time, in journal order, so that
//! `join` and `select` give the same answer on every replay.

mod activity;
mod calls;
mod channels;
mod children;
mod context;
mod executor;
mod groups;
mod hooks;
mod map;
mod queries;
mod saga;
mod scope;
mod send;
mod shared;
mod sleep;
mod state;
mod updates;
mod version;

pub use activity::ActivityCall;
pub use calls::{ContinueAsNew, RunCall, SignalWait};
pub use channels::Queue;
pub use children::{Child, ChildCall};
pub use context::{Context, Race, StepInfo};
pub use executor::async_workflow;
pub use hooks::HookCall;
pub use map::MapCall;
pub use saga::Saga;
pub use scope::{Scope, Scoped, Shield};
pub use send::Other;
pub use sleep::Sleep;
pub use state::{Kv, Search};
pub(crate) use updates::unanswered;
pub use updates::{Update, UpdateWait};
