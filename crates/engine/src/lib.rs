//! The engine: takes commands from its partitions, makes one turn after another, emits what
//! follows. Stateless: all it knows it can read again.
//!
//! ```text
//! partition loop ──▶ router ──▶ actor of one key: load ▸ place ▸ take ▸ swap ▸ settle ▸ acknowledge
//! ```
//!
//! One actor a key is at work in a process, so a process never races with itself; between
//! processes the swap decides.

mod actor;
mod config;
mod emit;
mod engine;
mod metrics;
mod partitions;
mod query;
mod registry;
mod router;
mod sent;
mod tags;
mod topology;

pub use config::EngineConfig;
pub use engine::{Engine, EngineError, EngineHandle};
pub use metrics::{EngineCounts, EngineMetrics};
pub use registry::{Registry, RegistryError};
