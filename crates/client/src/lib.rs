//! The client: starts invocations, waits for them, signals and cancels them, looks at them.
//! It needs nothing but the store: no engine has to run for a command to be submitted.

mod ask;
mod bulk;
mod change;
mod channels;
mod client;
mod delete_tree;
mod error;
mod events;
mod export;
mod filter;
mod handle;
mod holder;
mod inspect;
mod lifecycle;
mod metrics;
mod named;
mod page;
mod progress;
mod replies;
mod runs;
mod start;
mod state;
mod tree;
mod typed;
mod wait;
mod why;

pub use bulk::{Bulk, BulkItem, BulkReport, BulkResult, BulkRun};
pub use client::Client;
pub use delete_tree::DeletedTree;
pub use error::ClientError;
pub use filter::{Filter, FilterError, Operator};
pub use handle::Handle;
pub use inspect::{State, WatchEvent};
pub use lifecycle::Deleted;
pub use metrics::SystemMetrics;
pub use named::NamedSignal;
pub use page::{Cursor, Page};
pub use runs::{Execution, Prune, Pruned};
pub use start::{IfExists, StartCall};
pub use tree::Tree;
pub use wait::{Ended, ReadAgain};
