//! Real NATS servers for tests: [`NatsServer`] and [`NatsCluster`], each with a temporary store
//! folder, killed and restarted at will, gone when they are dropped. The nodes of a
//! cluster can be cut off from the network, too.
//!
//! The binary is that of the environment variable `HEADWATER_NATS_SERVER`, else `nats-server`
//! on the path. This crate panics where a test should fail: it is for tests only.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod process;
mod proxy;
mod server;
mod wiring;

pub use cluster::NatsCluster;
pub use process::server_binary;
pub use server::{NatsServer, ServerOptions};
