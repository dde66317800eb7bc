//! [`NatsStore`]: the storage of Headwater on NATS JetStream. The only crate that names
//! async-nats, and the only one that knows the server's API.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`](Options) | what an operator can configure |
//! | `connect` | one connection, checked: version, JetStream |
//! | `link` | that connection with its requests, and what their failures mean |
//! | `streams`, `setup`, `compare` | the streams and buckets, made or compared |
//! | `durability`, `monitor` | what an acknowledgement is worth |
//! | `publish`, `kv`, `direct` | writes and reads |
//! | `consume`, `inbox`, `ack` | the pull loop of a work queue |
//! | `watch`, `feed` | values and their changes |
//! | `queue`, `dead`, `hints` | questions to COMMANDS, dead letters, core NATS |

mod ack;
mod compare;
mod connect;
mod consume;
mod dead;
mod direct;
mod durability;
mod errors;
mod feed;
mod group;
mod hints;
mod inbox;
mod kv;
mod link;
mod monitor;
mod options;
mod publish;
mod queue;
mod requests;
mod setup;
mod store;
mod streams;
mod subjects;
mod watch;

pub use compare::Difference;
pub use durability::{DiskSync, Durability, SyncInterval, SyncIntervalError};
pub use errors::{ConnectError, SetupError};
pub use monitor::{MonitorUrl, MonitorUrlError};
pub use options::{Api, Auth, Initial, MaxBytes, Options, Tls};
pub use store::NatsStore;
