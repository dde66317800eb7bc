//! The operation that takes items from a queue, several at a time, some of them large.

use futures::future::join_all;
use headwater_core::{Context, Error};
use headwater_wire::{Payload, command::Channel, payload::PayloadError};

use super::{signal_data, signals, update::is_update};

const PREFIX: &str = "queue-";

pub(super) fn name(index: u64) -> String {
    format!("{PREFIX}{index}")
}

/// What is sent under this name comes on this channel.
#[must_use]
pub fn channel_of(name: &str) -> Channel {
    match name {
        name if name.starts_with(PREFIX) => Channel::Queue,
        name if is_update(name) => Channel::Update,
        _ => Channel::Signal,
    }
}

/// What the sender of the signal or item with this number sends.
pub fn data_of(name: &str, number: u32) -> Result<Payload, PayloadError> {
    let data = signal_data(name, number);
    match channel_of(name) {
        Channel::Queue => {
            let padding = [0, 0, 100, 9_000, 20_000][data as usize % 5];
            Payload::encode(&(data, "x".repeat(padding)))
        }
        _ => Payload::encode(&data),
    }
}

/// Wait for so many items side by side.
pub(super) async fn run(ctx: &Context, name: &str, count: u32) -> Result<String, Error> {
    let queue = ctx.queue(name);
    let pops = (0..count).map(|_| queue.pop::<(u64, String)>().into_future());
    let items = join_all(pops).await.into_iter();
    let items: Result<Vec<_>, Error> = items.map(|item| item.map(|(data, _)| data)).collect();
    Ok(signals(&items?))
}
