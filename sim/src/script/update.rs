//! The operation that answers updates, and what a client must be answered.

use std::time::Duration;

use headwater_core::{Context, Error};
use headwater_wire::{Payload, payload::PayloadError};

use super::signals;

const PREFIX: &str = "update-";

/// Steps that one update takes.
pub(super) const STEPS: u32 = 2;

pub(super) fn name(index: u64) -> String {
    format!("{PREFIX}{index}")
}

pub(super) fn is_update(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The answer to the update that brings this.
pub fn answer_to(data: &Payload) -> Result<u64, PayloadError> {
    Ok(answer(data.decode()?))
}

fn answer(data: u64) -> u64 {
    data + 1
}

/// Take so many updates, one after another, and answer each after a moment.
pub(super) async fn run(ctx: &Context, name: &str, count: u32) -> Result<String, Error> {
    let mut all = Vec::new();
    for _ in 0..count {
        let update = ctx.update::<u64>(name).await?;
        let data = update.request;
        ctx.sleep(Duration::from_millis(20)).await?;
        update.answer(answer(data))?;
        all.push(data);
    }
    Ok(signals(&all))
}
