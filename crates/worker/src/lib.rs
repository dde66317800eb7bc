//! The worker: takes tasks, runs activities, publishes each outcome as a command, then
//! acknowledges the task. Stateless; killed, its tasks come again elsewhere.

mod activity;
mod metrics;
mod run;
mod worker;

pub use activity::{Activities, ActivityContext, ActivityError};
pub use metrics::WorkerMetrics;
pub use worker::{Worker, WorkerConfig, WorkerHandle};
