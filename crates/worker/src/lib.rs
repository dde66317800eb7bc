//! The worker: takes tasks, runs activities, publishes each outcome as a command, then
//! acknowledges the task. Stateless; killed, its tasks come again elsewhere.

mod activity;
mod attempt;
mod context;
mod follow;
mod look;
mod metrics;
mod run;
mod sessions;
mod stops;
mod tags;
mod worker;

pub use activity::{Activities, ActivityError};
pub use context::ActivityContext;
pub use metrics::{WorkerCounts, WorkerMetrics};
pub use tags::{TagError, TagFilter};
pub use worker::{Worker, WorkerConfig, WorkerHandle};
