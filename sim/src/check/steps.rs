//! Steps: none before the value that decides it is stored (rule 2), each at least once, and once
//! where nothing went wrong.

use std::time::Duration;

use headwater_wire::{Command, Run};

use super::{
    Known,
    known::{Repeat, Seen},
};

/// A step ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Key of the invocation.
    pub key: String,
    /// `<invocation>/<run>/<step>`.
    pub idempotency_key: String,
    /// Attempt.
    pub attempt: u32,
}

/// When a step ran first, and how often in all.
pub(super) struct Execution {
    pub(super) first: Duration,
    pub(super) times: u32,
}

/// A step began.
pub(super) fn ran(known: &mut Known, at: Duration, ran: Ran) -> Result<(), String> {
    let Ran {
        key,
        idempotency_key,
        attempt,
    } = ran;
    let (run, step) = parse(&idempotency_key).ok_or("an idempotency key of another form")?;
    let what = format!("step {step} of run {run}, attempt {attempt}");
    // All that it rests on is a stored start, of an id that was made for it.
    let start = known.commands.get(&run.start);
    let is_new = matches!(start, Some((_, Command::Start(start))) if start.new_id);
    let may_run_ahead = attempt == 1 && run.continued == 0 && is_new;
    match known.invocations.get(&key) {
        Some(seen) if may_run(seen, run, step, attempt) => {}
        _ if !may_run_ahead => {
            return Err(format!(
                "{what} ran before the value that decides it was stored"
            ));
        }
        // Its sender published it twice, and the other was taken: as good as run again.
        Some(seen) if !known.ran.contains_key(&(idempotency_key.clone(), attempt)) => {
            known.repeats.push(Repeat {
                first: at.saturating_sub(Duration::from_secs(1)),
                again: at,
                what: format!("{what}, although {} was taken", seen.value.run),
                key: key.clone(),
            })
        }
        _ => {}
    }
    let execution = known
        .ran
        .entry((idempotency_key.clone(), attempt))
        .or_insert(Execution {
            first: at,
            times: 0,
        });
    execution.times += 1;
    if execution.times > 1 {
        let first = execution.first;
        known.repeats.push(Repeat {
            key,
            what,
            first,
            again: at,
        });
    }
    Ok(())
}

/// Whether a stored value decides the attempt.
fn may_run(seen: &Seen, run: Run, step: u32, attempt: u32) -> bool {
    let begun = seen.begun.get(&(run, step));
    begun.is_some_and(|begun| *begun >= attempt)
}

fn parse(idempotency_key: &str) -> Option<(Run, u32)> {
    let (rest, step) = idempotency_key.rsplit_once('/')?;
    let (_, run) = rest.rsplit_once('/')?;
    Some((Run::try_from(run.to_owned()).ok()?, step.parse().ok()?))
}

impl Known {
    /// How often an attempt at a step ran.
    #[must_use]
    pub fn times_run(&self, idempotency_key: &str, attempt: u32) -> u32 {
        let key = (idempotency_key.to_owned(), attempt);
        self.ran.get(&key).map_or(0, |execution| execution.times)
    }
}
