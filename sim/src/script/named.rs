//! The operation that waits for signals by their name alone. The names are shared by all scripts of
//! a world: as many signals are sent as there are waits, and whose they become nobody knows before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::join_all;
use headwater_core::{Context, Error};
use headwater_wire::Value;
use serde::{Deserialize, Serialize};

use super::{Op, Script, TIMED_OUT};
use crate::dice::Dice;

/// Waits for signals of a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    name: String,
    /// How many, side by side.
    count: u32,
    /// How long one waits, in milliseconds; none: until it comes.
    patience_ms: Option<u64>,
}

impl Named {
    pub(super) fn random(dice: &mut Dice) -> Self {
        Self {
            name: format!("box {}", dice.below(2)),
            count: dice.between(1, 4) as u32,
            patience_ms: *dice.pick(&[None, None, Some(1), Some(1_000), Some(5_000)]),
        }
    }

    /// Steps that it takes.
    pub(super) fn steps(&self) -> u32 {
        match self.patience_ms {
            None => self.count,
            Some(_) => 2 * self.count,
        }
    }

    pub(super) async fn run(self, ctx: &Context) -> Result<String, Error> {
        let wait = || {
            let wait = ctx.wait_for::<u32>(self.name.as_str());
            match self.patience_ms {
                None => wait,
                Some(ms) => wait.timeout(Duration::from_millis(ms)),
            }
            .into_future()
        };
        let waits = (0..self.count).map(|_| wait());
        let mut given = Vec::new();
        for outcome in join_all(waits).await {
            match outcome {
                Ok(number) => given.push(number.to_string()),
                Err(error) if error.is_timeout() => given.push(TIMED_OUT.to_owned()),
                Err(error) => return Err(error),
            }
        }
        Ok(format!("{}: {}", self.name, given.join(",")))
    }

    /// Whether this may have come out of it.
    pub(super) fn fits(&self, text: &str) -> bool {
        let Some((name, given)) = parse(text) else {
            return false;
        };
        let all_came = given.iter().all(Option::is_some);
        name == self.name
            && given.len() == self.count as usize
            && (all_came || self.patience_ms.is_some())
    }
}

/// The name, and the numbers of the signals; none where none came.
fn parse(text: &str) -> Option<(&str, Vec<Option<u32>>)> {
    let (name, given) = text.split_once(": ")?;
    let one = |number: &str| match number {
        TIMED_OUT => Some(None),
        number => Some(Some(number.parse().ok()?)),
    };
    let given: Option<Vec<_>> = given.split(',').map(one).collect();
    Some((name, given?)).filter(|(name, _)| name.starts_with("box "))
}

/// How many signals of each name are to be sent for these scripts and their children.
#[must_use]
pub fn named_signals<'a>(scripts: impl IntoIterator<Item = &'a Script>) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for script in scripts {
        add(script, 1, &mut all);
    }
    all
}

fn add(script: &Script, times: u32, all: &mut BTreeMap<String, u32>) {
    let runs = times * (script.more_runs + 1);
    for op in &script.ops {
        match op {
            Op::Named(named) => *all.entry(named.name.clone()).or_default() += named.count * runs,
            Op::Child(child) => add(&child.script, runs, all),
            _ => {}
        }
    }
}

/// Each signal was given once, in all the values of a world, and was sent.
pub fn check_named<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    sent: &BTreeMap<String, u32>,
) -> Result<(), String> {
    let mut given = BTreeSet::new();
    for value in values {
        let output = value.output.as_ref();
        let Some(Ok(texts)) = output.map(|output| output.decode::<Vec<String>>()) else {
            continue;
        };
        for (name, numbers) in texts.iter().filter_map(|text| parse(text)) {
            for number in numbers.into_iter().flatten() {
                let id = &value.id;
                if number >= sent.get(name).copied().unwrap_or_default() {
                    return Err(format!(
                        "{id} has signal {name:?} {number}, which nobody sent"
                    ));
                }
                if !given.insert((name.to_owned(), number)) {
                    return Err(format!("{id} has signal {name:?} {number}, as another has"));
                }
            }
        }
    }
    Ok(())
}
