//! Looking at the value of an invocation: whether it still wants the outcome of a task, which a
//! lost hint would have told, and what the last heartbeat of the step was.

use headwater_store::{Bucket, Read};
use headwater_wire::{Payload, Task, Value, limits::WAITS_LISTED_MAX, value::JournalPart};

use crate::run::Shared;

/// What a value says of a task.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Nobody wants its outcome any more. Certain, however old the value is that was read.
    pub(crate) is_over: bool,
    /// Details of the last heartbeat of the step.
    pub(crate) heartbeat: Option<Payload>,
}

impl Shared {
    /// What the value says; nothing if it cannot be read.
    pub(crate) async fn look(&self, task: &Task) -> Seen {
        let key = task.invocation.key();
        let read = self.store.get(Bucket::State, key.as_str(), Read::Any);
        match read.await {
            Ok(Some(record)) => Value::decode(&record.value)
                .map(|(value, journal)| seen(&value, &journal, task))
                .unwrap_or_default(),
            Ok(None) => Seen::default(),
            Err(error) => {
                tracing::debug!(%key, %error, "cannot look whether a task is still wanted");
                Seen::default()
            }
        }
    }
}

fn seen(value: &Value, journal: &JournalPart, task: &Task) -> Seen {
    let is_of_run = value.run == task.run;
    let beat = value.beats.get(&task.step).filter(|_| is_of_run);
    Seen {
        is_over: value.run > task.run
            || (is_of_run && (value.status.is_ended() || is_step_over(value, journal, task))),
        heartbeat: beat.map(|beat| beat.details.clone()),
    }
}

/// Whether a step has its outcome, was dropped, or is at a later attempt. Of very many that are
/// pending the value lists only the first, and says nothing of the others.
fn is_step_over(value: &Value, journal: &JournalPart, task: &Task) -> bool {
    if let Some(wait) = value.waits.iter().find(|wait| wait.step == task.step) {
        return wait.attempt.unwrap_or(1) > task.attempt;
    }
    let lists_all = value.pending as usize <= WAITS_LISTED_MAX;
    lists_all && task.step <= journal.steps
}

#[cfg(test)]
mod tests {
    use headwater_wire::{
        InvocationId, Partition, Run, journal::ActivityOptions, limits::VALUE_FORMAT,
    };

    use super::*;

    fn task(run: &str, step: u32, attempt: u32) -> Task {
        let (start, continued) = run.split_once('.').unwrap();
        Task {
            invocation: InvocationId::new("i").unwrap(),
            queue: "default".to_owned(),
            partition: Partition(0),
            run: Run {
                start: start.parse().unwrap(),
                continued: continued.parse().unwrap(),
            },
            step,
            attempt,
            activity: "work".to_owned(),
            input: Payload::null(),
            workflow: "w".to_owned(),
            options: ActivityOptions::default(),
            heartbeat: None,
        }
    }

    /// An invocation of run 7.1 that has decided 9 steps, of which these are pending.
    fn value(status: &str, pending: usize, waits: serde_json::Value) -> (Value, JournalPart) {
        let text = serde_json::json!({
            "format": VALUE_FORMAT, "id": "i", "workflow": "w", "version": "1.0.0",
            "status": status, "why": "", "waits": waits, "pending": pending,
            "queue": "default", "partition": 0, "run": "7.1",
            "created_at": "1970-01-01T00:00:01.000000Z",
            "updated_at": "1970-01-01T00:00:01.000000Z",
            "input": null, "search": {}, "asker": {"request": "r"},
            "beats": {"5": {"attempt": 1, "number": 3, "details": "half"}},
            "turn": {"number": 3, "id": "e-1", "roots": [], "effects": []},
            "journal": {"pages": 0, "entries": 9, "steps": 9, "tail": []},
        });
        Value::decode(text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_a_value_says_of_a_task_is_certain_however_old_it_is() {
        let waits = serde_json::json!([
            {"step": 5, "for": "activity", "name": "work"},
            {"step": 6, "for": "retry", "name": "work", "attempt": 2},
        ]);
        let goes_on = value("running", 2, waits.clone());
        let ended = value("completed", 0, serde_json::json!([]));
        let very_many = value("running", 1000, waits);
        for ((value, journal), task, is_over) in [
            (&goes_on, task("7.1", 5, 1), false),
            (&goes_on, task("7.1", 6, 1), true), // at a later attempt
            (&goes_on, task("7.1", 6, 2), false), // not yet seen to have begun
            (&goes_on, task("7.1", 7, 1), true),
            (&goes_on, task("7.1", 10, 1), false), // not yet known
            (&goes_on, task("7.0", 5, 1), true),
            (&goes_on, task("7.2", 5, 1), false),
            (&goes_on, task("6.9", 5, 1), true),
            (&ended, task("7.1", 5, 1), true),
            (&ended, task("7.2", 5, 1), false),
            (&very_many, task("7.1", 7, 1), false),
            (&very_many, task("7.1", 6, 1), true),
        ] {
            let seen = seen(value, journal, &task);
            assert_eq!(seen.is_over, is_over, "{task:?} by {}", value.status);
            let told = (task.run == value.run && task.step == 5).then(|| "half".to_owned());
            let heartbeat = seen.heartbeat.map(|details| details.decode().unwrap());
            assert_eq!(heartbeat, told, "{task:?}");
        }
    }
}
