//! The operation that has another script as a child.

use std::time::Duration;

use headwater_core::{Context, Error};
use headwater_wire::journal::ParentClose;
use serde::{Deserialize, Serialize};

use super::{BEGUN, Script, TIMED_OUT, WORKFLOW};
use crate::dice::Dice;

/// A child, and how long its parent waits for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Child {
    /// What it does.
    pub script: Box<Script>,
    /// What becomes of it when its parent no longer waits.
    pub on_close: ParentClose,
    /// In milliseconds; 0: it is detached; none: without limit.
    pub patience_ms: Option<u64>,
    /// Whether it has the partition key of its kind.
    pub keyed: bool,
}

impl Child {
    pub(super) async fn run(self, ctx: &Context) -> Result<String, Error> {
        let call = ctx.child::<Vec<String>>(WORKFLOW, &self.script);
        let mut call = call.on_close(self.on_close);
        if self.keyed {
            call = call.key("children");
        }
        if self.patience_ms == Some(0) {
            call.detach()?;
            // A run has to await something.
            ctx.sleep(Duration::from_millis(1)).await?;
            return Ok(BEGUN.to_owned());
        }
        let begun = call.begin()?;
        let result = match self.patience_ms {
            None => begun.await,
            Some(ms) => {
                let sleep = ctx.sleep(Duration::from_millis(ms));
                match futures::future::select(begun, sleep).await {
                    futures::future::Either::Left((result, _)) => result,
                    futures::future::Either::Right((slept, _)) => {
                        slept?;
                        return Ok(TIMED_OUT.to_owned());
                    }
                }
            }
        };
        let output = result?;
        Ok(format!("{} of a child", output.len()))
    }

    pub(super) fn possible(&self) -> Vec<String> {
        let returned = format!("{} of a child", self.script.operations());
        match self.patience_ms {
            Some(0) => vec![BEGUN.to_owned()],
            Some(_) => vec![returned, TIMED_OUT.to_owned()],
            None => vec![returned],
        }
    }

    pub(super) fn random(dice: &mut Dice) -> Self {
        let policies = [
            ParentClose::Cancel,
            ParentClose::Cancel,
            ParentClose::Abandon,
        ];
        Self {
            script: Box::new(Script::random(dice, false)),
            on_close: *dice.pick(&policies),
            patience_ms: *dice.pick(&[None, None, None, Some(0), Some(1), Some(500), Some(4_000)]),
            keyed: dice.chance(0.2),
        }
    }
}
