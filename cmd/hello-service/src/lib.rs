//! HelloService: the gRPC service that `hello_workflow` calls as a durable step.
//!
//! The library holds the generated types ([`pb`], which the processor's client uses too) and the
//! service ([`serve`]); the binary `hello-service` is its command line.

// A demo service is a plain process of the outside world: the simulation never runs it, so it
// takes clock and timers from the runtime and not from `Env`.
#![allow(clippy::disallowed_methods)]

pub mod log;
mod service;

pub use service::{greeting, serve};

/// What `proto/hello/v1/hello.proto` generates: messages, client and server.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod pb {
    tonic::include_proto!("hello.v1");
}
