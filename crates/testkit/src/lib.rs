//! Real NATS servers for tests: [`NatsServer`] and [`NatsCluster`], each with a temporary store
//! folder, killed and restarted at will, gone when they are dropped.
//!
//! The binary is that of the environment variable `HEADWATER_NATS_SERVER`, else `nats-server`
//! on the path. This crate panics where a test should fail: it is for tests only.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod process;
mod server;

pub use cluster::NatsCluster;
pub use server::{NatsServer, ServerOptions};
