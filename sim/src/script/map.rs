//! The operation that runs an activity for each of many items.

use headwater_core::{Context, Error};
use serde::{Deserialize, Serialize};

use super::{ACTIVITIES, Work, text};
use crate::dice::Dice;

/// Activities, so many of them at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Map {
    /// What is done for each item.
    work: Work,
    items: u32,
    concurrency: u32,
}

impl Map {
    pub(super) async fn run(self, ctx: &Context) -> Result<String, Error> {
        let activity = ACTIVITIES[self.work.activity.unwrap_or_default()];
        let items = (0..self.items).map(|_| self.work.clone());
        let map = ctx.map::<u64>(activity, items).retry(self.work.retry());
        let results = map.concurrency(self.concurrency as usize).await;
        let texts = results.into_iter().map(text);
        Ok(texts.collect::<Result<Vec<_>, _>>()?.join(","))
    }

    /// What comes out of it, given the idempotency key of each step.
    pub(super) fn outcome(&self, mut next: impl FnMut() -> String) -> String {
        let items = (0..self.items).map(|_| self.work.outcome(&next()));
        items.collect::<Vec<_>>().join(",")
    }

    pub(super) fn random(dice: &mut Dice) -> Self {
        let mut work = Work::random(dice);
        work.activity.get_or_insert(0);
        let items: u32 = *dice.pick(&[1, 3, 7, 40]);
        let concurrency = *dice.pick(&[1, 2, 5, 100]);
        // One after the other they must not take longer than a world lasts.
        if items.div_ceil(concurrency) > 3 {
            work.ms = work.ms.min(100);
            work.retry_ms = work.retry_ms.min(100);
        }
        Self {
            work,
            items,
            concurrency,
        }
    }
}
