//! A journal for people: what was decided and how it ended, one line a step, with its retries.

use std::collections::BTreeMap;

use headwater::wire::{
    Entry, Failure, Timestamp, Value,
    journal::{AnswerTo, Of, Sending},
};

use crate::output::{payload, preview, shown, time_millis};

/// Retries of a step that are shown, the last ones.
const RETRIES_SHOWN_MAX: usize = 10;

/// All that the journal says about one step.
struct Step<'a> {
    number: u32,
    decision: &'a Entry,
    retries: Vec<Retry<'a>>,
    outcome: Option<&'a Entry>,
    dropped: bool,
}

struct Retry<'a> {
    t: u64,
    attempt: u32,
    due: Timestamp,
    error: &'a Failure,
}

enum Item<'a> {
    Step(Step<'a>),
    Cancel {
        t: u64,
        reason: &'a str,
    },
    /// What has neither a number nor an outcome.
    Note(&'a Entry),
}

/// The lines of a journal, in the order of the decisions.
pub(crate) fn lines(value: &Value, entries: &[Entry]) -> Vec<String> {
    let mut lines = Vec::new();
    for item in items(entries) {
        match item {
            Item::Step(step) => step.tell(value, &mut lines),
            Item::Cancel { t, reason } => {
                lines.push(format!("Cancel requested at {}: {}", at(t), shown(reason)));
            }
            Item::Note(entry) => lines.extend(note(entry)),
        }
    }
    lines
}

fn items(entries: &[Entry]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut places = BTreeMap::new();
    for entry in entries {
        let Some(number) = entry.step() else {
            items.push(match entry {
                Entry::Cancel { t, reason, .. } => Item::Cancel { t: *t, reason },
                other => Item::Note(other),
            });
            continue;
        };
        // A map begins several steps, a drop may end several.
        let steps = match entry {
            Entry::Drop {
                step,
                through: Some(last),
            } => places.range(*step..=*last).map(|(step, _)| *step).collect(),
            _ => entry.begins().map_or_else(|| vec![number], Vec::from_iter),
        };
        for number in steps {
            let place = *places.entry(number).or_insert_with(|| {
                items.push(Item::Step(Step {
                    number,
                    decision: entry,
                    retries: Vec::new(),
                    outcome: None,
                    dropped: false,
                }));
                items.len() - 1
            });
            if let Some(Item::Step(step)) = items.get_mut(place) {
                step.add(entry);
            }
        }
    }
    items
}

impl<'a> Step<'a> {
    fn add(&mut self, entry: &'a Entry) {
        match entry {
            Entry::Drop { .. } => self.dropped = true,
            Entry::Retry {
                t,
                attempt,
                due,
                error,
                ..
            } => self.retries.push(Retry {
                t: *t,
                attempt: *attempt,
                due: *due,
                error,
            }),
            entry if !entry.is_decision() => self.outcome = Some(entry),
            _ => {}
        }
    }

    fn tell(&self, value: &Value, lines: &mut Vec<String>) {
        let (number, what, end) = (self.number, self.what(), self.end(value));
        lines.push(format!("Step {number}: {what}: {end}"));
        let hidden = self.retries.len().saturating_sub(RETRIES_SHOWN_MAX);
        if hidden > 0 {
            lines.push(format!(
                "  ({hidden} earlier retries, all with --output json)"
            ));
        }
        for retry in &self.retries[hidden..] {
            let due = u64::try_from(retry.due.since(value.created_at).as_millis());
            let (failed, next) = (retry.attempt.saturating_sub(1), retry.attempt);
            lines.push(format!(
                "  Retry: attempt {failed} failed at {}, attempt {next} due at {}",
                at(retry.t),
                at(due.unwrap_or(u64::MAX)),
            ));
            lines.push(error_line(retry.error));
        }
        if let Some(Entry::Failed { error, .. }) = self.outcome {
            lines.push(error_line(error));
        }
    }

    fn what(&self) -> String {
        match self.decision {
            Entry::Activity { name, topic, .. } if topic != name => {
                format!("activity {} on topic {}", shown(name), shown(topic))
            }
            Entry::Run { name, .. } | Entry::Activity { name, .. } => {
                format!("{} {}", self.decision.kind(), shown(name))
            }
            Entry::Map { name, .. } => format!("activity {} of a map", shown(name)),
            Entry::Signal { name, channel, .. } => {
                format!("{} {}", channel.as_str(), shown(name))
            }
            Entry::Named { name, .. } => format!("signal {} by name", shown(name)),
            Entry::Child(child) => {
                let (id, workflow) = (shown(child.id.as_str()), shown(&child.workflow));
                let kind = if child.detached {
                    "detached child"
                } else {
                    "child"
                };
                format!("{kind} {id} of workflow {workflow}")
            }
            Entry::Send { to, what, .. } => {
                format!("{} to {}", sending(what), shown(to.as_str()))
            }
            Entry::Emit { topic, .. } => format!("event {}", shown(topic)),
            Entry::Timer { due, .. } => format!("timer until {}", time_millis(*due)),
            other => format!("{} (without its decision)", other.kind()),
        }
    }

    fn end(&self, value: &Value) -> String {
        match self.outcome {
            Some(Entry::Done { t, value, .. }) => {
                format!("done at {}: {}", at(*t), preview(&payload(value)))
            }
            Some(Entry::Received { t, value, .. }) => {
                format!("received at {}: {}", at(*t), preview(&payload(value)))
            }
            Some(Entry::Fired { t, .. }) => format!("fired at {}", at(*t)),
            Some(Entry::Failed { t, attempt, .. }) => match attempt {
                0 | 1 => format!("failed at {}", at(*t)),
                attempts => format!("failed at {} after {attempts} attempts", at(*t)),
            },
            None if self.decision.is_note() => "sent".to_owned(),
            _ if self.dropped => "dropped, no longer wanted".to_owned(),
            _ if value.status.is_ended() => "not finished when the invocation ended".to_owned(),
            _ => "pending".to_owned(),
        }
    }
}

fn sending(what: &Sending) -> String {
    match what {
        Sending::Signal { name, channel, .. } => format!("{} {}", channel.as_str(), shown(name)),
        Sending::Cancel { .. } => "cancel".to_owned(),
        Sending::Terminate { .. } => "terminate".to_owned(),
        Sending::Hook { name, .. } => format!("hook {}", shown(name)),
    }
}

/// One line for what has no number; none for what goes without saying.
fn note(entry: &Entry) -> Option<String> {
    Some(match entry {
        Entry::Set { of, key, value } => {
            let what = match of {
                Of::Kv => "Key",
                Of::Search => "Search attribute",
            };
            match value {
                Some(value) => format!("{what} {}: {}", shown(key), preview(&payload(value))),
                None => format!("{what} {}: removed", shown(key)),
            }
        }
        Entry::CustomStatus { value: Some(value) } => {
            format!("Custom status: {}", preview(&payload(value)))
        }
        Entry::CustomStatus { value: None } => "Custom status: removed".to_owned(),
        Entry::Patch { id } => format!("Patch {}", shown(id)),
        Entry::Answer { to, result } => {
            let to = match to {
                AnswerTo::Update(step) => format!("Answer to the update of step {step}"),
                AnswerTo::Hook(id) => format!("End of hook {}", shown(id)),
            };
            match result {
                Ok(value) => format!("{to}: {}", preview(&payload(value))),
                Err(error) => format!("{to}: {}", shown(&error.to_string())),
            }
        }
        Entry::Hook { t, id, name, .. } => {
            format!("Hook {} ({}) begun at {}", shown(name), shown(id), at(*t))
        }
        Entry::Carried(carried) => {
            let (keys, attributes) = (carried.kv.len(), carried.search.len());
            format!("Begins with {keys} keys and {attributes} search attributes")
        }
        _ => return None,
    })
}

fn error_line(error: &Failure) -> String {
    format!("  Error: {}", shown(&error.to_string()))
}

/// Milliseconds since the start.
fn at(t: u64) -> String {
    format!("+{}.{:03}s", t / 1000, t % 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn value(status: &str) -> Value {
        let (time, number) = ("2024-11-10T22:01:00Z", 1);
        let fields = json!({
            "format": 1, "id": "a", "workflow": "w", "status": status, "why": "", "pending": 0,
            "queue": "default", "partition": number, "created_at": time, "updated_at": time,
            "input": null, "search": {}, "run": "1.0", "asker": {"request": "r"},
            "turn": {"number": number, "id": "e", "roots": []},
        });
        serde_json::from_str(&fields.to_string()).unwrap()
    }

    fn told(status: &str, entries: &[Json]) -> Vec<String> {
        let entries: Vec<Entry> = entries
            .iter()
            .map(|entry| serde_json::from_str(&entry.to_string()).unwrap())
            .collect();
        lines(&value(status), &entries)
    }

    #[test]
    fn a_step_is_one_line_wherever_its_outcome_stands() {
        let entries = [
            json!({"run": {"step": 1, "name": "say-hello"}}),
            json!({"activity": {"step": 2, "name": "greet", "topic": "people", "input": 1}}),
            json!({"timer": {"step": 3, "due": "2024-11-10T22:01:03Z"}}),
            json!({"fired": {"step": 3, "t": 3002}}),
            json!({"done": {"step": 1, "t": 3010, "value": "Hello"}}),
            json!({"drop": {"step": 2}}),
            json!({"signal": {"step": 4, "name": "go"}}),
            json!({"received": {"step": 4, "t": 4000, "id": "s", "value": {"by": "ada"}}}),
        ];
        let expected = [
            "Step 1: run say-hello: done at +3.010s: \"Hello\"",
            "Step 2: activity greet on topic people: dropped, no longer wanted",
            "Step 3: timer until 2024-11-10 22:01:03.000: fired at +3.002s",
            "Step 4: signal go: received at +4.000s: {\"by\":\"ada\"}",
        ];
        assert_eq!(told("completed", &entries), expected);
    }

    #[test]
    fn retries_errors_and_cancels_have_their_lines() {
        let error = json!({"code": "failed", "message": "no\nroute"});
        let entries = [
            json!({"activity": {"step": 1, "name": "pay", "topic": "pay", "input": null}}),
            json!({"retry": {"step": 1, "t": 10, "attempt": 2, "due": "2024-11-10T22:01:00.110Z", "error": error}}),
            json!({"failed": {"step": 1, "t": 150, "attempt": 2, "error": error}}),
            json!({"cancel": {"t": 200, "reason": "enough"}}),
            json!({"run": {"step": 2, "name": "undo"}}),
        ];
        let expected = [
            "Step 1: activity pay: failed at +0.150s after 2 attempts",
            "  Retry: attempt 1 failed at +0.010s, attempt 2 due at +0.110s",
            "  Error: failed: no\\nroute",
            "  Error: failed: no\\nroute",
            "Cancel requested at +0.200s: enough",
            "Step 2: run undo: pending",
        ];
        assert_eq!(told("running", &entries), expected);
        let last = told("cancelled", &entries).pop().unwrap();
        assert_eq!(
            last,
            "Step 2: run undo: not finished when the invocation ended"
        );
    }

    #[test]
    fn endless_retries_show_the_last_ones() {
        let mut entries = vec![json!({"run": {"step": 1, "name": "a"}})];
        entries.extend((2..40).map(|attempt| {
            let error = json!({"code": "failed", "message": format!("try {attempt}")});
            json!({"retry": {"step": 1, "t": 1, "attempt": attempt, "due": "2024-11-10T22:01:01Z", "error": error}})
        }));
        let lines = told("running", &entries);
        assert_eq!(lines.len(), 2 + 2 * RETRIES_SHOWN_MAX);
        assert!(lines[1].contains("28 earlier retries"), "{}", lines[1]);
        assert!(lines.last().unwrap().contains("try 39"));
    }
}
