//! The operation that changes what others can see, and what must be seen in the end.

use std::collections::BTreeMap;

use headwater_core::{Context, Error};
use headwater_wire::{Payload, Value};

/// What a script has shown of itself: as its workflow has it, and as the model has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    total: u64,
    changes: u64,
    kv: BTreeMap<String, u64>,
}

fn slot(number: u64) -> String {
    format!("slot-{}", number % 5)
}

/// Whether this total takes another key away.
fn removes(total: u64) -> bool {
    total.is_multiple_of(3)
}

/// Change all of it, and answer what it is now.
pub(super) fn run(ctx: &Context, by: u64) -> Result<String, Error> {
    let total = ctx.search().incr("total", by as f64)? as u64;
    ctx.set_status(total)?;
    ctx.kv().set(&slot(total), total)?;
    if removes(total) {
        ctx.kv().remove(&slot(total + 1));
    }
    let mut kv = BTreeMap::new();
    for key in ctx.kv().keys() {
        let value: Option<u64> = ctx.kv().get(&key)?;
        kv.insert(key, value.unwrap_or_default());
    }
    Ok(text(total, &kv))
}

fn text(total: u64, kv: &BTreeMap<String, u64>) -> String {
    format!("shows {total} and {kv:?}")
}

impl Shown {
    /// The same changes, by the model.
    pub(super) fn change(&mut self, by: u64) -> String {
        self.total += by;
        self.changes += 1;
        self.kv.insert(slot(self.total), self.total);
        if removes(self.total) {
            self.kv.remove(&slot(self.total + 1));
        }
        text(self.total, &self.kv)
    }

    /// What a value shows.
    fn of(value: &Value) -> Option<Self> {
        let number = |payload: &Payload| payload.decode::<u64>().ok();
        let total = value.search.get("total");
        let status = value.custom_status.as_ref();
        let kv = value.kv.iter();
        let kv = kv.map(|(key, value)| Some((key.clone(), number(value)?)));
        let told = status.map_or(Some(0), |status| number(&status.value))?;
        let shown = Self {
            total: total.map_or(Some(0), number)?,
            changes: status.map_or(0, |status| status.version),
            kv: kv.collect::<Option<_>>()?,
        };
        (told == shown.total).then_some(shown)
    }

    /// Whether the value of a completed one shows just this.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        match Self::of(value) {
            Some(shown) if shown == *self => Ok(()),
            shown => Err(format!("it shows {shown:?} and should show {self:?}")),
        }
    }
}
