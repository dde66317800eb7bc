//! The client: starts invocations, waits for them, signals and cancels them, looks at them.
//! It needs nothing but the store: no engine has to run for a command to be submitted.

mod channels;
mod client;
mod error;
mod export;
mod inspect;
mod replies;
mod start;
mod state;
mod typed;
mod wait;
mod why;

pub use client::Client;
pub use error::ClientError;
pub use inspect::{Filter, State, WatchEvent};
pub use start::{Handle, IfExists, StartCall};
pub use wait::{Ended, ReadAgain};
