//! Durable execution on NATS JetStream and nothing else.
//!
//! A workflow is a plain async function of a [`Context`] and an input. What it awaits through
//! its context is recorded once and in order; kill any process at any moment and it goes on.
//!
//! ```no_run
//! use headwater::prelude::*;
//!
//! async fn order(ctx: Context, item: String) -> Result<String> {
//!     let price: u32 = ctx.activity("price", &item).await?;
//!     ctx.sleep("1 hour").await?;
//!     let receipt = ctx.run("pay", || async { Ok::<_, Error>(format!("paid {price}")) }).await?;
//!     Ok(receipt)
//! }
//!
//! async fn price(_: ActivityContext, item: String) -> Result<u32> {
//!     Ok(item.len() as u32)
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! Processor::connect(Config::load(None)?)
//!     .await?
//!     .workflow("order", order)?
//!     .activity("price", price)?
//!     .run()
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod activity;
mod admin;
pub mod check;
pub mod config;
mod processor;
mod runtime;
#[cfg(feature = "testing")]
pub mod testing;
mod typed;

pub use activity::ActivityClient;
pub use config::{Config, ConfigError};
pub use headwater_client as client;
pub use headwater_client::{Client, ClientError};
pub use headwater_core::{
    ActivityType, Context, Error, Result, Retry, Saga, Scope, SignalType, StepInfo, WorkflowType,
    workflow::{ActivityCall, Child, ChildCall, Kv, Other, Queue, Search, Update, async_workflow},
};
pub use headwater_engine::{EngineConfig, EngineCounts, Registry, RegistryError};
pub use headwater_nats::{DiskSync, Durability, SyncInterval};
pub use headwater_store as store;
pub use headwater_wire as wire;
pub use headwater_wire::journal::ParentClose;
pub use headwater_worker::{
    Activities, ActivityContext, ActivityError, TagFilter, WorkerConfig, WorkerCounts,
};
pub use processor::{Processor, ProcessorError, RunningProcessor};
pub use runtime::runtime;

/// What most programs need.
pub mod prelude {
    pub use crate::{
        ActivityClient, ActivityContext, ActivityType, Client, Config, Context, Error, Processor,
        Result, Retry, Saga, Scope, SignalType, StepInfo, WorkflowType,
    };
}
