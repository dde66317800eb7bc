//! What the engine needs of storage ([`Store`]) and of the world ([`Env`]), as traits; a store
//! in memory that behaves as JetStream does ([`memory`]); and the one suite that every store
//! has to pass ([`conformance`]).

pub mod address;
pub mod conformance;
mod depths;
pub mod env;
pub mod members;
pub mod memory;
mod store;

pub use depths::Depth;
pub use env::{Env, TaskHandle, TokioEnv};
pub use store::{
    Bucket, Change, Consumer, DeadRecord, Delivery, Expect, Message, Read, Record, Revision,
    Source, Store, StoreError, Ttl, Verdict,
};
