//! The client: starts invocations, waits for them, signals and cancels them, looks at them.
//! It needs nothing but the store: no engine has to run for a command to be submitted.

mod client;
mod error;
mod events;
mod export;
mod holder;
mod inspect;
mod lifecycle;
mod replies;
mod start;
mod typed;
mod wait;
mod why;

pub use client::Client;
pub use error::ClientError;
pub use inspect::{Filter, State, WatchEvent};
pub use lifecycle::Deleted;
pub use start::{Handle, IfExists, StartCall};
pub use wait::{Ended, ReadAgain};
