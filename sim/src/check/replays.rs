//! EXECUTION_STATE replays to itself: the journal of a stored value, given to a fresh program,
//! makes it decide what the journal says and end as the value says.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use headwater_core::{
    Program, ProgramInfo, Progress, Workflow,
    program::{Decision, End},
};
use headwater_wire::{
    Code, Entry, Failure, Payload, Timestamp, Value,
    command::Asker,
    journal::{Lines, Sending},
};

/// Replay an ended value of an invocation that was not ended from outside.
pub fn replays(value: &Value, entries: &[Entry], workflow: &dyn Workflow) -> Result<(), String> {
    let info = Arc::new(ProgramInfo {
        id: value.id.clone(),
        run: value.run,
        workflow: value.workflow.clone(),
        version: value.version.clone(),
        partition_key: value.partition_key.clone(),
        input: value.input.clone(),
        seed: value.seed(),
        parent: match &value.asker {
            Asker::Parent { invocation, .. } => Some(invocation.clone()),
            Asker::Request(_) => None,
        },
        carried: entries
            .iter()
            .find_map(|entry| match entry {
                Entry::Carried(carried) => Some(carried.clone()),
                _ => None,
            })
            .unwrap_or_default(),
        patches: entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Patch { id } => Some(id.clone()),
                _ => None,
            })
            .collect(),
    });
    let mut program = workflow.instantiate(info);
    program.set_replaying(true);
    let at = |t: u64| value.created_at.after(Duration::from_millis(t));
    let granted = entries.iter().take(2).find_map(|entry| match entry {
        Entry::Granted { t } => Some(at(*t)),
        _ => None,
    });
    let begun = granted.unwrap_or(value.run_started_at.unwrap_or(value.created_at));
    let mut replay = Replay::default();
    replay.take(program.start(begun));
    for entry in entries {
        replay.follow(program.as_mut(), entry, &at)?;
    }
    if !replay.decisions.is_empty() && !value.status.is_ended() {
        return Err(format!("the program decides more: {:?}", replay.decisions));
    }
    match (&replay.end, value.status.is_ended()) {
        (None, false) => Ok(()),
        (Some(End::Done(Ok(output))), true) if Some(output) == value.output.as_ref() => Ok(()),
        (Some(End::Done(Err(error))), true) if Some(error) == value.error.as_ref() => Ok(()),
        (end, _) => Err(format!(
            "the program ends with {end:?}, the value is {} with {:?} {:?}",
            value.status, value.output, value.error
        )),
    }
}

#[derive(Default)]
struct Replay {
    decisions: Vec<Decision>,
    sleeps: BTreeSet<u32>,
    end: Option<End>,
}

impl Replay {
    fn take(&mut self, progress: Progress) {
        self.decisions.extend(progress.decisions);
        if progress.end.is_some() {
            self.end = progress.end;
        }
    }

    fn follow(
        &mut self,
        program: &mut dyn Program,
        entry: &Entry,
        at: &dyn Fn(u64) -> Timestamp,
    ) -> Result<(), String> {
        // The program is told its patches and does not ask for them again.
        if matches!(entry, Entry::Patch { .. }) {
            return Ok(());
        }
        if entry.is_decision() {
            if self.decisions.is_empty() {
                return Err(format!("the program does not decide {entry:?}"));
            }
            let decision = self.decisions.remove(0);
            if let Entry::Timer { step, .. } = entry {
                self.sleeps.insert(*step);
            }
            return match agrees(&decision, entry) {
                true => Ok(()),
                false => Err(format!(
                    "the program decides {decision:?}, the journal has {entry:?}"
                )),
            };
        }
        let progress = match entry {
            Entry::Done { step, t, value } | Entry::Received { step, t, value, .. } => {
                program.deliver(*step, Ok(value.clone()), at(*t))
            }
            Entry::Failed { step, t, error, .. } => {
                program.deliver(*step, Err(error.clone()), at(*t))
            }
            Entry::Fired { step, t } if self.sleeps.contains(step) => {
                program.deliver(*step, Ok(Payload::null()), at(*t))
            }
            Entry::Hook {
                t, id, name, input, ..
            } => program.hook(id, name, input.clone(), at(*t)),
            Entry::Cancel { t, reason, .. } => {
                let reason = if reason.is_empty() {
                    "no reason was given"
                } else {
                    reason
                };
                program.cancel(Failure::fatal(Code::CANCELLED, reason), at(*t))
            }
            _ => return Ok(()),
        };
        self.take(progress);
        Ok(())
    }
}

fn agrees(decision: &Decision, entry: &Entry) -> bool {
    match (decision, entry) {
        (Decision::Run { step, name, .. }, Entry::Run { step: s, name: n }) => {
            step == s && name == n
        }
        (
            Decision::Activity {
                step, name, input, ..
            },
            Entry::Activity {
                step: s,
                name: n,
                input: i,
                ..
            },
        ) => step == s && name == n && input == i,
        (Decision::Timer { step, due }, Entry::Timer { step: s, due: d }) => step == s && due == d,
        (
            Decision::Signal {
                step,
                name,
                channel,
            },
            Entry::Signal {
                step: s,
                name: n,
                channel: c,
            },
        ) => step == s && name == n && channel == c,
        (
            Decision::Map {
                step, name, inputs, ..
            },
            Entry::Map {
                step: s,
                name: n,
                inputs: i,
                ..
            },
        ) => step == s && name == n && inputs == i,
        (Decision::Named { step, name }, Entry::Named { step: s, name: n }) => {
            step == s && name == n
        }
        (Decision::Child(one), Entry::Child(other)) => one == other,
        (
            Decision::Hook { step, to, name, .. },
            Entry::Send {
                step: s,
                to: t,
                what: Sending::Hook { name: n, .. },
                ..
            },
        ) => step == s && to == t && name == n,
        (
            Decision::Drop { step, through },
            Entry::Drop {
                step: s,
                through: t,
            },
        ) => step == s && through == t,
        (Decision::Note(one), other) => one == other,
        _ => false,
    }
}

/// The entries of a page.
pub fn page_entries(page: &[u8]) -> Result<Vec<Entry>, String> {
    let lines = Lines::from_page(page).map_err(|error| error.to_string())?;
    lines.entries().map_err(|error| error.to_string())
}
